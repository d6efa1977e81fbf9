//! The only place of this crate that reads the clock.
use ioc_ingest::Arrival;
use ioc_model::time::age_ms;
use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Returns the wall clock in milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Returns milliseconds since the process first asked; never jumps.
pub fn monotonic_ms() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as i64
}

/// Both clocks, read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// As [`now_ms`].
    pub wall_ms: i64,
    /// As [`monotonic_ms`].
    pub monotonic_ms: i64,
}

impl Clocks {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self { wall_ms: now_ms(), monotonic_ms: monotonic_ms() }
    }

    /// Returns when a message reached us whose arrival by the wall clock is `arrival_ms`, not later than now.
    pub fn arrival(&self, arrival_ms: i64) -> Arrival {
        let monotonic_ms = self.monotonic_ms.saturating_sub(age_ms(arrival_ms, self.wall_ms));
        Arrival { wall_ms: arrival_ms, monotonic_ms }
    }
}
