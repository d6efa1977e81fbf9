//! The engine: decides on arrival which alerts begin and end.
//!
//! Inputs come in the order of the journal. The [`Feeder`] hands each to the shard that owns its device; a
//! shard is one thread with its devices' windows and alerts, so nothing is shared on that path. Rules that need
//! more than one device are evaluated by one more thread, the aggregator, over partial results: at most every
//! `ROUND_MS_MIN` (100 ms) per rule, and with each tick, a *round* goes through the queues of all shards like
//! any input, so what the aggregator sees is the same cut through the journal in every shard, and the same for any
//! number of shards.
//!
//! | Queue | Holds | When it is full |
//! |---|---|---|
//! | dispatcher → shard | batches of at most `BATCH_ITEMS_MAX` (256) inputs, `queue_batches` of them | the feeder waits |
//! | reloads → dispatcher | rule sets, `RELOADS_MAX` (16) | whoever reloads waits |
//! | shards → aggregator | reports, `REPORTS_PER_SHARD` (64) per shard | the shard waits |
//! | shards, aggregator → `out` | none: whoever takes transitions does so at once | the shard, or the aggregator, waits |
//!
//! | Module | Owns |
//! |---|---|
//! | `api` | what goes in and comes out |
//! | `feeder` | the one way in |
//! | `dispatch`, `time`, `rounds` | the order of inputs, what time it is, when the city is evaluated |
//! | `shard` | devices, windows, alerts of single devices, leaves |
//! | `aggregator`, `fleet_rule` | rules of the whole city and their alerts |
//! | `compile` | a rule set made ready |
//! | `restore` | which thread takes up which alert after a start |
//! | `outbox` | the queue into a shard |
//! | `report` | what shards say to the aggregator |
//! | `progress` | up to where everything has been decided |
//! | `meters` | health and counters |
//! | `sync` | what threads meet at: the real ones, or those of the model checker |
//!
//! Time is an argument: nothing here reads a clock.
mod aggregator;
mod api;
mod compile;
mod dispatch;
mod feeder;
mod fleet_rule;
#[cfg(all(test, loom))]
mod loom_tests;
mod meters;
mod outbox;
mod progress;
mod report;
mod restore;
mod rounds;
mod shard;
mod sync;
mod time;

pub use api::{Directory, EngineConfig, Input, QUEUE_BATCHES, SHARDS_MAX, TransitionSink};
pub use feeder::{Feed, Feeder};
pub use meters::{EngineMeters, RuleHealth, RuleState};

use crate::{past::PastSamples, ruleset::RuleSet, transition::RestoredAlert};
use arc_swap::ArcSwap;
use compile::CompiledRuleSet;
use crossbeam_channel::Sender;
use dispatch::Dispatcher;
use ioc_model::Catalogue;
use meters::Meters;
use outbox::Outbox;
use progress::Progress;
use std::sync::{Arc, PoisonError};
use sync::JoinHandle;

/// Rule sets that were handed over and are not in force yet.
const RELOADS_MAX: usize = 16;

/// What every thread of the engine knows.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) past: Arc<dyn PastSamples>,
    pub(crate) meters: Meters,
    pub(crate) progress: Progress,
}

/// The engine has stopped: it was told to, or nobody takes its transitions any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rule engine has stopped")]
pub struct Stopped;

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gave no thread.
    #[error("failed to start a thread of the rule engine: {0}")]
    Thread(#[source] std::io::Error),
}

