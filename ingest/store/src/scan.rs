//! Walking over readings: memory first, then the sealed segments, merged per device and window.
use crate::{
    Point, TimeRange,
    block::BlockKey,
    head::HeadSnapshot,
    inner::{Inner, read},
    lanes::{group_of, lane_of},
    points::{Ordered, merge},
    sweep::Sweep,
};
use ioc_model::{DeviceIndex, PropertyId};
use std::ops::ControlFlow;

/// Device groups from which on a scan is shared by [`THREADS`].
const GROUPS_PARALLEL_MIN: usize = 8;
/// Threads of a large scan; ingest needs the rest of the machine.
const THREADS: usize = 2;

/// Called with readings of one device, each time once, in order of time; from call to call times ascend.
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
            let spawn = |groups| std::thread::Builder::new().spawn_scoped(scope, move || part(groups));
            let parts: Vec<_> = groups
                .chunks(groups.len().div_ceil(THREADS))
                .map(|groups| spawn(groups).map_err(|_no_thread| groups))
                .collect();
            // A panic in a part is a bug of ours; it goes on in the caller. What got no thread is done on this one.
            let join = |started: Result<std::thread::ScopedJoinHandle<'_, A>, _>| match started {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(groups) => part(groups),
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
        let lanes: Vec<usize> = devices.iter().copied().map(lane_of).collect();
        // Memory before the view: what is sealed in between is then seen twice, not never.
        let head = self.head_snapshot(key, &lanes, range).into_points(property, &lanes, range);
        let mut head: Vec<Ordered> = head.into_iter().map(Ordered::new).collect();
        let view = self.sealed.view();
        let mut sweep = Sweep::new(&self.sealed, &view, key, range);
        let mut merged = Vec::new();
        while let Some(window) = sweep.next_window() {
            for (at, device) in devices.iter().enumerate() {
                merged.clear();
                for block in sweep.blocks() {
                    merged.extend(block.points(block.range(lanes[at], window)));
                }
                merged.extend_from_slice(head[at].until(window.to_ms));
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
            Some(group) => read(&group).snapshot(key.property, lanes, range),
            None => HeadSnapshot { active: vec![Vec::new(); lanes.len()], frozen: Vec::new() },
        }
    }
}
