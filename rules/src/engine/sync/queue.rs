//! A bounded queue that the model checker sees, in place of crossbeam's, which it does not. Every use of it is a step at
//! which another thread may go on, and what was done before one is seen after the next.
#![allow(clippy::disallowed_types, reason = "tests may lock; nobody else runs while this lock is held")]
use crossbeam_channel::{RecvError, SendError, TryRecvError};
use loom::{
    sync::atomic::{AtomicUsize, Ordering::AcqRel},
    thread::yield_now,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

struct Queue<T> {
    /// The step that the checker sees.
    uses: AtomicUsize,
    room: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    senders: usize,
    has_receiver: bool,
}

impl<T> Queue<T> {
    fn step<R>(&self, use_it: impl FnOnce(&mut State<T>) -> R) -> R {
        // A model that failed is unwinding, and its checker takes no more steps.
        if !std::thread::panicking() {
            self.uses.fetch_add(1, AcqRel);
        }
        use_it(&mut self.state.lock().unwrap())
    }
}

pub(crate) struct Sender<T>(Arc<Queue<T>>);

pub(crate) struct Receiver<T>(Arc<Queue<T>>);

pub(crate) fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), senders: 1, has_receiver: true };
    let queue = Arc::new(Queue { uses: AtomicUsize::new(0), room, state: Mutex::new(state) });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, item: T) -> Result<(), SendError<T>> {
        let mut item = Some(item);
        loop {
            let is_alive = self.0.step(|state| {
                if state.has_receiver && state.items.len() < self.0.room {
                    state.items.extend(item.take());
                }
                state.has_receiver
            });
            match item.take() {
                None => return Ok(()),
                Some(item) if !is_alive => return Err(SendError(item)),
                Some(full) => item = Some(full),
            }
            yield_now();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.step(|state| state.senders += 1);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.step(|state| state.senders -= 1);
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.step(|state| match state.items.pop_front() {
            Some(item) => Ok(item),
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        })
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        loop {
            match self.try_recv() {
                Ok(item) => return Ok(item),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => yield_now(),
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let unread = self.0.step(|state| {
            state.has_receiver = false;
            std::mem::take(&mut state.items)
        });
        drop(unread);
    }
}
