//! From what a device measured to messages: faults of the sensor, of its clock and of its line.
use super::{Action, Event, Simulation, Task};
use crate::{
    clock::HOUR_MS,
    kind::Kind,
    scenario::FaultKind,
    values::{self, Values},
    world::{Active, Context},
};
use ioc_model::TopicLeaf;

/// Readings that a device keeps while it cannot send; the oldest go first.
pub(super) const KEPT_MAX: usize = 240;
/// Readings in one array payload.
const ARRAY_MAX: usize = 40;
/// A message that is sent twice comes again after this long.
const AGAIN_MS: i64 = 1_500;
/// After a return, devices send what they kept within this time.
const FLUSH_SPREAD_MS: usize = 4_000;

/// What waits to be sent, and numbers for what is.
pub(super) struct Outbox {
    seq: Vec<u64>,
    kept: Vec<Vec<String>>,
    /// How many incidents cut each connection.
    cuts: Vec<u32>,
}

impl Outbox {
    pub(super) fn new(devices: usize, connections: usize) -> Self {
        Self { seq: vec![0; devices], kept: vec![Vec::new(); devices], cuts: vec![0; connections] }
    }
}

/// What becomes of a message.
enum Line {
    Open,
    Keeps,
    Loses,
}

impl Simulation {
    /// Measures, spoils and sends.
    pub(super) fn report(&mut self, now_ms: i64, device: usize, leaf: TopicLeaf) {
        let line = self.line(device, now_ms);
        if matches!(line, Line::Loses) {
            return;
        }
        let load_w = self.load_w(device, now_ms);
        let mut values = self.units[device].measure(self.world.at(device, now_ms), load_w);
        self.spoil(now_ms, device, &mut values);
        let skew = self.world.fault(device, FaultKind::ClockSkew);
        let skew_ms = skew.map_or(0, |active| (active.fault.amount * 1000.0) as i64);
        self.outbox.seq[device] += 1;
        let object = values.encode(now_ms + skew_ms, self.outbox.seq[device]);
        match line {
            Line::Open => self.send(now_ms, device, leaf, object.into_bytes()),
            Line::Keeps => {
                let kept = &mut self.outbox.kept[device];
                if kept.len() >= KEPT_MAX {
                    kept.remove(0);
                }
                kept.push(object);
            }
            Line::Loses => {}
        }
    }

    fn line(&self, device: usize, now_ms: i64) -> Line {
        let world = &self.world;
        if world.fleet[device].kind == Kind::Luminaire && !world.is_fed(device) {
            return Line::Loses;
        }
        if let Some(dead) = world.fault(device, FaultKind::DeadCabinet) {
            let on_battery_ms = (dead.fault.amount * 1000.0) as i64;
            if now_ms >= dead.since_ms + on_battery_ms {
                return Line::Loses;
            }
        }
        let is_mute = |kind: FaultKind| kind == FaultKind::Silence || kind.cuts_connections();
        let mute = world.active[device].iter().find(|active| is_mute(active.fault.kind));
        match mute {
            Some(active) if active.fault.backfill => Line::Keeps,
            Some(_) => Line::Loses,
            None => Line::Open,
        }
    }

    fn send(&mut self, now_ms: i64, device: usize, leaf: TopicLeaf, payload: Vec<u8>) {
        let topics = if leaf == TopicLeaf::Event { &self.event_topics } else { &self.telemetry_topics };
        let action = Action::Publish { device, topic: topics[device].clone(), payload };
        let event = Event { at_ms: now_ms, connection: self.connection_of[device], action };
        let at = self.world.at(device, now_ms);
        let twice = at.fault(FaultKind::Duplicates).map_or(0.0, |active| active.fault.share);
        if at.dice("twice").of(now_ms as u64).chance(twice) {
            self.queue.push(now_ms + AGAIN_MS, Task::Again(Box::new(event.clone())));
        }
        self.ready.push_back(event);
    }

    /// Lets faults of the sensor at its values.
    fn spoil(&mut self, now_ms: i64, device: usize, values: &mut Values) {
        let mut faults = std::mem::take(&mut self.world.active[device]);
        let at = self.world.at(device, now_ms);
        for active in &mut faults {
            match active.fault.kind {
                FaultKind::Drift => drift(active, now_ms, values),
                FaultKind::Spike => spike(active, at, values),
                FaultKind::Stuck => {
                    let held = active.held.get_or_insert_with(|| values.clone());
                    values.hold(held, active.fault.property.as_deref());
                }
                _ => {}
            }
        }
        self.world.active[device] = faults;
    }

    /// Sends what a device kept, in arrays, in no particular order.
    pub(super) fn flush(&mut self, now_ms: i64, device: usize) {
        if !matches!(self.line(device, now_ms), Line::Open) {
            return;
        }
        let kept = std::mem::take(&mut self.outbox.kept[device]);
        let dice = self.world.at(device, now_ms).dice("order").of(now_ms as u64);
        let mut order: Vec<usize> = (0..kept.len()).collect();
        order.sort_by_key(|position| dice.of(*position as u64).bits());
        let shuffled: Vec<String> = order.into_iter().map(|position| kept[position].clone()).collect();
        for objects in shuffled.chunks(ARRAY_MAX) {
            self.send(now_ms, device, TopicLeaf::Telemetry, values::array(objects));
        }
    }

    /// Plans the flush of a device whose line is open again.
    pub(super) fn plan_flush(&mut self, now_ms: i64, device: usize) {
        if !self.outbox.kept[device].is_empty() {
            let delay_ms =
                self.world.at(device, now_ms).dice("flush").of(now_ms as u64).below(FLUSH_SPREAD_MS);
            self.queue.push(now_ms + 500 + delay_ms as i64, Task::Flush(device));
        }
    }

    pub(super) fn cut(&mut self, now_ms: i64, connection: usize) {
        self.outbox.cuts[connection] += 1;
        if self.outbox.cuts[connection] == 1 {
            self.ready.push_back(Event { at_ms: now_ms, connection, action: Action::Cut });
        }
    }

    pub(super) fn restore(&mut self, now_ms: i64, connection: usize) {
        self.outbox.cuts[connection] = self.outbox.cuts[connection].saturating_sub(1);
        if self.outbox.cuts[connection] == 0 {
            self.ready.push_back(Event { at_ms: now_ms, connection, action: Action::Restore });
        }
    }
}

fn drift(active: &Active, now_ms: i64, values: &mut Values) {
    let hours = (now_ms - active.since_ms) as f64 / HOUR_MS as f64;
    if let Some(property) = &active.fault.property {
        values.shift(property, active.fault.amount * hours);
    }
}

fn spike(active: &Active, at: Context<'_>, values: &mut Values) {
    let strikes = at.dice("spike").of(at.now_ms as u64).chance(active.fault.share);
    if let Some(property) = active.fault.property.as_deref().filter(|_| strikes) {
        values.shift(property, active.fault.amount);
    }
}
