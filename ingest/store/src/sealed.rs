//! The sealed segments: one snapshot for readers, swapped when segments are added, merged or deleted.
use crate::{
    Damage, Series, TimeRange,
    block::{Block, BlockKey},
    head::LANES,
    segment::{Entry, Segment},
};
use arc_swap::ArcSwap;
use ioc_model::DeviceIndex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Segment files kept open.
const OPEN_FILES_MAX: usize = 64;
/// Damaged places that are remembered; more are only logged.
const DAMAGE_MAX: usize = 1_000;

/// Segments by span, in order of their numbers. Never changes.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) partitions: BTreeMap<i64, Vec<Arc<Segment>>>,
}

impl View {
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.partitions.values().flatten()
    }
}

/// All that is sealed, and how it is read.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) span_ms: i64,
    view: ArcSwap<View>,
    files: Mutex<VecDeque<(u64, Arc<File>)>>,
    damage: Mutex<BTreeMap<(u64, u64), Damage>>,
}

impl Sealed {
    pub(crate) fn new(span_ms: i64, segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut view = View::default();
        for segment in segments {
            view.partitions.entry(segment.info.partition).or_default().push(Arc::new(segment));
        }
        Self {
            span_ms,
            view: ArcSwap::from_pointee(view),
            files: Mutex::new(VecDeque::new()),
            damage: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(crate) fn swap(&self, view: View) {
        self.view.store(Arc::new(view));
    }

    /// Number of the span that an event time belongs to.
    pub(crate) fn partition(&self, ts_ms: i64) -> i64 {
        ts_ms.div_euclid(self.span_ms)
    }

    /// Start of a span.
    pub(crate) fn base_ms(&self, partition: i64) -> i64 {
        partition.saturating_mul(self.span_ms)
    }

    /// The part of `range` within a span.
    pub(crate) fn clip(&self, partition: i64, range: TimeRange) -> TimeRange {
        TimeRange {
            from_ms: range.from_ms.max(self.base_ms(partition)),
            to_ms: range.to_ms.min(self.base_ms(partition.saturating_add(1))),
        }
    }

    /// Reads a block of a segment; `None` when it has none of this key in `range`, or an unreadable one, which is
    /// reported.
    pub(crate) fn block(&self, segment: &Segment, key: BlockKey, range: TimeRange) -> Option<Block> {
        let entry = segment.find(key)?;
        let base_ms = self.base_ms(segment.info.partition);
        let overlaps = base_ms + i64::from(entry.earliest) < range.to_ms
            && base_ms + i64::from(entry.latest) >= range.from_ms;
        if !overlaps {
            return None;
        }
        self.read(segment, entry).ok()
    }

    /// Reads a block.
    ///
    /// Errors: when it is unreadable, which is also reported.
    pub(crate) fn read(&self, segment: &Segment, entry: &Entry) -> Result<Block, Unreadable> {
        let base_ms = self.base_ms(segment.info.partition);
        let bytes = self.read_bytes(segment, entry).map_err(|error| error.to_string());
        let block = bytes.and_then(|bytes| Block::decode(&bytes, base_ms).map_err(str::to_owned));
        block.map_err(|what| {
            self.report(segment, u64::from(entry.position), Some(entry), what);
            Unreadable
        })
    }

    fn read_bytes(&self, segment: &Segment, entry: &Entry) -> io::Result<Vec<u8>> {
        let file = self.file(segment)?;
        let mut bytes = vec![0; entry.len as usize];
        file.read_exact_at(&mut bytes, u64::from(entry.position))?;
        Ok(bytes)
    }

    fn file(&self, segment: &Segment) -> io::Result<Arc<File>> {
        let seq = segment.info.seq;
        let mut files = lock(&self.files);
        if let Some((_, file)) = files.iter().find(|(open, _)| *open == seq) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(&segment.path)?);
        if files.len() >= OPEN_FILES_MAX {
            files.pop_front();
        }
        files.push_back((seq, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes the files of segments that are no longer part of the view, so that their space is given back.
    pub(crate) fn close_files(&self, retired: &BTreeSet<u64>) {
        lock(&self.files).retain(|(seq, _)| !retired.contains(seq));
    }

    /// Remembers and logs a damaged place, once.
    pub(crate) fn report(&self, segment: &Segment, byte: u64, entry: Option<&Entry>, what: String) {
        let mut damage = lock(&self.damage);
        let place = (segment.info.seq, byte);
        if damage.contains_key(&place) || damage.len() >= DAMAGE_MAX {
            return;
        }
        let base_ms = self.base_ms(segment.info.partition);
        let range = match entry {
            Some(entry) => TimeRange {
                from_ms: base_ms + i64::from(entry.earliest),
                to_ms: (base_ms + i64::from(entry.latest)).saturating_add(1),
            },
            None => self.clip(segment.info.partition, TimeRange::ALL),
        };
        let path = segment.path.clone();
        let block = entry.map(|entry| (entry.key.property, DeviceIndex(entry.key.group * LANES as u32)));
        tracing::error!(path = %path.display(), byte, ?block, %what, "history is damaged here; the rest is served");
        damage.insert(place, Damage { path, byte, block, range, what });
    }

    pub(crate) fn damage(&self) -> Vec<Damage> {
        lock(&self.damage).values().cloned().collect()
    }

    /// Returns the value that the segments have for a series at exactly this time.
    pub(crate) fn value_at(&self, cache: &mut BlockCache, series: Series, ts_ms: i64) -> Option<f64> {
        let view = self.view();
        let segments = view.partitions.get(&self.partition(ts_ms))?;
        let (group, lane) = (series.device.0 / LANES as u32, series.device.0 as usize % LANES);
        let key = BlockKey { property: series.property, group };
        let newest_first = segments.iter().rev();
        newest_first.filter_map(|segment| cache.get(self, segment, key, ts_ms)?.value_at(lane, ts_ms)).next()
    }
}

/// A block that cannot be read; already reported.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// Decoded blocks for looking up single times: back-fill asks the same few again and again.
#[derive(Debug, Default)]
pub(crate) struct BlockCache {
    blocks: HashMap<(u64, u32), (Arc<Block>, u64)>,
    readings: usize,
    clock: u64,
}

/// Readings in cached blocks, 12 to 13 bytes each.
const CACHED_READINGS_MAX: usize = 500_000;

impl BlockCache {
    fn get(&mut self, sealed: &Sealed, segment: &Segment, key: BlockKey, ts_ms: i64) -> Option<Arc<Block>> {
        let entry = segment.find(key)?;
        let place = (segment.info.seq, entry.position);
        self.clock += 1;
        if let Some((block, used)) = self.blocks.get_mut(&place) {
            *used = self.clock;
            return Some(Arc::clone(block));
        }
        let block = Arc::new(sealed.block(segment, key, TimeRange::new(ts_ms, ts_ms.saturating_add(1)))?);
        self.readings += block.readings();
        self.blocks.insert(place, (Arc::clone(&block), self.clock));
        while self.readings > CACHED_READINGS_MAX && self.blocks.len() > 1 {
            self.drop_oldest();
        }
        Some(block)
    }

    fn drop_oldest(&mut self) {
        let oldest = self.blocks.iter().min_by_key(|(_, (_, used))| *used).map(|(place, _)| *place);
        if let Some((block, _)) = oldest.and_then(|place| self.blocks.remove(&place)) {
            self.readings -= block.readings();
        }
    }
}

/// Locks; every holder leaves the data whole, so a panic elsewhere does not make it unusable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
