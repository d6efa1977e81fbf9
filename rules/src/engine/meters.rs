//! What can be read about a running engine without stopping it.
use crate::lifecycle::{Phase, record::Active};
use arc_swap::ArcSwapOption;
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Counters of one rule; kept while its definition is the same.
#[derive(Debug, Default)]
pub(crate) struct RuleMeter {
    firing: AtomicI64,
    pending: AtomicI64,
    failures: AtomicU64,
    /// What was wrong the last time, for people.
    error: ArcSwapOption<String>,
}

/// Which count of a rule an alert belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlertState {
    Inactive,
    Pending,
    Firing,
}

impl RuleMeter {
    /// Moves an alert from one count to another.
    pub(crate) fn moved(&self, from: AlertState, to: AlertState) {
        for (alert_state, step) in [(from, -1), (to, 1)] {
            match alert_state {
                AlertState::Inactive => {}
                AlertState::Pending => _ = self.pending.fetch_add(step, Relaxed),
                AlertState::Firing => _ = self.firing.fetch_add(step, Relaxed),
            }
        }
    }

    /// Notes that an evaluation failed.
    pub(crate) fn failed(&self, error: &str) {
        self.failures.fetch_add(1, Relaxed);
        if self.error.load().as_deref().map(String::as_str) != Some(error) {
            self.error.store(Some(Arc::new(error.to_owned())));
        }
    }

    pub(crate) fn firing(&self) -> u64 {
        self.firing.load(Relaxed).max(0) as u64
    }

    pub(crate) fn pending(&self) -> u64 {
        self.pending.load(Relaxed).max(0) as u64
    }

    pub(crate) fn health(&self) -> RuleHealth {
        match self.error.load_full() {
            None => RuleHealth::Ok,
            Some(error) => {
                RuleHealth::Failing { error: String::clone(&error), failures: self.failures.load(Relaxed) }
            }
        }
    }
}

/// Returns which count of its rule an alert belongs to.
pub(crate) fn alert_state(active: Option<&Active>) -> AlertState {
    match active.and_then(|active| active.phase) {
        None => AlertState::Inactive,
        Some(Phase::Pending { .. }) => AlertState::Pending,
        Some(Phase::Firing { .. }) => AlertState::Firing,
    }
}

/// Whether a rule can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleHealth {
    /// As far as is known.
    Ok,
    /// At least one evaluation failed since the rule was loaded; all others go on.
    Failing {
        /// What was wrong the last time.
        error: String,
        /// How often.
        failures: u64,
    },
}

/// One rule of a running engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleState {
    /// Name of the rule.
    pub name: std::sync::Arc<str>,
    /// Whether it works.
    pub health: RuleHealth,
    /// Alerts that are firing.
    pub firing: u64,
    /// Alerts that wait for their `for`.
    pub pending: u64,
}

/// Counters of the engine since its start.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) observations: AtomicU64,
    pub(crate) evaluations: AtomicU64,
    pub(crate) rounds: AtomicU64,
    pub(crate) transitions: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) samples_dropped: AtomicU64,
    pub(crate) unknown_devices: AtomicU64,
    pub(crate) clock_jumps: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

impl Meters {
    pub(crate) fn read(&self) -> EngineMeters {
        EngineMeters {
            observations: self.observations.load(Relaxed),
            evaluations: self.evaluations.load(Relaxed),
            rounds: self.rounds.load(Relaxed),
            transitions: self.transitions.load(Relaxed),
            held: self.held.load(Relaxed),
            samples_dropped: self.samples_dropped.load(Relaxed),
            unknown_devices: self.unknown_devices.load(Relaxed),
            clock_jumps: self.clock_jumps.load(Relaxed),
        }
    }
}

/// Counters of the engine since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineMeters {
    /// Observations taken in.
    pub observations: u64,
    /// Evaluations of one rule for one device, or of one rule for the city.
    pub evaluations: u64,
    /// Times that partial results were gathered from all shards.
    pub rounds: u64,
    /// Transitions decided.
    pub transitions: u64,
    /// Evaluations that found an alert over and left it firing, because its device's alerts came and went too often.
    pub held: u64,
    /// Samples that went early because a series had too many.
    pub samples_dropped: u64,
    /// Messages of devices that the directory does not have.
    pub unknown_devices: u64,
    /// Ticks at which wall clock and monotonic clock had drifted apart by more than a second.
    pub clock_jumps: u64,
}
