//! A shard: one thread that owns its devices' windows and alerts.
//!
//! An observation looks up its device and its series; the series knows who reads it, so rules and devices that do
//! not are not dirty. What can change by time alone stands in a timetable, one entry per instance, put right
//! when it comes up rather than at each observation. Rules whose value moves at every instant are evaluated at
//! each tick; what compares silence or the sun with a number is not one of them, see [`crate::eval::device`].
//!
//! Times follow the time policy, [`ioc_model::time`]: samples are placed at their event time, moved back as far as their clock
//! is ahead; a value is the present one from its arrival on, and one that came late from its event time.
//!
//! | Module | Owns |
//! |---|---|
//! | [`device`] | what is kept of a device |
//! | [`partial_aggregate`] | what devices contribute to rules of the whole city |
//! | [`evaluate`] | evaluation of one instance, and what follows |
//! | [`build`] | devices, series, instances and leaves: at start, and when rules or devices change |
//! | [`fold`] | how much of a window is filled with what intervals of history come to |
mod build;
pub(crate) mod device;
mod evaluate;
mod fold;
pub(crate) mod partial_aggregate;

use super::{
    Shared,
    compile::CompiledRuleSet,
    dispatch::{Batch, Item, Scope},
    meters::count,
    outbox,
    progress::FILLED,
    report::{Arrived, OutputClosed, Report, Reported, Update},
    restore::PendingRestore,
    sync::{Receiver, Sender},
};
use crate::{
    engine::TransitionSink,
    eval::{
        clock::Clock,
        partial::Partial,
        time::EvalTime,
        window::{Inserted, Sample},
    },
    labels::DeviceLabels,
    lang::vocabulary::DEVICE_ONLINE,
    transition::RuleTransition,
};
use device::{ClockSeen, Device, Target};
use ioc_model::{
    DeviceIndex, Observation, Presence, PropertyId, Quality,
    alert::EVIDENCE_SAMPLES_MAX,
    time::{Placing, placed_ms},
};
use partial_aggregate::{Change, PartialAggregate};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    sync::Arc,
};

/// Where a shard's results go.
pub(crate) struct Results {
    pub(crate) out: Arc<dyn TransitionSink>,
    pub(crate) reports: Sender<Report>,
}

/// One instance: place of the device, place of the instance in it.
type Address = (u32, u32);

/// A shard.
pub(crate) struct Shard {
    number: usize,
    shards: usize,
    shared: Arc<Shared>,
    rule_set: Arc<CompiledRuleSet>,
    results: Results,
    clock: Clock,
    /// By index divided by the number of shards.
    devices: Vec<Option<Box<Device>>>,
    leaves: Vec<PartialAggregate>,
    timetable: BinaryHeap<Reverse<(i64, Address)>>,
    /// Instances whose value moves at every instant.
    moving: Vec<Address>,
    /// Instances with a `for` or `keep_firing_for` running.
    timed: BTreeSet<Address>,
    /// Number of the item in hand.
    stamp: u64,
    dirty: Vec<u32>,
    evaluations: u64,
    seeding: bool,
    seed_to_ms: i64,
}

impl Shard {
    pub(crate) fn new(
        number: usize,
        shared: Arc<Shared>,
        rule_set: Arc<CompiledRuleSet>,
        results: Results,
        seed_to_ms: i64,
    ) -> Self {
        let shards = shared.progress.shards();
        let clock = Clock::new(shared.config.place.clone());
        let leaves = rule_set.leaves.iter().map(|_| PartialAggregate::new()).collect();
        Self {
            number,
            shards,
            shared,
            rule_set,
            results,
            clock,
            devices: Vec::new(),
            leaves,
            timetable: BinaryHeap::new(),
            moving: Vec::new(),
            timed: BTreeSet::new(),
            stamp: 0,
            dirty: Vec::new(),
            evaluations: 0,
            seeding: true,
            seed_to_ms,
        }
    }

