//! The state of a store, and the applying side: placing observations, freezing what is in memory.
use crate::{
    ApplyOutcome, ApplyOutcomes, Batch, Series, StoreConfig, StoreError,
    batch::Taken,
    cache::BlockCache,
    head::{Chunk, Group, Placed},
    horizon::Horizon,
    lanes::{group_of, lane_of, series_at},
    last::Last,
    lookup::{Answers, Ask},
    manifest::Manifest,
    newest::{self, Table},
    sealed::{Sealed, lock},
    segment,
    summary::SummaryCache,
};
use ioc_model::Observation;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// So many observations start sealing, in parts of `head_readings_max`: also those that leave nothing in memory, as
/// repeated ones, are read again after a crash.
const REPLAY_FACTOR: usize = 2;
/// So many journal records start sealing, and so many bytes of them.
const REPLAY_RECORDS_MAX: u64 = 500_000;
const REPLAY_BYTES_MAX: u64 = 128 << 20;
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
    pub(crate) summary_cache: SummaryCache,
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
    /// What would be read again after a crash, beside what waits to be sealed.
    unsealed: Unsealed,
}

/// How much of the journal was read since the last freeze.
#[derive(Debug, Default, Clone, Copy)]
struct Unsealed {
    observations: usize,
    bytes: u64,
    /// The last record before.
    after: u64,
}

/// What the sealer has to do. Bounded by the readings in it, see [`HARD_FACTOR`].
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) frozen: VecDeque<Arc<Frozen>>,
    pub(crate) frozen_readings: usize,
    /// The time of a maintenance that is due.
    pub(crate) maintain_ms: Option<i64>,
    /// The error that sealing failed with; it rests until the next maintenance, or until somebody waits for room.
    pub(crate) failure: Option<String>,
    pub(crate) stop: bool,
}

/// All that was active at one moment.
pub(crate) struct Frozen {
    /// By group number.
    pub(crate) chunks: Vec<(u32, Arc<Chunk>)>,
    /// The last points that are not the newest of their series, of all that were ever applied.
    pub(crate) lasts: BTreeMap<Series, Last>,
    pub(crate) readings: usize,
    /// The last journal offset in it.
    pub(crate) applied: u64,
    pub(crate) slot: i64,
}

