//! Everyone who lives on the journal's records: each a thread with its own place in the journal. One that stops or
//! is slow delays no other and no device; after a restart it goes on where it had been.
pub mod alert_log;
pub mod alerts;
pub mod derive;
pub mod history;
pub mod live;
mod projections;
pub mod publisher;
pub mod quarantine;
pub mod rules;
mod sweep;

pub use ioc_services::Wakeup;
pub use projections::Projections;
pub use sweep::sweep;

use ioc_journal::{Batch, Follow, Offset, Registration, SharedLog, Visibility};
use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a follower waits for records before it looks after its other duties.
const IDLE: Duration = Duration::from_millis(200);
/// How long a follower that nobody waits for lets commits gather. Waking it for each would cost more than its work
/// when commits are small: single devices that wait for each PUBACK make thousands a second.
const LINGER: Duration = Duration::from_millis(10);
/// How long a follower lets commits gather that keeps what is seldom read.
const UNHURRIED: Duration = Duration::from_millis(100);
/// How often a follower saves its place.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(2);
/// Bytes beyond `journal.keep` that are kept for a follower before that is told of.
const HELD_TOLD_MIN: u64 = 256 * 1024 * 1024;
/// How long a follower waits before it reads again after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Every follower: a record stays on disk until all of them have processed it. One that is renamed keeps its place with
/// [`Registration::renamed_from`].
pub const NAMES: [&str; 7] = ["store", "live", "rules", "derive", "quarantine", "tell", "alerts"];

/// Returns the followers that the journal keeps records for.
pub fn registrations() -> Vec<Registration> {
    NAMES.into_iter().map(Registration::new).collect()
}

/// Tells threads to stop; they wait on it instead of sleeping.
#[derive(Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Tells everyone.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits at most `timeout`; says whether it is time to stop.
    pub fn wait(&self, timeout: Duration) -> bool {
        let stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(stopped, timeout, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Reports whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a follower does with records.
pub trait Consumer: Send + 'static {
    /// Takes one batch, completely.
    fn take(&mut self, batch: &Batch);

    /// Called between batches and at least about every 200 ms.
    fn idle(&mut self) {}

    /// Reports whether it can no longer do its work.
    fn has_failed(&self) -> bool {
        false
    }

    /// Returns the place to go on from after a restart: everything up to it is safe without us.
    /// `taken` is the last offset given to [`Consumer::take`].
    fn checkpoint(&mut self, taken: Offset) -> Option<Offset> {
        Some(taken)
    }
}

impl Consumer for Box<dyn Consumer> {
    fn take(&mut self, batch: &Batch) {
        (**self).take(batch);
    }

    fn idle(&mut self) {
        (**self).idle();
    }

    fn has_failed(&self) -> bool {
        (**self).has_failed()
    }

    fn checkpoint(&mut self, taken: Offset) -> Option<Offset> {
        (**self).checkpoint(taken)
    }
}

/// When a follower takes records.
#[derive(Debug, Clone)]
pub enum BatchPolicy {
    /// As soon as they are appended, see [`Journal::follow_ahead`] for who may.
    ReadAhead,
    /// The first commit after a pause at once, then those that gather within [`LINGER`].
    Batched,
    /// The same ahead of the disk, and at once the record that the nudge is for.
    OnNotify(Wakeup),
    /// What has gathered within [`UNHURRIED`], or at once up to the record that the nudge is for.
    LowPriority(Wakeup),
}

/// How far a follower has come.
#[derive(Clone, Default)]
pub struct Progress(Arc<State>);

#[derive(Default)]
struct State {
    taken: AtomicU64,
    failed: AtomicBool,
}

impl Progress {
    /// Returns the last offset that was taken.
    pub fn taken(&self) -> Offset {
        self.0.taken.load(Relaxed)
    }

    /// Reports whether what it does is no longer done until a restart, as after a panic.
    pub fn has_failed(&self) -> bool {
        self.0.failed.load(Relaxed)
    }
}

/// Notes a panic of the thread that holds it.
struct Witness(Progress);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.0.failed.fetch_or(thread::panicking(), Relaxed);
    }
}

