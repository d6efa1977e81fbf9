//! Frozen readings become segments: a bounded number, whatever the times of the readings.
use crate::{
    Point, StoreError,
    block::BlockKey,
    cut::LaneBuffers,
    head::Runs,
    inner::{Frozen, Inner},
    lanes::LANES,
    manifest::Manifest,
    segment::{Segment, SegmentWriter},
};
use std::collections::{BTreeMap, BTreeSet};

/// A span has a segment of its own when it has at least this part of the readings; those of other spans share a wide
/// segment. So a freeze makes at most one file more than this.
const SPAN_PART: usize = 8;

/// One property of one group.
struct Column<'f> {
    key: BlockKey,
    fresh: Option<&'f Runs>,
    corrections: Option<&'f Runs>,
}

/// Writes segments; `segments` has those that are complete, also after an error.
///
/// Errors: [`StoreError`] when a segment cannot be written.
pub(crate) fn write_segments(
    inner: &Inner,
    frozen: &Frozen,
    manifest: &mut Manifest,
    segments: &mut Vec<Segment>,
) -> Result<(), StoreError> {
    let columns = columns(frozen);
    let counts = count_by_span(inner, &columns);
    let total: usize = counts.values().sum();
    let own: BTreeSet<i64> =
        counts.iter().filter(|(_, count)| **count * SPAN_PART >= total).map(|(span, _)| *span).collect();
    for span in &own {
        segments.push(write_span(inner, &columns, *span, manifest.take_seq())?);
    }
    let has_corrections = columns.iter().any(|column| column.corrections.is_some());
    if own.len() < counts.len() || has_corrections {
        segments.push(write_wide(inner, &columns, &own, manifest.take_seq())?);
    }
    Ok(())
}

fn columns(frozen: &Frozen) -> Vec<Column<'_>> {
    let mut columns = Vec::new();
    for (group, chunk) in &frozen.chunks {
        columns.extend(chunk.parts.iter().map(|part| Column {
            key: BlockKey { property: part.property, group: *group },
            fresh: part.fresh.as_ref(),
            corrections: part.corrections.as_ref(),
        }));
    }
    // By property first: a ward scan of one property then reads ahead in the file.
    columns.sort_by_key(|column| column.key);
    columns
}

/// Counts the readings of each span, corrections aside.
fn count_by_span(inner: &Inner, columns: &[Column<'_>]) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    let (mut span, mut count) = (0, 0);
    let runs = columns.iter().filter_map(|column| column.fresh).flat_map(|runs| runs.iter());
    for point in runs.flat_map(|run| run.all()) {
        let of_point = inner.sealed.partition(point.ts_ms);
        if of_point != span {
            *counts.entry(span).or_default() += count;
            (span, count) = (of_point, 0);
        }
        count += 1;
    }
    *counts.entry(span).or_default() += count;
    counts.retain(|_, count| *count > 0);
    counts
}

fn write_span(inner: &Inner, columns: &[Column<'_>], span: i64, seq: u64) -> Result<Segment, StoreError> {
    let times = inner.sealed.times(span);
    write(inner, Some(span), columns, seq, |column, lane, buffers| {
        if let Some(runs) = column.fresh {
            buffers.extend(lane, runs[lane].through(times.clone()));
        }
    })
}

fn write_wide(
    inner: &Inner,
    columns: &[Column<'_>],
    own: &BTreeSet<i64>,
    seq: u64,
) -> Result<Segment, StoreError> {
    let is_in_none = |point: &Point| !own.contains(&inner.sealed.partition(point.ts_ms));
    let mut points = Vec::new();
    write(inner, None, columns, seq, |column, lane, buffers| {
        points.clear();
        if let Some(runs) = column.fresh {
            points.extend(runs[lane].all().filter(is_in_none));
        }
        if let Some(runs) = column.corrections {
            points.extend(runs[lane].all());
        }
        points.sort_unstable_by_key(|point| point.ts_ms);
        buffers.extend(lane, points.iter().copied());
    })
}

fn write(
    inner: &Inner,
    partition: Option<i64>,
    columns: &[Column<'_>],
    seq: u64,
    mut fill: impl FnMut(&Column<'_>, usize, &mut LaneBuffers),
) -> Result<Segment, StoreError> {
    let mut segment = SegmentWriter::create(&inner.config.dir, seq, partition, inner.sealed.span_ms)?;
    let mut buffers = LaneBuffers::default();
    for column in columns {
        for lane in 0..LANES {
            fill(column, lane, &mut buffers);
        }
        buffers.flush(column.key, &mut segment)?;
    }
    segment.finish()
}
