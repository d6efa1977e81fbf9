//! Where retention ends: event times before it are refused and deleted.
//!
//! The wall clock alone must not decide that: one reading that is years ahead would delete everything, and what is
//! deleted does not come back when the clock is set right. So the horizon moves no faster than time passes.
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Instant,
};

/// How far the clock may be ahead of what was stored and the time that has passed since, in milliseconds.
const SLACK_MS: i64 = 86_400_000;

pub(crate) struct Horizon {
    retention_ms: i64,
    at_ms: AtomicI64,
    monotonic: fn() -> Instant,
    opened: Instant,
    /// Event time of the newest reading at opening, milliseconds since the epoch.
    newest_ms: Option<i64>,
    /// The time at opening as far as it can be believed, milliseconds since the epoch: that of the first advance,
    /// but not later than the newest reading.
    start_ms: OnceLock<i64>,
    /// Whether the clock is held back at present.
    is_held: AtomicBool,
}

impl Horizon {
    /// Starts at `persisted_ms`, which it never goes below; `newest_ms` is the event time of the newest stored reading.
    pub(crate) fn new(
        retention_ms: i64,
        persisted_ms: i64,
        newest_ms: Option<i64>,
        monotonic: fn() -> Instant,
    ) -> Self {
        Self {
            retention_ms,
            at_ms: AtomicI64::new(persisted_ms),
            monotonic,
            opened: monotonic(),
            newest_ms,
            start_ms: OnceLock::new(),
            is_held: AtomicBool::new(false),
        }
    }

    /// Milliseconds since the epoch.
    pub(crate) fn get(&self) -> i64 {
        self.at_ms.load(Ordering::Relaxed)
    }

    /// Moves on to what `now_ms` asks for, but no further than time has passed.
    pub(crate) fn advance(&self, now_ms: i64) {
        let limit_ms = self.limit_ms(now_ms);
        self.note_held(now_ms, limit_ms);
        let wanted_ms = now_ms.min(limit_ms).saturating_sub(self.retention_ms);
        self.at_ms.fetch_max(wanted_ms, Ordering::Relaxed);
    }

    /// Returns the latest time that can be believed.
    fn limit_ms(&self, now_ms: i64) -> i64 {
        let start_ms =
            *self.start_ms.get_or_init(|| self.newest_ms.map_or(now_ms, |newest_ms| newest_ms.min(now_ms)));
        let passed = (self.monotonic)().saturating_duration_since(self.opened);
        let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        start_ms.saturating_add(passed_ms).saturating_add(SLACK_MS)
    }

    /// Logs when holding back begins; it lasts, and this is called every second.
    fn note_held(&self, now_ms: i64, limit_ms: i64) {
        let is_held = now_ms > limit_ms;
        if is_held && !self.is_held.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                days = (now_ms - limit_ms) / SLACK_MS + 1,
                "the newest reading in history is so many days older than the clock says it is now. If nothing was stored for \
                 so long, all is right, and history that is too old is kept until the next start after new readings; if not, \
                 the clock is ahead: set it right. Nothing is deleted by it"
            );
        } else if !is_held {
            self.is_held.store(false, Ordering::Relaxed);
        }
    }
}
