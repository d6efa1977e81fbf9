//! Transitions on their way to disk. They are read and decoded while the disk is at work, so that what is left to do
//! when they are there is to tell.
use super::encoded::EncodedTransition;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Holds encoded transitions until they are on disk.
#[derive(Debug)]
pub(super) struct CommitBuffer {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug)]
struct State {
    /// Everything up to here is on disk.
    durable: u64,
    /// In order. Bounded by who adds: it waits until what it added is on disk.
    waiting: VecDeque<EncodedTransition>,
}

impl State {
    fn is_due(&self) -> bool {
        self.waiting.front().is_some_and(|first| first.seq <= self.durable)
    }
}

impl CommitBuffer {
    pub(super) fn new(durable: u64) -> Self {
        Self { state: Mutex::new(State { durable, waiting: VecDeque::new() }), bell: Notify::new() }
    }

    /// Adds transitions, in order, that may not be on disk yet.
    pub(super) fn add(&self, transitions: impl IntoIterator<Item = EncodedTransition>) {
        self.change(|state| state.waiting.extend(transitions));
    }

    /// Everything up to `durable` is on disk.
    pub(super) fn reach(&self, durable: u64) {
        self.change(|state| state.durable = durable);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let is_due = state.is_due();
        drop(state);
        if is_due {
            self.bell.notify_one();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Waits until some are on disk that were not taken.
    pub(super) async fn due(&self) {
        while !self.lock().is_due() {
            self.bell.notified().await;
        }
    }

    /// Takes those that are on disk, in order.
    pub(super) fn take(&self) -> Vec<EncodedTransition> {
        let mut state = self.lock();
        let due = state.waiting.partition_point(|one| one.seq <= state.durable);
        state.waiting.drain(..due).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
