//! Devices, series, instances and leaves: at start, and when rules or devices change.
use super::{
    OutputClosed, Shard,
    device::{Device, Instance, Readers, Target, readers_of},
    fold::Fold,
    partial_aggregate::PartialAggregate,
};
use crate::{
    engine::{
        compile::{CompiledRuleSet, Reader},
        meters::{AlertState, alert_state},
        restore::PendingRestore,
    },
    eval::{device::Series, plan::Plan, time::EvalTime, window::Sample},
    labels::DeviceLabels,
    lang::vocabulary::{DEVICE_ONLINE, DEVICE_SILENT_SECONDS},
    lifecycle::record::Active,
    past::PastSample,
};
use ioc_model::{Condition, PropertyId, alert::EvidenceSample};
use std::{cmp::Reverse, collections::HashMap, sync::Arc};

impl Shard {
    /// Takes in every device of the directory that belongs here.
    pub(super) fn take_in_all(&mut self) {
        for labels in self.shared.directory.devices() {
            if self.is_mine(&labels) {
                self.take_in(labels, self.past_end_ms());
            }
        }
    }

    /// The first instant that is not part of the past.
    fn past_end_ms(&self) -> i64 {
        self.seed_to_ms.saturating_add(1)
    }

    fn is_mine(&self, labels: &DeviceLabels) -> bool {
        labels.index.0 as usize % self.shards == self.number
    }

    /// Takes in a device, with the past of what its kind is expected to report.
    pub(super) fn take_in(&mut self, labels: Arc<DeviceLabels>, at_ms: i64) {
        let slot = labels.index.0 as usize / self.shards;
        if self.devices.len() <= slot {
            self.devices.resize_with(slot + 1, || None);
        }
        let heard = self.shared.past.last_seen(labels.index);
        let taken_in = if self.seeding { self.shared.config.startup_ms } else { at_ms };
        // A clock that was put back in between must not keep the device from being silent.
        let heard = heard.map_or(taken_in, |heard| heard.min(taken_in));
        let mut device = Box::new(Device::new(Arc::clone(&labels), heard));
        if let Some(clock) = self.shared.past.clock(labels.index) {
            device.recall_clock(clock);
        }
        self.devices[slot] = Some(device);
        self.read_device(slot, at_ms);
        self.await_news(slot);
    }

    /// Marks what the past says of a device that is taken in: nobody knows whether it came late, and some of it may still be
    /// on its way here: only something new may start an alert.
    fn await_news(&mut self, slot: usize) {
        let Some(device) = self.devices.get_mut(slot).and_then(Option::as_mut) else { return };
        for instance in &mut device.instances {
            instance.late = !self.rule_set.rules[instance.rule as usize].of_silence;
        }
    }

    /// Finds who reads what a device is expected to report and has no series yet, and fills the windows.
    fn read_device(&mut self, slot: usize, at_ms: i64) {
        let Some(labels) = self.labels_of(slot) else { return };
        self.add_readers(slot, DEVICE_SILENT_SECONDS);
        for property in self.expected_of(&labels) {
            let known = self.devices[slot].as_ref().and_then(|device| device.place_of(property));
            if known.is_none() && !self.rule_set.readers(property).is_empty() {
                self.add_series(slot, property, at_ms);
            }
        }
    }

    /// Properties that a device may have a past of.
    fn expected_of(&self, labels: &DeviceLabels) -> Vec<PropertyId> {
        let catalogue = &self.shared.catalogue;
        let names = catalogue.kind(labels.label("kind")).map_or(&[][..], |kind| &kind.properties);
        let ids = names.iter().filter_map(|name| catalogue.property(name)).map(|property| property.id);
        ids.chain([DEVICE_ONLINE]).collect()
    }

    /// Adds a series with its readers and its past; returns its place.
    pub(super) fn add_series(&mut self, slot: usize, property: PropertyId, at_ms: i64) -> Option<usize> {
        let labels = self.labels_of(slot)?;
        let Readers { readers, keep_ms, need_samples } = readers_of(&self.rule_set, &labels, property);
        let place = self.devices[slot].as_mut()?.add_series(property, keep_ms);
        if !readers.is_empty() {
            self.seed(slot, place, at_ms, need_samples);
            self.add_readers(slot, property);
        }
        Some(place)
    }

