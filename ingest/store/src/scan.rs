//! Walking over readings: memory first, then the sealed segments, merged per device and span.
use crate::{
    Point, TimeRange,
    block::{Block, BlockKey},
    head::{HeadSnapshot, LANES},
    inner::Inner,
    sealed::View,
};
use ioc_model::{DeviceIndex, PropertyId};
use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

/// Device groups from which on a scan is shared by [`THREADS`].
const GROUPS_PARALLEL_MIN: usize = 8;
/// Threads of a large scan; ingest needs the rest of the machine.
const THREADS: usize = 2;

/// Called with the readings of one device within one span, each time once, in order of time; spans ascend.
pub(crate) type Visit<'a> = dyn FnMut(DeviceIndex, &[Point]) -> ControlFlow<()> + 'a;

impl Inner {
    /// Folds one property of `devices` (ascending, each once) over `range`. Large scans are shared by threads, so
    /// the answer has one or more accumulators, each of a part of the devices, in their order.
    pub(crate) fn fold<A: Send>(
        &self,
        property: PropertyId,
        devices: &[DeviceIndex],
        range: TimeRange,
        new: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, DeviceIndex, &[Point]) + Sync,
    ) -> Vec<A> {
        let groups: Vec<&[DeviceIndex]> = devices.chunk_by(|a, b| group_of(*a) == group_of(*b)).collect();
        let part = |groups: &[&[DeviceIndex]]| {
            let mut accumulator = new();
            for members in groups {
                let _ = self.scan_group(property, members, range, &mut |device, points| {
                    step(&mut accumulator, device, points);
                    ControlFlow::Continue(())
                });
            }
            accumulator
        };
        if groups.len() < GROUPS_PARALLEL_MIN {
            return vec![part(&groups)];
        }
        std::thread::scope(|scope| {
            let part = &part;
            let parts: Vec<_> = groups
                .chunks(groups.len().div_ceil(THREADS))
                .map(|groups| scope.spawn(move || part(groups)))
                .collect();
            // A panic in a part is a bug of ours; it goes on in the caller.
            let join = |part: std::thread::ScopedJoinHandle<'_, A>| {
                part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            parts.into_iter().map(join).collect()
        })
    }

    /// Visits one property of devices of one group.
    pub(crate) fn scan_group(
        &self,
        property: PropertyId,
        devices: &[DeviceIndex],
        range: TimeRange,
        visit: &mut Visit<'_>,
    ) -> ControlFlow<()> {
        let Some(first) = devices.first() else { return ControlFlow::Continue(()) };
        let key = BlockKey { property, group: group_of(*first) };
        let lanes: Vec<usize> = devices.iter().map(|device| device.0 as usize % LANES).collect();
        // Memory before the view: what is sealed in between is then seen twice, not never.
        let head = self.head_snapshot(key, &lanes, range);
        let view = self.sealed.view();
        let mut merged = Vec::new();
        for partition in self.partitions(&view, &head, key, &lanes, range) {
            let range = self.sealed.clip(partition, range);
            let segments = view.partitions.get(&partition).map_or(&[][..], Vec::as_slice);
            let blocks: Vec<Block> =
                segments.iter().filter_map(|segment| self.sealed.block(segment, key, range)).collect();
            for (at, device) in devices.iter().enumerate() {
                merged.clear();
                for block in &blocks {
                    merged.extend(block.points(block.range(lanes[at], range)));
                }
                head.extend(at, lanes[at], property, range, &mut merged);
                merge(&mut merged);
                if !merged.is_empty() {
                    visit(*device, &merged)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn head_snapshot(&self, key: BlockKey, lanes: &[usize], range: TimeRange) -> HeadSnapshot {
        match self.group(key.group) {
            Some(group) => crate::inner::read(&group).snapshot(key.property, lanes, range),
            None => HeadSnapshot { active: vec![Vec::new(); lanes.len()], frozen: Vec::new() },
        }
    }

    /// Numbers of the spans that have readings, ascending.
    fn partitions(
        &self,
        view: &View,
        head: &HeadSnapshot,
        key: BlockKey,
        lanes: &[usize],
        range: TimeRange,
    ) -> BTreeSet<i64> {
        let mut partitions = BTreeSet::new();
        if range.from_ms >= range.to_ms {
            return partitions;
        }
        let sealed = &self.sealed;
        let within = sealed.partition(range.from_ms)..=sealed.partition(range.to_ms - 1);
        for (partition, segments) in view.partitions.range(within) {
            if segments.iter().any(|segment| segment.find(key).is_some()) {
                partitions.insert(*partition);
            }
        }
        for points in &head.active {
            self.add_partitions(points.len(), |at| points[at].ts_ms, &mut partitions);
        }
        for chunk in &head.frozen {
            for run in lanes.iter().filter_map(|lane| chunk.run(key.property, *lane)) {
                let span = run.range(range);
                self.add_partitions(span.len(), |at| run.ts(span.start + at), &mut partitions);
            }
        }
        partitions
    }

    /// Adds the span numbers of `len` ascending times, without looking at each.
    pub(crate) fn add_partitions(&self, len: usize, ts: impl Fn(usize) -> i64, into: &mut BTreeSet<i64>) {
        let mut at = 0;
        while at < len {
            let partition = self.sealed.partition(ts(at));
            into.insert(partition);
            at = partition_end(at, len, |at| self.sealed.partition(ts(at)) == partition);
        }
    }
}

impl HeadSnapshot {
    fn extend(
        &self,
        at: usize,
        lane: usize,
        property: PropertyId,
        range: TimeRange,
        merged: &mut Vec<Point>,
    ) {
        for run in self.frozen.iter().filter_map(|chunk: &Arc<_>| chunk.run(property, lane)) {
            merged.extend(run.points(run.range(range)));
        }
        let active = &self.active[at];
        let start = active.partition_point(|point| point.ts_ms < range.from_ms);
        let end = active.partition_point(|point| point.ts_ms < range.to_ms);
        merged.extend_from_slice(&active[start..end]);
    }
}

/// Sorts points by time and keeps the last of each time: later sources stand behind earlier ones.
pub(crate) fn merge(points: &mut Vec<Point>) {
    if points.is_sorted_by(|a, b| a.ts_ms < b.ts_ms) {
        return;
    }
    points.sort_by_key(|point| point.ts_ms);
    let mut kept = 0;
    for at in 0..points.len() {
        if points.get(at + 1).is_none_or(|next| next.ts_ms != points[at].ts_ms) {
            points[kept] = points[at];
            kept += 1;
        }
    }
    points.truncate(kept);
}

/// First position from `start` on for which `holds` is false; it holds for a prefix.
fn partition_end(start: usize, end: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Number of the group that a device belongs to.
pub(crate) fn group_of(device: DeviceIndex) -> u32 {
    device.0 / LANES as u32
}
