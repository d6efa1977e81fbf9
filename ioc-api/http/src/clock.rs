//! The only place of this crate that reads the clock.
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the wall clock in milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
