//! Walking over the blocks of one property of a device group in order of time, however they overlap: each block is
//! read once, and only those are in memory that the walk stands in.
use crate::{
    TimeRange,
    block::{Block, BlockKey},
    sealed::{Sealed, View},
    segment::{Entry, Segment},
};

/// A block to come.
struct Piece<'v> {
    /// Which reading holds of several at the same time: that of the highest rank.
    rank: usize,
    segment: &'v Segment,
    entry: Entry,
}

struct Open {
    rank: usize,
    latest: i64,
    block: Block,
}

/// A walk from window to window; within a window the same blocks are open.
pub(crate) struct Sweep<'v> {
    sealed: &'v Sealed,
    /// The earliest last.
    pieces: Vec<Piece<'v>>,
    /// By rank.
    open: Vec<Open>,
    cursor: i64,
    end: i64,
    /// Whether a block could not be read.
    has_failed: bool,
}

impl<'v> Sweep<'v> {
    /// Walks over what `view` has of `key` within `range`.
    pub(crate) fn new(sealed: &'v Sealed, view: &'v View, key: BlockKey, range: TimeRange) -> Self {
        if range.from_ms >= range.to_ms {
            return Self::over(sealed, std::iter::empty(), key, range);
        }
        let spans = sealed.partition(range.from_ms)..=sealed.partition(range.to_ms - 1);
        let of_spans = view.partitions.range(spans).flat_map(|(_, segments)| segments);
        Self::over(sealed, of_spans.chain(&view.wide).map(|segment| &**segment), key, range)
    }

    /// Walks over what `segments` have of `key` within `range`; of two readings at the same time that of the later
    /// segment holds.
    pub(crate) fn over(
        sealed: &'v Sealed,
        segments: impl Iterator<Item = &'v Segment>,
        key: BlockKey,
        range: TimeRange,
    ) -> Self {
        let mut pieces = Vec::new();
        for (rank, segment) in segments.enumerate() {
            let blocks = segment.blocks(key);
            let first = blocks.partition_point(|entry| entry.latest < range.from_ms);
            let within = blocks[first..].iter().take_while(|entry| entry.earliest < range.to_ms);
            pieces.extend(within.map(|entry| Piece { rank, segment, entry: *entry }));
        }
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.entry.earliest));
        let (cursor, end) = (range.from_ms, range.to_ms);
        Self { sealed, pieces, open: Vec::new(), cursor, end, has_failed: false }
    }

    /// Moves on to the next window; `None` behind the last.
    pub(crate) fn next_window(&mut self) -> Option<TimeRange> {
        if self.cursor >= self.end {
            return None;
        }
        let from_ms = self.cursor;
        self.open.retain(|open| open.latest >= from_ms);
        loop {
            let open_end = self.open.iter().map(|open| open.latest.saturating_add(1)).min();
            let must_open = open_end.unwrap_or_else(|| from_ms.saturating_add(1));
            let next = self.pieces.last().map(|piece| piece.entry.earliest);
            if next.is_some_and(|earliest| earliest < must_open) {
                self.open_next();
                continue;
            }
            self.cursor = open_end.or(next).unwrap_or(self.end).min(self.end);
            return Some(TimeRange { from_ms, to_ms: self.cursor });
        }
    }

    fn open_next(&mut self) {
        let Some(Piece { rank, segment, entry }) = self.pieces.pop() else { return };
        match self.sealed.read(segment, &entry) {
            Ok(block) => {
                let at = self.open.partition_point(|open| open.rank < rank);
                self.open.insert(at, Open { rank, latest: entry.latest, block });
            }
            Err(_) => self.has_failed = true,
        }
    }

    /// Returns the blocks of the window, those whose readings hold last.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.open.iter().map(|open| &open.block)
    }

    /// Reports whether a block on the way could not be read.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }
}
