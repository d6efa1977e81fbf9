//! Followers, checkpoints, deletion and closing.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{PATIENCE, append_durable, config, open, read_all, segments};
use ioc_journal::{AppendError, FollowError, JournalError, SharedLog, Visibility, WaitError};
use ioc_model::RecordKind;
use std::{fs, thread, time::Duration};

/// Appends when there is room.
fn append_soon(journal: &SharedLog, payload: &[u8]) -> u64 {
    loop {
        match journal.append(RecordKind::Message, |out| out.extend_from_slice(payload)) {
            Ok(offset) => return offset,
            Err(AppendError::Full) => {
                let _ = journal.wait_durable(journal.durable() + 1, PATIENCE);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn followers_miss_nothing_between_memory_and_files() {
    const RECORDS: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    // Small everywhere: followers fall out of the ring and cross segments all the time.
    (config.segment_bytes, config.ring_bytes_max, config.pending_bytes_max) = (40_000, 3_000, 20_000);
    let (journal, _) = ioc_journal::open(config).unwrap();
    thread::scope(|scope| {
        for writer in 0..2u8 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..RECORDS / 2 {
                    let mut payload = vec![writer; (number % 50) as usize + 9];
                    payload[..8].copy_from_slice(&number.to_le_bytes());
                    append_soon(journal, &payload);
                }
            });
        }
        for (slowness, is_ahead) in [(0, false), (1, false), (2, false), (0, true), (2, true)] {
            let journal = &journal;
            scope.spawn(move || {
                let mut follower = if is_ahead {
                    journal.follow(1, Visibility::Appended)
                } else {
                    journal.follow(1, Visibility::Durable)
                };
                let mut next = 1;
                let mut numbers = [0u64; 2];
                while next <= RECORDS {
                    let Some(batch) = follower.next(PATIENCE).unwrap() else { panic!("stuck at {next}") };
                    assert_eq!(batch.first(), next);
                    assert!(batch.committed_ms() > 0);
                    for record in batch.records() {
                        assert_eq!(record.offset, next);
                        let number = u64::from_le_bytes(*record.payload.first_chunk().unwrap());
                        let writer = &mut numbers[record.payload[8] as usize];
                        assert_eq!(number, *writer, "order within an appender");
                        *writer += 1;
                        next += 1;
                        (0..slowness * 300).for_each(|_| std::hint::spin_loop());
                    }
                    assert_eq!(batch.last(), next - 1);
                }
            });
        }
    });
    assert!(segments(dir.path()).len() > 5);
    assert_eq!(read_all(&journal, 0).unwrap().len() as u64, RECORDS);
}

#[test]
fn a_follower_waits_for_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut follower = journal.follow(1, Visibility::Durable);
    assert!(follower.next(Duration::from_millis(5)).unwrap().is_none());
    let waiting = thread::spawn(move || follower.next(PATIENCE).unwrap().unwrap().first());
    append_durable(&journal, RecordKind::Message, b"x");
    assert_eq!(waiting.join().unwrap(), 1);
    assert_eq!(journal.wait_durable(2, Duration::from_millis(5)), Err(WaitError::Timeout));
}

#[test]
fn a_follower_can_start_within_a_batch_and_ahead_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 0..10u8 {
        journal.append(RecordKind::Message, |out| out.push(number)).unwrap();
    }
    journal.wait_durable(10, PATIENCE).unwrap();
    for from in 1..=10u64 {
        let rows = read_all(&journal, from).unwrap();
        assert_eq!(rows[0].0, from);
        assert_eq!(rows[0].2, [from as u8 - 1]);
        assert_eq!(rows.len() as u64, 11 - from);
    }
    let mut ahead = journal.follow(12, Visibility::Durable);
    append_durable(&journal, RecordKind::Message, b"11");
    assert!(ahead.next(Duration::ZERO).unwrap().is_none());
    append_durable(&journal, RecordKind::Message, b"12");
    assert_eq!(ahead.next(PATIENCE).unwrap().unwrap().first(), 12);
}

#[test]
fn progress_is_told_after_each_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let (send, told) = std::sync::mpsc::channel();
    journal.on_progress(Box::new(move |durable| {
        let _ = send.send(durable);
    }));
    for expected in 1..=5u64 {
        append_durable(&journal, RecordKind::Message, b"x");
        assert_eq!((told.recv_timeout(PATIENCE), journal.durable()), (Ok(expected), expected));
        assert!(told.try_recv().is_err(), "once for each commit");
    }
}

