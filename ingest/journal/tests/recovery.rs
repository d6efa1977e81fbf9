//! What an earlier process left: everything acknowledged is there, a torn tail is cut, damage is an error.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{PATIENCE, append_durable, config, copy, open, read_all, segments, warnings};
use ioc_journal::{
    AppendError, FollowError, JournalConfig, JournalError, RECORD_LEN_MAX, SharedLog, Visibility,
};
use ioc_model::RecordKind;
use proptest::prelude::*;
use std::{fs, os::unix::fs::FileExt, path::Path, time::Duration};

const KINDS: [RecordKind; 5] = [
    RecordKind::Message,
    RecordKind::Transition,
    RecordKind::Presence,
    RecordKind::OperatorAction,
    RecordKind::AlertEvent,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_appended_is_there_after_reopening(
        lives in prop::collection::vec(
            prop::collection::vec((0..KINDS.len(), prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..30), 1..5),
        segment_bytes in 1u64..4000, ring_bytes_max in 0usize..4000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for records in lives {
            let mut config = config(dir.path());
            (config.segment_bytes, config.ring_bytes_max) = (segment_bytes, ring_bytes_max);
            let (journal, opened) = ioc_journal::open(config).unwrap();
            prop_assert_eq!(opened.truncated_bytes, 0);
            prop_assert_eq!(opened.last, expected.len() as u64);
            for (kind, payload, wait) in records {
                let offset = journal.append(KINDS[kind], |out| out.extend_from_slice(&payload)).unwrap();
                expected.push((offset, KINDS[kind], payload));
                if wait {
                    journal.wait_durable(offset, PATIENCE).unwrap();
                    prop_assert_eq!(&read_all(&journal, 0).unwrap(), &expected);
                }
            }
            journal.close().unwrap();
        }
        let (journal, _) = open(dir.path());
        prop_assert_eq!(&read_all(&journal, 0).unwrap(), &expected);
        for from in 1..=expected.len() as u64 {
            prop_assert_eq!(&read_all(&journal, from).unwrap(), &expected[from as usize - 1..]);
        }
        for (index, row) in expected.iter().enumerate() {
            prop_assert_eq!(row.0, index as u64 + 1);
        }
    }
}

const HEADER_LEN: u64 = 24;

/// Three batches of the same length; returns where each ends in the file.
fn three_batches(dir: &std::path::Path) -> Vec<u64> {
    let (journal, _) = open(dir);
    for number in 0..3u8 {
        append_durable(&journal, RecordKind::Message, &[number; 40]);
    }
    journal.close().unwrap();
    let batch = (fs::metadata(&segments(dir)[0]).unwrap().len() - HEADER_LEN) / 3;
    (1..=3).map(|count| HEADER_LEN + count * batch).collect()
}

#[test]
fn a_file_that_was_made_longer_than_it_was_filled_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 0..3u8 {
        append_durable(&journal, RecordKind::Message, &[number; 40]);
    }
    // What a kill leaves.
    let killed = copy(dir.path());
    journal.close().unwrap();
    let len = |dir: &tempfile::TempDir| fs::metadata(&segments(dir.path())[0]).unwrap().len();
    assert!(len(&killed) > len(&dir), "segments are made longer ahead of the writing");
    let (journal, opened) = open(killed.path());
    assert_eq!((opened.last, opened.truncated_bytes), (3, 0));
    assert_eq!(append_durable(&journal, RecordKind::Message, b"next"), 4);
    assert_eq!(read_all(&journal, 0).unwrap().len(), 4);
}

/// A journal of two segments with one record each.
fn two_segments(dir: &Path) -> SharedLog {
    let (journal, _) =
        ioc_journal::open(JournalConfig { segment_bytes: 1, ..config(dir).followed_by(&["test"]) }).unwrap();
    append_durable(&journal, RecordKind::Message, b"one");
    append_durable(&journal, RecordKind::Message, b"two");
    journal
}

