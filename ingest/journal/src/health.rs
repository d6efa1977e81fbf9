//! The disk's readiness to take records.

/// The ability to make records durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Records become durable.
    Ok,
    /// The disk or the quota is full, or the next segment cannot be made for another reason, which is in the log;
    /// tried again several times a second.
    OutOfSpace {
        /// Since when, milliseconds since the epoch.
        since_ms: i64,
    },
}
