//! How fast one credential may publish: a token bucket in one atomic word, shared by its connections.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Rate and burst, the same for all credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Nanoseconds that one publish costs; 0 means no limit.
    interval_ns: u64,
    /// How far a bucket may be in debt.
    burst_ns: u64,
}

impl Rate {
    /// `per_second` 0 means no limit.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval_ns = NANOS_PER_SECOND.checked_div(u64::from(per_second)).unwrap_or(0);
        Self { interval_ns, burst_ns: interval_ns * u64::from(burst.max(1)) }
    }
}

/// A generic cell rate algorithm: the one number kept is the time at which the bucket will be full again.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    full_at_ns: AtomicU64,
}

impl Bucket {
    /// Takes one publish at `now_ns` (of any clock that does not go back).
    ///
    /// Errors: how long to wait until the next one fits. Relaxed is enough: nothing else hangs on the word.
    pub(crate) fn take(&self, rate: Rate, now_ns: u64) -> Result<(), Duration> {
        if rate.interval_ns == 0 {
            return Ok(());
        }
        let mut seen = self.full_at_ns.load(Relaxed);
        loop {
            let next = seen.max(now_ns) + rate.interval_ns;
            let over = next.saturating_sub(now_ns + rate.burst_ns);
            if over > 0 {
                return Err(Duration::from_nanos(over));
            }
            match self.full_at_ns.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Gives one publish back that was taken and not used.
    pub(crate) fn give_back(&self, rate: Rate) {
        let give = |at: u64| Some(at.saturating_sub(rate.interval_ns));
        // The closure never declines, so this cannot fail.
        let _ = self.full_at_ns.fetch_update(Relaxed, Relaxed, give);
    }

    /// Says whether forgetting the bucket would change nothing.
    pub(crate) fn is_full(&self, now_ns: u64) -> bool {
        self.full_at_ns.load(Relaxed) <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS_PER_SECOND;

    #[test]
    fn a_burst_then_the_rate() {
        let (rate, bucket) = (Rate::new(100, 1_000), Bucket::default());
        for _ in 0..1_000 {
            assert_eq!(bucket.take(rate, SECOND), Ok(()));
        }
        assert_eq!(bucket.take(rate, SECOND), Err(Duration::from_millis(10)));
        assert!(!bucket.is_full(SECOND));
        let taken = (0..500).filter(|_| bucket.take(rate, 2 * SECOND).is_ok()).count();
        assert_eq!(taken, 100);
        assert!(bucket.is_full(12 * SECOND));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, bucket) = (Rate::new(1, 1), Bucket::default());
        assert_eq!(bucket.take(rate, SECOND), Ok(()));
        assert!(bucket.take(rate, SECOND).is_err());
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, SECOND), Ok(()));
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let (rate, bucket) = (Rate::new(0, 1), Bucket::default());
        assert!((0..10_000).all(|_| bucket.take(rate, 0).is_ok()));
    }
}
