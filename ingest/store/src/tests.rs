//! Sealing beside applying and reading; the sealing thread is held up by its gate.
use crate::{
    ApplyOutcome, ApplyOutcomes, Batch, History, HistoryWriter, Series, StoreConfig, StoreError, TimeRange,
    sealed::lock, store::Store,
};
use ioc_model::{DeviceIndex, Observation, PropertyId, Quality};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

const HEAD_MAX: usize = 100;
/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SERIES: Series = Series { device: DeviceIndex(7), property: PropertyId(3) };

fn config(dir: &Path) -> StoreConfig {
    let mut config = StoreConfig::new(dir);
    (config.segment_span, config.head_readings_max) = (Duration::from_secs(1), HEAD_MAX);
    config
}

fn open(config: StoreConfig) -> Result<Arc<Store>, StoreError> {
    Store::open(config).map(Arc::new)
}

fn put(store: &Store, offset: u64) -> ApplyOutcome {
    try_put(store, offset).unwrap()
}

fn try_put(store: &Store, offset: u64) -> Option<ApplyOutcome> {
    let observation = Observation {
        property: SERIES.property,
        ts_ms: offset as i64 * 10,
        value: offset as f64,
        quality: Quality::LATE,
    };
    let (mut batch, mut outcomes) = (Batch::default(), ApplyOutcomes::default());
    batch.push(offset, SERIES.device, observation.ts_ms, [observation].into_iter());
    store.apply(&batch, &mut outcomes);
    outcomes.records().flatten().next().copied()
}

fn count(store: &Store) -> usize {
    store.raw(SERIES, TimeRange::ALL, usize::MAX).unwrap().len()
}

#[test]
fn sealing_holds_up_neither_applying_nor_reading() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path())).unwrap();
    let gate = Arc::clone(&store.inner().gate);
    let held = lock(&gate);
    // Three times what starts sealing: the sealer stands at the gate, and everything goes on.
    for offset in 1..=3 * HEAD_MAX as u64 {
        assert_eq!(put(&store, offset), ApplyOutcome::Stored);
    }
    let meters = store.meters();
    assert_eq!((meters.frozen_readings, meters.active_readings, meters.segments), (300, 0, 0));
    assert_eq!(count(&store), 300);
    assert_eq!(put(&store, 301), ApplyOutcome::Stored);
    assert_eq!(store.replay_from(), 1);
    drop(held);
    store.seal().unwrap();
    let meters = store.meters();
    assert_eq!((meters.frozen_readings, meters.active_readings, meters.sealed_readings), (0, 0, 301));
    assert_eq!(count(&store), 301);
    assert_eq!(store.replay_from(), 302);
}

#[test]
fn memory_is_bounded_while_sealing_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path())).unwrap();
    let gate = Arc::clone(&store.inner().gate);
    let held = lock(&gate);
    let applied = Arc::new(AtomicU64::new(0));
    let applying = thread::spawn({
        let (store, applied) = (store.clone(), Arc::clone(&applied));
        move || {
            for offset in 1..=1_000 {
                put(&store, offset);
                applied.store(offset, Ordering::SeqCst);
            }
        }
    });
    until("memory to be full", || applied.load(Ordering::SeqCst) >= 4 * HEAD_MAX as u64);
    // Meters, reading and maintenance do not wait with the applying thread.
    store.maintain(0);
    assert_eq!(store.meters().frozen_readings, 400);
    assert_eq!(count(&store), 400);
    assert_eq!(applied.load(Ordering::SeqCst), 400);
    drop(held);
    applying.join().unwrap();
    store.seal().unwrap();
    assert_eq!(count(&store), 1_000);
}

#[test]
fn readers_beside_sealing_and_merging_never_miss_a_reading() {
    const READINGS: u64 = 6_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path())).unwrap();
    let applied = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let at_least = applied.load(Ordering::SeqCst);
                    let points = store.raw(SERIES, TimeRange::ALL, usize::MAX).unwrap();
                    assert!(points.len() as u64 >= at_least);
                    for (index, point) in points.iter().enumerate() {
                        assert_eq!((point.ts_ms, point.quality), (index as i64 * 10 + 10, Quality::LATE));
                    }
                }
            });
        }
        for offset in 1..=READINGS {
            put(&store, offset);
            applied.store(offset, Ordering::SeqCst);
            if offset % 50 == 0 {
                store.maintain(offset as i64 * 10);
            }
        }
        store.seal().unwrap();
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(count(&store) as u64, READINGS);
    assert_eq!(store.damage(), []);
}

#[test]
fn a_failed_sealing_keeps_everything_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let history = dir.path().join("history");
    let store = open(config(&history)).unwrap();
    put(&store, 1);
    // Without its directory nothing can be written, whoever runs the test.
    let away = dir.path().join("away");
    fs::rename(&history, &away).unwrap();
    assert!(store.seal().is_err());
    assert!(store.meters().sealing_failed);
    assert_eq!((count(&store), store.replay_from(), put(&store, 2)), (1, 1, ApplyOutcome::Stored));
    fs::rename(&away, &history).unwrap();
    store.maintain(0);
    store.seal().unwrap();
    assert_eq!((count(&store), store.replay_from(), store.meters().sealing_failed), (2, 3, false));
}

/// A store in `history` below `dir` that cannot write, with a thread that applies a thousand readings, waits for room,
/// and tells how many it could apply in the end. The files are in `away`.
fn full_and_failing(dir: &Path) -> (Arc<Store>, Receiver<usize>) {
    let history = dir.join("history");
    let store = open(config(&history)).unwrap();
    fs::rename(&history, dir.join("away")).unwrap();
    let (tell, told) = channel();
    thread::spawn({
        let store = store.clone();
        move || {
            let applied = (1..=1_000).filter(|offset| try_put(&store, *offset).is_some()).count();
            tell.send(applied).unwrap();
        }
    });
    until("failed sealing and full memory", || {
        store.meters().sealing_failed && store.meters().frozen_readings >= 4 * HEAD_MAX as u64
    });
    (store, told)
}

#[test]
fn applying_that_waits_for_room_has_failed_sealing_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, told) = full_and_failing(dir.path());
    fs::rename(dir.path().join("away"), dir.path().join("history")).unwrap();
    // Nobody calls for maintenance.
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1_000));
    store.seal().unwrap();
    assert_eq!((count(&store), store.replay_from()), (1_000, 1_001));
}

#[test]
fn shutting_down_ends_the_waiting_and_memory_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (store, told) = full_and_failing(dir.path());
    store.shutdown();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(4 * HEAD_MAX));
    assert_eq!((count(&store), store.replay_from()), (4 * HEAD_MAX, 1));
    drop(store);
    fs::rename(dir.path().join("away"), dir.path().join("history")).unwrap();
    let store = open(config(&dir.path().join("history"))).unwrap();
    assert_eq!(put(&store, store.replay_from()), ApplyOutcome::Stored);
}

#[test]
fn the_end_of_a_span_seals_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.seal_delay = Duration::from_millis(200);
    let store = open(config).unwrap();
    store.maintain(500);
    put(&store, 1);
    store.advance(5, 0);
    for (now_ms, sealed) in [(900, false), (1_199, false), (1_200, true)] {
        store.maintain(now_ms);
        assert_eq!(store.meters().active_readings == 0, sealed, "at {now_ms}");
    }
    store.seal().unwrap();
    assert_eq!(store.replay_from(), 6);
}

/// Waits until `condition` holds; a minute later it is taken never to.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited a minute in vain: {what}");
        std::thread::yield_now();
    }
}
