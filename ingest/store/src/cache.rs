//! Times of blocks, kept for looking up single readings: back-fill asks the same blocks again and again.
use crate::{
    block::BlockTimes,
    sealed::Sealed,
    segment::{Entry, Segment},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
};

/// Bytes of blocks that are kept.
const BYTES_MAX: usize = 32 << 20;

/// Segment number and position of a block.
type BlockPosition = (u64, u32);

/// A block as a look for single times needs it: its values are decompressed when one is wanted.
#[derive(Debug)]
pub(crate) struct Lookup {
    times: BlockTimes,
    values: OnceLock<Option<Vec<f64>>>,
}

impl Lookup {
    /// Returns the value of a lane at exactly this time.
    pub(crate) fn value_at(&self, lane: usize, ts_ms: i64) -> Option<f64> {
        let at = self.times.position(lane, ts_ms)?;
        self.values.get_or_init(|| self.times.values()).as_ref()?.get(at).copied()
    }
}

struct Kept {
    /// `None` for a block that cannot be read; it is reported once.
    block: Option<Arc<Lookup>>,
    bytes: usize,
    /// Used since the hand of the clock passed.
    is_used: bool,
}

/// The blocks that were looked at last, by the clock algorithm: what was used since the hand passed stays for another
/// round, so that each look costs the same however many there are.
#[derive(Default)]
pub(crate) struct BlockCache {
    blocks: HashMap<BlockPosition, Kept>,
    clock: VecDeque<BlockPosition>,
    bytes: usize,
}

impl BlockCache {
    /// Returns a block; `None` when it cannot be read, which is reported.
    pub(crate) fn get(&mut self, sealed: &Sealed, segment: &Segment, entry: &Entry) -> Option<Arc<Lookup>> {
        let place = (segment.info.seq, entry.position);
        if let Some(kept) = self.blocks.get_mut(&place) {
            kept.is_used = true;
            return kept.block.clone();
        }
        let times = sealed.read_times(segment, entry).ok();
        // With its values, if they are decompressed.
        let bytes = times.as_ref().map_or(0, |times| times.bytes() * 3) + size_of::<Kept>();
        let block = times.map(|times| Arc::new(Lookup { times, values: OnceLock::new() }));
        self.blocks.insert(place, Kept { block: block.clone(), bytes, is_used: false });
        self.clock.push_back(place);
        self.bytes += bytes;
        self.make_room();
        block
    }

    fn make_room(&mut self) {
        while self.bytes > BYTES_MAX && self.clock.len() > 1 {
            let Some(place) = self.clock.pop_front() else { return };
            match self.blocks.get_mut(&place) {
                Some(kept) if kept.is_used => {
                    kept.is_used = false;
                    self.clock.push_back(place);
                }
                Some(_) => {
                    self.bytes -= self.blocks.remove(&place).map_or(0, |kept| kept.bytes);
                }
                None => {}
            }
        }
    }
}
