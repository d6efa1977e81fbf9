//! The handle that everybody holds.
use crate::{
    ApplyOutcomes, Batch, HistoryMeters, HistoryWriter, StoreConfig, StoreError,
    inner::Inner,
    manifest::Manifest,
    sealed::lock,
    sealer::{self, Sealer},
};
use std::{
    fmt, fs,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

/// The embedded history of every observation; shut down when it is dropped, at the latest.
pub(crate) struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    inner: Arc<Inner>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the history in `config.dir` and starts the sealing thread. The directory must be locked by the caller.
    ///
    /// Damaged segments do not keep it from opening; see [`crate::History::damage`]. Segments without a manifest are renamed
    /// and not read: history begins anew then.
    ///
    /// Errors: [`StoreError`] when the directory cannot be used or its manifest is damaged.
    pub(crate) fn open(config: StoreConfig) -> Result<Self, StoreError> {
        config.validate()?;
        fs::create_dir_all(&config.dir).map_err(StoreError::io("create directory", &config.dir))?;
        let manifest = match Manifest::load(&config.dir)? {
            Some(manifest) => manifest,
            None => begin(&config)?,
        };
        if manifest.span_ms != config.span_ms() {
            tracing::warn!(kept_ms = manifest.span_ms, "history keeps the segment span it was made with");
        }
        sealer::remove_strays(&config.dir, &manifest)?;
        let inner = Arc::new(Inner::open(config, &manifest)?);
        let sealer = Sealer::new(Arc::clone(&inner), manifest);
        let dir = &inner.config.dir;
        let thread = thread::Builder::new()
            .name("history-sealer".to_owned())
            .spawn(move || sealer.run())
            .map_err(StoreError::io("start the sealing thread of", dir))?;
        Ok(Self { handle: Arc::new(Handle { inner, sealer: Mutex::new(Some(thread)) }) })
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.handle.inner
    }
}

impl HistoryWriter for Store {
    fn replay_from(&self) -> u64 {
        self.inner().sealed_offset.load(Ordering::Acquire) + 1
    }

    fn apply(&self, batch: &Batch, outcomes: &mut ApplyOutcomes) {
        self.inner().apply(batch, outcomes);
    }

    fn advance(&self, offset: u64, bytes: u64) {
        self.inner().advance(offset, bytes);
    }

    fn maintain(&self, now_ms: i64) {
        self.inner().maintain(now_ms);
    }

    fn begin_sealing(&self) {
        self.inner().freeze_now();
    }

    fn seal(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        inner.freeze_now();
        let mut queue = lock(&inner.queue);
        queue.failure = None;
        inner.work.notify_one();
        loop {
            if queue.frozen.is_empty() {
                return Ok(());
            }
            if let Some(failure) = &queue.failure {
                return Err(StoreError::Sealing(failure.clone()));
            }
            if queue.stop {
                return Err(StoreError::ShutDown);
            }
            queue = inner.progressed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn meters(&self) -> HistoryMeters {
        let inner = self.inner();
        let view = inner.sealed.view();
        let queue = lock(&inner.queue);
        HistoryMeters {
            active_readings: inner.active_readings.load(Ordering::Relaxed) as u64,
            frozen_readings: queue.frozen_readings as u64,
            sealed_readings: view.segments().map(|segment| segment.info.readings).sum(),
            segments: view.segments().count() as u64,
            segment_bytes: view.segments().map(|segment| segment.info.bytes).sum(),
            damaged: inner.sealed.damage().len() as u64,
            sealing_failed: queue.failure.is_some(),
        }
    }

    fn shutdown(&self) {
        self.handle.shutdown();
    }
}

/// Makes the manifest of a new store, so that a missing one is known to be lost from then on.
///
/// Errors: [`StoreError::Io`].
fn begin(config: &StoreConfig) -> Result<Manifest, StoreError> {
    sealer::set_lost_aside(&config.dir)?;
    let manifest = Manifest::new(config.span_ms());
    manifest.save(&config.dir)?;
    Ok(manifest)
}

impl Handle {
    fn shutdown(&self) {
        lock(&self.inner.queue).stop = true;
        self.inner.work.notify_all();
        self.inner.progressed.notify_all();
        let thread = lock(&self.sealer).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("history's sealing thread ended by a panic");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.inner().config.dir).finish_non_exhaustive()
    }
}
