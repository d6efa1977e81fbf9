//! Summaries of a series by interval, for those who need the shape of a long time and not each reading: a rule's window
//! after a start. A block is decompressed once for its 64 devices and its summaries are kept.
use crate::{
    QueryError, Series, Summary, TimeRange,
    block::BlockKey,
    history::BUCKETS_MAX,
    inner::{Inner, read},
    lanes::{group_of, lane_of},
    sealed::View,
    segment::{Entry, Segment},
    summary::{OfBlock, of_lane, push, push_points},
};
use std::{ops::ControlFlow, sync::Arc};

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
        let lane = lane_of(series.device);
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
        let lanes = [lane_of(series.device)];
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