    /// Fills a window with what happened before `to_ms` and is not in it yet.
    fn seed(&mut self, slot: usize, place: usize, to_ms: i64, need_samples: bool) {
        let Some(device) = self.devices.get_mut(slot).and_then(Option::as_mut) else { return };
        let Series { property, window, .. } = &mut device.series[place];
        let to_ms = window.oldest_ms().map_or(to_ms, |oldest_ms| oldest_ms.min(to_ms));
        // By the device's clock, as windows are read.
        let mut from_ms = to_ms.saturating_sub(window.keep_ms()).saturating_sub(device.behind_ms);
        let past = &self.shared.past;
        let index = device.labels.index;
        // What stands behind the last one was there before a clock was set back, and would hide what comes.
        let last = past.last(index, *property);
        let is_in_order = |ts: i64| last.is_none_or(|last| ts <= last.placed_ms);
        let period_ms = device.labels.period_ms;
        let fold = Fold::of((from_ms, to_ms), period_ms).filter(|_| !need_samples);
        if let Some(Fold { step_ms, until_ms }) = fold {
            let mut summaries = past.summaries(index, *property, (from_ms, until_ms), step_ms);
            summaries.retain(|summary| is_in_order(summary.last_ms));
            window.fold_in(&summaries);
            from_ms = until_ms;
        }
        let mut samples = past.samples(index, *property, from_ms, to_ms);
        samples.retain(|sample| is_in_order(sample.placed_ms));
        if samples.is_empty() && window.oldest_ms().is_none() {
            samples.extend(last.filter(|last| last.placed_ms < to_ms));
        }
        for PastSample { placed_ms, fresh_ms, value } in samples {
            window.insert_fresh(Sample { ts: placed_ms, value }, fresh_ms.min(to_ms).max(placed_ms));
        }
        if let Some(PastSample { placed_ms, fresh_ms, .. }) = last {
            window.refresh(placed_ms, fresh_ms.min(to_ms));
        }
        if let Some(newest) = window.newest() {
            device.placer.stands(newest.ts);
        }
    }

    /// Adds instances and leaf members for everyone who reads a property of a device.
    fn add_readers(&mut self, slot: usize, property: PropertyId) {
        let Some(labels) = self.labels_of(slot) else { return };
        let Readers { readers, .. } = readers_of(&self.rule_set, &labels, property);
        for (reader, selector_mask) in readers {
            let target = match reader {
                Reader::Rule(rule) => self.add_instance(slot, rule, selector_mask),
                Reader::PartialAggregate(leaf) => self.add_member(slot, leaf, selector_mask, &labels),
            };
            if let (Some(device), Some(target)) = (&mut self.devices[slot], target) {
                device.add_target(property, target);
            }
        }
    }

    fn add_member(
        &mut self,
        slot: usize,
        leaf: usize,
        selector_mask: u64,
        labels: &DeviceLabels,
    ) -> Option<Target> {
        let device = self.devices[slot].as_ref()?;
        let known = device.targets.iter().flatten().chain(&device.silence);
        let known = known
            .copied()
            .find(|target| matches!(target, Target::SeriesSlot { leaf: of, .. } if *of as usize == leaf));
        known.or_else(|| {
            let grouping = self.rule_set.leaves[leaf].plan.grouping.as_ref();
            let member = self.leaves[leaf].join(slot as u32, selector_mask, grouping, labels);
            Some(Target::SeriesSlot { leaf: leaf as u32, member })
        })
    }

    /// Finds or adds the instance of a rule; a new one is due at once.
    fn add_instance(&mut self, slot: usize, rule: usize, selector_mask: u64) -> Option<Target> {
        let device = self.devices[slot].as_mut()?;
        if let Some(known) = device.instance_of(rule) {
            return Some(Target::Instance(known as u32));
        }
        let place = device.instances.len() as u32;
        let mut instance = Instance::new(rule, selector_mask);
        let compiled = &self.rule_set.rules[rule];
        // As in `await_news`.
        instance.late = self.seeding && !compiled.of_silence;
        let address = (slot as u32, place);
        if matches!(&compiled.plan, Some(Plan::Device(plan)) if plan.moves) {
            self.moving.push(address);
        } else {
            instance.due_ms = i64::MIN;
            self.timetable.push(Reverse((i64::MIN, address)));
        }
        device.instances.push(instance);
        Some(Target::Instance(place))
    }

