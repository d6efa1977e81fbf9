//! The order of inputs: which shard gets what, what time it is, and when the city is evaluated together.
use super::{
    Shared, Stopped,
    compile::CompiledRuleSet,
    meters,
    outbox::Outbox,
    progress::FILLED,
    rounds::FleetClock,
    time::{Jump, Time},
};
use crate::{eval::time::EvalTime, labels::DeviceLabels, lang::vocabulary::DEVICE_ONLINE};
use crossbeam_channel::Receiver;
use ioc_model::{DeviceIndex, Observation, Presence};
use std::sync::Arc;

/// Most inputs in one batch.
pub(crate) const BATCH_ITEMS_MAX: usize = 256;

/// Inputs on their way to one shard.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Grows by one from batch to batch of a shard.
    pub(crate) number: u64,
    /// Offset of the last input that was offered before the batch was sent.
    pub(crate) through: u64,
    pub(crate) items: Vec<Item>,
    /// Observations of all messages, one message after the other.
    pub(crate) observations: Vec<Observation>,
}

/// One thing for a shard to do.
#[derive(Debug)]
pub(crate) enum Item {
    /// Observations `from..to` of the batch.
    Message {
        now: EvalTime,
        device: DeviceIndex,
        set_back_ms: Option<i64>,
        from: u32,
        to: u32,
    },
    Presence {
        now: EvalTime,
        presence: Presence,
    },
    Tick {
        now: EvalTime,
    },
    /// The wall clock was put back, and this is what it shows now.
    PutBack {
        by_ms: i64,
        now_ms: i64,
    },
    /// Report on these rules of the whole city.
    Round {
        round: u64,
        now: EvalTime,
        scope: Scope,
    },
    Rules {
        round: u64,
        now: EvalTime,
        rule_set: Arc<CompiledRuleSet>,
    },
    Devices {
        now: EvalTime,
        devices: Arc<Vec<Arc<DeviceLabels>>>,
    },
}

/// Which rules a round is about.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// All, because time passed.
    Tick,
    /// Those of which an input was read.
    Touched(Arc<[usize]>),
}

