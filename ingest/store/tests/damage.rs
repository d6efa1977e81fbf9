//! Damaged files: reported with their place, and everything else is served.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{NO_LIMIT, Oracle, compare, observation, put, series, small, until, warnings};
use ioc_model::DeviceIndex;
use ioc_store::{SharedHistory, StoreError, TimeRange};
use std::{fs, path::Path, path::PathBuf};

const DEVICES: u32 = 70;
const PROPERTIES: u16 = 2;

/// Two groups of devices, two properties, two spans: eight blocks in two files.
fn build(dir: &Path) -> Oracle {
    let store = ioc_store::open(small(dir)).unwrap();
    let mut oracle = Oracle::default();
    let mut offset = 0;
    for ts_ms in [0, 400, 1_200] {
        for device in 0..DEVICES {
            for property in 0..PROPERTIES {
                offset += 1;
                let value = f64::from(device) + ts_ms as f64;
                oracle.apply(device, ts_ms, &[observation(property, ts_ms, value)]);
                put(&store, offset, device, property, ts_ms, value);
            }
        }
    }
    store.seal().unwrap();
    store.maintain(1_000_000);
    until("segments to be merged", || store.meters().segments <= 2);
    oracle
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == extension));
    paths.sort();
    paths
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Checks that every series is as it should be, except for series of damaged blocks, which lack readings.
fn check_served(store: &SharedHistory, oracle: &Oracle) -> usize {
    let mut missing = 0;
    for (series, readings) in &oracle.readings {
        let found = store.raw(*series, TimeRange::ALL, NO_LIMIT).unwrap();
        let expected: Vec<_> = readings.values().copied().collect();
        if found == expected {
            continue;
        }
        let lost: Vec<_> = expected.iter().filter(|point| !found.contains(point)).collect();
        assert_eq!(found.len() + lost.len(), expected.len(), "nothing is made up");
        missing += lost.len();
        let damage = store.damage();
        assert_eq!(damage.len(), 1, "{damage:?}");
        let (device, property) = (series.device, series.property);
        let told = store.damaged(&[device], property, TimeRange::ALL);
        for point in &lost {
            assert!(told.iter().any(|range| range.contains(point.ts_ms)), "{told:?}");
        }
        assert_eq!(store.damaged(&[device], property, TimeRange::new(-10, -5)), []);
        for point in lost {
            assert!(damage[0].range.contains(point.ts_ms), "{damage:?} does not tell of {point:?}");
        }
        if let Some((property, first)) = damage[0].block {
            assert_eq!((property, first), (series.property, DeviceIndex(series.device.0 / 64 * 64)));
        }
    }
    missing
}

#[test]
fn a_flipped_byte_costs_one_block_and_is_reported() {
    let original = tempfile::tempdir().unwrap();
    let oracle = build(original.path());
    let segment = with_extension(original.path(), "history")[0].clone();
    let name = segment.file_name().unwrap();
    let len = fs::read(&segment).unwrap().len();
    let (mut with_loss, mut without) = (0, 0);
    for byte in (0..len).step_by(3) {
        let dir = copy(original.path());
        flip(&dir.path().join(name), byte);
        match ioc_store::open(small(dir.path())) {
            Ok(store) => match check_served(&store, &oracle) {
                0 => without += 1,
                missing => {
                    with_loss += 1;
                    assert!(missing <= 128, "one block has at most two readings of each of 64 devices");
                    assert!(store.damage()[0].path.ends_with(name));
                }
            },
            Err(StoreError::Version { .. }) => assert!((8..12).contains(&byte)),
            Err(error) => panic!("flipped byte {byte}: {error}"),
        }
    }
    assert!(with_loss > 100 && without > 30, "{with_loss} {without}");
}

#[test]
fn a_segment_cut_short_or_gone_costs_only_what_was_in_it() {
    let original = tempfile::tempdir().unwrap();
    let oracle = build(original.path());
    let segment = with_extension(original.path(), "history")[1].clone();
    let name = segment.file_name().unwrap();
    let bytes = fs::read(&segment).unwrap();
    for len in [0, 10, 40, bytes.len() / 2, bytes.len() - 1] {
        let dir = copy(original.path());
        fs::write(dir.path().join(name), &bytes[..len]).unwrap();
        let store = ioc_store::open(small(dir.path())).unwrap();
        let missing = check_served(&store, &oracle);
        assert!(missing <= 140, "{missing}");
        assert!(!store.damage().is_empty());
    }
    let dir = copy(original.path());
    fs::remove_file(dir.path().join(name)).unwrap();
    let store = ioc_store::open(small(dir.path())).unwrap();
    assert!(check_served(&store, &oracle) > 0);
}

