//! The port: the questions that can be asked of history, a closed set, and writing it, so that other backends can do both.
use crate::{
    Aggregate, ApplyOutcomes, Batch, Bucket, Damage, GroupBucket, HistoryMeters, Last, Point, Series,
    StoreError, Summary, TimeRange,
};
use ioc_model::{DeviceIndex, PropertyId, catalogue::Averaging};
use std::sync::Arc;

/// History that is shared by all who read it and the one who writes it.
pub type SharedHistory = Arc<dyn HistoryWriter>;

/// Most buckets in one answer, over all groups.
pub const BUCKETS_MAX: usize = 200_000;

/// Most ranges in the answer of [`History::damaged`]; the last then covers all that follow.
pub const DAMAGED_MAX: usize = 100;

/// A question that cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The range ends before it starts.
    #[error("range ends ({to_ms}) before it starts ({from_ms}): from must not be later than to")]
    Range {
        /// Its start.
        from_ms: i64,
        /// Its end.
        to_ms: i64,
    },
    /// More readings than were asked for at most.
    #[error("more than {limit} readings in this range: ask for a shorter range or for buckets")]
    TooManyPoints {
        /// The limit.
        limit: usize,
    },
    /// No buckets, or more than can be answered.
    #[error("{buckets} buckets: ask for 1 to {BUCKETS_MAX}")]
    Buckets {
        /// How many were asked for.
        buckets: u128,
    },
    /// A width that is not positive.
    #[error("interval of {interval_ms} ms: must be at least 1 ms")]
    Interval {
        /// The width.
        interval_ms: i64,
    },
}

/// Answers typed queries about the past. Blocking: up to some hundred milliseconds for a whole city, so async
/// callers run it on a blocking thread. Readings that cannot be read any more are left out and reported by the
/// store; a series without readings has an empty answer.
pub trait History: Send + Sync + std::fmt::Debug {
    /// Returns the readings of one series in order of time.
    ///
    /// Errors: [`QueryError::TooManyPoints`] when there are more than `limit`; never a part.
    fn raw(&self, series: Series, range: TimeRange, limit: usize) -> Result<Vec<Point>, QueryError>;

    /// Returns one series combined into at most `n` intervals of the same width, which is the range by `n`,
    /// rounded up to a millisecond. Intervals without readings are left out.
    ///
    /// Errors: [`QueryError::Range`], [`QueryError::Buckets`].
    fn buckets(
        &self,
        series: Series,
        range: TimeRange,
        n: usize,
        averaging: Averaging,
    ) -> Result<Vec<Bucket>, QueryError>;

    /// Returns one property combined by group and interval, ordered by both. `members` says which device belongs
    /// to which group (a ward, for example); a device may belong to several. Intervals start at the range's start
    /// and are `interval_ms` wide; those without readings are left out.
    ///
    /// Errors: [`QueryError::Range`], [`QueryError::Interval`], [`QueryError::Buckets`].
    fn groups(
        &self,
        members: &[(DeviceIndex, u32)],
        property: PropertyId,
        range: TimeRange,
        interval_ms: i64,
        averaging: Averaging,
    ) -> Result<Vec<GroupBucket>, QueryError>;

    /// Returns the `n` devices with the highest value of `by`, highest first, equal ones by index. Devices without
    /// readings in the range are left out.
    ///
    /// Errors: [`QueryError::Range`].
    fn top(
        &self,
        devices: &[DeviceIndex],
        property: PropertyId,
        range: TimeRange,
        by: Aggregate,
        n: usize,
    ) -> Result<Vec<(DeviceIndex, f64)>, QueryError>;

    /// Returns the times within `range` at which readings of these devices are known to be unreadable, in order, at most
    /// [`DAMAGED_MAX`]. Damage is found by reading: ask after a query. An answer from a range with damage lacks readings.
    fn damaged(&self, devices: &[DeviceIndex], property: PropertyId, range: TimeRange) -> Vec<TimeRange>;

    /// Returns the measuring readings of one series combined by interval, in order of time. Intervals are `step_ms` long
    /// and begin at its multiples; those without readings are left out. Cheap when the same is asked for neighbouring
    /// devices: a block that is wholly within the range is decompressed once for 64 devices.
    ///
    /// Errors: [`QueryError::Range`], [`QueryError::Interval`], [`QueryError::Buckets`].
    fn summaries(&self, series: Series, range: TimeRange, step_ms: i64) -> Result<Vec<Summary>, QueryError>;

    /// Returns the last point of every series, by series: the newest in the order of [`ioc_model::time::SeriesOrder`], which
    /// begins anew where a clock was set back.
    fn last(&self) -> Vec<(Series, Last)>;

    /// Returns the places that were found to be unreadable since opening, the first thousand.
    fn damage(&self) -> Vec<Damage>;

    /// Reports whether everything that was kept can be read, and what comes in be written.
    fn health(&self) -> HistoryHealth;
}

/// Whether history can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryHealth {
    /// Places that were found to be unreadable since the start, the first thousand.
    pub damaged_places: u64,
    /// What is in memory could not be written the last time; it is tried again about every second.
    pub is_writing_failed: bool,
}

/// History for writing, by the one who follows the log. The log is its write-ahead log.
pub trait HistoryWriter: History {
    /// Returns the first journal offset that is not in sealed segments: replay from here after opening. Records
    /// before it are not needed any more.
    fn replay_from(&self) -> u64;

    /// Takes in the observations of journal records and sets `outcomes`.
    ///
    /// Offsets ascend; a record that was applied before is not applied again (all its outcomes are duplicates).
    /// Meant for one thread. Does not wait for sealing, unless sealing fails or lags so far that memory is at its
    /// bound, four times `head_readings_max`: then until there is room, with failed sealing tried again about every
    /// second. When the store is shut down there is no more room: the remaining records are not applied and have no
    /// outcomes; [`HistoryWriter::replay_from`] is before them, so the next start applies them.
    fn apply(&self, batch: &Batch, outcomes: &mut ApplyOutcomes);

    /// Notes that journal records up to `offset` were applied or hold nothing for history, so that replay need not see
    /// them. `bytes` is what they and those since the last call take in the journal: when much would be read again
    /// after a crash, what is in memory is sealed.
    fn advance(&self, offset: u64, bytes: u64);

    /// Does what is due at `now_ms`, on the store's own thread: seals what a span's end has made complete, deletes
    /// what is older than retention, merges segments, tries failed sealing again. Meant to be called about every
    /// second; returns at once.
    fn maintain(&self, now_ms: i64);

    /// Has everything in memory sealed, on the store's own thread; returns at once.
    fn begin_sealing(&self);

    /// Seals everything in memory and waits until it is on disk.
    ///
    /// Errors: [`StoreError::Sealing`], [`StoreError::ShutDown`].
    fn seal(&self) -> Result<(), StoreError>;

    /// Returns numbers about the store.
    fn meters(&self) -> HistoryMeters;

    /// Ends the sealing thread, after what it is at, and the waiting in [`HistoryWriter::apply`]. What is in memory stays
    /// readable; the journal has it for the next start.
    fn shutdown(&self);
}
