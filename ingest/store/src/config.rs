//! How history is kept.
use crate::StoreError;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Shortest and longest span that can be configured: times in a segment are 32-bit milliseconds.
const SPAN: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Where and how history is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The directory; created when missing. Holds nothing else.
    pub dir: PathBuf,
    /// Readings older than this are deleted, a whole span at a time. After a long downtime only until a day after
    /// the newest reading, and the rest after the next start: a wrong clock must not delete history.
    pub retention: Duration,
    /// Event time covered by one segment file. Fixed when the directory is made; later changes are ignored.
    pub segment_span: Duration,
    /// How long after the end of a span its readings are sealed: most late ones have come by then.
    pub seal_delay: Duration,
    /// Readings in memory that start sealing early; 24 to 32 bytes each. While sealing fails or lags, up to four
    /// times as many are kept, then [`crate::Store::apply`] waits.
    pub head_readings_max: usize,
    /// What tells how much time has passed, whatever the clock on the wall says; tests replace it.
    pub monotonic: fn() -> Instant,
}

impl StoreConfig {
    /// Returns the defaults: 400 days kept, segments of 2 hours sealed 2 minutes after their end, 1 million
    /// readings in memory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            retention: Duration::from_secs(400 * 86_400),
            segment_span: Duration::from_secs(2 * 3600),
            seal_delay: Duration::from_secs(120),
            head_readings_max: 1_000_000,
            monotonic: Instant::now,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        if !SPAN.contains(&self.segment_span) || !self.segment_span.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(StoreError::Config("segment_span must be whole milliseconds from 1 s to a day"));
        }
        if self.head_readings_max == 0 {
            return Err(StoreError::Config("head_readings_max must be at least 1"));
        }
        if self.retention < self.segment_span {
            return Err(StoreError::Config("retention must be at least segment_span"));
        }
        Ok(())
    }

    pub(crate) fn retention_ms(&self) -> i64 {
        i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn span_ms(&self) -> i64 {
        self.segment_span.as_millis() as i64
    }
}
