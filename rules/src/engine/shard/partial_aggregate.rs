//! Leaves: what the devices of a shard contribute to rules of the whole city.
use super::device::NEVER;
use crate::{
    engine::report::Arrived,
    eval::{
        outcome::Outcome,
        partial::{Contribution, Group, Partial, group_labels},
        time::InputRef,
    },
    labels::{DeviceLabels, Labels},
    lang::ast::Grouping,
};
use std::{collections::HashMap, sync::Arc};

/// One leaf of one rule, over the devices of a shard.
#[derive(Debug, Default)]
pub(crate) struct PartialAggregate {
    pub(crate) members: Vec<SeriesSlot>,
    groups: Vec<Labels>,
    by_labels: HashMap<Labels, u32>,
    /// Something arrived for a member that was not looked at yet.
    pub(crate) dirty: bool,
    /// What was not reported yet.
    pub(crate) change: Change,
    /// What came in since the last report.
    arrived: Arrived,
    /// When a member's outcome can change by time alone.
    pub(crate) wake_ms: i64,
}

/// What there is to report of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing.
    #[default]
    None,
    /// Members say the same as before, of newer samples.
    Newer,
    /// A member says something else.
    Other,
}

/// One device in a leaf.
#[derive(Debug, Clone)]
pub(crate) struct SeriesSlot {
    /// Place of the device in the shard.
    pub(crate) slot: u32,
    pub(crate) selector_mask: u64,
    pub(crate) group: u32,
    pub(crate) outcome: Outcome,
    /// Event time of the newest sample behind the outcome.
    pub(crate) event_ms: i64,
    /// When the outcome can change by time alone.
    pub(crate) wake_ms: i64,
    pub(crate) dirty: bool,
}

impl SeriesSlot {
    /// Notes what the device says now.
    pub(crate) fn says(&mut self, outcome: Outcome, event_ms: i64) -> Change {
        let before =
            (std::mem::replace(&mut self.outcome, outcome), std::mem::replace(&mut self.event_ms, event_ms));
        match before {
            (known, _) if !known.is_same(outcome) => Change::Other,
            (_, known_ms) if known_ms != event_ms && outcome != Outcome::Nothing => Change::Newer,
            _ => Change::None,
        }
    }
}

impl PartialAggregate {
    /// Builds a leaf without devices.
    pub(crate) fn new() -> Self {
        Self { dirty: true, change: Change::Other, wake_ms: NEVER, ..Self::default() }
    }

    /// Takes in a device; returns its number.
    pub(crate) fn join(
        &mut self,
        slot: u32,
        selector_mask: u64,
        grouping: Option<&Grouping>,
        device: &DeviceLabels,
    ) -> u32 {
        let group = grouping.map_or(0, |grouping| self.group(group_labels(grouping, &device.labels)));
        let outcome = Outcome::Nothing;
        self.members.push(SeriesSlot {
            slot,
            selector_mask,
            group,
            outcome,
            event_ms: 0,
            wake_ms: NEVER,
            dirty: true,
        });
        self.dirty = true;
        (self.members.len() - 1) as u32
    }

    fn group(&mut self, labels: Labels) -> u32 {
        if let Some(known) = self.by_labels.get(&labels) {
            return *known;
        }
        let number = self.groups.len() as u32;
        self.groups.push(Arc::clone(&labels));
        self.by_labels.insert(labels, number);
        number
    }

    /// Has every member evaluated again, although nothing arrived.
    pub(crate) fn mark_all_dirty(&mut self) {
        self.members.iter_mut().for_each(|member| member.dirty = true);
        self.dirty = true;
    }

    /// Has a member evaluated again, although nothing arrived that it reads.
    pub(crate) fn mark_dirty_at(&mut self, member: u32) {
        if let Some(member) = self.members.get_mut(member as usize) {
            member.dirty = true;
        }
        self.dirty = true;
    }

    /// Notes that something arrived that a member reads.
    pub(crate) fn note_arrival(&mut self, member: u32, timely: bool, last_input: Option<InputRef>) {
        self.mark_dirty_at(member);
        self.arrived = self.arrived.merge(Arrived { timely, late: !timely, last_input });
    }

    /// Returns what came in since the last time.
    pub(crate) fn take_arrived(&mut self) -> Arrived {
        std::mem::take(&mut self.arrived)
    }

    /// Returns what the devices contribute now.
    pub(crate) fn partial(
        &self,
        grouped: bool,
        samples_max: usize,
        device: impl Fn(u32) -> Option<Arc<DeviceLabels>>,
    ) -> Partial {
        if grouped { self.folded(samples_max, device) } else { self.each(device) }
    }

    fn each(&self, device: impl Fn(u32) -> Option<Arc<DeviceLabels>>) -> Partial {
        let contribution = |member: &SeriesSlot| {
            let known = device(member.slot).filter(|_| member.outcome != Outcome::Nothing)?;
            let (labels, device) = (Arc::clone(&known.labels), known.id.clone());
            Some(Contribution { labels, device, outcome: member.outcome, event_ms: member.event_ms })
        };
        Partial::Each(self.members.iter().filter_map(contribution).collect())
    }

    fn folded(&self, samples_max: usize, device: impl Fn(u32) -> Option<Arc<DeviceLabels>>) -> Partial {
        let mut groups: Vec<_> = self.groups.iter().map(|labels| Group::empty(Arc::clone(labels))).collect();
        for member in &self.members {
            let group = &mut groups[member.group as usize];
            group.add(member.outcome);
            if let (Outcome::Value(value), true) = (member.outcome, group.samples.len() < samples_max) {
                let id = device(member.slot).map(|known| known.id.clone());
                group.samples.extend(id.map(|id| (id, member.event_ms, value)));
            }
        }
        groups.retain(|group| group.count + group.silent > 0);
        Partial::Groups(groups)
    }
}
