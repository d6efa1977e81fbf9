//! Which segments are merged, and merging: several become one.
use crate::{
    Point, StoreError, TimeRange,
    block::{Block, BlockKey},
    cut::LaneBuffers,
    lanes::LANES,
    points,
    sealed::Sealed,
    segment::{Segment, SegmentWriter},
    sweep::Sweep,
};
use std::{collections::BTreeSet, ops::Range, sync::Arc};

/// A span with this many segments has them merged.
const SPAN_SEGMENTS: usize = 6;
/// A complete span has its segments merged when the smaller ones together have this part of the largest one.
const SPAN_PART: u64 = 8;
/// This many neighbouring wide segments of similar size are merged.
const WIDE_SEGMENTS: usize = 6;
/// So many wide segments are allowed whatever their sizes; more have the latest ones merged.
const WIDE_MAX: usize = 16;
/// Wide segments are not merged into one longer than this, in bytes: a merge must not hold up sealing for long.
const WIDE_BYTES_MAX: u64 = 128 << 20;

/// Reports whether the segments of a span should be one. `is_complete` says that no more readings are expected.
pub(crate) fn is_span_due(segments: &[Arc<Segment>], is_complete: bool) -> bool {
    let total: u64 = segments.iter().map(|segment| segment.info.bytes).sum();
    let largest = segments.iter().map(|segment| segment.info.bytes).max().unwrap_or(0);
    segments.len() >= SPAN_SEGMENTS
        || segments.len() >= 2 && is_complete && (total - largest) * SPAN_PART >= largest
}

/// Returns which of the wide segments, by their bytes, oldest first, should be one: neighbours, none of which is larger
/// than those behind it together. So a reading is written again once for each doubling, and their number stays small.
pub(crate) fn wide_due(bytes: &[u64]) -> Option<Range<usize>> {
    (1..=bytes.len()).rev().find_map(|end| similar(bytes, end)).or_else(|| {
        let small = bytes.iter().rev().take_while(|bytes| **bytes < WIDE_BYTES_MAX / 2).count();
        (small > WIDE_MAX).then(|| bytes.len() - WIDE_SEGMENTS..bytes.len())
    })
}

fn similar(bytes: &[u64], end: usize) -> Option<Range<usize>> {
    let mut start = end - 1;
    let mut total = bytes[start];
    while start > 0 && bytes[start - 1] <= total && total + bytes[start - 1] <= WIDE_BYTES_MAX {
        start -= 1;
        total += bytes[start];
    }
    (end - start >= WIDE_SEGMENTS).then_some(start..end)
}

/// Writes what `segments` have as one, without readings before `horizon_ms`; of a time that several have the last holds.
/// `goes_on` is asked between blocks.
///
/// Errors: [`StoreError::DamagedInput`] when a block cannot be read, [`StoreError::ShutDown`] when `goes_on` says no,
/// and when the segment cannot be written.
pub(crate) fn merge(
    sealed: &Sealed,
    segments: &[Arc<Segment>],
    mut into: SegmentWriter,
    horizon_ms: i64,
    goes_on: impl Fn() -> bool,
) -> Result<Segment, StoreError> {
    let keys: BTreeSet<BlockKey> =
        segments.iter().flat_map(|segment| segment.entries.iter()).map(|entry| entry.key).collect();
    let mut buffers = LaneBuffers::default();
    let mut points = Vec::new();
    for key in keys {
        let range = TimeRange { from_ms: horizon_ms, to_ms: i64::MAX };
        let mut sweep = Sweep::over(sealed, segments.iter().map(|segment| &**segment), key, range);
        while let Some(window) = sweep.next_window() {
            for lane in 0..LANES {
                points.clear();
                sweep.blocks().for_each(|block| take(block, lane, window, &mut points));
                points::merge(&mut points);
                buffers.extend(lane, points.iter().copied());
            }
            if !goes_on() {
                return Err(StoreError::ShutDown);
            }
            if buffers.is_full() {
                buffers.flush(key, &mut into)?;
            }
        }
        if sweep.has_failed() {
            return Err(StoreError::DamagedInput);
        }
        buffers.flush(key, &mut into)?;
    }
    into.finish()
}

/// Takes a lane's readings of a window; the last window has the very last instant, too.
fn take(block: &Block, lane: usize, window: TimeRange, points: &mut Vec<Point>) {
    let mut range = block.range(lane, window);
    if window.to_ms == i64::MAX {
        range.end = block.lane(lane).end;
    }
    points.extend(block.points(range));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Adds a segment of each of these sizes, merging what is due. Returns the sizes that are left and the bytes written.
    fn live(sizes: &[u64]) -> (Vec<u64>, u64) {
        let (mut kept, mut written) = (Vec::new(), 0);
        for size in sizes {
            kept.push(*size);
            written += size;
            while let Some(range) = wide_due(&kept) {
                let merged: u64 = kept[range.clone()].iter().sum();
                written += merged;
                kept.splice(range, [merged]);
            }
        }
        (kept, written)
    }

    proptest! {
        #[test]
        fn wide_segments_stay_few_and_are_seldom_written_again(
            sizes in prop::collection::vec(prop_oneof![1..100u64, 1_000..2_000u64, 100_000..5_000_000u64], 1..400),
        ) {
            let (kept, written) = live(&sizes);
            let total: u64 = sizes.iter().sum();
            prop_assert_eq!(kept.iter().sum::<u64>(), total);
            let full = total.div_ceil(WIDE_BYTES_MAX / 2) as usize;
            prop_assert!(kept.len() <= WIDE_MAX + full, "{} segments", kept.len());
            prop_assert!(written <= total * 24, "{} times", written / total);
        }
    }
}
