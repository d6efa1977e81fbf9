//! Random lives of a store against a map: late, duplicate and corrected readings, sealing, merging, restarts.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{NO_LIMIT, Oracle, apply_set_back, compare, observation, put, series, small, until};
use ioc_model::{DeviceIndex, Observation, Quality};
use ioc_store::{Batch, History, Outcome, Outcomes, Store, TimeRange};
use proptest::prelude::*;
use std::fs;

/// Two groups of 64 are touched.
const DEVICES: [u32; 4] = [0, 1, 63, 64];
/// And some more are asked for.
const ASKED: [u32; 7] = [0, 1, 2, 63, 64, 65, 200];
const PROPERTIES: u16 = 2;
const END_MS: i64 = 6_000;

/// How far scattered readings lie from the others: thousands of spans.
const FAR_MS: i64 = 3_000_000;

/// Property, time, value, quality.
type Reading = (u16, i64, u8, u8);

#[derive(Debug, Clone)]
enum Step {
    /// Journal records that are applied together; with some, their device's clock turns out to be set back.
    Apply(Vec<(usize, Vec<Reading>, Option<i64>)>),
    /// Time passes: spans are sealed, segments merged.
    Maintain(i64),
    Seal,
    /// The process ends and starts: the journal is replayed from where the store says.
    Restart,
    /// The same, but the journal is replayed from further back.
    RestartFromStart,
    Compare(i64, i64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let reading = (0..PROPERTIES, -500..END_MS, 0..4u8, prop_oneof![4 => Just(0u8), 1 => any::<u8>()]);
    // Few distinct times: duplicates and corrections are frequent.
    let coarse = (0..PROPERTIES, (0..12i64).prop_map(|n| n * 500), 0..3u8, Just(0u8));
    // Over thousands of spans; some of them again and again, with other values.
    let scattered = (0..PROPERTIES, -FAR_MS..FAR_MS, 0..3u8, Just(0u8));
    let far = (0..PROPERTIES, (-6..6i64).prop_map(|n| n * FAR_MS / 6), 0..3u8, Just(0u8));
    let readings = prop_oneof![
        prop::collection::vec(reading, 0..12),
        prop::collection::vec(coarse, 1..20),
        prop::collection::vec(prop_oneof![scattered, far], 1..30),
        // In order, as devices usually send.
        (0..PROPERTIES, 0..END_MS, 1..20usize).prop_map(|(property, start, n)| {
            (0..n).map(|i| (property, start + i as i64 * 10, 1, 0)).collect()
        }),
    ];
    let set_back = prop_oneof![9 => Just(None), 1 => (1..3 * END_MS).prop_map(Some)];
    let records = prop::collection::vec((0..DEVICES.len(), readings, set_back), 1..5);
    prop_oneof![
        12 => records.prop_map(Step::Apply),
        2 => (0..3 * END_MS).prop_map(Step::Maintain),
        1 => Just(Step::Seal),
        1 => Just(Step::Restart),
        1 => Just(Step::RestartFromStart),
        2 => (-600..END_MS + 600, -600..END_MS + 600, 1..50usize)
            .prop_map(|(a, b, n)| Step::Compare(a.min(b), a.max(b), n)),
        1 => (-FAR_MS..FAR_MS, -FAR_MS..FAR_MS, 1..50usize)
            .prop_map(|(a, b, n)| Step::Compare(a.min(b), a.max(b), n)),
    ]
}

/// One record as the journal has it, with what became of it.
type Logged = (u32, Vec<Observation>, Option<i64>, Vec<Outcome>);

/// Our own clock is put back at times.
fn arrival_ms(offset: u64) -> i64 {
    END_MS + offset as i64 * 7 - offset as i64 / 23 * 15_000
}

struct Life {
    dir: tempfile::TempDir,
    store: Store,
    oracle: Oracle,
    journal: Vec<Logged>,
}

impl Life {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(small(dir.path())).unwrap();
        Self { dir, store, oracle: Oracle::default(), journal: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Apply(records) => self.apply_all(&records),
            Step::Maintain(now_ms) => self.store.maintain(now_ms),
            Step::Seal => self.store.seal().unwrap(),
            Step::Restart => self.restart(u64::MAX),
            Step::RestartFromStart => self.restart(1),
            Step::Compare(from_ms, to_ms, n) => {
                compare(&self.store, &self.oracle, &ASKED, PROPERTIES, TimeRange::new(from_ms, to_ms), n);
            }
        }
    }

