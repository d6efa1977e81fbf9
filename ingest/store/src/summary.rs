//! The summary of an interval, and those of whole blocks that are kept.
use crate::{Point, block::Block, lanes::LANES, sealed::lock};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

/// Bytes of summaries that are kept.
const BYTES_MAX: usize = 64 << 20;

/// The measuring readings of an interval, combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// First instant of the interval, milliseconds since the epoch; a multiple of the step.
    pub from_ms: i64,
    /// First instant behind the interval.
    pub to_ms: i64,
    /// Number of readings, at least 1.
    pub count: u64,
    /// Sum of the values.
    pub sum: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Value with the earliest event time.
    pub first: f64,
    /// That time, milliseconds since the epoch.
    pub first_ms: i64,
    /// Value with the latest event time.
    pub last: f64,
    /// That time, milliseconds since the epoch.
    pub last_ms: i64,
}

impl Summary {
    fn of(point: &Point, step_ms: i64) -> Self {
        let from_ms = point.ts_ms.div_euclid(step_ms).saturating_mul(step_ms);
        let Point { ts_ms, value, .. } = *point;
        Self {
            from_ms,
            to_ms: from_ms.saturating_add(step_ms),
            count: 1,
            sum: value,
            min: value,
            max: value,
            first: value,
            first_ms: ts_ms,
            last: value,
            last_ms: ts_ms,
        }
    }

    /// Adds what comes later in the same interval.
    fn join(&mut self, later: &Self) {
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        (self.last, self.last_ms) = (later.last, later.last_ms);
    }
}

/// Appends a summary, or adds it to the last one when both are of one interval.
pub(crate) fn push(summaries: &mut Vec<Summary>, summary: &Summary) {
    match summaries.last_mut() {
        Some(last) if last.from_ms == summary.from_ms => last.join(summary),
        _ => summaries.push(*summary),
    }
}

/// Adds points, in order of time; those that do not measure are left out.
pub(crate) fn push_points(summaries: &mut Vec<Summary>, points: impl Iterator<Item = Point>, step_ms: i64) {
    for point in points.filter(|point| point.quality.is_measuring()) {
        push(summaries, &Summary::of(&point, step_ms));
    }
}

/// The summaries of a block, by lane.
pub(crate) type OfBlock = [Box<[Summary]>; LANES];

/// Segment number, position of the block, length of the interval.
pub(crate) type SummaryKey = (u64, u32, i64);

/// Summaries of blocks that were asked for, the oldest forgotten first.
#[derive(Default)]
pub(crate) struct SummaryCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    blocks: HashMap<SummaryKey, Arc<OfBlock>>,
    order: VecDeque<SummaryKey>,
    bytes: usize,
}

impl SummaryCache {
    pub(crate) fn get(&self, key: SummaryKey) -> Option<Arc<OfBlock>> {
        lock(&self.0).blocks.get(&key).cloned()
    }

    pub(crate) fn keep(&self, key: SummaryKey, summaries: &Arc<OfBlock>) {
        let mut kept = lock(&self.0);
        if kept.blocks.insert(key, Arc::clone(summaries)).is_some() {
            return;
        }
        kept.order.push_back(key);
        kept.bytes += bytes(summaries);
        while kept.bytes > BYTES_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.bytes -= kept.blocks.remove(&oldest).map_or(0, |summaries| bytes(&summaries));
        }
    }
}

fn bytes(summaries: &OfBlock) -> usize {
    size_of::<OfBlock>() + summaries.iter().map(|of_lane| size_of_val(&**of_lane)).sum::<usize>()
}

/// Returns the summaries of one lane of a block.
pub(crate) fn of_lane(block: &Block, lane: usize, step_ms: i64) -> Box<[Summary]> {
    let mut summaries = Vec::new();
    push_points(&mut summaries, block.points(block.lane(lane)), step_ms);
    summaries.into()
}
