//! A disk that runs out of space and fails: what is acknowledged, what is tried again, what ends the process.
use crate::{
    AppendError, FollowError, Health, JournalConfig, JournalError, SharedLog, Visibility, WaitError,
    disk::{Disk, Files, SegmentFile},
    frame::{HEADER_LEN, MARK_LEN, RECORD_HEAD_LEN},
    journal::Journal,
};
use ioc_model::RecordKind;
use std::{
    env, fs,
    io::{self, ErrorKind},
    path::Path,
    process::Command,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Faults that a test switches on.
#[derive(Default)]
struct Faults {
    no_space: AtomicBool,
    sync_fails: AtomicBool,
    aborts: AtomicBool,
    gave_up: AtomicBool,
    /// System error numbers of making a segment, of syncing its name, and of removing it; 0 is none.
    create_error: AtomicI32,
    sync_dir_error: AtomicI32,
    remove_error: AtomicI32,
    /// Refusals so far.
    refusals: Mutex<u64>,
    refused: Condvar,
    written: AtomicU64,
}

impl Faults {
    fn refuse(&self) {
        *self.refusals.lock().unwrap() += 1;
        self.refused.notify_all();
    }

    /// Refuses with the error that is switched on.
    fn check(&self, error: &AtomicI32) -> io::Result<()> {
        match error.load(Ordering::SeqCst) {
            0 => Ok(()),
            number => {
                self.refuse();
                Err(io::Error::from_raw_os_error(number))
            }
        }
    }

    fn wait_for_refusals(&self, count: u64) {
        let refusals = self.refusals.lock().unwrap();
        let (_refusals, timeout) =
            self.refused.wait_timeout_while(refusals, PATIENCE, |now| *now < count).unwrap();
        assert!(!timeout.timed_out());
    }
}

struct FaultyDisk(Arc<Faults>);

struct FaultyFile {
    file: Box<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl Disk for FaultyDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.0.check(&self.0.create_error)?;
        Ok(Box::new(FaultyFile { file: Files.create(path)?, faults: Arc::clone(&self.0) }))
    }

    fn reopen(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(FaultyFile { file: Files.reopen(path)?, faults: Arc::clone(&self.0) }))
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.0.check(&self.0.sync_dir_error)?;
        Files.sync_dir(dir)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.0.check(&self.0.remove_error)?;
        Files.remove(path)
    }

    fn give_up(&mut self) {
        if self.0.aborts.load(Ordering::SeqCst) {
            Files.give_up();
        }
        self.0.gave_up.store(true, Ordering::SeqCst);
    }
}

impl SegmentFile for FaultyFile {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.faults.no_space.load(Ordering::SeqCst) {
            // As a real disk does: a part fits.
            self.file.write_all_at(&bytes[..bytes.len() / 2], at)?;
            self.faults.refuse();
            return Err(ErrorKind::StorageFull.into());
        }
        self.faults.written.fetch_add(1, Ordering::SeqCst);
        self.file.write_all_at(bytes, at)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        if self.faults.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("a cable was pulled"));
        }
        self.file.sync_data()
    }

    fn reserve(&mut self, end: u64, len: u64) -> io::Result<()> {
        match self.faults.no_space.load(Ordering::SeqCst) {
            true => Err(ErrorKind::StorageFull.into()),
            false => self.file.reserve(end, len),
        }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }
}

fn open(config: JournalConfig) -> (SharedLog, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let (journal, _) = Journal::open_on(config, Box::new(FaultyDisk(Arc::clone(&faults)))).unwrap();
    (Arc::new(journal), faults)
}

fn append(journal: &SharedLog, payload: &[u8]) -> Result<u64, AppendError> {
    journal.append(RecordKind::Message, |out| out.extend_from_slice(payload))
}

fn payloads(journal: &SharedLog) -> Vec<Vec<u8>> {
    let mut follower = journal.follow(0, Visibility::Durable);
    let mut all = Vec::new();
    while let Some(batch) = follower.next(Duration::ZERO).unwrap() {
        all.extend(batch.records().map(|record| record.payload.to_vec()));
    }
    all
}

