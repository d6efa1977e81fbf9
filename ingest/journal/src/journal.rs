//! The handle that everybody holds.
use crate::{
    AppendError, Follower, Health, JournalConfig, JournalError, Offset, WaitError, checkpoint,
    disk::{self, Disk, Files},
    follower,
    pending::Phase,
    recover, registration,
    retention::{self, Held},
    segment,
    shared::{Shared, lock},
    writer::Writer,
};
use ioc_model::RecordKind;
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// An open journal. Cheap to clone; closed when the last clone goes, at the latest.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

/// What [`Journal::open`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Oldest offset that is kept; `last + 1` when there is none.
    pub first: Offset,
    /// Newest offset; 0 when there never was a record.
    pub last: Offset,
    /// Length of the torn tail that was cut off, in bytes: records that were never acknowledged.
    pub truncated_bytes: u64,
}

/// Totals since the journal was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meters {
    /// Committed batches, each with one fdatasync.
    pub batches: u64,
    /// Committed records.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Time spent in fdatasync, in microseconds.
    pub sync_micros: u64,
    /// Bytes of all segment files at present.
    pub disk_bytes: u64,
}

struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal in `config.dir`, cuts a torn tail off and starts the writer.
    ///
    /// Errors: [`JournalError`] when the directory or a segment cannot be used; the message names the file and
    /// the byte.
    pub fn open(config: JournalConfig) -> Result<(Self, Opened), JournalError> {
        Self::open_on(config, Box::new(Files))
    }

    pub(crate) fn open_on(
        config: JournalConfig,
        disk: Box<dyn Disk>,
    ) -> Result<(Self, Opened), JournalError> {
        config.validate()?;
        let dir = config.dir.clone();
        disk::make_private(&dir)?;
        let found = checkpoint::load(&dir)?;
        let recovered = recover::recover(&dir, found.checkpoints.values().copied().min().unwrap_or(0))?;
        let last = recovered.last;
        checkpoint::check_end(&dir, &found.checkpoints, last)?;
        let first = recovered.first();
        let lost = checkpoint::lost(&found.checkpoints, first);
        let checkpoints = registration::register(&dir, &found, &config.followers, first)?;
        let shared = Arc::new(Shared::new(config, recovered.segments.clone(), checkpoints, lost, last));
        let opened = Opened { first, last, truncated_bytes: recovered.truncated_bytes };
        let writer = Writer::new(Arc::clone(&shared), disk, &recovered)
            .map_err(JournalError::io("open the last segment in", &dir))?;
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(JournalError::io("start the writer of", &dir))?;
        Ok((Self { handle: Arc::new(Handle { shared, writer: Mutex::new(Some(thread)) }) }, opened))
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Takes one record in; `encode` appends its payload to the buffer and must do nothing else with it. Never
    /// waits for the disk. Returns the record's offset: it is safe when `durable()` has reached it.
    ///
    /// Errors: [`AppendError::Full`] (again after the next progress), `TooLarge`, `Stopped`.
    pub fn append(&self, kind: RecordKind, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Offset, AppendError> {
        let shared = self.shared();
        let mut pending = lock(&shared.pending);
        let offset = pending.push(kind, shared.config.pending_bytes_max, encode)?;
        let wakes_writer = pending.wakes_writer();
        let wakes_readers = std::mem::take(&mut pending.reader_waits);
        drop(pending);
        // The disk takes longest, so it begins first.
        if wakes_writer {
            shared.writer_wake.notify_one();
        }
        if wakes_readers {
            shared.appended.notify_all();
        }
        Ok(offset)
    }

    /// Says whether the pending buffer is at most half full. For callers that must know before they prepare a
    /// record whether it will be taken: after `true`, an append by each of a few threads finds room, as long as
    /// their records together are smaller than the other half.
    pub fn has_room(&self) -> bool {
        let shared = self.shared();
        lock(&shared.pending).has_room(shared.config.pending_bytes_max / 2)
    }

    /// Returns the offset up to which everything is on disk.
    pub fn durable(&self) -> Offset {
        self.shared().durable()
    }

    /// Returns the oldest offset that is kept.
    pub fn first(&self) -> Offset {
        follower::first_kept(self.shared())
    }

    /// Has `listener` called with the durable offset after each commit and once when the journal stops, in the order of
    /// these calls and before anyone who waits is woken. It runs on the writer thread: it must be cheap, must not call
    /// [`Journal::close`] or `on_progress`, and must not hold a [`Journal`], which would then never be dropped.
    pub fn on_progress(&self, listener: Box<dyn Fn(Offset) + Send + Sync>) {
        self.shared().listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Waits until `offset` is on disk.
    ///
    /// Errors: [`WaitError::Timeout`], or [`WaitError::Stopped`] when the journal was closed before.
    pub fn wait_durable(&self, offset: Offset, timeout: Duration) -> Result<(), WaitError> {
        let shared = self.shared();
        if shared.durable() >= offset {
            return Ok(());
        }
        let deadline = Instant::now().checked_add(timeout);
        let mut progress = lock(&shared.progress);
        loop {
            if shared.durable() >= offset {
                return Ok(());
            }
            if progress.stopped {
                return Err(WaitError::Stopped);
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(WaitError::Timeout);
            }
            progress.want(offset, false);
            (progress, _) =
                shared.progressed.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says whether records can be made durable.
    pub fn health(&self) -> Health {
        self.shared().health()
    }

    /// Returns a follower that delivers every record from `from` on; 0 is the oldest that is kept. Where segments
    /// that checkpoints still needed were taken away before opening, it begins with the oldest that is kept.
    pub fn follow(&self, from: Offset) -> Follower {
        Follower::new(Arc::clone(&self.handle.shared), from, false)
    }

    /// Returns a follower as [`Journal::follow`] does that also delivers what is on its way to disk. Only for those who
    /// make ready and act when it is durable, or whose every result is itself appended to this journal and acted upon by
    /// nobody before it is durable: records become durable in their order, so a result never is without its cause. What
    /// was so delivered may never become durable, when the journal is closed without space; its offsets are then used
    /// again after the next opening.
    pub fn follow_ahead(&self, from: Offset) -> Follower {
        Follower::new(Arc::clone(&self.handle.shared), from, true)
    }

    /// Keeps durably that the registered follower `name` has processed everything up to `offset` and needs it no more.
    /// Segments that every registered follower has passed are deleted beyond `keep_bytes`.
    ///
    /// Errors: [`JournalError`] when it could not be kept, or the follower is not registered; the earlier checkpoint
    /// holds then.
    pub fn checkpoint(&self, name: &str, offset: Offset) -> Result<(), JournalError> {
        retention::pass(self.shared(), name, offset)
    }

    /// Returns the last offset kept by [`Journal::checkpoint`] for this follower, the one before the oldest record that
    /// was kept when it was registered, or, where segments behind that were taken away before opening, the one before
    /// the oldest that was left; `None` when it is not registered.
    pub fn checkpoint_of(&self, name: &str) -> Option<Offset> {
        let shared = self.shared();
        let kept = lock(&shared.checkpoints).get(name).copied()?;
        Some(shared.pass_lost(kept + 1) - 1)
    }

    /// Returns what the slowest follower keeps on disk beyond `keep_bytes`; `None` when that is nothing.
    pub fn held(&self) -> Option<Held> {
        retention::held(self.shared())
    }

    /// Reports whether a segment beyond `keep_bytes` stays on disk until a follower that has processed everything up to
    /// `place` goes on.
    pub fn waits_for(&self, place: Offset) -> bool {
        retention::waits_for(self.shared(), place)
    }

    /// Returns the segment files, oldest first, each with the length of its committed part in bytes. What lies behind
    /// that may be half written.
    pub fn segments(&self) -> Vec<(PathBuf, u64)> {
        let shared = self.shared();
        let segments = lock(&shared.segments);
        segments.iter().map(|(first, end)| (segment::path(&shared.config.dir, *first), *end)).collect()
    }

    /// Returns totals since the journal was opened.
    pub fn meters(&self) -> Meters {
        let counters = &self.shared().counters;
        Meters {
            batches: counters.batches.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            sync_micros: counters.sync_micros.load(Ordering::Relaxed),
            disk_bytes: lock(&self.shared().segments).values().sum(),
        }
    }

    /// Takes no more records, brings the pending ones to disk and ends the writer. Followers get what is left and
    /// then [`crate::FollowError::Closed`]. Closing again does nothing.
    ///
    /// Errors: [`JournalError`] when what was pending could not be written; nobody was told it was safe.
    pub fn close(&self) -> Result<(), JournalError> {
        self.handle.close()
    }
}

impl Handle {
    fn close(&self) -> Result<(), JournalError> {
        let shared = &self.shared;
        {
            let mut pending = lock(&shared.pending);
            if pending.phase == Phase::Open {
                pending.phase = Phase::Closing;
            }
        }
        shared.writer_wake.notify_all();
        let thread = lock(&self.writer).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err(JournalError::Stopped);
        }
        let lost = lock(&shared.pending).last().saturating_sub(shared.durable());
        match (lost, shared.health()) {
            (0, _) => Ok(()),
            (records, Health::OutOfSpace { .. }) => Err(JournalError::ClosedOutOfSpace { records }),
            (_, Health::Ok) => Err(JournalError::Stopped),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "journal was not closed cleanly");
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.shared().config.dir)
            .field("durable", &self.durable())
            .finish()
    }
}
