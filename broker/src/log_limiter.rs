//! Keeps a flood of the same event from becoming a flood of log lines.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One line per limiter in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line through per second and counts the others. Tearing between the two words loses at most a
/// line, so relaxed atomics do.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    started: Instant,
    /// Milliseconds after `started` before which nothing more passes.
    quiet_until_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl Default for LogLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl LogLimiter {
    /// Makes a limiter that lets the next line through.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), quiet_until_ms: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Returns how many were suppressed since the last line if one may be written now.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let until = self.quiet_until_ms.load(Relaxed);
        let next = now_ms + INTERVAL.as_millis() as u64;
        let won =
            now_ms >= until && self.quiet_until_ms.compare_exchange(until, next, Relaxed, Relaxed).is_ok();
        if won {
            return Some(self.suppressed.swap(0, Relaxed));
        }
        self.suppressed.fetch_add(1, Relaxed);
        None
    }
}

/// LogLimiters of one event, each for some of those who cause it, so that a flood of one hides few others.
#[derive(Debug, Default)]
pub(crate) struct LogLimiters([LogLimiter; 16]);

impl LogLimiters {
    /// Returns the limiter of `caller`.
    pub(crate) fn of(&self, caller: impl Hash) -> &LogLimiter {
        let mut hasher = DefaultHasher::new();
        caller.hash(&mut hasher);
        &self.0[hasher.finish() as usize % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_caller_hides_few_others() {
        let limiters = LogLimiters::default();
        assert!((0..1_000).filter(|_| limiters.of("flood").pass().is_some()).count() < 1_000);
        let seen = (0..64).filter(|caller| limiters.of(caller).pass().is_some()).count();
        assert!(seen >= 8, "{seen}");
    }

    #[test]
    fn one_passes_and_the_rest_are_counted() {
        let limiter = LogLimiter::new();
        assert_eq!(limiter.pass(), Some(0));
        assert_eq!((0..5).filter(|_| limiter.pass().is_some()).count(), 0);
        assert_eq!(limiter.suppressed.load(Relaxed), 5);
    }
}
