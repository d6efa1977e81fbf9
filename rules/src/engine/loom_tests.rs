//! The promises between the engine's threads, in every order that the memory model allows.
use super::{
    outbox::{self, Outbox},
    sync::{Builder, JoinHandle, bounded},
};

/// Starts a reader that takes so many items, or those there are.
fn reader(items: usize) -> (Outbox<u64>, JoinHandle<Vec<u64>>) {
    let (sender, queue) = bounded(2);
    let take = move || (0..items).map_while(|_| outbox::next(&queue).ok()).collect();
    let reader = Builder::new().spawn(take).unwrap();
    (Outbox::new(sender, reader.thread().clone()), reader)
}

#[test]
fn loom_no_wake_up_is_lost() {
    loom::model(|| {
        let (outbox, reader) = reader(2);
        outbox.send(1).unwrap();
        outbox.send(2).unwrap();
        assert_eq!(reader.join().unwrap(), [1, 2], "while the queue has not ended");
    });
}

#[test]
fn loom_a_sleeper_sees_the_end() {
    loom::model(|| {
        let (outbox, reader) = reader(2);
        outbox.send(1).unwrap();
        drop(outbox);
        assert_eq!(reader.join().unwrap(), [1]);
    });
}
