//! The sealed segments: one snapshot for readers, swapped when segments are added, merged or deleted.
//!
//! There are segments of one span each, where most readings go, and wide segments: those hold the readings of spans
//! that have too few of them for a file of their own when they are sealed, and all corrections. So segments of spans
//! have no reading in common (those of version 1 may: the last of a span holds), and may be merged in any order; the
//! reading of a wide segment holds over that of a span's, and of two wide ones that of the later.
use crate::{
    Damage, TimeRange,
    block::{Block, BlockTimes},
    lanes::device_at,
    segment::{Entry, Segment},
};
use arc_swap::ArcSwap;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io,
    ops::RangeInclusive,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Segment files kept open.
const OPEN_FILES_MAX: usize = 64;
/// Damaged places that are remembered; more are only logged.
const DAMAGE_MAX: usize = 1_000;

/// The segments at one moment. Never changes.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    /// By span, oldest first.
    pub(crate) partitions: BTreeMap<i64, Vec<Arc<Segment>>>,
    /// Oldest first.
    pub(crate) wide: Vec<Arc<Segment>>,
}

impl View {
    /// Returns all segments; later ones hold over earlier ones.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.partitions.values().flatten().chain(&self.wide)
    }

    pub(crate) fn add(&mut self, segment: Arc<Segment>) {
        match segment.info.partition {
            Some(partition) => self.partitions.entry(partition).or_default().push(segment),
            None => self.wide.push(segment),
        }
    }

    /// Replaces all segments of a span, or neighbouring wide ones, by one.
    pub(crate) fn replace(&mut self, removed: &BTreeSet<u64>, merged: &Arc<Segment>) {
        let at = self.wide.iter().position(|segment| removed.contains(&segment.info.seq));
        self.remove(removed);
        match at {
            Some(at) => self.wide.insert(at, Arc::clone(merged)),
            None => self.add(Arc::clone(merged)),
        }
    }

    /// Removes the segments with these numbers.
    pub(crate) fn remove(&mut self, removed: &BTreeSet<u64>) {
        let is_kept = |segment: &Arc<Segment>| !removed.contains(&segment.info.seq);
        self.partitions.values_mut().for_each(|segments| segments.retain(is_kept));
        self.partitions.retain(|_, segments| !segments.is_empty());
        self.wide.retain(is_kept);
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
        segments.into_iter().for_each(|segment| view.add(Arc::new(segment)));
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

    /// The times of a span, the last inclusive.
    pub(crate) fn times(&self, partition: i64) -> RangeInclusive<i64> {
        let start_ms = self.base_ms(partition);
        start_ms..=start_ms.saturating_add(self.span_ms - 1)
    }

    /// The part of `range` within a span.
    pub(crate) fn clip(&self, partition: i64, range: TimeRange) -> TimeRange {
        TimeRange {
            from_ms: range.from_ms.max(self.base_ms(partition)),
            to_ms: range.to_ms.min(self.base_ms(partition.saturating_add(1))),
        }
    }

    /// The times that a segment may have readings of.
    fn extent(&self, segment: &Segment) -> TimeRange {
        segment.info.partition.map_or(TimeRange::ALL, |partition| self.clip(partition, TimeRange::ALL))
    }

    /// Reads a block.
    ///
    /// Errors: when it is unreadable, which is also reported.
    pub(crate) fn read(&self, segment: &Segment, entry: &Entry) -> Result<Block, Unreadable> {
        self.decode(segment, entry, Block::decode)
    }

    /// Reads the times of a block.
    ///
    /// Errors: when it is unreadable, which is also reported.
    pub(crate) fn read_times(&self, segment: &Segment, entry: &Entry) -> Result<BlockTimes, Unreadable> {
        self.decode(segment, entry, BlockTimes::decode)
    }

    fn decode<T>(
        &self,
        segment: &Segment,
        entry: &Entry,
        decode: impl FnOnce(&[u8], i64) -> Result<T, &'static str>,
    ) -> Result<T, Unreadable> {
        let base_ms = segment.info.partition.map_or(0, |partition| self.base_ms(partition));
        let bytes = self.read_bytes(segment, entry).map_err(|error| error.to_string());
        let block = bytes.and_then(|bytes| decode(&bytes, base_ms).map_err(str::to_owned));
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
        let range = match entry {
            Some(entry) => TimeRange { from_ms: entry.earliest, to_ms: entry.latest.saturating_add(1) },
            None => self.extent(segment),
        };
        let path = segment.path.clone();
        let block = entry.map(|entry| (entry.key.property, device_at(entry.key.group, 0)));
        tracing::error!(path = %path.display(), byte, ?block, %what, "history is damaged here; the rest is served");
        damage.insert(place, Damage { path, byte, block, range, what });
    }

    pub(crate) fn damage(&self) -> Vec<Damage> {
        lock(&self.damage).values().cloned().collect()
    }
}

/// A block that cannot be read; already reported.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// Locks; every holder leaves the data whole, so a panic elsewhere does not make it unusable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
