//! What a shard keeps of one device.
use crate::{
    engine::compile::{CompiledRuleSet, Reader},
    eval::{
        device::{Series, look_back_ms},
        time::InputRef,
        window::{Sample, Window},
    },
    labels::DeviceLabels,
    lang::vocabulary::DEVICE_SILENT_SECONDS,
    lifecycle::{flapping::FlapShare, record::Active},
};
use ioc_model::{
    PropertyId,
    time::{ClockOffset, Placer, Placing},
};
use std::{collections::VecDeque, sync::Arc};

/// No instant at all.
pub(crate) const NEVER: i64 = i64::MAX;
/// Samples kept apart that may turn out to be the first since a clock was set back.
const SINCE_MAX: usize = 256;

/// A device, its windows and its part in rules.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) labels: Arc<DeviceLabels>,
    /// When it was last heard of, or taken in.
    pub(crate) last_heard_ms: i64,
    clock: ClockOffset,
    /// The edge subtracted its offset, however large that looks: our own clock may be the wrong one.
    is_subtracted: bool,
    /// Where its messages stand.
    pub(crate) placer: Placer,
    /// What came since the last message that was newer than all before it: of a clock that was set back, or a back-fill.
    since: VecDeque<Since>,
    /// How far its clock is known to be behind, in whole seconds: windows end where it stands.
    pub(crate) behind_ms: i64,
    /// Properties that arrived and that some rule might read, in the order of first arrival.
    pub(crate) series: Vec<Series>,
    /// The property of each of `series`, close together: they are looked through for each observation.
    properties: Vec<PropertyId>,
    /// Readers of each of `series`.
    pub(crate) targets: Vec<Vec<Target>>,
    /// Readers of the device's silence.
    pub(crate) silence: Vec<Target>,
    pub(crate) instances: Vec<Instance>,
    /// What its alerts have left of their share of coming and going.
    pub(crate) flapping: FlapShare,
}

/// What a message says about its device's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSeen {
    /// Its newest time.
    pub(crate) event_ms: i64,
    pub(crate) arrival_ms: i64,
    /// As the edge found.
    pub(crate) set_back_ms: Option<i64>,
    /// The edge subtracted a notable offset.
    pub(crate) is_subtracted: bool,
}

/// A sample that is older than one before, and from when on it would count as the present value.
#[derive(Debug, Clone, Copy)]
struct Since {
    property: PropertyId,
    sample: Sample,
    fresh_ms: i64,
}

/// A reader of a series of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// An instance of a rule, in [`Device::instances`].
    Instance(u32),
    /// A member of a leaf, in [`super::partial_aggregate::PartialAggregate::members`].
    SeriesSlot { leaf: u32, member: u32 },
}

/// One rule for one device: matched once, evaluated when something arrives that it reads.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Number of the rule.
    pub(crate) rule: u32,
    /// Which selectors of the rule pick the device.
    pub(crate) selector_mask: u64,
    /// When it is in the timetable; [`NEVER`] when it is not.
    pub(crate) due_ms: i64,
    /// The last item that touched it.
    pub(crate) stamp: u64,
    /// Inputs before this offset were decided before a start.
    pub(crate) undecided_from: u64,
    /// The item that touched it last brought a timely observation.
    pub(crate) timely: bool,
    /// Since the last timely observation a late one came in: time alone starts nothing.
    pub(crate) late: bool,
    /// The last input that touched it, since our start.
    pub(crate) last_input: Option<InputRef>,
    /// Pending or firing.
    pub(crate) active: Option<Box<Active>>,
}

impl Instance {
    pub(crate) fn new(rule: usize, selector_mask: u64) -> Self {
        Self {
            rule: rule as u32,
            selector_mask,
            due_ms: NEVER,
            stamp: 0,
            undecided_from: 0,
            timely: false,
            late: false,
            last_input: None,
            active: None,
        }
    }
}

impl Device {
    pub(crate) fn new(labels: Arc<DeviceLabels>, last_heard_ms: i64) -> Self {
        Self {
            labels,
            last_heard_ms,
            clock: ClockOffset::default(),
            is_subtracted: false,
            placer: Placer::default(),
            since: VecDeque::new(),
            behind_ms: 0,
            series: Vec::new(),
            properties: Vec::new(),
            targets: Vec::new(),
            silence: Vec::new(),
            instances: Vec::new(),
            flapping: FlapShare::default(),
        }
    }

    /// Takes up what was known of its clock, which was not wrong.
    pub(crate) fn recall_clock(&mut self, clock: ClockOffset) {
        self.clock = clock;
        self.is_subtracted = true;
        self.behind_ms = behind_ms(&self.clock, true);
    }

    /// Takes the newest event time of a message that arrived, and what was found out about the clock with it; returns whether
    /// the clock is now known to be behind by something else than before.
    pub(crate) fn measure_clock(&mut self, seen: ClockSeen) -> bool {
        let ClockSeen { event_ms, arrival_ms, set_back_ms, is_subtracted } = seen;
        self.clock.follow(event_ms, arrival_ms, set_back_ms);
        self.is_subtracted = is_subtracted;
        if !self.clock.is_behind() {
            self.since.clear();
        }
        let behind_ms = behind_ms(&self.clock, is_subtracted);
        std::mem::replace(&mut self.behind_ms, behind_ms) != behind_ms
    }