#[test]
fn closing_brings_everything_pending_to_disk_and_ends_followers() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut follower = journal.follow(1, Visibility::Durable);
    let following = thread::spawn(move || {
        let mut count = 0;
        loop {
            match follower.next(PATIENCE) {
                Ok(batch) => count += batch.unwrap().records().count(),
                Err(FollowError::Closed) => return count,
                Err(error) => panic!("{error}"),
            }
        }
    });
    for _ in 0..5_000 {
        append_soon(&journal, b"some record");
    }
    journal.close().unwrap();
    journal.close().unwrap();
    assert_eq!(journal.durable(), 5_000);
    assert_eq!(following.join().unwrap(), 5_000);
    assert_eq!(journal.append(RecordKind::Message, |_| {}), Err(AppendError::Stopped));
    assert_eq!(journal.wait_durable(5_001, PATIENCE), Err(WaitError::Stopped));
    let (_, opened) = open(dir.path());
    assert_eq!(opened.last, 5_000);
}

#[test]
fn dropping_the_last_handle_closes() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut follower = journal.follow(1, Visibility::Durable);
    append_soon(&journal, b"x");
    drop(journal);
    assert_eq!(follower.next(PATIENCE).unwrap().unwrap().last(), 1);
    assert!(matches!(follower.next(PATIENCE), Err(FollowError::Closed)));
}

/// Segments of one record with 100 bytes each, of which three are kept in any case.
fn small(dir: &std::path::Path, followers: &[&str]) -> ioc_journal::JournalConfig {
    let mut config = config(dir).followed_by(followers);
    (config.segment_bytes, config.keep_bytes, config.ring_bytes_max) = (1, 250, 0);
    config
}

fn append_ten(journal: &SharedLog) {
    for _ in 0..10 {
        append_durable(journal, RecordKind::Message, &[1; 35]);
    }
}

#[test]
fn what_every_follower_has_passed_is_deleted_beyond_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = ioc_journal::open(small(dir.path(), &["fast", "slow"])).unwrap();
    append_ten(&journal);
    let each = fs::metadata(&segments(dir.path())[0]).unwrap().len();
    assert_eq!(each, 100);
    let mut late = journal.follow(1, Visibility::Durable);
    late.next(Duration::ZERO).unwrap();
    journal.checkpoint("fast", 10).unwrap();
    journal.checkpoint("slow", 8).unwrap();
    // Three files of 100 bytes hold the 250 that are kept.
    assert_eq!(journal.first(), 8);
    assert_eq!(segments(dir.path()).len(), 3);
    assert!(matches!(late.next(Duration::ZERO), Err(FollowError::Gone { wanted: 2, first: 8 })));
    assert!(matches!(
        journal.follow(3, Visibility::Durable).next(Duration::ZERO),
        Err(FollowError::Gone { wanted: 3, first: 8 })
    ));
    assert_eq!(read_all(&journal, 0).unwrap()[0].0, 8);
    journal.close().unwrap();

    let (journal, opened) = ioc_journal::open(small(dir.path(), &["fast", "slow"])).unwrap();
    assert_eq!((opened.first, opened.last), (8, 10));
    assert_eq!((journal.checkpoint_of("fast"), journal.checkpoint_of("slow")), (Some(10), Some(8)));
    assert_eq!(journal.checkpoint_of("other"), None);
}

#[test]
fn a_follower_that_has_kept_no_place_yet_needs_everything() {
    let dir = tempfile::tempdir().unwrap();
    let followers = ["fast", "silent"];
    // Also over restarts, and whatever the others do.
    for start in 1..=3u64 {
        let (journal, opened) = ioc_journal::open(small(dir.path(), &followers)).unwrap();
        assert_eq!(opened.first, 1);
        append_ten(&journal);
        journal.checkpoint("fast", start * 10).unwrap();
        assert_eq!((journal.first(), journal.checkpoint_of("silent")), (1, Some(0)));
        let held = journal.held().unwrap();
        assert_eq!((held.follower.as_str(), held.place, held.bytes), ("silent", 0, start * 1000 - 250));
        assert!(journal.waits_for(0) && !journal.waits_for(start * 10));
        assert_eq!(read_all(&journal, 1).unwrap().len() as u64, start * 10);
        journal.close().unwrap();
    }
    let (journal, _) = ioc_journal::open(small(dir.path(), &followers)).unwrap();
    journal.checkpoint("silent", 30).unwrap();
    assert_eq!((journal.first(), journal.held()), (28, None));
}