#[test]
fn zeros_behind_a_sealed_segment_are_its_end_and_zeros_within_are_damage() {
    let original = tempfile::tempdir().unwrap();
    let journal = two_segments(original.path());
    journal.checkpoint("test", 2).unwrap();
    journal.close().unwrap();
    for checked in [true, false] {
        let dir = copy(original.path());
        if checked {
            fs::remove_file(dir.path().join("checkpoints")).unwrap();
        }
        let first = fs::OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap();
        let len = first.metadata().unwrap().len();
        first.set_len(len + 10_000).unwrap();
        let (journal, _) = open(dir.path());
        assert_eq!(read_all(&journal, 0).unwrap().len(), 2, "checked at start: {checked}");
        drop(journal);
        first.write_all_at(&vec![0; (len - HEADER_LEN) as usize], HEADER_LEN).unwrap();
        let opened = ioc_journal::open(JournalConfig::new(dir.path()));
        let read = opened.map_err(FollowError::from).and_then(|(journal, _)| read_all(&journal, 0));
        assert!(read.is_err(), "checked at start: {checked}");
    }
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_last_batch() {
    let original = tempfile::tempdir().unwrap();
    let lengths = three_batches(original.path());
    for cut in lengths[1]..lengths[2] {
        let dir = copy(original.path());
        let file = fs::OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap();
        file.set_len(cut).unwrap();
        let tail = fs::read(&segments(dir.path())[0]).unwrap()[lengths[1] as usize..].to_vec();
        // Zeros at the end cannot be told from what was never written.
        let torn = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        let (journal, opened) = open(dir.path());
        assert_eq!((opened.first, opened.last, opened.truncated_bytes), (1, 2, torn), "cut at {cut}");
        // The journal goes on behind the cut, and what it writes there is found again.
        assert_eq!(append_durable(&journal, RecordKind::Presence, b"next"), 3);
        journal.close().unwrap();
        let (journal, opened) = open(dir.path());
        assert_eq!(opened.truncated_bytes, 0);
        let rows = read_all(&journal, 0).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].2, [1; 40]);
        assert_eq!(rows[2].2, b"next");
    }
}

#[test]
fn a_tail_of_zeros_or_of_garbage_is_cut() {
    let original = tempfile::tempdir().unwrap();
    let lengths = three_batches(original.path());
    for (filler, torn) in [(0, 0), (0x5a, 5000), (b'B', 5000)] {
        let dir = copy(original.path());
        let path = &segments(dir.path())[0];
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(lengths[1] as usize);
        bytes.resize(lengths[1] as usize + 5000, filler);
        fs::write(path, bytes).unwrap();
        let (journal, opened) = open(dir.path());
        assert_eq!((opened.last, opened.truncated_bytes), (2, torn));
        assert_eq!(read_all(&journal, 0).unwrap().len(), 2);
    }
}

#[test]
fn a_file_torn_while_it_was_made_is_made_again() {
    let original = tempfile::tempdir().unwrap();
    let journal = two_segments(original.path());
    journal.close().unwrap();
    for len in 0..24 {
        for zeros in [false, true] {
            let dir = copy(original.path());
            let last = segments(dir.path())[1].clone();
            let bytes = fs::read(&last).unwrap();
            let torn = if zeros { vec![0; len + 1] } else { bytes[..len].to_vec() };
            fs::write(&last, &torn).unwrap();
            let (journal, opened) = open(dir.path());
            assert_eq!((opened.last, opened.truncated_bytes), (1, torn.len() as u64));
            assert_eq!(append_durable(&journal, RecordKind::Message, b"again"), 2);
            assert_eq!(read_all(&journal, 0).unwrap().len(), 2);
        }
    }
}

#[test]
fn offsets_are_not_used_again_when_only_a_torn_file_is_left() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("00000000000000000042.journal"), b"IOC").unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.first, opened.last), (42, 41));
    // Also when nothing was appended before the next start.
    journal.close().unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.first, opened.last), (42, 41));
    assert_eq!(append_durable(&journal, RecordKind::Message, b"x"), 42);
}

