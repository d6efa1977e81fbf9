//! What one credential has taken of a rate: the state of [`Rate`] in one atomic word, shared by its connections.
use ioc_model::share::{Exceeded, Rate};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The state of one flow of one credential. Relaxed is enough everywhere: nothing else hangs on the word.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    state: AtomicU64,
}

impl Bucket {
    /// Takes `units` at `now_ns` (of any clock that does not go back).
    ///
    /// Errors: how long to wait until they fit.
    pub(crate) fn take(&self, rate: Rate, units: u64, now_ns: u64) -> Result<(), Duration> {
        if rate.is_unlimited() {
            return Ok(());
        }
        let mut seen = self.state.load(Relaxed);
        loop {
            let next = rate.take(seen, units, now_ns).map_err(|Exceeded { wait }| wait)?;
            match self.state.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Charges `units` at `now_ns` that were used already.
    pub(crate) fn charge(&self, rate: Rate, units: u64, now_ns: u64) {
        self.update(rate, |state| rate.charge(state, units, now_ns));
    }

    /// Gives `units` back that were taken and not used.
    pub(crate) fn give_back(&self, rate: Rate, units: u64) {
        self.update(rate, |state| rate.give_back(state, units));
    }

    fn update(&self, rate: Rate, next: impl Fn(u64) -> u64) {
        if !rate.is_unlimited() {
            // The closure never declines, so this cannot fail.
            let _ = self.state.fetch_update(Relaxed, Relaxed, |state| Some(next(state)));
        }
    }

    /// Reports whether forgetting the bucket would change nothing.
    pub(crate) fn is_full(&self, now_ns: u64) -> bool {
        self.state.load(Relaxed) <= now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn connections_of_a_credential_share_one_allowance() {
        let (rate, bucket) = (Rate::new(1, 1_000), Bucket::default());
        let taken = thread::scope(|scope| {
            let take = || (0..1_000).filter(|_| bucket.take(rate, 1, SECOND).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 1_000);
        assert!(!bucket.is_full(SECOND) && bucket.is_full(1_001 * SECOND));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rate, bucket) = (Rate::new(1, 1), Bucket::default());
        assert_eq!(bucket.take(rate, 1, SECOND), Ok(()));
        assert!(bucket.take(rate, 1, SECOND).is_err());
        bucket.give_back(rate, 1);
        assert_eq!(bucket.take(rate, 1, SECOND), Ok(()));
    }
}