/// Runs out of space, fills up, gets space; everything taken in is there once and in order.
fn runs_out_and_recovers(segment_bytes: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = JournalConfig::new(dir.path());
    (config.pending_bytes_max, config.segment_bytes) = (4_000, segment_bytes);
    let (journal, faults) = open(config);
    assert_eq!(journal.wait_durable(append(&journal, b"first").unwrap(), PATIENCE), Ok(()));
    faults.no_space.store(true, Ordering::SeqCst);
    let mut expected = vec![b"first".to_vec()];
    let refused = append(&journal, b"refused").unwrap();
    expected.push(b"refused".to_vec());
    faults.wait_for_refusals(1);

    // The writer holds one batch; appends fill the buffer to its bound and are then refused.
    let full = loop {
        let payload = vec![expected.len() as u8; 100];
        match append(&journal, &payload) {
            Ok(_) => expected.push(payload),
            Err(error) => break error,
        }
    };
    assert_eq!(full, AppendError::Full);
    assert!(expected.len() < 2 + 4_000 / 100 + 1);
    faults.wait_for_refusals(2);
    assert!(matches!(journal.health(), Health::OutOfSpace { since_ms } if since_ms > 0));
    assert_eq!(journal.durable(), 1);
    assert_eq!(journal.wait_durable(refused, Duration::ZERO), Err(WaitError::Timeout));

    faults.no_space.store(false, Ordering::SeqCst);
    assert_eq!(journal.wait_durable(expected.len() as u64, PATIENCE), Ok(()));
    assert_eq!(journal.health(), Health::Ok);
    assert!(append(&journal, b"after").is_ok());
    expected.push(b"after".to_vec());
    journal.close().unwrap();
    let (journal, _) = crate::open(JournalConfig::new(dir.path())).unwrap();
    assert_eq!(payloads(&journal), expected);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    runs_out_and_recovers(1 << 20);
}

#[test]
fn a_full_disk_while_a_segment_is_made_loses_nothing() {
    runs_out_and_recovers(1);
}

/// As the system numbers them.
const EINTR: i32 = 4;
const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EROFS: i32 = 30;

/// A journal that has one record and makes a segment for each.
fn one_each(dir: &Path) -> (SharedLog, Arc<Faults>) {
    let mut config = JournalConfig::new(dir);
    config.segment_bytes = 1;
    let (journal, faults) = open(config);
    journal.wait_durable(append(&journal, b"first").unwrap(), PATIENCE).unwrap();
    (journal, faults)
}

#[test]
fn a_segment_that_cannot_be_made_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = one_each(dir.path());
    let mut expected = vec![b"first".to_vec()];
    let creating = [EINTR, EIO, EACCES, ENFILE, EMFILE, EROFS].map(|error| (&faults.create_error, error));
    let naming = [EIO, EMFILE].map(|error| (&faults.sync_dir_error, error));
    for (fault, error) in creating.into_iter().chain(naming) {
        let before = *faults.refusals.lock().unwrap();
        fault.store(error, Ordering::SeqCst);
        let payload = error.to_string().into_bytes();
        let offset = append(&journal, &payload).unwrap();
        faults.wait_for_refusals(before + 2);
        assert!(matches!(journal.health(), Health::OutOfSpace { since_ms } if since_ms > 0));
        assert_eq!(journal.wait_durable(offset, Duration::ZERO), Err(WaitError::Timeout));
        fault.store(0, Ordering::SeqCst);
        assert_eq!(journal.wait_durable(offset, PATIENCE), Ok(()));
        assert_eq!(journal.health(), Health::Ok);
        expected.push(payload);
    }
    assert!(!faults.gave_up.load(Ordering::SeqCst));
    journal.close().unwrap();
    let (journal, opened) = crate::open(JournalConfig::new(dir.path())).unwrap();
    assert_eq!(opened.truncated_bytes, 0);
    assert_eq!(payloads(&journal), expected);
}

#[test]
fn closing_without_a_segment_leaves_a_journal_that_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = one_each(dir.path());
    faults.sync_dir_error.store(EMFILE, Ordering::SeqCst);
    append(&journal, b"second").unwrap();
    faults.wait_for_refusals(1);
    let error = journal.close().unwrap_err();
    assert!(matches!(error, JournalError::ClosedOutOfSpace { records: 1 }), "{error}");
    let (journal, opened) = crate::open(JournalConfig::new(dir.path())).unwrap();
    assert_eq!((opened.last, opened.truncated_bytes), (1, 0));
    assert_eq!(append(&journal, b"second"), Ok(2));
}