/// Each case: the followers of the first opening with their places, those of the second, and where these stand then.
#[test]
fn new_renamed_and_retired_followers_are_told_apart() {
    use ioc_journal::Registration as R;
    type Places<'a> = &'a [(&'a str, u64)];
    let cases: [(&str, Places<'_>, Vec<R>, Places<'_>); 6] = [
        ("same", &[("a", 10), ("b", 9)], vec![R::new("a"), R::new("b")], &[("a", 10), ("b", 9)]),
        ("new", &[("a", 10)], vec![R::new("a"), R::new("b")], &[("a", 10), ("b", 7)]),
        ("gone", &[("a", 10), ("b", 8)], vec![R::new("a")], &[("a", 10)]),
        ("renamed", &[("a", 9)], vec![R::new("b").renamed_from("a")], &[("b", 9)]),
        ("renamed and both there", &[("a", 8), ("b", 9)], vec![R::new("b").renamed_from("a")], &[("b", 8)]),
        ("never renamed", &[("b", 9)], vec![R::new("b").renamed_from("a")], &[("b", 9)]),
    ];
    for (case, before, now, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<&str> = before.iter().map(|(name, _)| *name).collect();
        let (journal, _) = ioc_journal::open(small(dir.path(), &names)).unwrap();
        append_ten(&journal);
        before.iter().for_each(|(name, place)| journal.checkpoint(name, *place).unwrap());
        assert_eq!(journal.first(), 8, "{case}");
        journal.close().unwrap();
        let config = ioc_journal::JournalConfig { followers: now, ..small(dir.path(), &[]) };
        let (journal, opened) = ioc_journal::open(config).unwrap();
        assert_eq!(opened.first, 8, "{case}");
        for (name, place) in expected {
            assert_eq!(journal.checkpoint_of(name), Some(*place), "{case}: {name}");
        }
        for (name, _) in before.iter().filter(|(name, _)| !expected.iter().any(|(kept, _)| kept == name)) {
            let error = journal.checkpoint(name, 10).unwrap_err();
            assert!(matches!(error, JournalError::Unregistered(_)), "{case}: {error}");
        }
        // A place that is registered holds what it has not passed, the one that is gone holds nothing.
        append_ten(&journal);
        let kept: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let (first, others) = kept.split_first().unwrap();
        others.iter().for_each(|name| journal.checkpoint(name, 20).unwrap());
        assert!(journal.first() <= journal.checkpoint_of(first).unwrap() + 1, "{case}");
        journal.checkpoint(first, 20).unwrap();
        assert_eq!(journal.first(), 18, "{case}");
    }
}

#[test]
fn followers_that_cannot_be_meant_are_refused() {
    use ioc_journal::Registration as R;
    let dir = tempfile::tempdir().unwrap();
    let open = |followers| {
        let config = ioc_journal::JournalConfig { followers, ..config(dir.path()) };
        ioc_journal::open(config).map(|_| ()).unwrap_err()
    };
    for name in ["", "two words", "Ä", &"x".repeat(65)] {
        assert!(matches!(open(vec![R::new(name)]), JournalError::CheckpointName(_)), "{name:?}");
    }
    assert!(matches!(open(vec![R::new("a"), R::new("a")]), JournalError::RegisteredTwice(_)));
    let twice = vec![R::new("a"), R::new("b").renamed_from("a")];
    assert!(matches!(open(twice), JournalError::RegisteredTwice(_)));
}

#[test]
fn bad_checkpoints_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = ioc_journal::open(config(dir.path()).followed_by(&["a"])).unwrap();
    append_durable(&journal, RecordKind::Message, b"x");
    assert!(matches!(journal.checkpoint("b", 1), Err(JournalError::Unregistered(name)) if name == "b"));
    assert!(matches!(journal.checkpoint("a", 2), Err(JournalError::Ahead { offset: 2, last: 1, .. })));
    journal.checkpoint("a", 1).unwrap();
    journal.close().unwrap();

    // Lost segments must not lead to offsets that are used again.
    let segment = segments(dir.path())[0].clone();
    fs::remove_file(segment).unwrap();
    let error = ioc_journal::open(config(dir.path())).unwrap_err();
    assert!(
        matches!(&error, JournalError::Behind { name, offset: 1, last: 0, .. } if name == "a"),
        "{error}"
    );
}

#[test]
fn no_flipped_bit_of_the_checkpoints_goes_unseen() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = ioc_journal::open(small(dir.path(), &["a", "b"])).unwrap();
    append_ten(&journal);
    journal.checkpoint("a", 10).unwrap();
    journal.close().unwrap();
    assert_eq!(ioc_journal::damaged_checkpoints(dir.path()), None);
    let path = dir.path().join("checkpoints");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).unwrap();
        assert_eq!(ioc_journal::damaged_checkpoints(dir.path()), Some(path.clone()), "bit {bit}");
    }
    fs::write(&path, "ioc-journal-checkpoints 1\na 10\nb 3\n").unwrap();
    assert_eq!(ioc_journal::damaged_checkpoints(dir.path()), None, "an earlier version's");
}