    /// Takes up alerts from before a start.
    pub(super) fn take_up(&mut self, returning: Vec<PendingRestore>) {
        for PendingRestore { rule, device, restored } in returning {
            let (Some(rule), Some(labels)) = (rule, device) else { continue };
            let slot = labels.index.0 as usize / self.shards;
            let Some(place) = self.instance_for(slot, rule, &labels, &restored.alert) else {
                continue;
            };
            let Some(device) = &mut self.devices[slot] else { continue };
            if restored.alert.state != Condition::Cleared {
                recall_silence(device, &restored.alert);
            }
            let instance = &mut device.instances[place];
            instance.undecided_from = restored.cause.saturating_add(1);
            instance.active = Active::restore(&restored);
            let found = alert_state(instance.active.as_deref());
            self.rule_set.rules[rule].meter.moved(AlertState::Inactive, found);
            if instance.active.as_ref().and_then(|active| active.phase).is_some_and(|phase| phase.is_timed())
            {
                self.timed.insert((slot as u32, place as u32));
            }
            if instance.active.is_some() {
                // What was over and held by `keep_firing_for`, or for want of a share, has no input to come that ends it.
                instance.due_ms = self.seed_to_ms;
                self.timetable.push(Reverse((self.seed_to_ms, (slot as u32, place as u32))));
            }
        }
    }

    /// Returns the instance of a rule for a device. What the alert says was read has reported once, even if the past
    /// does not have it: presence has no past.
    fn instance_for(
        &mut self,
        slot: usize,
        rule: usize,
        labels: &DeviceLabels,
        alert: &ioc_model::Alert,
    ) -> Option<usize> {
        let rule_set = Arc::clone(&self.rule_set);
        let selectors = rule_set.selectors(Reader::Rule(rule))?;
        let selector_mask = selectors.picks(labels);
        for selector in
            selectors.selector_mask(selector_mask).filter(|one| one.property != DEVICE_SILENT_SECONDS)
        {
            let known = self.devices.get(slot)?.as_ref()?.place_of(selector.property);
            let place = match known {
                Some(place) => place,
                None => self.add_series(slot, selector.property, self.past_end_ms())?,
            };
            if came_of(alert, &selector.name) {
                self.devices[slot].as_mut()?.series[place].once_reported = true;
            }
        }
        self.add_instance(slot, rule, selector_mask);
        self.devices[slot].as_ref()?.instance_of(rule)
    }

    /// Takes another rule set: windows and the alerts of unchanged rules stay, the others' alerts end.
    pub(super) fn replace_rules(
        &mut self,
        rule_set: &Arc<CompiledRuleSet>,
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let before = std::mem::replace(&mut self.rule_set, Arc::clone(rule_set));
        self.clear_reading();
        for slot in 0..self.devices.len() {
            self.read_again(slot, None, &before, now)?;
        }
        Ok(())
    }

    /// Takes other devices and labels: windows and alerts stay, those of devices that are gone end.
    pub(super) fn devices_changed(
        &mut self,
        devices: &[Arc<DeviceLabels>],
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let mine = devices.iter().filter(|labels| self.is_mine(labels));
        let mut wanted: HashMap<usize, Arc<DeviceLabels>> =
            mine.map(|labels| (labels.index.0 as usize / self.shards, Arc::clone(labels))).collect();
        self.clear_reading();
        let before = Arc::clone(&self.rule_set);
        for slot in 0..self.devices.len() {
            let Some(device) = &self.devices[slot] else { continue };
            match wanted.remove(&slot) {
                Some(labels) => self.read_again(slot, Some(labels), &before, now)?,
                None => {
                    let device = Arc::clone(&device.labels);
                    self.let_go(slot, &before, now)?;
                    tracing::info!(device = %device.id, "device is gone; its alerts were cleared");
                }
            }
        }
        for labels in wanted.into_values() {
            self.take_in(labels, now.at_ms);
        }
        Ok(())
    }

    fn clear_reading(&mut self) {
        self.leaves = self.rule_set.leaves.iter().map(|_| PartialAggregate::new()).collect();
        self.timetable.clear();
        self.moving.clear();
        self.timed.clear();
    }

    fn let_go(&mut self, slot: usize, before: &CompiledRuleSet, now: EvalTime) -> Result<(), OutputClosed> {
        let Some(device) = self.devices[slot].take() else { return Ok(()) };
        for mut instance in device.instances {
            self.end(instance.active.take(), before, instance.rule, now)?;
        }
        Ok(())
    }