#[test]
fn a_name_that_may_not_be_on_disk_and_cannot_be_made_anew_gives_up() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = one_each(dir.path());
    faults.remove_error.store(EROFS, Ordering::SeqCst);
    faults.sync_dir_error.store(EIO, Ordering::SeqCst);
    let offset = append(&journal, b"second").unwrap();
    assert_eq!(journal.wait_durable(offset, PATIENCE), Err(WaitError::Stopped));
    assert!(faults.gave_up.load(Ordering::SeqCst));
}

#[test]
fn the_file_ends_with_a_whole_batch_while_there_is_no_space() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    journal.wait_durable(append(&journal, b"first").unwrap(), PATIENCE).unwrap();
    let path = crate::segment::path(dir.path(), 1);
    let end = HEADER_LEN + MARK_LEN + RECORD_HEAD_LEN + b"first".len();
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, &[7; 1000]).unwrap();
    faults.wait_for_refusals(1);
    // The next attempt comes only after the first was taken back.
    faults.wait_for_refusals(2);
    journal.close().unwrap_err();
    assert_eq!(fs::metadata(&path).unwrap().len(), end as u64);
}

#[test]
fn closing_without_space_says_what_was_not_written_and_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, b"one").unwrap();
    faults.wait_for_refusals(1);
    append(&journal, b"two").unwrap();
    // That this returns is the point: there never is any space.
    let error = journal.close().unwrap_err();
    assert!(matches!(error, JournalError::ClosedOutOfSpace { records: 2 }), "{error}");
    assert_eq!(journal.durable(), 0);
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_gives_up() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    faults.sync_fails.store(true, Ordering::SeqCst);
    let offset = append(&journal, b"one").unwrap();
    assert_eq!(journal.wait_durable(offset, PATIENCE), Err(WaitError::Stopped));
    assert!(faults.gave_up.load(Ordering::SeqCst));
    assert_eq!((journal.durable(), append(&journal, b"two")), (0, Err(AppendError::Stopped)));
    assert!(matches!(journal.close(), Err(JournalError::Stopped)));
}

const CHILD: &str = "IOC_JOURNAL_TEST_CHILD_DIR";

#[test]
fn a_failed_sync_aborts_the_process() {
    // The same test program, running only the test below, which is nothing without the variable.
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "tests::child_whose_sync_fails", "--nocapture"])
        .env(CHILD, dir.path())
        .output()
        .unwrap()
        .status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6), "{status}");
}

#[test]
fn child_whose_sync_fails() {
    let Some(dir) = env::var_os(CHILD) else { return };
    let (journal, faults) = open(JournalConfig::new(dir));
    faults.aborts.store(true, Ordering::SeqCst);
    faults.sync_fails.store(true, Ordering::SeqCst);
    let offset = append(&journal, b"one").unwrap();
    let _ = journal.wait_durable(offset, PATIENCE);
    panic!("the process outlived a failed sync");
}

#[test]
fn appends_while_the_disk_is_busy_share_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, b"first").unwrap();
    faults.wait_for_refusals(1);
    for _ in 0..100 {
        append(&journal, b"more").unwrap();
    }
    faults.no_space.store(false, Ordering::SeqCst);
    journal.wait_durable(101, PATIENCE).unwrap();
    // Header, first batch, and one batch for the hundred.
    assert_eq!(faults.written.load(Ordering::SeqCst), 3);
    assert_eq!(journal.meters().batches, 2);
}

#[test]
fn who_reads_ahead_sees_what_is_on_its_way_and_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    let (mut ahead, mut follower) =
        (journal.follow(1, Visibility::Appended), journal.follow(1, Visibility::Durable));
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, b"one").unwrap();
    let batch = ahead.next(PATIENCE).unwrap().unwrap();
    assert_eq!((batch.first(), batch.last(), journal.durable()), (1, 1, 0));
    assert!(follower.next(Duration::ZERO).unwrap().is_none());
    // What waits behind the batch that is being written is seen piece by piece, as it comes.
    faults.wait_for_refusals(1);
    for (offset, payload) in [(2, b"two"), (3, b"six")] {
        append(&journal, payload).unwrap();
        let batch = ahead.next(PATIENCE).unwrap().unwrap();
        let records: Vec<_> = batch.records().map(|record| (record.offset, record.payload)).collect();
        assert_eq!(records, [(offset, &payload[..])]);
    }
    assert!(ahead.next(Duration::ZERO).unwrap().is_none());
    // One that starts now gets the batch that is being written first.
    let mut late = journal.follow(0, Visibility::Appended);
    assert_eq!([(); 2].map(|()| late.next(PATIENCE).unwrap().unwrap().last()), [1, 3]);

    faults.no_space.store(false, Ordering::SeqCst);
    journal.wait_durable(3, PATIENCE).unwrap();
    assert!(ahead.next(Duration::ZERO).unwrap().is_none());
    let followed = [follower.next(PATIENCE), follower.next(PATIENCE)].map(|next| next.unwrap().unwrap());
    assert_eq!(followed.map(|batch| batch.last()), [1, 3]);
}

