//! Followers, checkpoints, deletion and closing.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{PATIENCE, append_durable, config, open, read_all, segments};
use ioc_journal::{AppendError, FollowError, Journal, JournalError, WaitError};
use ioc_model::RecordKind;
use std::{fs, thread, time::Duration};

/// Appends when there is room.
fn append_soon(journal: &Journal, payload: &[u8]) -> u64 {
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
    let (journal, _) = Journal::open(config).unwrap();
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
                let mut follower = if is_ahead { journal.follow_ahead(1) } else { journal.follow(1) };
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
    let mut follower = journal.follow(1);
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
    let mut ahead = journal.follow(12);
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
    let mut follower = journal.follow(1);
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
    let mut follower = journal.follow(1);
    append_soon(&journal, b"x");
    drop(journal);
    assert_eq!(follower.next(PATIENCE).unwrap().unwrap().last(), 1);
    assert!(matches!(follower.next(PATIENCE), Err(FollowError::Closed)));
}

#[test]
fn what_every_checkpoint_has_passed_is_deleted_beyond_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let small = || {
        let mut config = config(dir.path());
        (config.segment_bytes, config.keep_bytes, config.ring_bytes_max) = (1, 250, 0);
        config
    };
    let (journal, _) = Journal::open(small()).unwrap();
    for _ in 0..10 {
        append_durable(&journal, RecordKind::Message, &[1; 35]);
    }
    let each = fs::metadata(&segments(dir.path())[0]).unwrap().len();
    assert_eq!(each, 100);
    let mut slow = journal.follow(1);
    slow.next(Duration::ZERO).unwrap();

    journal.checkpoint("fast", 10).unwrap();
    journal.checkpoint("slow", 4).unwrap();
    // "fast" alone was there first: three files of 100 bytes hold the 250 that are kept.
    assert_eq!(journal.first(), 8);
    assert_eq!(segments(dir.path()).len(), 3);
    assert!(matches!(slow.next(Duration::ZERO), Err(FollowError::Gone { wanted: 2, first: 8 })));
    assert!(matches!(journal.follow(3).next(Duration::ZERO), Err(FollowError::Gone { wanted: 3, first: 8 })));
    assert_eq!(read_all(&journal, 0).unwrap()[0].0, 8);
    journal.close().unwrap();

    let (journal, opened) = Journal::open(small()).unwrap();
    assert_eq!((opened.first, opened.last), (8, 10));
    // What "slow" had not processed is gone: it goes on with what is kept.
    assert_eq!((journal.checkpoint_of("fast"), journal.checkpoint_of("slow")), (Some(10), Some(7)));
    assert_eq!(journal.checkpoint_of("other"), None);
}

#[test]
fn the_slowest_checkpoint_keeps_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    (config.segment_bytes, config.keep_bytes) = (1, 0);
    let (journal, _) = Journal::open(config).unwrap();
    journal.checkpoint("slow", 0).unwrap();
    for _ in 0..10 {
        append_durable(&journal, RecordKind::Message, b"x");
    }
    journal.checkpoint("fast", 10).unwrap();
    assert_eq!(journal.first(), 1);
    journal.checkpoint("slow", 4).unwrap();
    assert_eq!(journal.first(), 5);
    journal.checkpoint("slow", 10).unwrap();
    assert_eq!(journal.first(), 10, "the newest segment stays");
}

#[test]
fn bad_checkpoints_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    append_durable(&journal, RecordKind::Message, b"x");
    for name in ["", "two words", "Ä", &"x".repeat(65)] {
        assert!(matches!(journal.checkpoint(name, 1), Err(JournalError::CheckpointName(_))), "{name:?}");
    }
    assert!(matches!(journal.checkpoint("a", 2), Err(JournalError::Ahead { offset: 2, last: 1, .. })));
    journal.checkpoint("a", 1).unwrap();
    journal.close().unwrap();

    // Lost segments must not lead to offsets that are used again.
    let segment = segments(dir.path())[0].clone();
    fs::remove_file(segment).unwrap();
    let error = Journal::open(config(dir.path())).unwrap_err();
    assert!(
        matches!(&error, JournalError::Behind { name, offset: 1, last: 0, .. } if name == "a"),
        "{error}"
    );

    fs::write(dir.path().join("checkpoints"), "ioc-journal-checkpoints 1\na one\n").unwrap();
    let error = Journal::open(config(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::Checkpoints { line: 2, .. }), "{error}");
}

#[test]
fn segments_are_sealed_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.segment_age = Duration::ZERO;
    let (journal, _) = Journal::open(config).unwrap();
    append_durable(&journal, RecordKind::Message, b"x");
    append_durable(&journal, RecordKind::Message, b"x");
    assert_eq!(segments(dir.path()).len(), 2);
    let meters = journal.meters();
    assert_eq!((meters.batches, meters.records), (2, 2));
    assert!(meters.disk_bytes > 0);
}
