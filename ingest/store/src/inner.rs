//! The state of a store, and the applying side: placing observations, freezing what is in memory.
use crate::{
    Outcome, Series, StoreConfig, StoreError,
    head::{Chunk, Group, LANES, Placed},
    horizon::Horizon,
    manifest::Manifest,
    newest,
    scan::group_of,
    sealed::{BlockCache, Sealed, lock},
    sealer, segment,
};
use ioc_model::{DeviceIndex, Observation};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A run this long starts sealing: late readings are inserted in place, which costs with its length.
const RUN_LEN_MAX: usize = 65_536;
/// How many times `head_readings_max` are kept in memory before applying waits for sealing.
const HARD_FACTOR: usize = 4;
/// How long after a failed sealing those who wait for room have it tried again.
const SEAL_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Inner {
    pub(crate) config: StoreConfig,
    pub(crate) sealed: Sealed,
    groups: RwLock<BTreeMap<u32, Arc<RwLock<Group>>>>,
    writer: Mutex<Writer>,
    /// Readings in memory that are not frozen. Changed only with the writer's lock held.
    pub(crate) active_readings: AtomicUsize,
    /// Number of the span up to which sealing by time is due.
    due_slot: AtomicI64,
    pub(crate) queue: Mutex<Queue>,
    /// The sealer sleeps on this.
    pub(crate) work: Condvar,
    /// Those who wait for the sealer sleep on this.
    pub(crate) progressed: Condvar,
    /// Event times before this are refused and deleted.
    pub(crate) horizon: Horizon,
    /// Journal offset up to which everything is in segments.
    pub(crate) sealed_offset: AtomicU64,
    /// Held by the sealer while it seals, so that a test can hold it up.
    #[cfg(test)]
    pub(crate) gate: Arc<Mutex<()>>,
}

/// State of the applying side.
struct Writer {
    applied: u64,
    /// Number of the span up to which sealing by time has come.
    slot: i64,
    cache: BlockCache,
}

/// What the sealer has to do. Bounded by the readings in it, see [`HARD_FACTOR`].
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) frozen: VecDeque<Arc<Frozen>>,
    pub(crate) frozen_readings: usize,
    /// The time of a maintenance that is due.
    pub(crate) maintain_ms: Option<i64>,
    /// Why sealing failed; it rests until the next maintenance, or until somebody waits for room.
    pub(crate) failure: Option<String>,
    pub(crate) stop: bool,
}

/// All that was active at one moment.
pub(crate) struct Frozen {
    /// By group number.
    pub(crate) chunks: Vec<(u32, Arc<Chunk>)>,
    pub(crate) readings: usize,
    /// The last journal offset in it.
    pub(crate) applied: u64,
    pub(crate) slot: i64,
}

impl Inner {
    pub(crate) fn open(config: StoreConfig, manifest: &Manifest) -> Result<Self, StoreError> {
        let mut opened = Vec::new();
        for info in &manifest.segments {
            opened.push(segment::open(&config.dir, *info)?);
        }
        let damage: Vec<_> = opened
            .iter_mut()
            .filter_map(|opened| Some((opened.segment.info.seq, opened.damage.take()?)))
            .collect();
        let sealed = Sealed::new(manifest.span_ms, opened.into_iter().map(|opened| opened.segment));
        let view = sealed.view();
        for (seq, (byte, what)) in damage {
            if let Some(segment) = view.segments().find(|segment| segment.info.seq == seq) {
                sealed.report(segment, byte, None, what);
            }
        }
        let writer = Writer { applied: manifest.applied, slot: manifest.slot, cache: BlockCache::default() };
        let newest = match newest::load(&config.dir, manifest.newest_seq) {
            Some(newest) => newest,
            None => sealer::find_newest(&sealed),
        };
        let newest_ms = newest.values().map(|point| point.ts_ms).max();
        let horizon = Horizon::new(config.retention_ms(), manifest.horizon_ms, newest_ms, config.monotonic);
        let inner = Self {
            config,
            sealed,
            groups: RwLock::default(),
            writer: Mutex::new(writer),
            active_readings: AtomicUsize::new(0),
            due_slot: AtomicI64::new(i64::MIN),
            queue: Mutex::default(),
            work: Condvar::new(),
            progressed: Condvar::new(),
            horizon,
            sealed_offset: AtomicU64::new(manifest.applied),
            #[cfg(test)]
            gate: Arc::default(),
        };
        for (series, point) in newest {
            let lane = series.device.0 as usize % LANES;
            let group = inner.group_or_new(group_of(series.device));
            write(&group).set_newest(lane, series.property, point);
        }
        Ok(inner)
    }

    pub(crate) fn groups(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Arc<RwLock<Group>>>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn group(&self, number: u32) -> Option<Arc<RwLock<Group>>> {
        self.groups().get(&number).cloned()
    }

    fn group_or_new(&self, number: u32) -> Arc<RwLock<Group>> {
        if let Some(group) = self.group(number) {
            return group;
        }
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(number).or_default())
    }

