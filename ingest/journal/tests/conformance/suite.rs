//! What every implementation of [`Log`](ioc_journal::Log) must do, whoever keeps the records.
use ioc_journal::{
    AppendError, Follow, FollowError, Health, JournalError, Opened, RECORD_LEN_MAX, SharedLog, Visibility,
    WaitError,
};
use ioc_model::RecordKind;
use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A place where a log is kept; dropped, it is gone.
pub(crate) trait Place {
    /// Opens the log, with these registered followers.
    fn open(&self, followers: &[&str]) -> (SharedLog, Opened);
}

/// What a case shows, and the case.
type Case = (&'static str, fn(&dyn Place));

/// Runs every case, each in a place of its own.
pub(crate) fn run<P: Place>(make: impl Fn() -> P) {
    let cases: [Case; 9] = [
        ("records have consecutive numbers and come once, in order", records_come_once_in_order),
        ("a follower begins where it is told", a_follower_begins_where_it_is_told),
        ("waiting ends when it must", waiting_ends),
        ("listeners hear of progress that only grows", progress_only_grows),
        ("what is too large is refused and takes no number", too_large_is_refused),
        ("what is appended can be read ahead where that is offered", reading_ahead),
        ("checkpoints are kept for registered followers", checkpoints_are_kept),
        ("a closed log delivers the rest and takes nothing", closing_delivers_the_rest),
        ("appenders keep their order beside each other", appenders_keep_their_order),
    ];
    for (what, case) in cases {
        eprintln!("conformance: {what}");
        case(&make());
    }
}

fn append(log: &SharedLog, payload: &[u8]) -> u64 {
    log.append(RecordKind::Message, |out| out.extend_from_slice(payload)).unwrap()
}

/// Reads until the record `through` has come.
fn read(follower: &mut dyn Follow, through: u64) -> Vec<(u64, RecordKind, Vec<u8>)> {
    let mut rows = Vec::new();
    while follower.position() <= through {
        let batch = follower.next(PATIENCE).unwrap().unwrap();
        rows.extend(batch.records().map(|record| (record.offset, record.kind, record.payload.to_vec())));
    }
    rows
}

fn records_come_once_in_order(place: &dyn Place) {
    let kinds =
        [RecordKind::Message, RecordKind::Transition, RecordKind::Presence, RecordKind::OperatorAction];
    let (log, opened) = place.open(&[]);
    assert_eq!((opened.first, opened.last), (1, 0));
    let mut expected = Vec::new();
    for number in 1..=100_u64 {
        let (kind, payload) = (kinds[number as usize % 4], number.to_le_bytes().repeat(number as usize % 5));
        assert_eq!(log.append(kind, |out| out.extend_from_slice(&payload)), Ok(number));
        expected.push((number, kind, payload));
    }
    log.wait_durable(100, PATIENCE).unwrap();
    assert_eq!((log.first(), log.durable(), log.health()), (1, 100, Health::Ok));
    let mut follower = log.follow(1, Visibility::Durable);
    assert_eq!(read(&mut *follower, 100), expected);
    assert!(follower.next(Duration::ZERO).unwrap().is_none());
    log.close().unwrap();
    drop((log, follower));
    let (log, opened) = place.open(&[]);
    assert_eq!((opened.first, opened.last, log.durable()), (1, 100, 100));
    assert_eq!(append(&log, b"more"), 101);
    assert_eq!(read(&mut *log.follow(1, Visibility::Durable), 100), expected);
}

fn a_follower_begins_where_it_is_told(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    (0..10).for_each(|number: u8| _ = append(&log, &[number]));
    log.wait_durable(10, PATIENCE).unwrap();
    for (from, first) in [(0, 1), (1, 1), (7, 7), (10, 10)] {
        let mut follower = log.follow(from, Visibility::Durable);
        assert_eq!(follower.position(), first);
        assert_eq!(read(&mut *follower, 10).first().map(|row| row.0), Some(first));
    }
    let mut waiting = log.follow(11, Visibility::Durable);
    assert!(waiting.next(Duration::ZERO).unwrap().is_none());
    append(&log, b"eleven");
    assert_eq!(read(&mut *waiting, 11).len(), 1);
}

fn waiting_ends(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    assert_eq!(log.wait_durable(0, Duration::ZERO), Ok(()));
    assert_eq!(log.wait_durable(1, Duration::from_millis(1)), Err(WaitError::Timeout));
    let waiter = thread::spawn({
        let log = Arc::clone(&log);
        move || log.wait_durable(1, PATIENCE)
    });
    append(&log, b"one");
    assert_eq!(waiter.join().unwrap(), Ok(()));
    let waiter = thread::spawn({
        let log = Arc::clone(&log);
        move || log.wait_durable(2, PATIENCE)
    });
    log.close().unwrap();
    assert_eq!(waiter.join().unwrap(), Err(WaitError::Stopped));
}

fn progress_only_grows(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    log.on_progress(Box::new(move |durable| listener.lock().unwrap().push(durable)));
    for round in 1..=20 {
        append(&log, b"round");
        log.wait_durable(round, PATIENCE).unwrap();
        assert_eq!(heard.lock().unwrap().last(), Some(&round), "listeners hear before those who wait");
    }
    assert!(heard.lock().unwrap().is_sorted());
    assert_eq!(log.meters().records, 20);
}

fn too_large_is_refused(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    let payload = vec![7; RECORD_LEN_MAX + 1];
    let refused = log.append(RecordKind::Message, |out| out.extend_from_slice(&payload));
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    assert_eq!(append(&log, &payload[1..]), 1);
    log.wait_durable(1, PATIENCE).unwrap();
    assert_eq!(read(&mut *log.follow(1, Visibility::Durable), 1)[0].2, payload[1..]);
}

fn reading_ahead(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    assert!(log.offers(Visibility::Durable));
    let mut ahead = log.follow(1, Visibility::Appended);
    let mut rows = Vec::new();
    for number in 1..=50_u64 {
        append(&log, &number.to_le_bytes());
        rows.extend(read(&mut *ahead, number));
        if !log.offers(Visibility::Appended) {
            assert!(log.durable() >= number, "a visibility that is not offered is the durable one");
        }
    }
    log.wait_durable(50, PATIENCE).unwrap();
    assert_eq!(rows, read(&mut *log.follow(1, Visibility::Durable), 50));
}

fn checkpoints_are_kept(place: &dyn Place) {
    let (log, _) = place.open(&["fast", "slow"]);
    assert_eq!((log.checkpoint_of("fast"), log.checkpoint_of("nobody")), (Some(0), None));
    (0..10).for_each(|_| _ = append(&log, b"x"));
    log.wait_durable(10, PATIENCE).unwrap();
    log.checkpoint("fast", 9).unwrap();
    log.checkpoint("slow", 4).unwrap();
    assert!(matches!(log.checkpoint("nobody", 1), Err(JournalError::Unregistered(_))));
    assert!(matches!(log.checkpoint("fast", 11), Err(JournalError::Ahead { .. })));
    log.close().unwrap();
    drop(log);
    let (log, _) = place.open(&["fast", "slow", "new"]);
    let places = ["fast", "slow", "new", "nobody"].map(|name| log.checkpoint_of(name));
    assert_eq!(places, [Some(9), Some(4), Some(0), None]);
}

fn closing_delivers_the_rest(place: &dyn Place) {
    let (log, _) = place.open(&[]);
    let mut follower = log.follow(1, Visibility::Durable);
    (0..1_000).for_each(|_| _ = append(&log, b"some record"));
    log.close().unwrap();
    log.close().unwrap();
    assert_eq!(log.durable(), 1_000);
    assert_eq!(read(&mut *follower, 1_000).len(), 1_000);
    assert!(matches!(follower.next(PATIENCE), Err(FollowError::Closed)));
    assert_eq!(log.append(RecordKind::Message, |_| ()), Err(AppendError::Stopped));
}

fn appenders_keep_their_order(place: &dyn Place) {
    const APPENDERS: u64 = 4;
    const EACH: u64 = 500;
    let (log, _) = place.open(&[]);
    thread::scope(|scope| {
        for appender in 0..APPENDERS {
            let log = &log;
            scope.spawn(move || {
                let mut before = 0;
                for number in 0..EACH {
                    let offset = append(log, &(appender * EACH + number).to_le_bytes());
                    assert!(offset > before, "an appender's numbers grow");
                    before = offset;
                }
            });
        }
    });
    log.wait_durable(APPENDERS * EACH, PATIENCE).unwrap();
    let mut next = [0; APPENDERS as usize];
    for (_, _, payload) in read(&mut *log.follow(1, Visibility::Durable), APPENDERS * EACH) {
        let number = u64::from_le_bytes(payload.try_into().unwrap());
        let expected = &mut next[(number / EACH) as usize];
        assert_eq!(number % EACH, *expected, "order within an appender");
        *expected += 1;
    }
}