    /// Takes up what was, then evaluates batches until the queue is closed.
    pub(crate) fn run(mut self, returning: Vec<PendingRestore>, batches: &Receiver<Batch>) {
        self.take_in_all();
        self.take_up(returning);
        self.seeding = false;
        self.shared.progress.done(self.number, FILLED, self.shared.config.resume_after);
        while let Ok(batch) = outbox::next(batches) {
            if self.batch(&batch).is_err() {
                // Dropping the queue tells the dispatcher; progress stays below what was not told.
                self.shared.progress.stop();
                return;
            }
            count(&self.shared.meters.evaluations, std::mem::take(&mut self.evaluations));
            count(&self.shared.meters.observations, batch.observations.len() as u64);
            self.shared.progress.done(self.number, batch.number, batch.through);
        }
    }

    fn batch(&mut self, batch: &Batch) -> Result<(), OutputClosed> {
        for item in &batch.items {
            self.stamp += 1;
            match item {
                Item::Message { now, device, set_back_ms, from, to } => {
                    let observations = batch.observations.get(*from as usize..*to as usize).unwrap_or(&[]);
                    self.message(*device, observations, *set_back_ms, *now)?;
                }
                Item::Presence { now, presence } => self.presence(presence, *now)?,
                Item::Tick { now } => self.tick(*now)?,
                Item::PutBack { by_ms, now_ms } => self.put_back(*by_ms, *now_ms),
                Item::Round { round, now, scope } => self.round(*round, *now, scope)?,
                Item::Rules { round, now, rule_set } => {
                    self.replace_rules(rule_set, *now)?;
                    self.report(*round, *now, Reported::Rules(Arc::clone(rule_set)))?;
                }
                Item::Devices { now, devices } => self.devices_changed(devices, *now)?,
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        device: DeviceIndex,
        observations: &[Observation],
        set_back_ms: Option<i64>,
        now: EvalTime,
    ) -> Result<(), OutputClosed> {
        let Some(slot) = self.slot_of(device, now.at_ms) else { return Ok(()) };
        if let Some(device) = &mut self.devices[slot] {
            device.last_heard_ms = device.last_heard_ms.max(now.arrival_ms);
        }
        let Placed { placing, is_behind } = self.place(slot, observations, set_back_ms, now);
        for observation in observations.iter().filter(|observation| observation.quality.is_measuring()) {
            let ts = match placing {
                Some(placing) if observation.quality.is_device_timed() => placing.place(observation.ts_ms),
                _ => placed_ms(observation.ts_ms, now.at_ms),
            };
            let sample = Sample { ts, value: observation.value };
            let timely = !observation.quality.contains(Quality::LATE);
            self.sample(slot, observation.property, sample, timely, now);
            if is_behind && let Some(device) = &mut self.devices[slot] {
                device.remember(observation.property, sample, fresh_ms(sample, timely, now));
            }
        }
        if let Some(device) = &mut self.devices[slot] {
            let instances = device.silence.iter().filter_map(|target| match target {
                Target::Instance(place) => Some(*place),
                Target::SeriesSlot { .. } => None,
            });
            for place in instances {
                mark_dirty(&mut device.instances, &mut self.dirty, place, true, self.stamp);
            }
        }
        self.evaluate_dirty(slot, now)
    }

    /// Measures the device's clock by a message, and finds out where the message stands. Where the clock turns out to be
    /// elsewhere, windows have other ends, or other samples: everything that the device decides is looked at again with the
    /// next tick.
    fn place(
        &mut self,
        slot: usize,
        observations: &[Observation],
        set_back_ms: Option<i64>,
        now: EvalTime,
    ) -> Placed {
        let of_its_clock = observations.iter().filter(|observation| observation.quality.is_device_timed());
        let event_ms = of_its_clock.map(|observation| observation.ts_ms).max();
        let is_subtracted =
            observations.iter().any(|observation| observation.quality.contains(Quality::CLOCK_OFFSET));
        let Some(device) = &mut self.devices[slot] else { return Placed::default() };
        if let Some(by_ms) = set_back_ms {
            device.set_back(by_ms, event_ms.unwrap_or(now.arrival_ms));
        }
        let Some(event_ms) = event_ms else {
            if set_back_ms.is_some() {
                self.mark_all_dirty(slot, now);
            }
            return Placed::default();
        };
        let is_elsewhere = device.measure_clock(ClockSeen {
            event_ms,
            arrival_ms: now.arrival_ms,
            set_back_ms,
            is_subtracted,
        });
        let placing = Some(device.place(event_ms, now.at_ms));
        let is_behind = device.is_behind();
        if is_elsewhere || set_back_ms.is_some() {
            self.mark_all_dirty(slot, now);
        }
        Placed { placing, is_behind }
    }

    /// Has everything that a device decides looked at again with the next tick.
    fn mark_all_dirty(&mut self, slot: usize, now: EvalTime) {
        let Some(device) = &mut self.devices[slot] else { return };
        for (place, instance) in device.instances.iter_mut().enumerate() {
            instance.due_ms = now.at_ms;
            self.timetable.push(Reverse((now.at_ms, (slot as u32, place as u32))));
        }
        for target in device.targets.iter().flatten() {
            if let Target::SeriesSlot { leaf, member } = *target {
                self.leaves[leaf as usize].mark_dirty_at(member);
            }
        }
    }

    fn presence(&mut self, presence: &Presence, now: EvalTime) -> Result<(), OutputClosed> {
        let Some(slot) = self.slot_of(presence.device, now.at_ms) else { return Ok(()) };
        let value = f64::from(u8::from(presence.online));
        self.sample(slot, DEVICE_ONLINE, Sample { ts: presence.at_ms, value }, true, now);
        self.evaluate_dirty(slot, now)
    }

    /// Puts a sample into its window and notes who reads it.
    fn sample(&mut self, slot: usize, property: PropertyId, sample: Sample, timely: bool, now: EvalTime) {
        if self.rule_set.readers(property).is_empty() {
            return;
        }
        let known = self.devices[slot].as_ref().and_then(|device| device.place_of(property));
        let place = match known {
            Some(place) => place,
            None => match self.add_series(slot, property, now.at_ms) {
                Some(place) => place,
                None => return,
            },
        };
        let Some(device) = &mut self.devices[slot] else { return };
        let targets = &device.targets[place];
        if targets.is_empty() {
            return;
        }
        let fresh_ms = fresh_ms(sample, timely, now);
        if device.series[place].window.insert_fresh(sample, fresh_ms) == Inserted::Crowded {
            count(&self.shared.meters.samples_dropped, 1);
        }
        for target in targets {
            match *target {
                Target::Instance(place) => {
                    mark_dirty(&mut device.instances, &mut self.dirty, place, timely, self.stamp);
                }
                Target::SeriesSlot { leaf, member } => {
                    self.leaves[leaf as usize].note_arrival(member, timely, now.input_ref());
                }
            }
        }
    }

    fn evaluate_dirty(&mut self, slot: usize, now: EvalTime) -> Result<(), OutputClosed> {
        let dirty = std::mem::take(&mut self.dirty);
        for place in &dirty {
            self.evaluate((slot as u32, *place), now, true)?;
        }
        self.dirty = dirty;
        self.dirty.clear();
        Ok(())
    }

    /// The wall clock was put back: what is remembered goes back with it, so that nothing lies ahead and everything is as
    /// old as it was. What was to be looked at then is looked at now.
    fn put_back(&mut self, by_ms: i64, now_ms: i64) {
        self.devices.iter_mut().flatten().for_each(|device| device.put_back(by_ms, now_ms));
        self.leaves.iter_mut().for_each(PartialAggregate::mark_all_dirty);
        for Reverse((due_ms, address)) in std::mem::take(&mut self.timetable) {
            if let Some(instance) = self.instance(address).filter(|instance| instance.due_ms == due_ms) {
                instance.due_ms = i64::MIN;
                self.timetable.push(Reverse((i64::MIN, address)));
            }
        }
    }

    fn tick(&mut self, now: EvalTime) -> Result<(), OutputClosed> {
        let mut due: Vec<Address> = Vec::new();
        while let Some(Reverse((due_ms, address))) = self.timetable.peek().copied() {
            if due_ms > now.at_ms {
                break;
            }
            self.timetable.pop();
            if let Some(instance) = self.instance(address).filter(|instance| instance.due_ms == due_ms) {
                instance.due_ms = device::NEVER;
                due.push(address);
            }
        }
        due.extend(&self.moving);
        due.extend(&self.timed);
        for address in due {
            let stamp = self.stamp;
            let fresh = self
                .instance(address)
                .is_some_and(|instance| std::mem::replace(&mut instance.stamp, stamp) != stamp);
            if fresh {
                self.evaluate(address, now, false)?;
            }
        }
        Ok(())
    }

    /// Reports what the devices contribute to rules of the whole city.
    fn round(&mut self, round: u64, now: EvalTime, scope: &Scope) -> Result<(), OutputClosed> {
        let rule_set = Arc::clone(&self.rule_set);
        // Newer samples of the same values matter to the evidence alone, and that is as old as a tick at most.
        let (rules, least): (&[usize], _) = match scope {
            Scope::Tick => (&rule_set.fleet, Change::Newer),
            Scope::Touched(rules) => (rules, Change::Other),
        };
        let updates = rules.iter().filter_map(|rule| {
            let leaves = rule_set.rules[*rule].leaves.clone();
            leaves.clone().for_each(|leaf| self.refresh_leaf(leaf, now.at_ms));
            let arrived = leaves
                .clone()
                .fold(Arrived::default(), |arrived, leaf| arrived.merge(self.leaves[leaf].take_arrived()));
            let partials: Vec<_> =
                leaves.filter_map(|leaf| Some((leaf, self.change(leaf, least)?))).collect();
            let is_news = arrived != Arrived::default() || !partials.is_empty();
            is_news.then_some(Update { rule: *rule, arrived, partials })
        });
        let updates = updates.collect();
        self.report(round, now, Reported::Round { scope: scope.clone(), updates })
    }

    /// Returns what is new of a leaf, if it is at least of this kind.
    fn change(&mut self, leaf: usize, least: Change) -> Option<Partial> {
        if self.leaves[leaf].change < least {
            return None;
        }
        self.leaves[leaf].change = Change::None;
        Some(self.partial(leaf))
    }

    fn partial(&self, leaf: usize) -> Partial {
        let grouped = self.rule_set.leaves[leaf].plan.grouping.is_some();
        let samples_max = EVIDENCE_SAMPLES_MAX.div_ceil(self.shards);
        let device =
            |slot: u32| self.devices.get(slot as usize)?.as_ref().map(|device| Arc::clone(&device.labels));
        self.leaves[leaf].partial(grouped, samples_max, device)
    }

    fn report(&self, round: u64, now: EvalTime, reported: Reported) -> Result<(), OutputClosed> {
        let report = Report { shard: self.number, round, now, reported };
        self.results.reports.send(report).map_err(|_| OutputClosed)
    }

    fn emit(&self, transition: RuleTransition) -> Result<(), OutputClosed> {
        count(&self.shared.meters.transitions, 1);
        self.results.out.emit(transition).then_some(()).ok_or(OutputClosed)
    }

    fn instance(&mut self, (slot, place): Address) -> Option<&mut device::Instance> {
        self.devices.get_mut(slot as usize)?.as_mut()?.instances.get_mut(place as usize)
    }

    /// Returns the place of a device, taking it in when it is new.
    fn slot_of(&mut self, index: DeviceIndex, at_ms: i64) -> Option<usize> {
        let slot = index.0 as usize / self.shards;
        if self.devices.get(slot).is_none_or(Option::is_none) {
            let Some(labels) = self.shared.directory.device(index) else {
                count(&self.shared.meters.unknown_devices, 1);
                return None;
            };
            self.take_in(labels, at_ms);
        }
        Some(slot)
    }

    fn labels_of(&self, slot: usize) -> Option<Arc<DeviceLabels>> {
        self.devices.get(slot)?.as_ref().map(|device| Arc::clone(&device.labels))
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    /// `None` when the device wrote no time.
    placing: Option<Placing>,
    /// It is older than one before.
    is_behind: bool,
}

/// Returns from when on a sample counts as the present value. What is current is judged by arrival: a clock that is behind makes
/// nobody silent. What came late was so then.
fn fresh_ms(sample: Sample, timely: bool, now: EvalTime) -> i64 {
    if timely { now.at_ms.max(sample.ts) } else { sample.ts }
}

/// Notes that an instance is to be evaluated once, however many observations of the item it reads.
fn mark_dirty(
    instances: &mut [device::Instance],
    dirty: &mut Vec<u32>,
    place: u32,
    timely: bool,
    stamp: u64,
) {
    let Some(instance) = instances.get_mut(place as usize) else { return };
    if std::mem::replace(&mut instance.stamp, stamp) != stamp {
        instance.timely = false;
        dirty.push(place);
    }
    instance.timely |= timely;
}
