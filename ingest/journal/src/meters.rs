//! Totals of a log.

/// Totals since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalMeters {
    /// Committed batches, each with one fdatasync.
    pub batches: u64,
    /// Committed records.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Time spent in fdatasync, in microseconds.
    pub sync_micros: u64,
    /// Bytes of all segment files at present.
    pub disk_bytes: u64,
}
