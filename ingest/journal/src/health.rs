//! Whether the disk takes records.

/// Whether records can be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Ok,
    /// The disk or the quota is full, or the next segment cannot be made for another reason, which is in the log;
    /// tried again several times a second.
    OutOfSpace {
        /// Since when, milliseconds since the epoch.
        since_ms: i64,
    },
}
