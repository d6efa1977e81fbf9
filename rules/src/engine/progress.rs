//! Up to where everything has been decided.
use super::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Release},
};

/// The number of what a shard does before its first batch: it fills its windows from the past.
pub(crate) const FILLED: u64 = 1;

/// Progress of all threads of the engine; read without waiting.
///
/// Each thread has what was sent to it and what it has done, as numbers that grow by one per batch (per round,
/// for the aggregator). A thread that has done all that was sent is as far as the last offered input, even if that
/// went elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    offered: AtomicU64,
    threads: Vec<Thread>,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Thread {
    sent: AtomicU64,
    done: AtomicU64,
    through: AtomicU64,
}

impl Progress {
    /// Builds the progress of so many shards and the aggregator, which starts at an offset. Filling windows from the
    /// past counts as number 1 of each shard.
    pub(crate) fn new(shards: usize, resume_after: u64) -> Self {
        let thread = || Thread { through: AtomicU64::new(resume_after), ..Thread::default() };
        let threads: Vec<_> = std::iter::repeat_with(thread).take(shards + 1).collect();
        threads.iter().take(shards).for_each(|shard| shard.sent.store(FILLED, Release));
        Self { offered: AtomicU64::new(resume_after), threads, stopped: AtomicBool::new(false) }
    }

    pub(crate) fn shards(&self) -> usize {
        self.threads.len() - 1
    }

    /// The number by which the aggregator goes here.
    pub(crate) fn aggregator(&self) -> usize {
        self.threads.len() - 1
    }

    /// Notes that something numbered `number` is about to be sent to a thread. One writer: the dispatcher.
    pub(crate) fn sending(&self, thread: usize, number: u64) {
        self.threads[thread].sent.store(number, Release);
    }

    /// Notes that all inputs up to an offset are on their way. One writer: the dispatcher, after all `sending`.
    pub(crate) fn offered(&self, offset: u64) {
        self.offered.store(offset, Release);
    }

    /// Notes that a thread has done everything up to `number`, and with it its inputs up to `through`, and that
    /// all transitions that follow are in `out`. One writer: the thread.
    pub(crate) fn done(&self, thread: usize, number: u64, through: u64) {
        let thread = &self.threads[thread];
        thread.through.store(through, Release);
        thread.done.store(number, Release);
    }

    /// Notes that a thread gave up: nobody takes its transitions. Progress stays where it is.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Acquire)
    }

    /// Reports whether all windows are filled from the past.
    pub(crate) fn is_filled(&self) -> bool {
        self.threads.iter().take(self.shards()).all(|shard| shard.done.load(Acquire) >= FILLED)
    }

    /// Returns the offset up to which everything is decided.
    pub(crate) fn processed(&self) -> u64 {
        // First what was offered: whatever was sent for it is then visible in `sent`, so a thread that is found
        // idle has done at least that.
        let offered = self.offered.load(Acquire);
        let reached = self.threads.iter().map(|thread| {
            let sent = thread.sent.load(Acquire);
            if thread.done.load(Acquire) >= sent { offered } else { thread.through.load(Acquire) }
        });
        reached.min().unwrap_or(offered)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_thread_decides_and_idle_ones_do_not_hold_back() {
        let progress = Progress::new(2, 0);
        assert!(!progress.is_filled());
        progress.done(0, FILLED, 0);
        progress.done(1, FILLED, 0);
        assert!(progress.is_filled());
        progress.sending(0, 2);
        progress.offered(10);
        assert_eq!(progress.processed(), 0);
        progress.done(0, 2, 10);
        assert_eq!(progress.processed(), 10, "the second shard and the aggregator have nothing to do");
        progress.sending(1, 2);
        progress.sending(progress.aggregator(), 1);
        progress.offered(20);
        assert_eq!(progress.processed(), 0);
        progress.done(1, 2, 20);
        assert_eq!(progress.processed(), 0, "the aggregator's round is still open");
        progress.done(progress.aggregator(), 1, 20);
        assert_eq!(progress.processed(), 20);
    }
}
