//! A clock that is wrong: it must not delete history.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{put, small, until, warnings};
use ioc_store::{ApplyOutcome, SharedHistory, StoreConfig};
use std::{
    cell::Cell,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

const DAY_MS: i64 = 86_400_000;
const DAY: Duration = Duration::from_secs(86_400);
/// A clock ten years ahead.
const FAR_MS: i64 = 3_650 * DAY_MS;

thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn monotonic() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + PASSED.get()
}

/// Ten days are kept, a day in a segment.
fn ten_days(dir: &Path) -> StoreConfig {
    StoreConfig { retention: 10 * DAY, segment_span: DAY, monotonic, ..small(dir) }
}

/// One reading at the start of each of the days 0 to 20, sealed. Returns the next offset.
fn twenty_days(dir: &Path) -> u64 {
    let store = ioc_store::open(ten_days(dir)).unwrap();
    for day in 0..=20 {
        put(&store, day as u64 + 1, 0, 0, day * DAY_MS, 1.0);
        store.seal().unwrap();
    }
    store.replay_from()
}

/// Checks by putting that exactly what is before `day` is refused.
fn assert_horizon(store: &SharedHistory, offset: &mut u64, day: i64) {
    *offset += 2;
    let at = day * DAY_MS;
    assert_eq!(put(store, *offset, 1, 1, at - 1, *offset as f64), ApplyOutcome::TooOld);
    assert_ne!(put(store, *offset + 1, 1, 1, at, *offset as f64), ApplyOutcome::TooOld);
}

fn await_segments(store: &SharedHistory, count: u64) {
    until("as many segments", || store.meters().segments == count);
}

#[test]
fn the_horizon_moves_no_faster_than_time_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut offset = twenty_days(dir.path());
    let store = ioc_store::open(ten_days(dir.path())).unwrap();
    store.maintain(20 * DAY_MS);
    await_segments(&store, 11);
    assert_horizon(&store, &mut offset, 10);

    // Wrong from now on: a day of slack, once.
    let warned = warnings(|| (0..5).for_each(|second| store.maintain(FAR_MS + second * 1_000)));
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("set it right"), "{warned:?}");
    assert_horizon(&store, &mut offset, 11);
    await_segments(&store, 10);
    PASSED.set(5 * DAY);
    store.maintain(FAR_MS);
    assert_horizon(&store, &mut offset, 16);

    // Right again: nothing comes back, and it can be warned of again.
    store.maintain(25 * DAY_MS);
    assert_horizon(&store, &mut offset, 16);
    assert_eq!(warnings(|| store.maintain(FAR_MS)).len(), 1);
}

#[test]
fn a_clock_that_is_wrong_at_a_start_does_not_delete_history() {
    let dir = tempfile::tempdir().unwrap();
    let mut offset = twenty_days(dir.path());
    for _start in 0..3 {
        let store = ioc_store::open(ten_days(dir.path())).unwrap();
        store.maintain(FAR_MS);
        assert_horizon(&store, &mut offset, 11);
        store.seal().unwrap();
    }
}

#[test]
fn an_empty_store_believes_the_clock_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = ioc_store::open(ten_days(dir.path())).unwrap();
    let mut offset = 0;
    store.maintain(20 * DAY_MS);
    assert_horizon(&store, &mut offset, 10);
    store.maintain(FAR_MS);
    assert_horizon(&store, &mut offset, 11);
    store.maintain(0);
    assert_horizon(&store, &mut offset, 11);
}