/// Orders inputs, tells time, starts rounds.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    rule_set: Arc<CompiledRuleSet>,
    senders: Vec<Outbox<Batch>>,
    waiting: Vec<Batch>,
    time: Time,
    offset: u64,
    round: u64,
    fleet: FleetClock,
    /// When our last outage ended, at first our own start.
    grace_from_ms: i64,
    /// Rule sets that are to be in force from the next input on.
    reloads: Receiver<Arc<CompiledRuleSet>>,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        rule_set: Arc<CompiledRuleSet>,
        senders: Vec<Outbox<Batch>>,
        reloads: Receiver<Arc<CompiledRuleSet>>,
        seed_to_ms: i64,
    ) -> Self {
        let waiting = senders.iter().map(|_| Batch { number: FILLED, ..Batch::default() }).collect();
        let fleet = FleetClock::new(rule_set.rules.len());
        let time = Time::starting_at(seed_to_ms);
        let (offset, grace_from_ms) = (shared.config.resume_after, shared.config.startup_ms);
        Self { shared, rule_set, senders, waiting, time, offset, round: 0, fleet, grace_from_ms, reloads }
    }

    pub(crate) fn message(
        &mut self,
        (offset, committed_ms): (u64, i64),
        (device, set_back_ms): (DeviceIndex, Option<i64>),
        arrival_ms: i64,
        observations: impl Iterator<Item = Observation>,
    ) {
        self.offset = offset;
        let now = self.now(arrival_ms, committed_ms);
        let shard = self.shard_of(device);
        let batch = &mut self.waiting[shard];
        let from = batch.observations.len();
        for observation in observations {
            batch.observations.push(observation);
            self.fleet.mark_dirty(self.rule_set.fleet_readers(observation.property));
        }
        let (from, to) = (from as u32, batch.observations.len() as u32);
        batch.items.push(Item::Message { now, device, set_back_ms, from, to });
        self.after_input(shard, now);
    }

    pub(crate) fn presence(&mut self, offset: u64, committed_ms: i64, presence: Presence) {
        self.offset = offset;
        let now = self.now(presence.at_ms, committed_ms);
        let shard = self.shard_of(presence.device);
        self.waiting[shard].items.push(Item::Presence { now, presence });
        self.fleet.mark_dirty(self.rule_set.fleet_readers(DEVICE_ONLINE));
        self.after_input(shard, now);
    }

    /// Adds a record that rules do not read.
    pub(crate) fn other(&mut self, offset: u64) {
        self.offset = offset;
    }

    fn after_input(&mut self, shard: usize, now: EvalTime) {
        if let Some(rules) = self.fleet.due(now.at_ms) {
            self.start_round(now, Scope::Touched(rules.into()));
        }
        if self.waiting[shard].items.len() >= BATCH_ITEMS_MAX {
            self.send(shard);
        }
    }

    pub(crate) fn tick(&mut self, now_ms: i64, monotonic_ms: i64) {
        let (monotonic_ms, jump) = self.time.tick(now_ms, monotonic_ms);
        self.follow(jump, now_ms);
        let now = self.timer(now_ms, monotonic_ms);
        for batch in &mut self.waiting {
            batch.items.push(Item::Tick { now });
        }
        self.fleet.ticked(now_ms);
        if !self.rule_set.fleet.is_empty() {
            self.start_round(now, Scope::Tick);
        }
    }

    /// A jump of the wall clock makes devices look silent, or heard of in the future; neither is theirs.
    fn follow(&mut self, jump: Jump, now_ms: i64) {
        if jump != Jump::None {
            meters::count(&self.shared.meters.clock_jumps, 1);
            tracing::warn!(
                now_ms,
                ?jump,
                "the time of day jumped for the rules: the clock was set, or the center was down or behind; durations run \
                 on monotonic time and are not affected"
            );
        }
        if matches!(jump, Jump::Long | Jump::Back { .. }) {
            self.grace_from_ms = now_ms;
        }
        if let Jump::Back { by_ms } = jump {
            for batch in &mut self.waiting {
                batch.items.push(Item::PutBack { by_ms, now_ms });
            }
        }
    }

    /// Starts the grace anew; never shortens one.
    pub(crate) fn outage_ended(&mut self, now_ms: i64) {
        self.grace_from_ms = self.grace_from_ms.max(now_ms);
    }

    fn now(&mut self, arrival_ms: i64, committed_ms: i64) -> EvalTime {
        if self.time.is_far(arrival_ms) {
            // The next tick will know more.
            self.outage_ended(arrival_ms);
        }
        let monotonic_ms = self.time.input(arrival_ms);
        EvalTime { committed_ms, arrival_ms, ..self.timer(arrival_ms, monotonic_ms) }
    }

    /// A moment without an input.
    fn timer(&self, at_ms: i64, monotonic_ms: i64) -> EvalTime {
        let (offset, grace_from_ms) = (self.offset, self.grace_from_ms);
        EvalTime { at_ms, monotonic_ms, offset, committed_ms: 0, arrival_ms: 0, grace_from_ms }
    }

    /// The moment between two inputs. What is decided then is not older than our last start, whatever was replayed.
    fn between(&self) -> EvalTime {
        let (at_ms, monotonic_ms) = self.time.last();
        self.timer(at_ms.max(self.grace_from_ms), monotonic_ms)
    }

    fn start_round(&mut self, now: EvalTime, scope: Scope) {
        self.round += 1;
        for batch in &mut self.waiting {
            batch.items.push(Item::Round { round: self.round, now, scope: scope.clone() });
        }
    }

    /// Puts the rule sets in force that were handed over since the last time.
    pub(crate) fn take_reloads(&mut self) {
        while let Ok(rule_set) = self.reloads.try_recv() {
            self.replace_rules(rule_set);
        }
    }

    fn replace_rules(&mut self, rule_set: Arc<CompiledRuleSet>) {
        self.round += 1;
        let now = self.between();
        for batch in &mut self.waiting {
            batch.items.push(Item::Rules { round: self.round, now, rule_set: Arc::clone(&rule_set) });
        }
        self.fleet = FleetClock::new(rule_set.rules.len());
        self.rule_set = rule_set;
    }

    pub(crate) fn devices_changed(&mut self, devices: &Arc<Vec<Arc<DeviceLabels>>>) -> Result<(), Stopped> {
        let now = self.between();
        for batch in &mut self.waiting {
            batch.items.push(Item::Devices { now, devices: Arc::clone(devices) });
        }
        self.flush()
    }

    /// Sends everything that waits; waits itself while queues are full.
    pub(crate) fn flush(&mut self) -> Result<(), Stopped> {
        for shard in 0..self.waiting.len() {
            if !self.waiting[shard].items.is_empty() {
                self.send(shard);
            }
        }
        if self.senders.is_empty() || self.shared.progress.is_stopped() {
            return Err(Stopped);
        }
        self.shared.progress.offered(self.offset);
        Ok(())
    }

    fn send(&mut self, shard: usize) {
        let Some(sender) = self.senders.get(shard) else { return };
        let number = self.waiting[shard].number + 1;
        let next = Batch { number, ..Batch::default() };
        let mut batch = std::mem::replace(&mut self.waiting[shard], next);
        (batch.number, batch.through) = (number, self.offset);
        self.shared.progress.sending(shard, number);
        self.shared.progress.sending(self.shared.progress.aggregator(), self.round);
        if sender.send(batch).is_err() {
            self.shared.progress.stop();
        }
    }

    /// Sends what waits and ends the queues.
    pub(crate) fn close(&mut self) {
        if self.flush().is_err() {
            tracing::debug!("the rule engine had stopped before");
        }
        self.senders.clear();
    }

    fn shard_of(&self, device: DeviceIndex) -> usize {
        device.0 as usize % self.waiting.len().max(1)
    }
}