#[test]
fn checkpoints_that_are_damaged_or_lost_cost_reading_again_and_nothing_else() {
    for damage in [
        "",
        "ioc-journal-checkpoints 1\na one\n",
        "\u{0}\u{0}\u{0}",
        "ioc-journal-checkpoints 9\na 3\n",
        "ioc-journal-checkpoints 2\na 10\nb 9\n",
    ] {
        for removed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (journal, _) = ioc_journal::open(small(dir.path(), &["a", "b"])).unwrap();
            append_ten(&journal);
            journal.checkpoint("a", 10).unwrap();
            journal.checkpoint("b", 9).unwrap();
            journal.close().unwrap();
            let path = dir.path().join("checkpoints");
            if removed {
                fs::remove_file(&path).unwrap()
            } else {
                fs::write(&path, damage).unwrap()
            }
            let (journal, opened) = ioc_journal::open(small(dir.path(), &["a", "b"])).unwrap();
            assert_eq!((opened.first, opened.last), (8, 10), "{damage:?}");
            assert_eq!((journal.checkpoint_of("a"), journal.checkpoint_of("b")), (Some(7), Some(7)));
            assert_eq!(dir.path().join("checkpoints.damaged").exists(), !removed);
            // Both are needed again before anything may go.
            append_ten(&journal);
            journal.checkpoint("a", 20).unwrap();
            assert_eq!(journal.first(), 8);
        }
    }
}

#[test]
fn the_files_are_for_their_own_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    for _start in 0..2 {
        let (journal, _) = ioc_journal::open(config(&path).followed_by(&["a"])).unwrap();
        append_durable(&journal, RecordKind::Message, b"x");
        journal.close().unwrap();
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            // As an earlier version left them.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn an_inspection_finds_what_opening_finds_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = ioc_journal::open(small(dir.path(), &["a"])).unwrap();
    append_ten(&journal);
    journal.checkpoint("a", 9).unwrap();
    journal.close().unwrap();
    // A torn tail, which opening would cut off.
    let newest = segments(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes.extend_from_slice(&[0x5a; 40]);
    fs::write(&newest, &bytes).unwrap();
    let found = ioc_journal::inspect(dir.path()).unwrap();
    assert_eq!((found.first, found.last, found.segments.len()), (8, 10, 3));
    assert_eq!(found.places.get("a"), Some(&9));
    assert_eq!(ioc_journal::check(&found.segments, true, &mut |_, _| ()).len(), 0);
    assert_eq!(ioc_journal::check(&found.segments, false, &mut |_, _| ()).len(), 1);
    assert_eq!(fs::read(&newest).unwrap(), bytes);
    let (_, opened) = open(dir.path());
    assert_eq!((opened.first, opened.last), (found.first, found.last));

    let oldest = segments(dir.path())[0].clone();
    let mut bytes = fs::read(&oldest).unwrap();
    bytes[70] ^= 1;
    fs::write(&oldest, bytes).unwrap();
    let found = ioc_journal::inspect(dir.path()).unwrap();
    let problems = ioc_journal::check(&found.segments, true, &mut |_, _| ());
    assert!(matches!(&problems[..], [JournalError::Corrupt { path, .. }] if *path == oldest), "{problems:?}");
}

#[test]
fn segments_are_sealed_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.segment_age = Duration::ZERO;
    let (journal, _) = ioc_journal::open(config).unwrap();
    append_durable(&journal, RecordKind::Message, b"x");
    append_durable(&journal, RecordKind::Message, b"x");
    assert_eq!(segments(dir.path()).len(), 2);
    let meters = journal.meters();
    assert_eq!((meters.batches, meters.records), (2, 2));
    assert!(meters.disk_bytes > 0);
}
