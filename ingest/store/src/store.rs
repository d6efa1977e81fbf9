//! The handle that everybody holds.
use crate::{
    Batch, Damage, Last, Outcomes, QueryError, Series, StoreConfig, StoreError, Summary, TimeRange,
    inner::{Inner, read},
    lanes::series_at,
    manifest::Manifest,
    sealed::lock,
    sealer::{self, Sealer},
};
use std::{
    fmt, fs,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

/// History of every observation. Cheap to clone; shut down when the last clone goes, at the latest.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    inner: Arc<Inner>,
    sealer: Mutex<Option<JoinHandle<()>>>,
}

/// Numbers about the store at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meters {
    /// Readings in memory that are not being sealed.
    pub active_readings: u64,
    /// Readings in memory that are being sealed.
    pub frozen_readings: u64,
    /// Readings in segments; a corrected one may count twice until segments are merged.
    pub sealed_readings: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of segment files.
    pub segment_bytes: u64,
    /// Places that cannot be read.
    pub damaged: u64,
    /// Whether the last sealing failed; it is tried again by the next [`Store::maintain`].
    pub sealing_failed: bool,
}

impl Store {
    /// Opens the history in `config.dir` and starts the sealing thread. The directory must be locked by the caller.
    ///
    /// Damaged segments do not keep it from opening; see [`Store::damage`]. Segments without a manifest are renamed
    /// and not read: history begins anew then.
    ///
    /// Errors: [`StoreError`] when the directory cannot be used or its manifest is damaged.
    pub fn open(config: StoreConfig) -> Result<Self, StoreError> {
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

    /// Returns the first journal offset that is not in sealed segments: replay from here after opening. Records
    /// before it are not needed any more.
    pub fn replay_from(&self) -> u64 {
        self.inner().sealed_offset.load(Ordering::Acquire) + 1
    }

    /// Takes in the observations of journal records and sets `outcomes`.
    ///
    /// Offsets ascend; a record that was applied before is not applied again (all its outcomes are duplicates).
    /// Meant for one thread. Does not wait for sealing, unless sealing fails or lags so far that memory is at its
    /// bound, four times `head_readings_max`: then until there is room, with failed sealing tried again about every
    /// second. When the store is shut down there is no more room: the remaining records are not applied and have no
    /// outcomes; [`Store::replay_from`] is before them, so the next start applies them.
    pub fn apply(&self, batch: &Batch, outcomes: &mut Outcomes) {
        self.inner().apply(batch, outcomes);
    }

    /// Notes that journal records up to `offset` were applied or hold nothing for history, so that replay need not see
    /// them. `bytes` is what they and those since the last call take in the journal: when much would be read again
    /// after a crash, what is in memory is sealed.
    pub fn advance(&self, offset: u64, bytes: u64) {
        self.inner().advance(offset, bytes);
    }

    /// Returns the measuring readings of one series combined by interval, in order of time. Intervals are `step_ms` long
    /// and begin at its multiples; those without readings are left out. Cheap when the same is asked for neighbouring
    /// devices: a block that is wholly within the range is decompressed once for 64 devices.
    ///
    /// Errors: [`QueryError::Range`], [`QueryError::Interval`], [`QueryError::Buckets`].
    pub fn summaries(
        &self,
        series: Series,
        range: TimeRange,
        step_ms: i64,
    ) -> Result<Vec<Summary>, QueryError> {
        self.inner().summaries(series, range, step_ms)
    }

    /// Does what is due at `now_ms`, on the store's own thread: seals what a span's end has made complete, deletes
    /// what is older than retention, merges segments, tries failed sealing again. Meant to be called about every
    /// second; returns at once.
    pub fn maintain(&self, now_ms: i64) {
        self.inner().maintain(now_ms);
    }

    /// Has everything in memory sealed, on the store's own thread; returns at once.
    pub fn begin_sealing(&self) {
        self.inner().freeze_now();
    }

    /// Seals everything in memory and waits until it is on disk.
    ///
    /// Errors: [`StoreError::Sealing`], [`StoreError::ShutDown`].
    pub fn seal(&self) -> Result<(), StoreError> {
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

    /// Returns the last point of every series, by series: the newest in the order of [`ioc_model::time::SeriesOrder`], which
    /// begins anew where a clock was set back.
    pub fn last(&self) -> Vec<(Series, Last)> {
        let groups: Vec<_> =
            self.inner().groups().iter().map(|(number, group)| (*number, Arc::clone(group))).collect();
        let mut all = Vec::new();
        for (number, group) in groups {
            let of_group = |(lane, property, last)| (series_at(number, lane, property), last);
            all.extend(read(&group).last().map(of_group));
        }
        all.sort_unstable_by_key(|(series, _)| *series);
        all
    }

    /// Returns the places that were found to be unreadable since opening, the first thousand.
    pub fn damage(&self) -> Vec<Damage> {
        self.inner().sealed.damage()
    }

    /// Returns numbers about the store.
    pub fn meters(&self) -> Meters {
        let inner = self.inner();
        let view = inner.sealed.view();
        let queue = lock(&inner.queue);
        Meters {
            active_readings: inner.active_readings.load(Ordering::Relaxed) as u64,
            frozen_readings: queue.frozen_readings as u64,
            sealed_readings: view.segments().map(|segment| segment.info.readings).sum(),
            segments: view.segments().count() as u64,
            segment_bytes: view.segments().map(|segment| segment.info.bytes).sum(),
            damaged: inner.sealed.damage().len() as u64,
            sealing_failed: queue.failure.is_some(),
        }
    }

    /// Ends the sealing thread, after what it is at, and the waiting in [`Store::apply`]. What is in memory stays
    /// readable; the journal has it for the next start.
    pub fn shutdown(&self) {
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