#[test]
fn who_reads_ahead_gets_what_is_too_much_to_copy_when_it_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    let mut ahead = journal.follow(1, Visibility::Appended);
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, b"one").unwrap();
    faults.wait_for_refusals(1);
    assert_eq!(ahead.next(PATIENCE).unwrap().unwrap().last(), 1);
    append(&journal, &[7; 100_000]).unwrap();
    assert!(ahead.next(Duration::ZERO).unwrap().is_none());
    faults.no_space.store(false, Ordering::SeqCst);
    let batch = ahead.next(PATIENCE).unwrap().unwrap();
    assert_eq!(batch.records().map(|record| record.payload.len()).collect::<Vec<_>>(), [100_000]);
}

#[test]
fn what_never_reaches_the_disk_was_seen_ahead_and_is_not_there_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, faults) = open(JournalConfig::new(dir.path()));
    let mut ahead = journal.follow(1, Visibility::Appended);
    faults.no_space.store(true, Ordering::SeqCst);
    append(&journal, b"one").unwrap();
    assert_eq!(ahead.next(PATIENCE).unwrap().unwrap().last(), 1);
    assert!(matches!(journal.checkpoint("rules", 1), Err(JournalError::Ahead { .. })));
    journal.close().unwrap_err();
    assert!(matches!(ahead.next(PATIENCE), Err(FollowError::Closed)));
    let (journal, opened) = crate::open(JournalConfig::new(dir.path())).unwrap();
    assert_eq!(opened.last, 0);
    assert_eq!(append(&journal, b"another"), Ok(1));
}

#[test]
fn a_leap_is_passed_over_by_who_follows_and_nothing_before_it_is_lost() {
    const FAR: u64 = 1 << 52;
    for before in [0, 1, 5] {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = crate::open(JournalConfig::new(dir.path())).unwrap();
        let last = (0..before).fold(0, |_, n| append(&journal, &[n]).unwrap());
        journal.close().unwrap();
        for _again in 0..2 {
            // Torn, or made longer and not filled: both end before the leap.
            crate::leap(dir.path(), FAR).unwrap();
        }
        crate::leap(dir.path(), last).unwrap();
        let found = crate::inspect(dir.path()).unwrap();
        assert_eq!((found.first, found.last), (1, FAR), "nothing is missing");
        assert!(crate::check(&found.segments, false, &mut |_, _| ()).is_empty());
        for round in 1..3 {
            let config = JournalConfig { segment_bytes: 200, ..JournalConfig::new(dir.path()) };
            let (journal, opened) = crate::open(config).unwrap();
            assert_eq!(opened.last, FAR + (round - 1) * 9);
            for n in 1..10 {
                let offset = append(&journal, b"more than a little").unwrap();
                assert_eq!(offset, FAR + (round - 1) * 9 + n);
                journal.wait_durable(offset, std::time::Duration::from_secs(60)).unwrap();
            }
            for from in [opened.first, last + 1, last + 2, FAR - 1, FAR, FAR + 1] {
                let mut follower = journal.follow(from.max(opened.first), Visibility::Durable);
                let mut seen = Vec::new();
                while follower.position() <= journal.durable() {
                    let batch = follower.next(std::time::Duration::ZERO).unwrap().unwrap();
                    seen.extend(batch.records().map(|record| record.offset));
                }
                let kept = (1..=last).chain(FAR + 1..=journal.durable());
                let expected: Vec<u64> = kept.filter(|offset| *offset >= from).collect();
                assert_eq!(seen, expected, "{before} before, from {from}, round {round}");
            }
            journal.close().unwrap();
        }
        let found = crate::inspect(dir.path()).unwrap();
        assert!(found.segments.len() > 2);
        assert!(crate::check(&found.segments, false, &mut |_, _| ()).is_empty());
    }
}
