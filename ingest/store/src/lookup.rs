//! Looking up many single readings in the segments at once: each block is read once, not once for each reading.
use crate::{
    block::BlockKey,
    cache::BlockCache,
    lanes::{group_of, lane_of},
    sealed::Sealed,
    segment::Segment,
};
use ioc_model::{DeviceIndex, PropertyId};

/// A reading that is asked for, and what was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    key: BlockKey,
    ts_ms: i64,
    lane: usize,
    found: Option<f64>,
}

impl Ask {
    pub(crate) fn new(device: DeviceIndex, property: PropertyId, ts_ms: i64) -> Self {
        let key = BlockKey { property, group: group_of(device) };
        Self { key, ts_ms, lane: lane_of(device), found: None }
    }

    fn rank(&self) -> (BlockKey, i64, usize) {
        (self.key, self.ts_ms, self.lane)
    }
}

/// Readings that were looked up.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<Ask>);

impl Answers {
    /// Looks up what the segments have.
    pub(crate) fn find(sealed: &Sealed, cache: &mut BlockCache, mut asks: Vec<Ask>) -> Self {
        asks.sort_unstable_by_key(Ask::rank);
        asks.dedup_by_key(|ask| ask.rank());
        let view = sealed.view();
        for of_key in asks.chunk_by_mut(|a, b| a.key == b.key) {
            for segment in view.wide.iter().rev() {
                find_in(sealed, cache, segment, of_key);
            }
            let span = |ask: &Ask| sealed.partition(ask.ts_ms);
            for of_span in of_key.chunk_by_mut(|a, b| span(a) == span(b)) {
                let segments = of_span.first().and_then(|ask| view.partitions.get(&span(ask)));
                for segment in segments.into_iter().flatten().rev() {
                    find_in(sealed, cache, segment, of_span);
                }
            }
        }
        Self(asks)
    }

    /// Returns the value of a reading, if the segments have it; `None` when it was not asked for.
    pub(crate) fn get(&self, wanted: &Ask) -> Option<Option<f64>> {
        let at = self.0.binary_search_by_key(&wanted.rank(), Ask::rank).ok()?;
        Some(self.0[at].found)
    }
}

/// Looks up those of `asks` that nothing was found for; all are of one key, in order of time.
fn find_in(sealed: &Sealed, cache: &mut BlockCache, segment: &Segment, asks: &mut [Ask]) {
    let Some((first, last)) = asks.first().zip(asks.last()) else { return };
    let blocks = segment.blocks(first.key);
    let (from_ms, to_ms) = (first.ts_ms, last.ts_ms);
    let start = blocks.partition_point(|entry| entry.latest < from_ms);
    for entry in blocks[start..].iter().take_while(|entry| entry.earliest <= to_ms) {
        let first = asks.partition_point(|ask| ask.ts_ms < entry.earliest);
        let behind = asks.partition_point(|ask| ask.ts_ms <= entry.latest);
        let open = asks[first..behind].iter_mut().filter(|ask| ask.found.is_none());
        let mut block = None;
        for ask in open {
            let block = block.get_or_insert_with(|| cache.get(sealed, segment, entry));
            ask.found = block.as_ref().and_then(|block| block.value_at(ask.lane, ask.ts_ms));
        }
    }
}
