//! What is asked for wrongly, and what averaging means.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{put, series, small};
use ioc_model::{DeviceIndex, PropertyId, catalogue::Averaging};
use ioc_store::{BUCKETS_MAX, QueryError, SharedHistory, StoreConfig, StoreError, TimeRange};
use std::time::Duration;

fn store() -> (tempfile::TempDir, SharedHistory) {
    let dir = tempfile::tempdir().unwrap();
    let store = ioc_store::open(small(dir.path())).unwrap();
    (dir, store)
}

#[test]
fn decibels_are_averaged_as_energies() {
    let (_dir, store) = store();
    put(&store, 1, 0, 20, 100, 60.0);
    put(&store, 2, 0, 20, 200, 70.0);
    let range = TimeRange::new(0, 1_000);
    let mean = |averaging| store.buckets(series(0, 20), range, 1, averaging).unwrap()[0].mean;
    // 10 log10((10^6 + 10^7) / 2)
    assert!((mean(Averaging::Energy) - 67.403_626_894_942_44).abs() < 1e-9);
    assert_eq!(mean(Averaging::Linear), 65.0);
}

#[test]
fn intervals_start_at_the_range_and_empty_ones_are_left_out() {
    let (_dir, store) = store();
    for (offset, ts_ms) in [5, 10, 14, 34].into_iter().enumerate() {
        put(&store, offset as u64 + 1, 0, 1, ts_ms, ts_ms as f64);
    }
    let buckets = store.buckets(series(0, 1), TimeRange::new(5, 35), 3, Averaging::Linear).unwrap();
    let found: Vec<_> = buckets.iter().map(|b| (b.start_ms, b.min, b.max, b.mean, b.last, b.count)).collect();
    assert_eq!(found, [(5, 5.0, 14.0, 29.0 / 3.0, 14.0, 3), (25, 34.0, 34.0, 34.0, 34.0, 1)]);
    assert_eq!(store.buckets(series(9, 1), TimeRange::new(5, 35), 3, Averaging::Linear), Ok(vec![]));
}

#[test]
fn too_many_points_are_an_error_and_never_a_part() {
    let (_dir, store) = store();
    for n in 0..100 {
        put(&store, n + 1, 0, 1, n as i64 * 100, 1.0);
    }
    assert_eq!(store.raw(series(0, 1), TimeRange::ALL, 100).unwrap().len(), 100);
    let refused = store.raw(series(0, 1), TimeRange::ALL, 99);
    assert_eq!(refused, Err(QueryError::TooManyPoints { limit: 99 }));
    assert_eq!(store.raw(series(0, 1), TimeRange::new(3, 3), 0), Ok(vec![]));
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let (_dir, store) = store();
    let (backwards, range) = (TimeRange::new(2, 1), TimeRange::new(0, 1_000_000));
    let error = QueryError::Range { from_ms: 2, to_ms: 1 };
    assert_eq!(store.raw(series(0, 1), backwards, 1), Err(error));
    assert_eq!(store.buckets(series(0, 1), backwards, 1, Averaging::Linear), Err(error));
    for n in [0, BUCKETS_MAX + 1] {
        let found = store.buckets(series(0, 1), range, n, Averaging::Linear);
        assert_eq!(found, Err(QueryError::Buckets { buckets: n as u128 }));
    }
    let members: Vec<_> = (0..10).map(|n| (DeviceIndex(n), n)).collect();
    let groups = |width| store.groups(&members, PropertyId(1), range, width, Averaging::Linear);
    assert_eq!(groups(0), Err(QueryError::Interval { interval_ms: 0 }));
    assert_eq!(groups(1), Err(QueryError::Buckets { buckets: 1_000_000 }));
    assert_eq!(groups(50), Ok(vec![]));
    assert_eq!(store.groups(&[], PropertyId(1), range, 50, Averaging::Linear), Ok(vec![]));
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let changes: [fn(&mut StoreConfig); 4] = [
        |config| config.segment_span = Duration::from_millis(999),
        |config| config.segment_span = Duration::from_secs(86_401),
        |config| config.head_readings_max = 0,
        |config| config.retention = Duration::from_secs(1),
    ];
    for change in changes {
        let mut config = StoreConfig::new(dir.path());
        change(&mut config);
        assert!(matches!(ioc_store::open(config), Err(StoreError::Config(_))));
    }
}

#[test]
fn a_city_is_scanned_by_several_threads_with_the_same_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.head_readings_max = 500;
    let store = ioc_store::open(config).unwrap();
    let mut oracle = common::Oracle::default();
    // Thirty groups of 64 devices, two devices in each.
    let devices: Vec<u32> = (0..30).flat_map(|group| [group * 64, group * 64 + 63]).collect();
    let mut offset = 0;
    for round in 0..20i64 {
        for device in &devices {
            offset += 1;
            let (ts_ms, value) =
                (round * 150 + i64::from(device % 7), f64::from(device * 31 % 97) + round as f64);
            oracle.apply(*device, ts_ms, &[common::observation(0, ts_ms, value)]);
            put(&store, offset, *device, 0, ts_ms, value);
        }
    }
    common::compare(&store, &oracle, &devices, 1, TimeRange::new(0, 3_100), 13);
    common::compare(&store, &oracle, &devices, 1, TimeRange::new(333, 2_222), 5);
}
