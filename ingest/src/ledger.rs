//! The books: what came in must be what was stored, repeated or refused. Counted in observations, since
//! the start of the process.
//!
//! A follower fills a [`Tally`] while it settles a batch and books it at once, so that no reader ever sees
//! half a message. What came in and what became of it are counted apart: [`Counts::difference`] is 0 unless
//! something was lost between them.
use ioc_model::RejectReason;
use std::sync::{Mutex, MutexGuard, PoisonError};

const REASONS: usize = RejectReason::ALL.len();

/// Counters, in observations; an undecodable message counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Came from devices.
    pub received: u64,
    /// Are in history, corrections included.
    pub stored: u64,
    /// Were there already with the same value.
    pub duplicate: u64,
    /// Replaced another value of the same device, property and time; also counted in `stored`.
    pub corrected: u64,
    /// Were computed here; not counted in `received`.
    pub derived: u64,
    /// Messages of devices that held no observation and nothing to refuse, signs of life; in messages, and not counted in
    /// `received`.
    pub empty: u64,
    rejected: [u64; REASONS],
}

impl Counts {
    /// Returns how many were refused for `reason`.
    pub fn rejected(&self, reason: RejectReason) -> u64 {
        self.rejected[reason as usize]
    }

    /// Returns how many were refused for any reason.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Returns received − stored − duplicate − rejected: 0, or something was lost.
    pub fn difference(&self) -> i64 {
        self.received.wrapping_sub(self.stored + self.duplicate + self.rejected_total()) as i64
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.corrected += other.corrected;
        self.derived += other.derived;
        self.empty += other.empty;
        for (total, more) in self.rejected.iter_mut().zip(other.rejected) {
            *total += more;
        }
    }
}

/// What one follower counts before it books a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally(Counts);

impl Tally {
    /// Counts `observations` that came from a device in one message, accepted and refused ones together.
    pub fn received(&mut self, observations: usize) {
        self.0.received += observations as u64;
    }

    /// Counts one that is in history now.
    pub fn stored(&mut self) {
        self.0.stored += 1;
    }

    /// Counts one that replaced another value; it is stored too.
    pub fn corrected(&mut self) {
        self.0.corrected += 1;
        self.0.stored += 1;
    }

    /// Counts one that was there already.
    pub fn duplicate(&mut self) {
        self.0.duplicate += 1;
    }

    /// Counts one that was refused, by the decoder or by the store.
    pub fn rejected(&mut self, reason: RejectReason) {
        self.0.rejected[reason as usize] += 1;
    }

    /// Counts a message without observations.
    pub fn empty(&mut self) {
        self.0.empty += 1;
    }

    /// Counts one that was computed here.
    pub fn derived(&mut self) {
        self.0.derived += 1;
    }
}

/// The counters of the process.
///
/// Behind a mutex that is held for a few additions, once per batch: readers get one consistent snapshot.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Counts>);

impl Ledger {
    /// Adds a tally and leaves it empty.
    pub fn book(&self, tally: &mut Tally) {
        self.lock().add(&tally.0);
        *tally = Tally::default();
    }

    /// Returns all counters as they were at one moment between two batches.
    pub fn snapshot(&self) -> Counts {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Adding numbers cannot leave them half changed in a way a reader could not use.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn the_books_balance_at_every_snapshot() {
        let ledger = Ledger::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000u32 {
                    let mut tally = Tally::default();
                    tally.received(4);
                    tally.stored();
                    tally.corrected();
                    tally.duplicate();
                    tally.rejected(RejectReason::ALL[round as usize % REASONS]);
                    tally.derived();
                    ledger.book(&mut tally);
                    assert_eq!(tally, Tally::default());
                }
                done.store(true, Ordering::Relaxed);
            });
            while !done.load(Ordering::Relaxed) {
                assert_eq!(ledger.snapshot().difference(), 0);
            }
        });
        let counts = ledger.snapshot();
        assert_eq!((counts.received, counts.stored, counts.duplicate), (80_000, 40_000, 20_000));
        assert_eq!((counts.corrected, counts.derived, counts.rejected_total()), (20_000, 20_000, 20_000));
    }

    #[test]
    fn what_is_lost_shows() {
        let ledger = Ledger::default();
        let mut tally = Tally::default();
        tally.received(2);
        tally.stored();
        ledger.book(&mut tally);
        assert_eq!(ledger.snapshot().difference(), 1);
        assert_eq!(ledger.snapshot().rejected(RejectReason::TooOld), 0);
    }
}
