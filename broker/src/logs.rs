//! Keeps a flood of the same event from becoming a flood of log lines.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One line per gate in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line through per second and counts the others. Tearing between the two words loses at most a
/// line, so relaxed atomics do.
#[derive(Debug)]
pub struct Gate {
    started: Instant,
    /// Milliseconds after `started` before which nothing more passes.
    closed_until_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// Makes a gate that is open.
    pub fn new() -> Self {
        Self { started: Instant::now(), closed_until_ms: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Returns how many were suppressed since the last line if one may be written now.
    pub fn pass(&self) -> Option<u64> {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let until = self.closed_until_ms.load(Relaxed);
        let next = now_ms + INTERVAL.as_millis() as u64;
        let won =
            now_ms >= until && self.closed_until_ms.compare_exchange(until, next, Relaxed, Relaxed).is_ok();
        if won {
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
        let gate = Gate::new();
        assert_eq!(gate.pass(), Some(0));
        assert_eq!((0..5).filter(|_| gate.pass().is_some()).count(), 0);
        assert_eq!(gate.suppressed.load(Relaxed), 5);
    }
}
