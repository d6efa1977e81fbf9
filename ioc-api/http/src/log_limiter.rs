//! Keeps a flood of the same answer from becoming a flood of log lines.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

/// One line in this time, in milliseconds.
const INTERVAL_MS: u64 = 1000;

/// Lets one line through per second and counts the others. Tearing between the two words loses at most a line, so relaxed
/// atomics do.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    started: Instant,
    /// Milliseconds after `started` before which nothing more passes.
    closed_until_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimiter {
    /// Makes one that lets the first line through.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), closed_until_ms: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Returns how many lines were suppressed since the last one if one may be written now.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let until = self.closed_until_ms.load(Relaxed);
        let next = now_ms + INTERVAL_MS;
        if now_ms >= until && self.closed_until_ms.compare_exchange(until, next, Relaxed, Relaxed).is_ok() {
            return Some(self.suppressed.swap(0, Relaxed));
        }
        self.suppressed.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_and_the_rest_are_counted() {
        let limiter = LogLimiter::new();
        assert_eq!(limiter.pass(), Some(0));
        assert_eq!((0..5).filter(|_| limiter.pass().is_some()).count(), 0);
        assert_eq!(limiter.suppressed.load(Relaxed), 5);
    }
}