/// A running follower.
pub struct Running {
    /// Name in logs, metrics and checkpoints.
    pub name: &'static str,
    /// How far it has come.
    pub progress: Progress,
    thread: thread::JoinHandle<()>,
}

impl Running {
    /// Waits for its end; tell it with [`Stop`] first.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!(follower = self.name, "a follower ended with a panic");
        }
    }
}

/// Starts a follower behind offset `after`.
///
/// Errors: the operating system refuses a thread.
pub fn start(
    name: &'static str,
    journal: &SharedLog,
    after: Offset,
    policy: BatchPolicy,
    stop: &Stop,
    work: impl Consumer,
) -> io::Result<Running> {
    let progress = Progress::default();
    progress.0.taken.store(after, Relaxed);
    let next = after + 1;
    let is_ahead = matches!(policy, BatchPolicy::ReadAhead | BatchPolicy::OnNotify(_));
    let visibility = if is_ahead { Visibility::Appended } else { Visibility::Durable };
    let follower = journal.follow(next, visibility);
    let pause = match policy {
        BatchPolicy::ReadAhead => None,
        BatchPolicy::Batched => Some((Wakeup::default(), LINGER)),
        BatchPolicy::OnNotify(nudge) => Some((nudge, LINGER)),
        BatchPolicy::LowPriority(nudge) => Some((nudge, UNHURRIED)),
    };
    let mut runner = Runner {
        name,
        pause,
        journal: journal.clone(),
        follower,
        stop: stop.clone(),
        progress: progress.clone(),
        taken: after,
        saved: after,
        save_at: Instant::now(),
        told_held_bytes: 0,
        work,
    };
    let witness = Witness(progress.clone());
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _witness = witness;
        runner.run();
    })?;
    Ok(Running { name, progress, thread })
}

struct Runner<W> {
    name: &'static str,
    /// What ends a pause between commits, and how long it is otherwise; `None` makes none.
    pause: Option<(Wakeup, Duration)>,
    journal: SharedLog,
    follower: Box<dyn Follow>,
    stop: Stop,
    progress: Progress,
    taken: Offset,
    saved: Offset,
    save_at: Instant,
    /// Bytes that the journal kept for this follower when that was last told of.
    told_held_bytes: u64,
    work: W,
}

