//! The words of history: series, points, buckets, ranges.
use ioc_model::{DeviceIndex, PropertyId, Quality};

/// One property of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// The device.
    pub device: DeviceIndex,
    /// The property.
    pub property: PropertyId,
}

/// One reading of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Event time, milliseconds since the epoch. Unique within a series.
    pub ts_ms: i64,
    /// In the property's unit.
    pub value: f64,
    /// As it was accepted.
    pub quality: Quality,
    /// Arrival minus event time, milliseconds; 0 for readings of directories made before it was kept.
    pub delay_ms: i64,
}

impl Point {
    /// Returns when it arrived, milliseconds since the epoch.
    pub fn arrival_ms(&self) -> i64 {
        self.ts_ms.saturating_add(self.delay_ms)
    }
}

/// A range of event times, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant that belongs to it.
    pub from_ms: i64,
    /// First instant behind it.
    pub to_ms: i64,
}

impl TimeRange {
    /// Every instant but the very last one.
    pub const ALL: Self = Self { from_ms: i64::MIN, to_ms: i64::MAX };

    /// Builds the range from `from_ms` (inclusive) to `to_ms` (exclusive).
    pub const fn new(from_ms: i64, to_ms: i64) -> Self {
        Self { from_ms, to_ms }
    }

    /// Reports whether `ts_ms` belongs to it.
    pub const fn contains(&self, ts_ms: i64) -> bool {
        self.from_ms <= ts_ms && ts_ms < self.to_ms
    }
}

/// The result of applying one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplyOutcome {
    /// The series did not have this time.
    Stored,
    /// The series has this time with this value: nothing changed.
    Duplicate,
    /// The series had this time with another value: replaced.
    Corrected,
    /// Older than history is kept.
    TooOld,
}

/// Readings of an interval, combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// First instant of the interval, milliseconds since the epoch.
    pub start_ms: i64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean, by the property's averaging.
    pub mean: f64,
    /// Value with the latest event time; among several devices at the same time that of the highest index.
    pub last: f64,
    /// Number of readings, at least 1.
    pub count: u64,
}

/// Readings of an interval of all members of a group, combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupBucket {
    /// The caller's number of the group.
    pub group: u32,
    /// The readings.
    pub bucket: Bucket,
}

/// What devices are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Mean, by this averaging.
    Mean(ioc_model::catalogue::Averaging),
    /// Value with the latest event time.
    Last,
    /// Number of readings.
    Count,
}
