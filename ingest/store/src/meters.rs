//! Numbers about a history.

/// Numbers about a history at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryMeters {
    /// Readings in memory that are not being sealed.
    pub active_readings: u64,
    /// Readings in memory that are being sealed.
    pub frozen_readings: u64,
    /// Readings in segments; a corrected one may count twice until segments are merged.
    pub sealed_readings: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of segment files.
    pub segment_bytes: u64,
    /// Places that cannot be read.
    pub damaged: u64,
    /// Whether the last sealing failed; it is tried again by the next [`crate::HistoryWriter::maintain`].
    pub sealing_failed: bool,
}
