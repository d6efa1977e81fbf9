//! What the listener counts.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of everything since the start.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub(super) accepted: AtomicU64,
    pub(super) refused_rate: AtomicU64,
    pub(super) refused_full: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) slow_head: AtomicU64,
    pub(super) slow_body: AtomicU64,
    pub(super) slow_reader: AtomicU64,
    pub(super) handshake: AtomicU64,
    pub(super) errors: AtomicU64,
}

/// [`Meters`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Open connections.
    pub open: usize,
    /// Of these, those whose caller is known.
    pub known: usize,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that ended because of us, by reason.
    pub closed: [(&'static str, u64); 7],
    /// Times that accepting failed.
    pub errors: u64,
}

impl Meters {
    /// Returns the counts, and how many connections are open and known.
    pub(super) fn snapshot(&self, (open, known): (usize, usize)) -> Snapshot {
        let closed = [
            ("rate", &self.refused_rate),
            ("full", &self.refused_full),
            ("made_room", &self.evicted),
            ("slow_head", &self.slow_head),
            ("slow_body", &self.slow_body),
            ("slow_reader", &self.slow_reader),
            ("tls", &self.handshake),
        ];
        Snapshot {
            open,
            known,
            accepted: self.accepted.load(Relaxed),
            closed: closed.map(|(reason, count)| (reason, count.load(Relaxed))),
            errors: self.errors.load(Relaxed),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
