//! Summaries of a series by interval, for those who need the shape of a long time and not each reading: a rule's window
//! after a start. A block is decompressed once for its 64 devices and its summaries are kept.
use crate::{
    Point, QueryError, Series, TimeRange,
    block::{Block, BlockKey},
    head::LANES,
    history::BUCKETS_MAX,
    inner::{Inner, read},
    scan::group_of,
    sealed::{View, lock},
    segment::{Entry, Segment},
};
use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
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
fn push(summaries: &mut Vec<Summary>, summary: &Summary) {
    match summaries.last_mut() {
        Some(last) if last.from_ms == summary.from_ms => last.join(summary),
        _ => summaries.push(*summary),
    }
}

fn push_points(summaries: &mut Vec<Summary>, points: impl Iterator<Item = Point>, step_ms: i64) {
    for point in points.filter(|point| point.quality.is_measuring()) {
        push(summaries, &Summary::of(&point, step_ms));
    }
}

/// The summaries of a block, by lane.
type OfBlock = [Box<[Summary]>; LANES];

/// Segment number, position of the block, length of the interval.
type Place = (u64, u32, i64);

/// Summaries of blocks that were asked for, the oldest forgotten first.
#[derive(Default)]
pub(crate) struct SummaryCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    blocks: HashMap<Place, Arc<OfBlock>>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl SummaryCache {
    fn get(&self, place: Place) -> Option<Arc<OfBlock>> {
        lock(&self.0).blocks.get(&place).cloned()
    }

    fn keep(&self, place: Place, summaries: &Arc<OfBlock>) {
        let mut kept = lock(&self.0);
        if kept.blocks.insert(place, Arc::clone(summaries)).is_some() {
            return;
        }
        kept.order.push_back(place);
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

impl Inner {
    /// Combines the measuring readings of a series, see [`crate::Store::summaries`].
    pub(crate) fn summaries(
        &self,
        series: Series,
        range: TimeRange,
        step_ms: i64,
    ) -> Result<Vec<Summary>, QueryError> {
        let TimeRange { from_ms, to_ms } = range;
        if from_ms > to_ms {
            return Err(QueryError::Range { from_ms, to_ms });
        }
        if step_ms < 1 {
            return Err(QueryError::Interval { interval_ms: step_ms });
        }
        let lane = series.device.0 as usize % LANES;
        // Memory before the view: what is sealed in between is then seen twice, not never.
        let in_memory = self.times_in_memory(series, range);
        let view = self.sealed.view();
        let mut summaries = Vec::new();
        let mut cursor = from_ms;
        for (segment, entry) in self.alone(&view, series, range) {
            let is_in_memory = in_memory.iter().any(|ts_ms| (entry.earliest..=entry.latest).contains(ts_ms));
            let Some(of_block) = (!is_in_memory).then(|| self.of_block(segment, &entry, step_ms)).flatten()
            else {
                continue;
            };
            self.add_raw(&mut summaries, series, TimeRange::new(cursor, entry.earliest), step_ms)?;
            of_block[lane].iter().for_each(|summary| push(&mut summaries, summary));
            cursor = entry.latest.saturating_add(1);
        }
        self.add_raw(&mut summaries, series, TimeRange::new(cursor, to_ms), step_ms)?;
        Ok(summaries)
    }

    fn times_in_memory(&self, series: Series, range: TimeRange) -> Vec<i64> {
        let Some(group) = self.group(group_of(series.device)) else { return Vec::new() };
        let lanes = [series.device.0 as usize % LANES];
        let snapshot = read(&group).snapshot(series.property, &lanes, range);
        let points = snapshot.into_points(series.property, &lanes, range);
        points.into_iter().flatten().map(|point| point.ts_ms).collect()
    }

    /// Returns the blocks wholly within `range` that no other block overlaps, in order of time.
    fn alone<'v>(&self, view: &'v View, series: Series, range: TimeRange) -> Vec<(&'v Segment, Entry)> {
        let key = BlockKey { property: series.property, group: group_of(series.device) };
        if range.from_ms >= range.to_ms {
            return Vec::new();
        }
        let spans = self.sealed.partition(range.from_ms)..=self.sealed.partition(range.to_ms - 1);
        let of_spans = view.partitions.range(spans).flat_map(|(_, segments)| segments);
        let segments = of_spans.chain(&view.wide).map(|segment| &**segment);
        let mut blocks: Vec<(&Segment, Entry)> = segments
            .flat_map(|segment| segment.blocks(key).iter().map(move |entry| (segment, *entry)))
            .collect();
        blocks.sort_by_key(|(_, entry)| entry.earliest);
        let mut latest_before = None;
        let mut alone = Vec::new();
        for (at, (segment, entry)) in blocks.iter().enumerate() {
            let next = blocks.get(at + 1).map(|(_, next)| next.earliest);
            let is_alone = latest_before.is_none_or(|latest| latest < entry.earliest)
                && next.is_none_or(|next| entry.latest < next);
            if is_alone && range.from_ms <= entry.earliest && entry.latest < range.to_ms {
                alone.push((*segment, *entry));
            }
            latest_before = latest_before.max(Some(entry.latest));
        }
        alone
    }

    fn of_block(&self, segment: &Segment, entry: &Entry, step_ms: i64) -> Option<Arc<OfBlock>> {
        let place = (segment.info.seq, entry.position, step_ms);
        if let Some(kept) = self.summary_cache.get(place) {
            return Some(kept);
        }
        let block = self.sealed.read(segment, entry).ok()?;
        let summaries = Arc::new(std::array::from_fn(|lane| of_lane(&block, lane, step_ms)));
        self.summary_cache.keep(place, &summaries);
        Some(summaries)
    }

    fn add_raw(
        &self,
        summaries: &mut Vec<Summary>,
        series: Series,
        range: TimeRange,
        step_ms: i64,
    ) -> Result<(), QueryError> {
        if range.from_ms >= range.to_ms {
            return Ok(());
        }
        let flow = self.scan_group(series.property, &[series.device], range, &mut |_, points| {
            push_points(summaries, points.iter().copied(), step_ms);
            if summaries.len() > BUCKETS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(QueryError::Buckets { buckets: summaries.len() as u128 }),
        }
    }
}

fn of_lane(block: &Block, lane: usize, step_ms: i64) -> Box<[Summary]> {
    let mut summaries = Vec::new();
    push_points(&mut summaries, block.points(block.lane(lane)), step_ms);
    summaries.into()
}
