//! What goes into the engine and what comes out of it.
use super::past::PastSample;
use crate::labels::DeviceLabels;
use ioc_model::{
    Alert, AlertId, DeviceIndex, Observation, Presence, PropertyId, TransitionKind, share::Rate,
    time::ClockOffset,
};
use std::{fmt, sync::Arc};

/// The devices that rules see: a view of the registry.
pub trait Directory: Send + Sync {
    /// Returns the labels of one device; `None` when it is not registered or retired.
    fn device(&self, index: DeviceIndex) -> Option<Arc<DeviceLabels>>;
    /// Returns every device that is not retired.
    fn devices(&self) -> Vec<Arc<DeviceLabels>>;
}

/// The measuring samples of an interval of one series, combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastSummary {
    /// How many there are, at least 1.
    pub count: u64,
    /// Sum of their values.
    pub sum: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Where the first stands, milliseconds since the epoch.
    pub first_ms: i64,
    /// Where the last stands.
    pub last_ms: i64,
    /// Value of the last.
    pub last: f64,
}

/// History, for filling windows at start, when rules change and when devices are added.
pub trait PastSamples: Send + Sync {
    /// Returns measuring samples that were placed at `from_ms <= t < to_ms`, in this order, see [`super::as_it_came`].
    fn samples(&self, device: DeviceIndex, property: PropertyId, from_ms: i64, to_ms: i64)
    -> Vec<PastSample>;

    /// Returns what the samples that were placed at `from_ms <= t < to_ms` come to in intervals of `step_ms`; oldest first,
    /// those without samples left out. Long windows are filled with these, so that a start need not read each sample of a
    /// day.
    fn summaries(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        (from_ms, to_ms): (i64, i64),
        step_ms: i64,
    ) -> Vec<PastSummary> {
        summarized(&self.samples(device, property, from_ms, to_ms), step_ms)
    }

    /// Returns the newest sample, however old, as it stands by itself ([`PastSample::alone`]). It lets the engine tell a
    /// series that went silent before a start from one that never was; without it, only what stands in the windows is known.
    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<PastSample> {
        let _ = (device, property);
        None
    }

    /// Returns what its messages up to now say of a device's clock, if that is known.
    fn clock(&self, device: DeviceIndex) -> Option<ClockOffset> {
        let _ = device;
        None
    }

    /// Returns when the device was last heard of, in milliseconds since the epoch, if that is known: the base of
    /// `device_silent_seconds` after a start.
    fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        let _ = device;
        None
    }
}

/// Combines samples in order by intervals, for a history that has no summaries.
pub fn summarized(samples: &[PastSample], step_ms: i64) -> Vec<PastSummary> {
    let interval = |sample: &PastSample| sample.placed_ms.div_euclid(step_ms.max(1));
    let of_interval = samples.chunk_by(|one, next| interval(one) == interval(next));
    of_interval.filter_map(combined).collect()
}

fn combined(samples: &[PastSample]) -> Option<PastSummary> {
    let (first, last) = (samples.first()?, samples.last()?);
    let values = || samples.iter().map(|sample| sample.value);
    Some(PastSummary {
        count: samples.len() as u64,
        sum: values().sum(),
        min: values().fold(f64::NAN, f64::min),
        max: values().fold(f64::NAN, f64::max),
        first_ms: first.placed_ms,
        last_ms: last.placed_ms,
        last: last.value,
    })
}

/// Where the city is, for `sun_elevation()` and `local_*()`.
#[derive(Debug, Clone)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The city's clock.
    pub time_zone: jiff::tz::TimeZone,
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
        /// Of a clock that never jumps, in milliseconds from any start; `for` and `keep_firing_for` run on it.
        monotonic_ms: i64,
    },
}

/// An alert that was known before a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// As its last transition by a rule left it; cleared ones too, so that replay does not raise them again.
    pub alert: Alert,
    /// Journal offset of the input that decided that transition. Inputs up to it change nothing about the alert.
    pub cause: u64,
}

/// A rule decided something.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTransition {
    /// `Pending`, `Firing` or `Cleared`. A `Firing` of an alert that was firing says that its `no_data` changed.
    pub kind: TransitionKind,
    /// When the rule decided, milliseconds since the epoch.
    pub at_ms: i64,
    /// Journal offset of the last input that was known when the rule decided: replaying up to it repeats nothing.
    pub cause: u64,
    /// The alert after it.
    pub alert: Alert,
    /// The first of its activation: nobody has heard of its id before.
    pub begins: bool,
    /// `Cleared` from pending: it never fired.
    pub withdrawn_pending: bool,
}

/// Takes what the engine decides, on the thread that decides it; may make it wait.
pub trait Outlet: Send + Sync {
    /// Takes a transition. Returns false when nobody does any more: the engine stops then.
    fn tell(&self, transition: RuleTransition) -> bool;
}

impl Outlet for crossbeam_channel::Sender<RuleTransition> {
    fn tell(&self, transition: RuleTransition) -> bool {
        self.send(transition).is_ok()
    }
}