    fn end(
        &self,
        active: Option<Box<Active>>,
        before: &CompiledRuleSet,
        rule: u32,
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let Some(active) = active else { return Ok(()) };
        let before_end = alert_state(Some(&active));
        if let Some(compiled) = before.rules.get(rule as usize) {
            compiled.meter.moved(before_end, AlertState::Inactive);
        }
        active.end(now).map_or(Ok(()), |transition| self.emit(transition))
    }

    /// Finds out again who reads a device, which has kept its windows.
    fn read_again(
        &mut self,
        slot: usize,
        labels: Option<Arc<DeviceLabels>>,
        before: &CompiledRuleSet,
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let Some(device) = self.devices[slot].as_mut() else { return Ok(()) };
        if let Some(labels) = labels {
            device.labels = labels;
        }
        let instances = std::mem::take(&mut device.instances);
        for known in device.take_series() {
            self.keep_series(slot, known, now.at_ms);
        }
        self.read_device(slot, now.at_ms);
        for instance in instances {
            self.carry_over(slot, instance, before, now)?;
        }
        Ok(())
    }

    fn keep_series(&mut self, slot: usize, mut known: Series, at_ms: i64) {
        let property = known.property;
        let Some(labels) = self.labels_of(slot) else { return };
        let Readers { readers, keep_ms, need_samples } = readers_of(&self.rule_set, &labels, property);
        let Some(device) = self.devices[slot].as_mut() else { return };
        if readers.is_empty() || device.place_of(property).is_some() {
            return;
        }
        let place = device.add_series(property, keep_ms);
        let is_too_coarse = need_samples && known.window.is_folded();
        if is_too_coarse {
            known.window.drop_folded();
        }
        let longer = is_too_coarse || keep_ms > known.window.keep_ms();
        known.window.set_keep_ms(keep_ms);
        device.series[place] = known;
        if longer {
            self.seed(slot, place, at_ms, need_samples);
        }
        self.add_readers(slot, property);
    }

    /// Carries the state of an instance over to the one of the same rule, or ends its alert.
    fn carry_over(
        &mut self,
        slot: usize,
        mut old: Instance,
        before: &CompiledRuleSet,
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let active = old.active.take();
        let Some(known) = before.rules.get(old.rule as usize) else { return Ok(()) };
        let Some(rule) = self.rule_set.number(&known.rule.name, known.rule.hash) else {
            return self.end(active, before, old.rule, now);
        };
        let Some(labels) = self.labels_of(slot) else { return Ok(()) };
        if active.is_some()
            && self.devices[slot].as_ref().is_some_and(|device| device.instance_of(rule).is_none())
        {
            // Nothing of the device is read any more: the condition is no longer true, which the next tick finds.
            let selector_mask =
                self.rule_set.selectors(Reader::Rule(rule)).map_or(0, |selectors| selectors.picks(&labels));
            self.add_instance(slot, rule, selector_mask);
        }
        let Some(device) = self.devices[slot].as_mut() else { return Ok(()) };
        let Some(place) = device.instance_of(rule) else { return Ok(()) };
        let instance = &mut device.instances[place];
        instance.undecided_from = old.undecided_from;
        instance.late = old.late;
        instance.last_input = old.last_input;
        instance.active = active;
        if instance.active.as_ref().and_then(|active| active.phase).is_some_and(|phase| phase.is_timed()) {
            self.timed.insert((slot as u32, place as u32));
        }
        Ok(())
    }
}

/// Reports whether an alert came of a property, as far as its evidence tells: what went silent is not in the evidence of
/// `no_data`, so that may be anything the rule reads.
fn came_of(alert: &ioc_model::Alert, property: &str) -> bool {
    let names = |sample: &EvidenceSample| {
        sample.series.strip_prefix(property).is_some_and(|rest| rest.starts_with('{'))
    };
    let samples = &alert.evidence.samples;
    alert.no_data || samples.is_empty() || samples.iter().any(names)
}

/// An alert about silence says since when; without it, a restart would start the silence anew.
fn recall_silence(device: &mut Device, alert: &ioc_model::Alert) {
    let of_silence =
        alert.evidence.samples.iter().find(|sample| sample.series.starts_with("device_silent_seconds{"));
    if let Some(sample) = of_silence {
        device.last_heard_ms = device.last_heard_ms.min(sample.ts - (sample.value * 1e3) as i64);
    }
}
