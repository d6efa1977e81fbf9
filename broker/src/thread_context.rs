//! The part of a reactor that its connections use: what all reactors share, the read buffer, and the lists of
//! connections that wait for the journal.
//!
//! A connection needs nothing else of its thread, so that a test serves one without a reactor.
use crate::{key::Key, progress_signal::ProgressSignal, shared::Shared};
use std::{
    cell::{Cell, RefCell, RefMut},
    collections::VecDeque,
    sync::Arc,
};

/// Lent to the connection that reads; what a client sends at once is handled in pieces of this size.
const SCRATCH_BYTES: usize = 16 * 1024;
/// An empty queue of acknowledgements larger than this gives its memory back.
const KEPT_ACKS_MAX: usize = 4_096;

/// A publish that waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) offset: u64,
    pub(crate) key: Key,
    pub(crate) packet_id: u16,
}

/// State of one thread; it needs no lock.
pub(crate) struct ThreadContext {
    pub(crate) shared: Arc<Shared>,
    progress: Arc<ProgressSignal>,
    /// By offset, because the sink's offsets never decrease within a thread.
    acks: RefCell<VecDeque<Ack>>,
    /// Connections that found the sink busy.
    parked: RefCell<Vec<Key>>,
    scratch: RefCell<Box<[u8]>>,
    draining: Cell<bool>,
}

impl ThreadContext {
    pub(crate) fn new(shared: Arc<Shared>, progress: Arc<ProgressSignal>) -> Self {
        Self {
            shared,
            progress,
            acks: RefCell::default(),
            parked: RefCell::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
            draining: Cell::new(false),
        }
    }

    /// Returns milliseconds since just before the broker started, so never 0.
    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.now_ns() / 1_000_000 + 1
    }

    /// Lends the read buffer.
    pub(crate) fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    /// Has connections handle what they have received, and read nothing more.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Has a PUBACK sent once `offset` is on disk.
    pub(crate) fn await_ack(&self, offset: u64, key: Key, packet_id: u16) {
        self.acks.borrow_mut().push_back(Ack { offset, key, packet_id });
        self.progress.want();
    }

    /// Takes the oldest acknowledgement, if its publish is among the records up to `durable`.
    pub(crate) fn take_ack(&self, durable: u64) -> Option<Ack> {
        let mut acks = self.acks.borrow_mut();
        acks.front().filter(|ack| ack.offset <= durable)?;
        acks.pop_front()
    }

    /// Has the connection polled again when there is progress.
    pub(crate) fn park(&self, key: Key) {
        self.parked.borrow_mut().push(key);
        self.progress.want();
    }

    /// Takes the connections that wait for room.
    pub(crate) fn take_parked(&self) -> Vec<Key> {
        std::mem::take(&mut *self.parked.borrow_mut())
    }

    /// Waits for progress of the journal.
    pub(crate) async fn progressed(&self) {
        self.progress.next().await;
    }

    /// Asks for no more wake-ups, unless a publish waits for the disk.
    pub(crate) fn rest_without_acks(&self) {
        if self.acks.borrow().is_empty() {
            self.progress.rest();
        }
    }

    /// Gives the memory of a queue back that was long once.
    pub(crate) fn shrink(&self) {
        let mut acks = self.acks.borrow_mut();
        if acks.is_empty() && acks.capacity() > KEPT_ACKS_MAX {
            *acks = VecDeque::new();
        }
    }
}
