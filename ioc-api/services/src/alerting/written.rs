//! Counts the decisions of rules that the alert thread has written. Rules may forget a record only when all that was decided
//! about it is on disk: what is merely on its way to the thread is gone with the process.
use ioc_journal::{Offset, SharedLog};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts written decisions. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Written(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    decisions: AtomicU64,
    last: AtomicU64,
}

impl Written {
    /// Notes one more decision, in the journal at `offset`. One writer: the alert thread.
    pub(super) fn add(&self, offset: Offset) {
        self.0.last.store(offset, Ordering::Relaxed);
        self.0.decisions.fetch_add(1, Ordering::Release);
    }

    /// Reports whether the first `decisions` since the start of the process are on disk.
    pub fn has(&self, decisions: u64, journal: &SharedLog) -> bool {
        self.0.decisions.load(Ordering::Acquire) >= decisions
            && self.0.last.load(Ordering::Relaxed) <= journal.durable()
    }
}
