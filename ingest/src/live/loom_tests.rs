//! The promises of a cell, in every order that the memory model allows.
use super::{Latest, cell::Cell};
use ioc_model::Quality;
use loom::thread;
use std::sync::Arc;

/// Enough for a write to begin and end inside a read, and the other way round.
const PREEMPTIONS_MAX: usize = 3;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(model);
}

/// A value that tells of which write each of its fields is.
fn value(write: u8) -> Latest {
    let ms = i64::from(write);
    Latest { ts_ms: ms, arrival_ms: 1_000 + ms, value: f64::from(write), quality: Quality(write) }
}

/// Returns which write a reader saw; none of its fields may be of another.
fn write_of(seen: Latest) -> u8 {
    let write = seen.quality.0;
    assert_eq!(seen, value(write), "fields of two writes");
    write
}

#[test]
fn loom_a_value_is_read_undivided() {
    check(|| {
        let cell = Arc::new(Cell::default());
        cell.replace(value(1));
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || assert!(cell.replace(value(2))))
        };
        let seen = cell.read().map(write_of);
        assert!(matches!(seen, Some(1 | 2)), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(cell.read().map(write_of), Some(2));
    });
}

#[test]
fn loom_of_two_writers_the_newest_stays() {
    check(|| {
        let cell = Arc::new(Cell::default());
        let writer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || assert!(cell.replace(value(2))))
        };
        cell.replace(value(1));
        writer.join().unwrap();
        assert_eq!(cell.read().map(write_of), Some(2));
    });
}
