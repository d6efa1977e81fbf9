//! What goes into the engine and what comes out of it.
use crate::{labels::DeviceLabels, place::Place, transition::RuleTransition};
use ioc_model::{AlertId, DeviceIndex, Observation, Presence, share::Rate};
use std::{fmt, sync::Arc};

/// The devices that rules see: a view of the registry.
pub trait Directory: Send + Sync {
    /// Returns the labels of one device; `None` when it is not registered or retired.
    fn device(&self, index: DeviceIndex) -> Option<Arc<DeviceLabels>>;
    /// Returns every device that is not retired.
    fn devices(&self) -> Vec<Arc<DeviceLabels>>;
}

/// How the engine runs.
#[derive(Clone)]
pub struct EngineConfig {
    /// Threads that own devices; at least 1, at most [`SHARDS_MAX`].
    pub shards: usize,
    /// Batches that may wait in front of each shard; when they do, [`crate::Engine::offer`] waits.
    pub queue_batches: usize,
    /// How often the alerts of one device, or one alert of the whole city, may end; beyond it they stay firing.
    pub flapping: Rate,
    /// Makes the id of an activation at this time.
    pub new_id: Arc<dyn Fn(i64) -> AlertId + Send + Sync>,
    /// Where the city is.
    pub place: Place,
    /// When this process started, milliseconds since the epoch: silence rules wait two reporting periods from
    /// here, as they do after each outage of ours, see [`crate::Engine::outage_ended`].
    pub startup_ms: i64,
    /// Journal offset of the last input that is part of the past; those to come have greater ones. 0 when there is
    /// no past.
    pub resume_after: u64,
}

impl fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConfig")
            .field("shards", &self.shards)
            .field("queue_batches", &self.queue_batches)
            .field("flapping", &self.flapping)
            .field("place", &self.place)
            .field("startup_ms", &self.startup_ms)
            .field("resume_after", &self.resume_after)
            .finish_non_exhaustive()
    }
}

/// Most shards; more are never of use on one machine.
pub const SHARDS_MAX: usize = 64;
/// What [`EngineConfig::queue_batches`] is unless someone knows better.
pub const QUEUE_BATCHES: usize = 64;

/// One thing for the rules to know, in the order of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Accepted observations of one message. Evaluated at `arrival_ms`.
    Message {
        /// In the journal; grows from input to input.
        offset: u64,
        /// When the record was handed to the disk, milliseconds since the epoch.
        committed_ms: i64,
        /// Whose.
        device: DeviceIndex,
        /// When it reached us, milliseconds since the epoch.
        arrival_ms: i64,
        /// By how much the device's clock was set back, in milliseconds, when this message is the one that shows it.
        set_back_ms: Option<i64>,
        /// What was observed.
        observations: Vec<Observation>,
    },
    /// A device came online or went offline.
    Presence {
        /// In the journal.
        offset: u64,
        /// When the record was handed to the disk.
        committed_ms: i64,
        /// What happened.
        presence: Presence,
    },
    /// A record that rules do not read; it moves [`crate::Engine::processed`] on.
    Other {
        /// In the journal.
        offset: u64,
    },
    /// Time passes, once a second. Its time must not run ahead of the inputs: whoever is catching up with the
    /// journal sends ticks with the time of what was last committed, or none.
    Tick {
        /// Milliseconds since the epoch.
        now_ms: i64,
        /// Reading of a clock that never jumps, in milliseconds from any start; `for` and `keep_firing_for` run on it.
        monotonic_ms: i64,
    },
}

/// Takes what the engine decides, on the thread that decides it; may make it wait.
pub trait TransitionSink: Send + Sync {
    /// Takes a transition. Returns false when nobody does any more: the engine stops then.
    fn emit(&self, transition: RuleTransition) -> bool;
}

impl TransitionSink for crossbeam_channel::Sender<RuleTransition> {
    fn emit(&self, transition: RuleTransition) -> bool {
        self.send(transition).is_ok()
    }
}