    /// Returns where a message stands whose newest event time is this, once its clock was measured.
    pub(crate) fn place(&mut self, event_ms: i64, arrival_ms: i64) -> Placing {
        self.placer.take(event_ms, arrival_ms, offset_ms(&self.clock, self.is_subtracted))
    }

    /// Reports whether the message measured last is older than one before.
    pub(crate) fn is_behind(&self) -> bool {
        self.clock.is_behind()
    }

    /// Remembers a sample of a message that is older than one before.
    pub(crate) fn remember(&mut self, property: PropertyId, sample: Sample, fresh_ms: i64) {
        if self.place_of(property).is_none() {
            return;
        }
        if self.since.len() == SINCE_MAX {
            self.since.pop_front();
        }
        self.since.push_back(Since { property, sample, fresh_ms });
    }

    /// Follows the device's clock, which was set back and now shows `event_ms`: samples from before go back with it, and those
    /// since stay.
    pub(crate) fn set_back(&mut self, by_ms: i64, event_ms: i64) {
        let times = self.clock.since(by_ms, event_ms);
        self.since.retain(|since| times.contains(&since.sample.ts));
        for series in &mut self.series {
            let of_series = self.since.iter().filter(|since| since.property == series.property);
            let since: Vec<_> = of_series.map(|since| (since.sample, since.fresh_ms)).collect();
            series.window.set_back(by_ms, &since);
        }
        self.placer.put_back(by_ms);
        self.since.drain(..).for_each(|since| self.placer.stands(since.sample.ts));
    }

    /// Moves everything that is remembered back in time, but not ahead of `now_ms`.
    pub(crate) fn put_back(&mut self, by_ms: i64, now_ms: i64) {
        self.last_heard_ms = self.last_heard_ms.saturating_sub(by_ms).min(now_ms);
        self.series.iter_mut().for_each(|series| series.window.put_back(by_ms));
        self.placer.put_back(by_ms);
        self.since.clear();
        self.clock.shift(by_ms.saturating_neg());
        self.behind_ms = behind_ms(&self.clock, self.is_subtracted);
    }

    /// Returns the place of a property in [`Device::series`].
    pub(crate) fn place_of(&self, property: PropertyId) -> Option<usize> {
        self.properties.iter().position(|known| *known == property)
    }

    /// Returns the instance of a rule.
    pub(crate) fn instance_of(&self, rule: usize) -> Option<usize> {
        self.instances.iter().position(|instance| instance.rule as usize == rule)
    }

    /// Adds an empty series, with the reach that its readers need; returns its place.
    pub(crate) fn add_series(&mut self, property: PropertyId, keep_ms: i64) -> usize {
        self.properties.push(property);
        self.series.push(Series { property, window: Window::new(keep_ms), once_reported: false });
        self.targets.push(Vec::new());
        self.series.len() - 1
    }

    /// Takes all series out, to be added again with other readers.
    pub(crate) fn take_series(&mut self) -> Vec<Series> {
        self.properties.clear();
        self.targets.clear();
        self.silence.clear();
        std::mem::take(&mut self.series)
    }

    /// Adds who reads a property of the device.
    pub(crate) fn add_target(&mut self, property: PropertyId, target: Target) {
        let targets = match self.place_of(property) {
            Some(place) => &mut self.targets[place],
            None if property == DEVICE_SILENT_SECONDS => &mut self.silence,
            None => return,
        };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
}

/// Returns how far a clock is behind, in whole seconds: a change has every window looked at again.
fn behind_ms(clock: &ClockOffset, is_subtracted: bool) -> i64 {
    const SECOND_MS: i64 = 1_000;
    offset_ms(clock, is_subtracted).map_or(0, |offset_ms| offset_ms.max(0) / SECOND_MS * SECOND_MS)
}

fn offset_ms(clock: &ClockOffset, is_subtracted: bool) -> Option<i64> {
    if is_subtracted { clock.measured_ms() } else { clock.usable_ms() }
}

/// Readers of a property of a device, and how much of it they need.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// With the selectors that pick the device.
    pub(crate) readers: Vec<(Reader, u64)>,
    /// How far back they look.
    pub(crate) keep_ms: i64,
    /// One of them needs each sample.
    pub(crate) need_samples: bool,
}

/// Returns who reads a property of a device; nothing when nobody does.
pub(crate) fn readers_of(rule_set: &CompiledRuleSet, labels: &DeviceLabels, property: PropertyId) -> Readers {
    let Readers { mut readers, mut keep_ms, mut need_samples } = Readers::default();
    for reader in rule_set.readers(property) {
        let Some(selectors) = rule_set.selectors(*reader) else { continue };
        let selector_mask = selectors.picks(labels);
        if let Some(window_ms) =
            selectors.of_property(selector_mask, property).map(|plan| plan.window_ms).max()
        {
            readers.push((*reader, selector_mask));
            keep_ms = keep_ms.max(window_ms);
            need_samples |= selectors.of_property(selector_mask, property).any(|plan| plan.needs_samples);
        }
    }
    if !readers.is_empty() {
        let look_back = look_back_ms(property, labels.period_ms);
        // The connection state counts for ever, but only its newest sample; the window keeps that in any case.
        let look_back = if look_back > i64::MAX / 8 { 0 } else { look_back };
        keep_ms = keep_ms.saturating_add(look_back).max(1);
    }
    Readers { readers, keep_ms, need_samples }
}
