//! Signals the sink's progress to a reactor. A reactor is woken only while something there waits, because a commit for
//! the clients of other reactors is of no use to it.
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use tokio::sync::Notify;

/// Wakes a reactor after progress. Any thread signals; the other methods are for the reactor's own thread.
#[derive(Debug, Default)]
pub(crate) struct ProgressSignal {
    is_wanted: AtomicBool,
    bell: Notify,
}

impl ProgressSignal {
    /// Signals progress.
    pub(crate) fn notify(&self) {
        // Pairs with the fence in `want`: either this sees the wish, or the waiting side sees the progress.
        fence(SeqCst);
        if self.is_wanted.load(Relaxed) {
            self.bell.notify_one();
        }
    }

    /// Asks for wake-ups from now on. Progress may have come just before, so [`ProgressSignal::next`] returns once without
    /// waiting.
    pub(crate) fn want(&self) {
        if !self.is_wanted.load(Relaxed) {
            self.is_wanted.store(true, Relaxed);
            fence(SeqCst);
            self.bell.notify_one();
        }
    }

    /// Asks for no more wake-ups.
    pub(crate) fn rest(&self) {
        self.is_wanted.store(false, Relaxed);
    }

    /// Waits for progress.
    pub(crate) async fn next(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Arc, atomic::AtomicU64},
        thread,
        time::Duration,
    };
    use tokio::{runtime::Builder, time::timeout};

    #[test]
    fn no_progress_is_missed_by_who_wants_it() {
        const ROUNDS: u64 = 20_000;
        let (progress, done, wished) =
            (Arc::new(ProgressSignal::default()), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let teller = {
            let (progress, done, wished) = (Arc::clone(&progress), Arc::clone(&done), Arc::clone(&wished));
            thread::spawn(move || {
                for round in 1..=ROUNDS {
                    while wished.load(SeqCst) < round {
                        std::hint::spin_loop();
                    }
                    done.store(round, SeqCst);
                    progress.notify();
                }
            })
        };
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for round in 1..=ROUNDS {
                wished.store(round, SeqCst);
                progress.want();
                while done.load(SeqCst) < round {
                    timeout(Duration::from_secs(30), progress.next()).await.unwrap();
                }
                progress.rest();
            }
        });
        teller.join().unwrap();
    }

    #[test]
    fn who_wants_nothing_is_left_alone() {
        let progress = ProgressSignal::default();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        progress.notify();
        let next = runtime.block_on(async { timeout(Duration::from_millis(1), progress.next()).await });
        assert!(next.is_err());
    }
}
