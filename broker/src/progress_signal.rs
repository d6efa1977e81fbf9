//! How the sink's progress reaches a reactor: it is woken only when something there waits, as a commit for the other
//! reactors' clients is of no use to it.
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
        // Pairs with the one in `want`: either the wish is seen here, or the progress by who looks after wishing.
        fence(SeqCst);
        if self.is_wanted.load(Relaxed) {
            self.bell.notify_one();
        }
    }

    /// Something waits for progress from now on, which may have come just before: [`ProgressSignal::next`] returns once at
    /// once.
    pub(crate) fn want(&self) {
        if !self.is_wanted.load(Relaxed) {
            self.is_wanted.store(true, Relaxed);
            fence(SeqCst);
            self.bell.notify_one();
        }
    }

    /// Nothing waits any more.
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