    fn apply(&mut self, device: usize, readings: &[Reading]) {
        self.apply_all(&[(device, readings.to_vec(), None)]);
    }

    fn apply_all(&mut self, records: &[(usize, Vec<Reading>, Option<i64>)]) {
        let mut batch = Batch::default();
        let before = self.journal.len();
        for (device, readings, set_back_ms) in records {
            let device = DEVICES[*device];
            let observations: Vec<_> = readings
                .iter()
                .map(|(property, ts_ms, value, quality)| Observation {
                    quality: Quality(*quality),
                    ..observation(*property, *ts_ms, f64::from(*value) * 0.1)
                })
                .collect();
            let offset = self.journal.len() as u64 + 1;
            batch.push(offset, DeviceIndex(device), arrival_ms(offset), observations.iter().copied());
            if let Some(by_ms) = *set_back_ms {
                self.oracle.set_back(device, by_ms);
                batch.set_back(by_ms);
            }
            let expected = self.oracle.apply(device, arrival_ms(offset), &observations);
            self.journal.push((device, observations, *set_back_ms, expected));
        }
        let mut outcomes = Outcomes::default();
        self.store.apply(&batch, &mut outcomes);
        let expected: Vec<_> =
            self.journal[before..].iter().map(|(_, _, _, expected)| &expected[..]).collect();
        assert_eq!(outcomes.records().collect::<Vec<_>>(), expected);
    }