#[test]
fn newest_points_are_found_again_without_their_table() {
    let original = tempfile::tempdir().unwrap();
    let oracle = build(original.path());
    for gone in [false, true] {
        let dir = copy(original.path());
        let table = with_extension(dir.path(), "newest")[0].clone();
        if gone {
            fs::remove_file(&table).unwrap()
        } else {
            flip(&table, 100)
        }
        let store = ioc_store::open(small(dir.path())).unwrap();
        compare(
            &store,
            &oracle,
            &(0..DEVICES).collect::<Vec<_>>(),
            PROPERTIES,
            TimeRange::new(-10, 2_000),
            3,
        );
    }
}

#[test]
fn a_damaged_or_newer_manifest_is_refused() {
    let original = tempfile::tempdir().unwrap();
    build(original.path());
    let path = original.path().join("manifest");
    let bytes = fs::read(&path).unwrap();
    for byte in 0..bytes.len() - 1 {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 1;
        fs::write(&path, damaged).unwrap();
        match ioc_store::open(small(original.path())) {
            Err(StoreError::Manifest { .. } | StoreError::Version { .. }) => {}
            other => panic!("flipped byte {byte}: {other:?}"),
        }
    }
    fs::write(&path, "ioc-history-manifest 9\n").unwrap();
    let error = ioc_store::open(small(original.path())).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 9, .. }), "{error}");
}

#[test]
fn without_a_manifest_no_history_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let oracle = build(dir.path());
    let manifest = fs::read(dir.path().join("manifest")).unwrap();
    let segments = with_extension(dir.path(), "history");
    let original = copy(dir.path());
    for copies in 1..=2 {
        fs::remove_file(dir.path().join("manifest")).unwrap();
        let warned = warnings(|| {
            let store = ioc_store::open(small(dir.path())).unwrap();
            assert_eq!((store.replay_from(), store.last().len(), store.meters().segments), (1, 0, 0));
        });
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains(dir.path().to_str().unwrap()) && warned[0].contains("backup"),
            "{warned:?}"
        );
        assert_eq!(with_extension(dir.path(), "lost").len(), copies * segments.len());
        // Opened again, it is a store like any other.
        assert_eq!(warnings(|| drop(ioc_store::open(small(dir.path())).unwrap())), [""; 0]);
        // The same names are lost a second time.
        segments.iter().for_each(|path| {
            fs::copy(original.path().join(path.file_name().unwrap()), path).unwrap();
        });
    }

    // What the warning says brings everything back.
    with_extension(dir.path(), "history").into_iter().for_each(|path| fs::remove_file(path).unwrap());
    for path in &segments {
        fs::rename(path.with_extension("history.lost"), path).unwrap();
    }
    fs::write(dir.path().join("manifest"), manifest).unwrap();
    let store = ioc_store::open(small(dir.path())).unwrap();
    assert_eq!(check_served(&store, &oracle), 0);
}

#[test]
fn a_new_store_has_its_manifest_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(ioc_store::open(small(dir.path())).unwrap());
    // A crash between the first segments and their manifest: nothing is lost, the journal has it.
    fs::write(dir.path().join("000000000001.history"), b"stray").unwrap();
    assert_eq!(warnings(|| drop(ioc_store::open(small(dir.path())).unwrap())), [""; 0]);
    assert_eq!((with_extension(dir.path(), "history"), with_extension(dir.path(), "lost")), (vec![], vec![]));
}

#[test]
fn merging_leaves_damaged_spans_alone() {
    let dir = tempfile::tempdir().unwrap();
    let oracle = build(dir.path());
    flip(&with_extension(dir.path(), "history")[0], 100);
    let store = ioc_store::open(small(dir.path())).unwrap();
    let mut offset = store.replay_from();
    for round in 0..8i64 {
        put(&store, offset, 0, 0, 10 + round, 1.0);
        offset += 1;
        store.seal().unwrap();
    }
    let before = with_extension(dir.path(), "history");
    store.maintain(1_000_000);
    until("the damage to be found", || !store.damage().is_empty());
    put(&store, offset, 0, 0, 5, 1.0);
    store.seal().unwrap();
    let after = with_extension(dir.path(), "history");
    assert!(before.iter().all(|path| after.contains(path)));
    assert_eq!(store.raw(series(0, 1), TimeRange::new(1_000, 2_000), 10).unwrap().len(), 1);
    assert_eq!(oracle.readings.len(), (DEVICES * u32::from(PROPERTIES)) as usize);
}