impl Inner {
    pub(crate) fn open(config: StoreConfig, manifest: &Manifest) -> Result<Self, StoreError> {
        let mut opened = Vec::new();
        for info in &manifest.segments {
            let base_ms = info.partition.map_or(0, |partition| partition.saturating_mul(manifest.span_ms));
            opened.push(segment::open(&config.dir, *info, base_ms)?);
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
        let writer = Writer {
            applied: manifest.applied,
            slot: manifest.slot,
            cache: BlockCache::default(),
            unsealed: Unsealed { after: manifest.applied, ..Unsealed::default() },
        };
        let Table { newest, lasts } =
            newest::load(&config.dir, manifest.newest_seq).unwrap_or_else(|| newest::find(&sealed));
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
            summary_cache: SummaryCache::default(),
            #[cfg(test)]
            gate: Arc::default(),
        };
        for (series, point) in newest {
            let lane = lane_of(series.device);
            let group = inner.group_or_new(group_of(series.device));
            write(&group).set_newest(lane, series.property, point);
        }
        for (series, last) in lasts {
            let lane = lane_of(series.device);
            let group = inner.group_or_new(group_of(series.device));
            write(&group).set_last(lane, series.property, last);
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

    /// Takes in the observations of journal records, see [`crate::Store::apply`].
    pub(crate) fn apply(&self, batch: &Batch, outcomes: &mut ApplyOutcomes) {
        outcomes.clear();
        let mut writer = lock(&self.writer);
        let mut rest = &batch.records[..];
        while !rest.is_empty() {
            let answers = self.look_up_late(&mut writer, batch, rest);
            // What was looked up does not know what is frozen from here on, for that may be sealed at any moment.
            let Some(applied) = self.apply_until_freeze(&mut writer, batch, rest, &answers, outcomes) else {
                return;
            };
            rest = &rest[applied..];
        }
    }

    /// Looks up in the segments what they must say about records that were not applied yet.
    fn look_up_late(&self, writer: &mut Writer, batch: &Batch, records: &[Taken]) -> Answers {
        let horizon_ms = self.horizon.get();
        let mut asks = Vec::new();
        for record in records.iter().filter(|record| record.offset > writer.applied) {
            let Some(group) = self.group(group_of(record.device)) else { continue };
            let (group, lane) = (read(&group), lane_of(record.device));
            let unknown = batch.observations(record).iter().filter(|observation| {
                observation.ts_ms >= horizon_ms && group.must_ask_sealed(lane, observation)
            });
            asks.extend(unknown.map(|one| Ask::new(record.device, one.property, one.ts_ms)));
        }
        Answers::find(&self.sealed, &mut writer.cache, asks)
    }

    /// Applies records until memory was frozen. Returns how many; `None` when the store was shut down.
    fn apply_until_freeze(
        &self,
        writer: &mut Writer,
        batch: &Batch,
        records: &[Taken],
        answers: &Answers,
        outcomes: &mut ApplyOutcomes,
    ) -> Option<usize> {
        for (at, record) in records.iter().enumerate() {
            let observations = batch.observations(record);
            if record.offset <= writer.applied {
                outcomes.all.extend(observations.iter().map(|_| ApplyOutcome::Duplicate));
            } else {
                if !self.wait_for_room() {
                    return None;
                }
                self.apply_record(writer, record, observations, answers, &mut outcomes.all);
                writer.applied = record.offset;
                writer.unsealed.observations += observations.len();
            }
            outcomes.ends.push(outcomes.all.len());
            if self.freeze_if_due(writer) {
                return Some(at + 1);
            }
        }
        Some(records.len())
    }

    /// Passes over journal records up to `offset`, which have `bytes` together with those that were applied.
    pub(crate) fn advance(&self, offset: u64, bytes: u64) {
        let mut writer = lock(&self.writer);
        writer.unsealed.bytes += bytes;
        writer.applied = writer.applied.max(offset);
        self.freeze_if_due(&mut writer);
    }

    fn apply_record(
        &self,
        writer: &mut Writer,
        record: &Taken,
        observations: &[Observation],
        answers: &Answers,
        outcomes: &mut Vec<ApplyOutcome>,
    ) {
        let horizon_ms = self.horizon.get();
        let (lane, arrival_ms) = (lane_of(record.device), record.arrival_ms);
        let shared = self.group_or_new(group_of(record.device));
        let mut group = write(&shared);
        if let Some(by_ms) = record.set_back_ms {
            group.set_back(lane, by_ms);
        }
        let mut added = 0;
        for observation in observations {
            if observation.ts_ms < horizon_ms {
                outcomes.push(ApplyOutcome::TooOld);
                continue;
            }
            let outcome = match group.place(lane, observation, arrival_ms) {
                Placed::Done(outcome) => outcome,
                Placed::AskSealed => {
                    let ask = Ask::new(record.device, observation.property, observation.ts_ms);
                    let known = match answers.get(&ask) {
                        Some(known) => known,
                        None => {
                            // Readers need not wait while a block is read. Nobody else changes the group meanwhile,
                            // except that sealed parts leave it, after their segments were published.
                            drop(group);
                            let found = Answers::find(&self.sealed, &mut writer.cache, vec![ask]).get(&ask);
                            group = write(&shared);
                            found.flatten()
                        }
                    };
                    group.place_asked(lane, observation, arrival_ms, known)
                }
            };
            added += usize::from(outcome != ApplyOutcome::Duplicate);
            outcomes.push(outcome);
        }
        self.active_readings.fetch_add(added, Ordering::Relaxed);
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

    /// Freezes when memory is full, when much would be read again after a crash, and when a span has ended. Reports
    /// whether it did.
    fn freeze_if_due(&self, writer: &mut Writer) -> bool {
        let readings_max = self.config.head_readings_max;
        let Unsealed { observations, bytes, after } = writer.unsealed;
        let is_full = self.active_readings.load(Ordering::Relaxed) >= readings_max;
        let is_far = observations >= readings_max.saturating_mul(REPLAY_FACTOR)
            || writer.applied.saturating_sub(after) >= REPLAY_RECORDS_MAX
            || bytes >= REPLAY_BYTES_MAX;
        if is_full || is_far {
            self.freeze(writer);
        }
        self.freeze_due(writer) || is_full || is_far
    }

    /// Freezes whatever the time.
    pub(crate) fn freeze_now(&self) {
        self.freeze(&mut lock(&self.writer));
    }

    /// Hands all that is active to the sealer. Only pointers move.
    fn freeze(&self, writer: &mut Writer) {
        writer.unsealed = Unsealed { after: writer.applied, ..Unsealed::default() };
        if writer.applied <= self.frozen_offset() {
            return;
        }
        let groups: Vec<_> =
            self.groups().iter().map(|(number, group)| (*number, Arc::clone(group))).collect();
        let chunks: Vec<_> =
            groups.iter().filter_map(|(number, group)| Some((*number, write(group).freeze()?))).collect();
        let lasts = groups.iter().flat_map(|(number, group)| {
            let of_group = |(lane, property, last)| (series_at(*number, lane, property), last);
            read(group).lasts().map(of_group).collect::<Vec<_>>()
        });
        let lasts = lasts.collect();
        let readings = self.active_readings.swap(0, Ordering::Relaxed);
        let frozen = Frozen { chunks, lasts, readings, applied: writer.applied, slot: writer.slot };
        let mut queue = lock(&self.queue);
        queue.frozen_readings += readings;
        queue.frozen.push_back(Arc::new(frozen));
        drop(queue);
        self.work.notify_one();
    }

    /// Freezes when a span has ended since the last time. Reports whether it did.
    fn freeze_due(&self, writer: &mut Writer) -> bool {
        let due = self.due_slot.load(Ordering::Relaxed);
        let has_ended = due > writer.slot;
        let is_first = writer.slot == i64::MIN;
        if has_ended {
            writer.slot = due;
        }
        if has_ended && !is_first {
            self.freeze(writer);
        }
        has_ended && !is_first
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
