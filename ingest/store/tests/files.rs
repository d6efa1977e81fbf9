//! What the embedded history does with its files: crashes in between, merging, retention, what is scattered.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{
    NO_LIMIT, Oracle, compare,
    life::{ASKED, Life, PROPERTIES},
    observation, put, series, small, until,
};
use ioc_model::{Observation, Quality};
use ioc_store::{ApplyOutcome, TimeRange};
use std::fs;

#[test]
fn a_crash_between_segments_and_manifest_loses_and_repeats_nothing() {
    let mut life = Life::new(|dir| ioc_store::open(small(dir)).unwrap());
    for round in 0..4i64 {
        life.apply(0, &[(0, round * 300, 1, 0), (1, round * 700, 2, 0)]);
        life.store.seal().unwrap();
    }
    let manifest = fs::read(life.dir.path().join("manifest")).unwrap();
    let newest: Vec<_> = files(life.dir.path(), "newest");
    let saved: Vec<_> = newest.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    life.apply(0, &[(0, 150, 3, 0), (0, 300, 3, 0), (0, 5_000, 3, 0)]);
    life.store.seal().unwrap();
    life.store.shutdown();
    // As if the process had ended right before the manifest was replaced: segments are there, but do not count.
    fs::write(life.dir.path().join("manifest"), manifest).unwrap();
    saved.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let segments = files(life.dir.path(), "history").len();
    fs::write(life.dir.path().join("000000000099.tmp"), b"half a segment").unwrap();
    life.restart(u64::MAX);
    assert!(files(life.dir.path(), "history").len() < segments, "what does not count is removed");
    assert_eq!(files(life.dir.path(), "tmp").len(), 0);
    assert_eq!(life.store.replay_from(), 5);
    compare(&life.store, &life.oracle, &ASKED, PROPERTIES, TimeRange::new(-1_000, 9_000), 10);
}

fn files(dir: &std::path::Path, extension: &str) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

#[test]
fn late_readings_land_in_sealed_spans_and_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = ioc_store::open(small(dir.path())).unwrap();
    let mut oracle = Oracle::default();
    let mut offset = 0;
    for round in 0..8i64 {
        for device in 0..3 {
            for step in 0..5i64 {
                offset += 1;
                let (ts_ms, value) = (step * 100 + round * 7, round as f64);
                oracle.apply(device, ts_ms, &[observation(1, ts_ms, value)]);
                put(&store, offset, device, 1, ts_ms, value);
            }
        }
        // The same time again in every round: the last one holds.
        offset += 1;
        oracle.apply(0, 1, &[observation(1, 1, round as f64)]);
        let expected = if round == 0 { ApplyOutcome::Stored } else { ApplyOutcome::Corrected };
        assert_eq!(put(&store, offset, 0, 1, 1, round as f64), expected);
        store.seal().unwrap();
    }
    assert!(store.meters().segments >= 8);
    let range = TimeRange::new(0, 1_000);
    compare(&store, &oracle, &[0, 1, 2, 3], 2, range, 10);
    store.maintain(100_000);
    // Maintenance runs on the store's thread; sealing waits behind it.
    put(&store, offset + 1, 50, 0, 0, 0.0);
    // Those of the span, those with corrections, and what came last.
    until("segments to be merged", || {
        // What was sealed after a maintenance waits for the next one, as in a running server.
        store.maintain(100_000);
        store.seal().unwrap();
        store.meters().segments <= 4
    });
    oracle.apply(50, 0, &[observation(0, 0, 0.0)]);
    compare(&store, &oracle, &[0, 1, 2, 3, 50], 2, range, 10);
    assert_eq!(store.damage(), []);
    // Files of merged segments go after their last reader.
    until("merged files to go", || files(dir.path(), "history").len() as u64 <= store.meters().segments);
}

#[test]
fn what_is_beyond_retention_goes_and_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.retention = std::time::Duration::from_secs(10);
    let store = ioc_store::open(config.clone()).unwrap();
    for second in 0..20i64 {
        put(&store, second as u64 + 1, 0, 0, second * 1_000, 1.0);
        store.seal().unwrap();
    }
    assert_eq!(store.meters().segments, 20);
    store.maintain(20_000);
    until("old segments to go", || store.meters().segments <= 10);
    assert_eq!(put(&store, 30, 0, 0, 9_999, 1.0), ApplyOutcome::TooOld);
    assert_eq!(put(&store, 31, 0, 0, 10_001, 1.0), ApplyOutcome::Stored);
    let points = store.raw(common::series(0, 0), TimeRange::ALL, 100).unwrap();
    assert_eq!(points.first().map(|point| point.ts_ms), Some(10_000));
    until("their files to go", || files(dir.path(), "history").len() <= 10);
    store.shutdown();
    let store = ioc_store::open(config).unwrap();
    assert_eq!(put(&store, 32, 0, 0, 9_999, 1.0), ApplyOutcome::TooOld, "the horizon survives a restart");
    assert_eq!(store.last().len(), 1);
}