#[test]
fn a_flipped_bit_in_an_acknowledged_batch_is_an_error_that_names_file_and_byte() {
    let original = tempfile::tempdir().unwrap();
    let lengths = three_batches(original.path());
    // Every bit of the first two batches: something acknowledged comes after them.
    for byte in 24..lengths[1] as usize {
        let dir = copy(original.path());
        let path = segments(dir.path())[0].clone();
        let mut bytes = fs::read(&path).unwrap();
        bytes[byte] ^= 1 << (byte % 8);
        fs::write(&path, &bytes).unwrap();
        let before = if byte < lengths[0] as usize { 24 } else { lengths[0] };
        match ioc_journal::open(config(dir.path())) {
            Err(JournalError::Corrupt { path: named, byte: found, .. }) => {
                assert_eq!(named, path);
                assert!((before..=byte as u64).contains(&found), "flipped {byte}, reported {found}");
            }
            other => panic!("flipped byte {byte}: {other:?}"),
        }
    }
}

/// Six segments with one record each, of which "slow" has processed two and "fast" all, and the numbered one damaged.
fn damaged_segment(number: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path()).followed_by(&["slow", "fast"]);
    let (journal, _) = ioc_journal::open(JournalConfig { segment_bytes: 1, ..config }).unwrap();
    for number in 1..=6u8 {
        append_durable(&journal, RecordKind::Message, &[number; 40]);
    }
    journal.checkpoint("slow", 2).unwrap();
    journal.checkpoint("fast", 6).unwrap();
    journal.close().unwrap();
    let path = &segments(dir.path())[number - 1];
    let mut bytes = fs::read(path).unwrap();
    bytes[10] ^= 0x10;
    fs::write(path, bytes).unwrap();
    dir
}

/// Does what the message about the damaged segment says: moves it and all older ones away.
fn move_away(dir: &Path) {
    let error = ioc_journal::open(config(dir)).unwrap_err();
    assert!(error.to_string().contains("move it and all older segments away"), "{error}");
    let JournalError::Corrupt { path: damaged, .. } = error else { panic!("{error}") };
    for path in segments(dir).into_iter().filter(|path| *path <= damaged) {
        fs::rename(&path, path.with_extension("moved")).unwrap();
    }
}

#[test]
fn the_advice_about_a_damaged_segment_works() {
    let dir = damaged_segment(4);
    move_away(dir.path());
    // Again and again, until the slow one has come to what is kept.
    for _start in 0..2 {
        let warned = warnings(|| {
            let (journal, opened) = open(dir.path());
            assert_eq!((opened.first, opened.last), (5, 6));
            assert_eq!((journal.checkpoint_of("slow"), journal.checkpoint_of("fast")), (Some(4), Some(6)));
            // Where those stand whose checkpoint lags behind them.
            for from in 3..=5 {
                assert_eq!(read_all(&journal, from).unwrap()[0].0, 5);
                assert_eq!(journal.follow(from, Visibility::Durable).position(), 5);
            }
            // A checkpoint that is kept again where it was changes nothing.
            journal.checkpoint("slow", 3).unwrap();
            assert_eq!(journal.checkpoint_of("slow"), Some(4));
            journal.checkpoint("slow", 2).unwrap();
            // Nobody had a reason to be here.
            let error = read_all(&journal, 2).unwrap_err();
            assert!(matches!(error, FollowError::Gone { wanted: 2, first: 5 }), "{error}");
        });
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(warned[0].contains("from=3 to=4") && warned[0].contains("[\"slow\"]"), "{warned:?}");
    }
    let (journal, _) = open(dir.path());
    journal.checkpoint("slow", 4).unwrap();
    journal.close().unwrap();
    assert_eq!(warnings(|| drop(open(dir.path()))), [""; 0]);
}

