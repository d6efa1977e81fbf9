//! A bounded queue into one thread, which sleeps as soon as it is empty. A channel's own waiting spins and gives its turn
//! away a few times first: with small batches, thousands of times a second, that costs more than evaluating them.
use super::sync::{Receiver, Sender, Thread, park};
use crossbeam_channel::{RecvError, SendError, TryRecvError};

/// The end that is written to. Dropping it ends the queue.
pub(crate) struct Outbox<T> {
    /// `None` only while it is dropped.
    queue: Option<Sender<T>>,
    reader: Thread,
}

impl<T> Outbox<T> {
    /// Makes the end of a queue from which `reader` takes by [`next`].
    pub(crate) fn new(queue: Sender<T>, reader: Thread) -> Self {
        Self { queue: Some(queue), reader }
    }

    /// Adds an item; waits while the queue is full.
    ///
    /// Errors: the reader is gone.
    pub(crate) fn send(&self, item: T) -> Result<(), SendError<T>> {
        match &self.queue {
            Some(queue) => queue.send(item)?,
            None => return Err(SendError(item)),
        }
        self.reader.unpark();
        Ok(())
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        // In this order: the reader must find the queue ended when it wakes.
        self.queue = None;
        self.reader.unpark();
    }
}

/// Takes the next item; sleeps while there is none. For the thread that is the reader.
///
/// Errors: the queue has ended, and everything was taken.
pub(crate) fn next<T>(queue: &Receiver<T>) -> Result<T, RecvError> {
    loop {
        match queue.try_recv() {
            Ok(item) => return Ok(item),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            // A wake-up follows whatever is sent or ended after this look; then this returns at once.
            Err(TryRecvError::Empty) => park(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use std::thread;

    #[test]
    fn everything_arrives_in_order_and_the_end_is_seen_by_a_sleeper() {
        const ITEMS: u64 = 20_000;
        let (sender, receiver) = bounded(4);
        let (took, taken) = bounded(ITEMS as usize);
        let reader = thread::spawn(move || {
            while let Ok(item) = next(&receiver) {
                took.send(item).unwrap();
            }
        });
        let outbox = Outbox::new(sender, reader.thread().clone());
        for item in 0..ITEMS {
            outbox.send(item).unwrap();
            if item % 1_000 == 0 {
                // Let it fall asleep.
                while taken.len() as u64 <= item {
                    thread::yield_now();
                }
            }
        }
        drop(outbox);
        reader.join().unwrap();
        assert!(taken.iter().eq(0..ITEMS));
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let (sender, receiver) = bounded(1);
        let outbox = Outbox::new(sender, thread::current());
        drop(receiver);
        assert!(outbox.send(1).is_err());
    }
}
