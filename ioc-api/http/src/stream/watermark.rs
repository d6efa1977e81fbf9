//! How far the records are with what the live stream tells. The stream does not wait for them; who reads them does.
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Holds up to where the records have what the stream told.
#[derive(Debug)]
pub(super) struct ProjectionWatermark {
    through: Mutex<u64>,
    further: Condvar,
}

impl ProjectionWatermark {
    pub(super) fn new(through: u64) -> Self {
        Self { through: Mutex::new(through), further: Condvar::new() }
    }

    /// The records are complete up to `through`.
    pub(super) fn reach(&self, through: u64) {
        let mut reached = self.lock();
        *reached = through.max(*reached);
        drop(reached);
        self.further.notify_all();
    }

    pub(super) fn through(&self) -> u64 {
        *self.lock()
    }

    /// Waits at most `patience` until the records are complete up to `seq`.
    pub(super) fn wait(&self, seq: u64, patience: Duration) {
        drop(self.further.wait_timeout_while(self.lock(), patience, |through| *through < seq));
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.through.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Instant};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_waits_goes_on_when_the_records_are_there_and_not_for_ever() {
        let recorded = ProjectionWatermark::new(5);
        let start = Instant::now();
        recorded.wait(5, LONG);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                recorded.wait(7, LONG);
                recorded.through()
            });
            recorded.reach(6);
            recorded.reach(7);
            recorded.reach(3);
            assert_eq!(waiter.join().ok(), Some(7));
        });
        assert!(start.elapsed() < LONG / 2);
        recorded.wait(8, Duration::from_millis(1));
    }
}