    /// Takes in the observations of one journal record, see [`crate::Store::apply`].
    pub(crate) fn apply(
        &self,
        offset: u64,
        device: DeviceIndex,
        observations: impl Iterator<Item = Observation>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let mut writer = lock(&self.writer);
        if offset <= writer.applied {
            outcomes.extend(observations.map(|_| Outcome::Duplicate));
            return;
        }
        if !self.wait_for_room() {
            return;
        }
        let longest = self.apply_all(&mut writer, device, observations, outcomes);
        writer.applied = offset;
        let is_full = self.active_readings.load(Ordering::Relaxed) >= self.config.head_readings_max;
        if is_full || longest >= RUN_LEN_MAX {
            self.freeze(&mut writer);
        }
        self.freeze_due(&mut writer);
    }

    /// Passes over journal records up to `offset`.
    pub(crate) fn advance(&self, offset: u64) {
        let mut writer = lock(&self.writer);
        writer.applied = writer.applied.max(offset);
    }

    /// Applies observations. Returns the length of the longest run that was touched.
    fn apply_all(
        &self,
        writer: &mut Writer,
        device: DeviceIndex,
        observations: impl Iterator<Item = Observation>,
        outcomes: &mut Vec<Outcome>,
    ) -> usize {
        let horizon_ms = self.horizon.get();
        let lane = device.0 as usize % LANES;
        let shared = self.group_or_new(group_of(device));
        let mut group = write(&shared);
        let mut longest = 0;
        for observation in observations {
            if observation.ts_ms < horizon_ms {
                outcomes.push(Outcome::TooOld);
                continue;
            }
            let mut placed = group.place(lane, &observation);
            if let Placed::AskSealed = placed {
                // Readers need not wait while a block is read. Nobody else changes the group meanwhile, except that
                // sealed parts leave it, after their segments were published.
                drop(group);
                let series = Series { device, property: observation.property };
                let known = self.sealed.value_at(&mut writer.cache, series, observation.ts_ms);
                group = write(&shared);
                placed = group.place_asked(lane, &observation, known);
            }
            if let Placed::Done(outcome, run_len) = placed {
                longest = longest.max(run_len);
                let added = usize::from(outcome != Outcome::Duplicate);
                self.active_readings.fetch_add(added, Ordering::Relaxed);
                outcomes.push(outcome);
            }
        }
        longest
    }

    /// Waits while memory is at its bound. Returns false when the store was shut down and there will be no room.
    fn wait_for_room(&self) -> bool {
        let active_readings = self.active_readings.load(Ordering::Relaxed);
        let readings_max = self.config.head_readings_max.saturating_mul(HARD_FACTOR);
        let mut queue = lock(&self.queue);
        while queue.frozen_readings + active_readings >= readings_max && !queue.frozen.is_empty() {
            if queue.stop {
                return false;
            }
            let waited = self.progressed.wait_timeout(queue, SEAL_RETRY);
            let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            // Who waits here is usually the thread that calls for maintenance: nobody else would have it tried again.
            if timeout.timed_out() && queue.failure.take().is_some() {
                self.work.notify_one();
            }
        }
        true
    }

    /// Freezes whatever the time.
    pub(crate) fn freeze_now(&self) {
        self.freeze(&mut lock(&self.writer));
    }

    /// Hands all that is active to the sealer. Only pointers move.
    fn freeze(&self, writer: &mut Writer) {
        if writer.applied <= self.frozen_offset() {
            return;
        }
        let groups: Vec<_> =
            self.groups().iter().map(|(number, group)| (*number, Arc::clone(group))).collect();
        let chunks: Vec<_> =
            groups.iter().filter_map(|(number, group)| Some((*number, write(group).freeze()?))).collect();
        let readings = self.active_readings.swap(0, Ordering::Relaxed);
        let frozen = Frozen { chunks, readings, applied: writer.applied, slot: writer.slot };
        let mut queue = lock(&self.queue);
        queue.frozen_readings += readings;
        queue.frozen.push_back(Arc::new(frozen));
        drop(queue);
        self.work.notify_one();
    }

    /// Freezes when a span has ended since the last time.
    fn freeze_due(&self, writer: &mut Writer) {
        let due = self.due_slot.load(Ordering::Relaxed);
        if due > writer.slot {
            let is_first = writer.slot == i64::MIN;
            writer.slot = due;
            if !is_first {
                self.freeze(writer);
            }
        }
    }

    /// The last journal offset that is sealed or being sealed.
    fn frozen_offset(&self) -> u64 {
        let queue = lock(&self.queue);
        queue
            .frozen
            .back()
            .map_or_else(|| self.sealed_offset.load(Ordering::Acquire), |frozen| frozen.applied)
    }

    pub(crate) fn maintain(&self, now_ms: i64) {
        self.horizon.advance(now_ms);
        let delay_ms = i64::try_from(self.config.seal_delay.as_millis()).unwrap_or(i64::MAX);
        let slot = self.sealed.partition(now_ms.saturating_sub(delay_ms));
        self.due_slot.fetch_max(slot, Ordering::Relaxed);
        // When somebody is applying just now, they see to it themselves.
        if let Ok(mut writer) = self.writer.try_lock() {
            self.freeze_due(&mut writer);
        }
        let mut queue = lock(&self.queue);
        queue.maintain_ms = Some(now_ms);
        queue.failure = None;
        drop(queue);
        self.work.notify_one();
    }
}

pub(crate) fn read(group: &RwLock<Group>) -> RwLockReadGuard<'_, Group> {
    group.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write(group: &RwLock<Group>) -> RwLockWriteGuard<'_, Group> {
    group.write().unwrap_or_else(PoisonError::into_inner)
}
