//! Tells a follower that takes its time that a record is urgent.
use ioc_journal::Offset;
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// The newest urgent record of one follower. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Wakeup(Arc<(Mutex<Offset>, Condvar)>);

impl Wakeup {
    /// Notes that the record at `offset`, which may not be on disk yet, is urgent.
    pub fn notify(&self, offset: Offset) {
        let mut urgent = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *urgent = offset.max(*urgent);
        drop(urgent);
        self.0.1.notify_all();
    }

    /// Waits until a record behind `taken` is urgent, at most `timeout`.
    pub fn wait(&self, taken: Offset, timeout: Duration) {
        let urgent = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_timeout_while(urgent, timeout, |urgent| *urgent <= taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Instant};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_urgent_record_ends_a_wait_and_one_that_was_taken_does_not() {
        let nudge = Wakeup::default();
        nudge.notify(7);
        nudge.notify(3);
        let start = Instant::now();
        nudge.wait(6, LONG);
        let waiting = nudge.clone();
        let waiter = thread::spawn(move || waiting.wait(7, LONG));
        nudge.notify(8);
        waiter.join().unwrap();
        assert!(start.elapsed() < LONG / 2);
        nudge.wait(8, Duration::from_millis(1));
    }
}
