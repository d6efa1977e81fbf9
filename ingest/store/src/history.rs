//! The questions that can be asked of history: a closed set, so that other backends can answer them too.
use crate::{Aggregate, Bucket, GroupBucket, Point, Series, TimeRange};
use ioc_model::{DeviceIndex, PropertyId, catalogue::Averaging};

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
pub trait History: Send + Sync {
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