/// A running engine.
///
/// All methods can be called from any thread; reading progress, states and counters waits for nobody. Inputs go through the
/// [`Feeder`].
pub struct Engine {
    shared: Arc<Shared>,
    rule_set: ArcSwap<CompiledRuleSet>,
    reloads: Sender<Arc<CompiledRuleSet>>,
    #[expect(clippy::disallowed_types, reason = "taken once, when the engine stops")]
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("processed", &self.processed()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the threads. Windows are filled from `past` with what happened up to `seed_to_ms`, in parallel, and
    /// inputs may be offered at once.
    ///
    /// Shape: `restored` holds, for each fingerprint whose last transition is not older than the first input to
    /// come, that transition's alert, cleared ones included, and every alert that is pending or firing. Alerts
    /// whose rule is gone or changed are cleared. The engine waits for `out`.
    /// Units: `seed_to_ms` is the arrival time of the input at [`EngineConfig::resume_after`], or anything before
    /// the first input when there is no past.
    /// Errors: [`StartError`] when the system gives no thread.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing that an engine needs, and there is one engine"
    )]
    pub fn start(
        config: EngineConfig,
        rules: Arc<RuleSet>,
        catalogue: Arc<Catalogue>,
        directory: Arc<dyn Directory>,
        past: Arc<dyn PastSamples>,
        restored: Vec<RestoredAlert>,
        seed_to_ms: i64,
        out: Arc<dyn TransitionSink>,
    ) -> Result<(Self, Feeder), StartError> {
        let shards = config.shards.clamp(1, SHARDS_MAX);
        let rule_set = Arc::new(CompiledRuleSet::new(&rules, &catalogue, None));
        let meters = Meters::default();
        let progress = Progress::new(shards, config.resume_after);
        let shared = Arc::new(Shared { config, catalogue, directory, past, meters, progress });
        let (senders, threads) = start_threads(&shared, &rule_set, restored, seed_to_ms, &out)?;
        let (reloads, handed_over) = crossbeam_channel::bounded(RELOADS_MAX);
        let directory = Arc::clone(&shared.directory);
        let dispatcher =
            Dispatcher::new(Arc::clone(&shared), Arc::clone(&rule_set), senders, handed_over, seed_to_ms);
        let engine = Self { shared, rule_set: ArcSwap::new(rule_set), reloads, threads: threads.into() };
        Ok((engine, Feeder::new(dispatcher, directory)))
    }

    /// Hands another rule set over, which is made ready here, outside; it is in force from the next input on. Alerts of rules
    /// with the same name and definition go on; those of removed and changed rules are cleared. New rules see the past
    /// through [`PastSamples`] and decide with the next tick. Waits while [`RELOADS_MAX`] are not in force yet.
    ///
    /// Shape: one thread reloads at a time; of two that meet, counters of rules may begin anew.
    /// Errors: [`Stopped`].
    pub fn replace_rules(&self, rules: &RuleSet) -> Result<(), Stopped> {
        let before = self.rule_set.load();
        let rule_set = Arc::new(CompiledRuleSet::new(rules, &self.shared.catalogue, Some(&before)));
        self.rule_set.store(Arc::clone(&rule_set));
        self.reloads.send(rule_set).map_err(|_| Stopped)
    }

    /// Returns the journal offset up to which every input has been evaluated and its transitions are in `out`.
    pub fn processed(&self) -> u64 {
        self.shared.progress.processed()
    }

    /// Reports whether all windows are filled from the past and all alerts from before the start are taken up.
    pub fn is_filled(&self) -> bool {
        self.shared.progress.is_filled()
    }

    /// Returns health and counts of every rule, in the order of the rule set.
    pub fn rule_states(&self) -> Vec<RuleState> {
        let rule_set = self.rule_set.load();
        let state = |compiled: &compile::CompiledRule| RuleState {
            name: Arc::clone(&compiled.rule.name),
            health: compiled.meter.health(),
            firing: compiled.meter.firing(),
            pending: compiled.meter.pending(),
        };
        rule_set.rules.iter().map(state).collect()
    }

    /// Returns the counters.
    pub fn meters(&self) -> EngineMeters {
        self.shared.meters.read()
    }

    /// Waits for the threads to end, which they do once the [`Feeder`] is dropped and what was offered is evaluated. `out` must
    /// be read, or its receiver dropped, until then.
    pub fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the rule engine ended by a panic");
            }
        }
    }
}

type Started = (Vec<Outbox<dispatch::Batch>>, Vec<JoinHandle<()>>);

fn start_threads(
    shared: &Arc<Shared>,
    rule_set: &Arc<CompiledRuleSet>,
    restored: Vec<RestoredAlert>,
    seed_to_ms: i64,
    out: &Arc<dyn TransitionSink>,
) -> Result<Started, StartError> {
    let shards = shared.progress.shards();
    let mut portions = restore::portions(restored, rule_set, shared.directory.as_ref(), shards);
    let (reports, aggregator_in) = sync::bounded(shards * report::REPORTS_PER_SHARD);
    let city = portions.pop().unwrap_or_default();
    let aggregator =
        aggregator::Aggregator::new(Arc::clone(shared), Arc::clone(rule_set), city, Arc::clone(out));
    let mut threads = vec![spawn("rules-aggregator".into(), move || aggregator.run(&aggregator_in))?];
    let mut senders = Vec::with_capacity(shards);
    for (number, portion) in portions.into_iter().enumerate() {
        let (sender, batches) = sync::bounded(shared.config.queue_batches.max(1));
        let results = shard::Results { out: Arc::clone(out), reports: reports.clone() };
        let (shared, rule_set) = (Arc::clone(shared), Arc::clone(rule_set));
        let thread = spawn(format!("rules-{number}"), move || {
            shard::Shard::new(number, shared, rule_set, results, seed_to_ms).run(portion, &batches);
        })?;
        senders.push(Outbox::new(sender, thread.thread().clone()));
        threads.push(thread);
    }
    Ok((senders, threads))
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    sync::Builder::new().name(name).spawn(body).map_err(StartError::Thread)
}