impl<W: Consumer> Runner<W> {
    fn run(&mut self) {
        loop {
            match self.follower.next(IDLE) {
                Ok(Some(batch)) => {
                    self.work.take(&batch);
                    self.taken = batch.last();
                    self.progress.0.taken.store(self.taken, Relaxed);
                    self.progress.0.failed.fetch_or(self.work.has_failed(), Relaxed);
                    self.gather();
                }
                // Nothing new: a stop leaves nothing behind that was committed before it.
                Ok(None) if self.stop.is_stopped() => break,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(follower = self.name, %error, "the journal cannot be read");
                    if self.stop.wait(RETRY) {
                        break;
                    }
                }
            }
            self.work.idle();
            if Instant::now() >= self.save_at {
                self.save();
            }
        }
        self.save();
    }

    /// Lets commits gather, unless some are there or one is urgent.
    fn gather(&self) {
        if let Some((nudge, length)) = &self.pause
            && self.journal.durable() <= self.taken
        {
            nudge.wait(self.taken, *length);
        }
    }

    /// Tells when the journal grows beyond what it keeps because of this follower, and again at each doubling.
    fn tell_held(&mut self) {
        let Some(held) = self.journal.held().filter(|held| held.follower == self.name) else { return };
        if held.bytes / 2 < self.told_held_bytes.max(HELD_TOLD_MIN / 2) {
            return;
        }
        self.told_held_bytes = held.bytes;
        tracing::warn!(
            follower = self.name,
            place = held.place,
            bytes = held.bytes,
            "the journal cannot delete what this follower has not processed and grows beyond journal.keep; when the disk \
             is full, devices wait"
        );
    }

    fn save(&mut self) {
        self.tell_held();
        self.save_at = Instant::now() + CHECKPOINT_PERIOD;
        // Who reads ahead of the disk may have seen what never gets there.
        let safe = self.work.checkpoint(self.taken).map(|safe| safe.min(self.journal.durable()));
        let Some(safe) = safe.filter(|safe| *safe > self.saved) else { return };
        match self.journal.checkpoint(self.name, safe) {
            Ok(()) => self.saved = safe,
            Err(error) => {
                tracing::warn!(follower = self.name, %error, "a place in the journal cannot be saved; more is read again after a restart")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_journal::JournalConfig;
    use ioc_model::RecordKind;
    use std::sync::mpsc;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Sends the offsets it took; waits before each batch until it is let on.
    struct Recorder {
        took: mpsc::Sender<Offset>,
        on: Option<mpsc::Receiver<()>>,
    }

    impl Consumer for Recorder {
        fn take(&mut self, batch: &Batch) {
            if let Some(on) = &self.on {
                // Let on for good once the other end is gone.
                let _ = on.recv();
            }
            batch.records().for_each(|record| self.took.send(record.offset).unwrap());
        }
    }

    struct Clumsy;

    impl Consumer for Clumsy {
        fn take(&mut self, _: &Batch) {
            panic!("on purpose");
        }
    }

    /// Claims to have processed more than there is on disk.
    struct Hasty;

    impl Consumer for Hasty {
        fn take(&mut self, _: &Batch) {}

        fn checkpoint(&mut self, taken: Offset) -> Option<Offset> {
            Some(taken + 100)
        }
    }

    #[test]
    fn no_place_is_kept_beyond_what_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path()).followed_by(&["hasty"])).unwrap();
        let stop = Stop::default();
        let hasty = start("hasty", &journal, 0, BatchPolicy::ReadAhead, &stop, Hasty).unwrap();
        let offset = journal.append(RecordKind::Message, |_| ()).unwrap();
        journal.wait_durable(offset, PATIENCE).unwrap();
        while hasty.progress.taken() < offset {
            thread::yield_now();
        }
        stop.stop();
        hasty.join();
        assert_eq!(journal.checkpoint_of("hasty"), Some(offset));
    }

    #[test]
    fn a_panic_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path())).unwrap();
        let stop = Stop::default();
        let clumsy = start("clumsy", &journal, 0, BatchPolicy::ReadAhead, &stop, Clumsy).unwrap();
        let progress = clumsy.progress.clone();
        assert!(!progress.has_failed());
        journal.append(RecordKind::Message, |_| ()).unwrap();
        clumsy.join();
        assert!(progress.has_failed());
    }

    #[test]
    fn who_hangs_delays_nobody_and_misses_nothing() {
        const RECORDS: u64 = 500;
        let dir = tempfile::tempdir().unwrap();
        let config =
            JournalConfig { ring_bytes_max: 1_000, segment_bytes: 2_000, ..JournalConfig::new(dir.path()) };
        let (journal, _) = ioc_journal::open(config).unwrap();
        let stop = Stop::default();
        let ((let_on, on), (slow, slow_took), (quick, quick_took)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let slow = Recorder { took: slow, on: Some(on) };
        let slow = start("slow", &journal, 0, BatchPolicy::ReadAhead, &stop, slow).unwrap();
        let quick = Recorder { took: quick, on: None };
        let quick = start("quick", &journal, 0, BatchPolicy::Batched, &stop, quick).unwrap();
        for _ in 0..RECORDS {
            let offset = journal.append(RecordKind::Message, |out| out.extend_from_slice(&[7; 20])).unwrap();
            journal.wait_durable(offset, PATIENCE).unwrap();
        }
        for expected in 1..=RECORDS {
            assert_eq!(quick_took.recv_timeout(PATIENCE), Ok(expected));
        }
        assert!(slow_took.try_recv().is_err());
        assert_eq!(slow.progress.taken(), 0);
        drop(let_on);
        for expected in 1..=RECORDS {
            assert_eq!(slow_took.recv_timeout(PATIENCE), Ok(expected), "read from the files");
        }
        stop.stop();
        slow.join();
        quick.join();
    }
}