#[test]
fn times_at_the_ends_of_what_can_be_said_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = ioc_store::open(small(dir.path())).unwrap();
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for (index, ts_ms) in times.into_iter().rev().enumerate() {
        assert_eq!(put(&store, index as u64 + 1, u32::MAX - 1, u16::MAX, ts_ms, 1.5), ApplyOutcome::Stored);
    }
    for sealed in [false, true] {
        if sealed {
            store.seal().unwrap();
        }
        let series = common::series(u32::MAX - 1, u16::MAX);
        let points = store.raw(series, TimeRange::ALL, 100).unwrap();
        // The very last instant is behind every exclusive end.
        assert_eq!(points.iter().map(|p| p.ts_ms).collect::<Vec<_>>(), times[..6], "sealed: {sealed}");
        let offset = 100 + u64::from(sealed);
        assert_eq!(put(&store, offset, u32::MAX - 1, u16::MAX, i64::MIN, 1.5), ApplyOutcome::Duplicate);
        let averaging = ioc_model::catalogue::Averaging::Linear;
        let buckets = store.buckets(series, TimeRange::ALL, 3, averaging).unwrap();
        assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 6);
    }
}

/// The directory was written by the last program with format version 1: three devices, two properties, corrections.
#[test]
fn a_directory_of_the_version_before_is_read_and_merged() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1");
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut oracle = Oracle::default();
    for i in 0..400i64 {
        for (device, property) in [(0u32, 0u16), (0, 1), (63, 0), (63, 1), (64, 0), (64, 1)] {
            let (ts_ms, value) = (i * 10 + i64::from(device % 7), (i % 13) as f64 * 0.5 + f64::from(device));
            let quality = if i % 7 == 0 { Quality::LATE } else { Quality::GOOD };
            oracle.apply(device, ts_ms, &[Observation { quality, ..observation(property, ts_ms, value) }]);
        }
    }
    for i in (0..400i64).step_by(50) {
        oracle.apply(0, i * 10, &[observation(0, i * 10, -1.0)]);
    }
    let all = TimeRange::new(-100, 10_000);
    let store = ioc_store::open(small(dir.path())).unwrap();
    assert_eq!(store.replay_from(), 2409);
    compare(&store, &oracle, &[0, 1, 63, 64], 2, all, 13);
    assert_eq!(put(&store, 2409, 0, 0, 500, -1.0), ApplyOutcome::Duplicate);
    for (offset, (ts_ms, value)) in
        [(700, 4.0), (1_700, 5.0), (5, 6.0), (20_000, 7.0)].into_iter().enumerate()
    {
        let outcome = put(&store, 2410 + offset as u64, 0, 0, ts_ms, value);
        assert_eq!(outcome, oracle.apply(0, ts_ms, &[observation(0, ts_ms, value)])[0]);
    }
    store.seal().unwrap();
    store.maintain(1_000_000);
    until("segments to be merged", || store.meters().segments <= 6);
    compare(&store, &oracle, &[0, 1, 63, 64], 2, TimeRange::new(-100, 30_000), 13);
    store.shutdown();
    drop(store);
    let store = ioc_store::open(small(dir.path())).unwrap();
    compare(&store, &oracle, &[0, 1, 63, 64], 2, TimeRange::new(-100, 30_000), 13);
    assert_eq!(store.damage(), []);
}

#[test]
fn readings_of_ten_thousand_spans_make_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.head_readings_max = 1_000;
    let store = ioc_store::open(config).unwrap();
    let mut most = 0;
    // Each time once: 7,919 is a prime.
    for n in 0..10_000i64 {
        let ts_ms = n * 7_919 % 10_000 * 1_000;
        assert_eq!(put(&store, n as u64 + 1, 0, 0, ts_ms, n as f64), ApplyOutcome::Stored);
        most = most.max(files(dir.path(), "history").len());
    }
    store.seal().unwrap();
    assert!(most <= 30, "{most} files");
    let points = store.raw(series(0, 0), TimeRange::ALL, NO_LIMIT).unwrap();
    assert!(points.iter().map(|point| point.ts_ms).eq((0..10_000).map(|n| n * 1_000)));
    // The same once more, and other values.
    for n in 0..10_000i64 {
        let (value, expected) = match n % 3 {
            0 => (-1.0, ApplyOutcome::Corrected),
            _ => (n as f64, ApplyOutcome::Duplicate),
        };
        let ts_ms = n * 7_919 % 10_000 * 1_000;
        assert_eq!(put(&store, 10_001 + n as u64, 0, 0, ts_ms, value), expected);
    }
    store.seal().unwrap();
    store.maintain(0);
    let points = store.raw(series(0, 0), TimeRange::ALL, NO_LIMIT).unwrap();
    assert_eq!(points.iter().filter(|point| point.value == -1.0).count(), 3_334);
    assert!(files(dir.path(), "history").len() <= 30);
}