#[test]
fn the_advice_works_when_the_newest_segment_is_damaged() {
    let dir = damaged_segment(6);
    // Something acknowledged comes behind the header, so this is no torn file.
    move_away(dir.path());
    let error = ioc_journal::open(config(dir.path())).unwrap_err();
    let JournalError::Behind { name, offset: 6, last: 0, path } = &error else { panic!("{error}") };
    assert_eq!(name, "fast");
    assert!(error.to_string().contains(&format!("make an empty file {}", path.display())), "{error}");
    fs::write(path, "").unwrap();
    let ahead = 1_000_000_006;
    for _start in 0..2 {
        let (journal, opened) = open(dir.path());
        assert_eq!((opened.first, opened.last), (ahead, ahead - 1));
        assert_eq!(journal.checkpoint_of("slow"), Some(ahead - 1));
        assert_eq!(journal.checkpoint_of("fast"), Some(ahead - 1));
        assert_eq!(journal.follow(3, Visibility::Durable).position(), ahead);
    }
    let (journal, _) = open(dir.path());
    assert_eq!(append_durable(&journal, RecordKind::Message, b"next"), ahead);
    assert_eq!(read_all(&journal, 3).unwrap().len(), 1);
}

#[test]
fn a_damaged_or_missing_middle_segment_is_an_error() {
    let original = tempfile::tempdir().unwrap();
    let mut config = config(original.path());
    config.segment_bytes = 1;
    let (journal, _) = ioc_journal::open(config).unwrap();
    for number in 0..3u8 {
        append_durable(&journal, RecordKind::Message, &[number; 40]);
    }
    journal.close().unwrap();

    let missing = copy(original.path());
    fs::remove_file(&segments(missing.path())[1]).unwrap();
    let error = ioc_journal::open(common::config(missing.path())).unwrap_err();
    assert!(matches!(error, JournalError::Gap { expected: 2, found: 3, .. }), "{error}");

    let short = copy(original.path());
    let middle = &segments(short.path())[1];
    let bytes = fs::read(middle).unwrap();
    fs::write(middle, &bytes[..bytes.len() - 1]).unwrap();
    let error = ioc_journal::open(common::config(short.path())).unwrap_err();
    assert!(matches!(&error, JournalError::Corrupt { path, .. } if path == middle), "{error}");

    let newer = copy(original.path());
    let middle = &segments(newer.path())[1];
    let mut bytes = fs::read(middle).unwrap();
    bytes[8] = 9;
    fs::write(middle, &bytes).unwrap();
    let error = ioc_journal::open(common::config(newer.path())).unwrap_err();
    assert!(matches!(error, JournalError::Version { found: 9, .. }), "{error}");
}

#[test]
fn a_follower_reports_damage_that_came_after_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.ring_bytes_max = 0;
    let (journal, _) = ioc_journal::open(config).unwrap();
    for number in 0..3u8 {
        append_durable(&journal, RecordKind::Message, &[number; 40]);
    }
    let path = segments(dir.path())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[24 + 32 + 9 + 3] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let error = journal.follow(1, Visibility::Durable).next(Duration::ZERO).unwrap_err();
    assert!(matches!(error, FollowError::Journal(JournalError::Corrupt { byte: 56, .. })), "{error}");
}

#[test]
fn long_records_fit_up_to_the_limit_and_not_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let error = journal.append(RecordKind::Message, |out| out.resize(out.len() + RECORD_LEN_MAX + 1, 7));
    assert_eq!(error, Err(AppendError::TooLarge { len: RECORD_LEN_MAX + 1 }));
    let offset =
        journal.append(RecordKind::Message, |out| out.resize(out.len() + RECORD_LEN_MAX, 7)).unwrap();
    assert_eq!(offset, 1);
    journal.close().unwrap();
    let (journal, _) = open(dir.path());
    assert_eq!(read_all(&journal, 1).unwrap()[0].2, vec![7; RECORD_LEN_MAX]);
}

#[test]
fn a_panicking_encoder_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let twin = journal.clone();
    let panicked = std::thread::spawn(move || {
        let _ = twin.append(RecordKind::Message, |out| {
            out.extend_from_slice(b"half");
            panic!("an encoder's bug");
        });
    });
    assert!(panicked.join().is_err());
    append_durable(&journal, RecordKind::Message, b"whole");
    journal.close().unwrap();
    let (journal, _) = open(dir.path());
    assert_eq!(read_all(&journal, 0).unwrap(), [(1, RecordKind::Message, b"whole".to_vec())]);
}