    fn restart(&mut self, from: u64) {
        let config = small(self.dir.path());
        self.store.shutdown();
        self.store = Store::open(config).unwrap();
        let replay_from = self.store.replay_from();
        let from = replay_from.min(from);
        for (index, (device, observations, set_back_ms, before)) in self.journal.iter().enumerate() {
            let offset = index as u64 + 1;
            let outcomes = match offset >= from {
                true => apply_set_back(
                    &self.store,
                    offset,
                    *device,
                    arrival_ms(offset),
                    observations,
                    *set_back_ms,
                ),
                false => Vec::new(),
            };
            if offset >= replay_from {
                assert_eq!(&outcomes, before, "a replayed record means what it meant the first time");
            }
        }
        assert_eq!(self.store.damage(), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_store_is_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let mut life = Life::new();
        steps.into_iter().for_each(|step| life.step(step));
        let all = TimeRange::new(-1_000, END_MS + 1_000);
        let far = TimeRange::new(-FAR_MS - 1, FAR_MS + 1);
        compare(&life.store, &life.oracle, &ASKED, PROPERTIES, all, 7);
        compare(&life.store, &life.oracle, &ASKED, PROPERTIES, far, 7);
        life.restart(u64::MAX);
        compare(&life.store, &life.oracle, &ASKED, PROPERTIES, all, 7);
        life.store.seal().unwrap();
        life.restart(u64::MAX);
        prop_assert_eq!(life.store.replay_from(), life.journal.len() as u64 + 1);
        compare(&life.store, &life.oracle, &ASKED, PROPERTIES, all, 7);
        compare(&life.store, &life.oracle, &ASKED, PROPERTIES, far, 7);
    }
}

#[test]
fn a_crash_between_segments_and_manifest_loses_and_repeats_nothing() {
    let mut life = Life::new();
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
    let store = Store::open(small(dir.path())).unwrap();
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
        let expected = if round == 0 { Outcome::Stored } else { Outcome::Corrected };
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
    let store = Store::open(config.clone()).unwrap();
    for second in 0..20i64 {
        put(&store, second as u64 + 1, 0, 0, second * 1_000, 1.0);
        store.seal().unwrap();
    }
    assert_eq!(store.meters().segments, 20);
    store.maintain(20_000);
    until("old segments to go", || store.meters().segments <= 10);
    assert_eq!(put(&store, 30, 0, 0, 9_999, 1.0), Outcome::TooOld);
    assert_eq!(put(&store, 31, 0, 0, 10_001, 1.0), Outcome::Stored);
    let points = ioc_store::History::raw(&store, common::series(0, 0), TimeRange::ALL, 100).unwrap();
    assert_eq!(points.first().map(|point| point.ts_ms), Some(10_000));
    until("their files to go", || files(dir.path(), "history").len() <= 10);
    store.shutdown();
    let store = Store::open(config).unwrap();
    assert_eq!(put(&store, 32, 0, 0, 9_999, 1.0), Outcome::TooOld, "the horizon survives a restart");
    assert_eq!(store.last().len(), 1);
}

#[test]
fn times_at_the_ends_of_what_can_be_said_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(small(dir.path())).unwrap();
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for (index, ts_ms) in times.into_iter().rev().enumerate() {
        assert_eq!(put(&store, index as u64 + 1, u32::MAX - 1, u16::MAX, ts_ms, 1.5), Outcome::Stored);
    }
    for sealed in [false, true] {
        if sealed {
            store.seal().unwrap();
        }
        let series = common::series(u32::MAX - 1, u16::MAX);
        let points = ioc_store::History::raw(&store, series, TimeRange::ALL, 100).unwrap();
        // The very last instant is behind every exclusive end.
        assert_eq!(points.iter().map(|p| p.ts_ms).collect::<Vec<_>>(), times[..6], "sealed: {sealed}");
        let offset = 100 + u64::from(sealed);
        assert_eq!(put(&store, offset, u32::MAX - 1, u16::MAX, i64::MIN, 1.5), Outcome::Duplicate);
        let averaging = ioc_model::catalogue::Averaging::Linear;
        let buckets = ioc_store::History::buckets(&store, series, TimeRange::ALL, 3, averaging).unwrap();
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
    let store = Store::open(small(dir.path())).unwrap();
    assert_eq!(store.replay_from(), 2409);
    compare(&store, &oracle, &[0, 1, 63, 64], 2, all, 13);
    assert_eq!(put(&store, 2409, 0, 0, 500, -1.0), Outcome::Duplicate);
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
    let store = Store::open(small(dir.path())).unwrap();
    compare(&store, &oracle, &[0, 1, 63, 64], 2, TimeRange::new(-100, 30_000), 13);
    assert_eq!(store.damage(), []);
}

#[test]
fn readings_of_ten_thousand_spans_make_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = small(dir.path());
    config.head_readings_max = 1_000;
    let store = Store::open(config).unwrap();
    let mut most = 0;
    // Each time once: 7,919 is a prime.
    for n in 0..10_000i64 {
        let ts_ms = n * 7_919 % 10_000 * 1_000;
        assert_eq!(put(&store, n as u64 + 1, 0, 0, ts_ms, n as f64), Outcome::Stored);
        most = most.max(files(dir.path(), "history").len());
    }
    store.seal().unwrap();
    assert!(most <= 30, "{most} files");
    let points = store.raw(series(0, 0), TimeRange::ALL, NO_LIMIT).unwrap();
    assert!(points.iter().map(|point| point.ts_ms).eq((0..10_000).map(|n| n * 1_000)));
    // The same once more, and other values.
    for n in 0..10_000i64 {
        let (value, expected) = match n % 3 {
            0 => (-1.0, Outcome::Corrected),
            _ => (n as f64, Outcome::Duplicate),
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
