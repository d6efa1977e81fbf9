//! The handle of the embedded log.
use crate::{
    AppendError, Health, JournalConfig, JournalError, JournalMeters, Offset, WaitError, checkpoint,
    disk::{self, Disk, Files},
    follower::{self, Follower},
    log::{Follow, Log, Visibility},
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

/// An open log of our own; closed when it is dropped, at the latest.
pub(crate) struct Journal {
    handle: Arc<Handle>,
}

/// What [`crate::open`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Oldest offset that is kept; `last + 1` when there is none.
    pub first: Offset,
    /// Newest offset; 0 when there never was a record.
    pub last: Offset,
    /// Length of the torn tail that was cut off, in bytes: records that were never acknowledged.
    pub truncated_bytes: u64,
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
    pub(crate) fn open(config: JournalConfig) -> Result<(Self, Opened), JournalError> {
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
}

impl Log for Journal {
    fn append_with(
        &self,
        kind: RecordKind,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Offset, AppendError> {
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

    fn has_room(&self) -> bool {
        let shared = self.shared();
        lock(&shared.pending).has_room(shared.config.pending_bytes_max / 2)
    }

    fn durable(&self) -> Offset {
        self.shared().durable()
    }

    fn first(&self) -> Offset {
        follower::first_kept(self.shared())
    }

    fn on_progress(&self, listener: Box<dyn Fn(Offset) + Send + Sync>) {
        self.shared().listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn wait_durable(&self, offset: Offset, timeout: Duration) -> Result<(), WaitError> {
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

    fn health(&self) -> Health {
        self.shared().health()
    }

    fn offers(&self, _visibility: Visibility) -> bool {
        true
    }

    fn follow(&self, from: Offset, visibility: Visibility) -> Box<dyn Follow> {
        let is_ahead = visibility == Visibility::Appended;
        Box::new(Follower::new(Arc::clone(&self.handle.shared), from, is_ahead))
    }

    fn checkpoint(&self, name: &str, offset: Offset) -> Result<(), JournalError> {
        retention::pass(self.shared(), name, offset)
    }

    fn checkpoint_of(&self, name: &str) -> Option<Offset> {
        let shared = self.shared();
        let kept = lock(&shared.checkpoints).get(name).copied()?;
        Some(shared.pass_lost(kept + 1) - 1)
    }

    fn held(&self) -> Option<Held> {
        retention::held(self.shared())
    }

    fn waits_for(&self, place: Offset) -> bool {
        retention::waits_for(self.shared(), place)
    }

    fn files(&self) -> Vec<(PathBuf, u64)> {
        let shared = self.shared();
        let segments = lock(&shared.segments);
        segments.iter().map(|(first, end)| (segment::path(&shared.config.dir, *first), *end)).collect()
    }

    fn meters(&self) -> JournalMeters {
        let counters = &self.shared().counters;
        JournalMeters {
            batches: counters.batches.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            sync_micros: counters.sync_micros.load(Ordering::Relaxed),
            disk_bytes: lock(&self.shared().segments).values().sum(),
        }
    }

    fn close(&self) -> Result<(), JournalError> {
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
