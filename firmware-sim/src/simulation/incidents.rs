//! Incidents: from the scenario's list and by chance, their start and their end.
use super::{Queue, Simulation, Task};
use crate::{
    behaviour::{Unit, parking::all_move_within_s},
    clock::HOUR_MS,
    dice::Dice,
    scenario::{Fault, FaultKind, Incident, Scenario},
    world::Active,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A device tells of its own fault this long after it came.
const TELL_AFTER_MS: i64 = 200;
/// Connections that come back one by one do so within this time.
const RETURN_SPREAD_MS: usize = 6_000;
/// Random incidents never come closer than this, and never further apart than an hour.
const RANDOM_GAP_LEAST_MS: i64 = 5_000;

/// The incidents of a run.
pub(super) struct Incidents {
    dice: Dice,
    listed: Vec<(Incident, Arc<Fault>)>,
    occurrences: Vec<u64>,
    random: Vec<(Incident, Arc<Fault>)>,
    random_from_s: f64,
    random_gap_s: f64,
    random_count: u64,
    running: BTreeMap<u64, Running>,
    next_token: u64,
}

/// An incident at work.
struct Running {
    name: String,
    fault: Arc<Fault>,
    devices: Vec<usize>,
    connections: Vec<usize>,
}

impl Incidents {
    pub(super) fn new(scenario: &Scenario, dice: Dice) -> Self {
        let with_fault = |incident: &Incident| (incident.clone(), Arc::new(incident.fault.clone()));
        let random = scenario.random.as_ref();
        Self {
            dice: dice.named("incidents"),
            listed: scenario.incidents.iter().map(with_fault).collect(),
            occurrences: vec![0; scenario.incidents.len()],
            random: random.map_or_else(Vec::new, |random| random.incidents.iter().map(with_fault).collect()),
            random_from_s: random.map_or(0.0, |random| random.from_s),
            random_gap_s: random.map_or(0.0, |random| random.mean_gap_s),
            random_count: 0,
            running: BTreeMap::new(),
            next_token: 0,
        }
    }

    pub(super) fn schedule(&self, start_ms: i64, queue: &mut Queue) {
        for (slot, (incident, _)) in self.listed.iter().enumerate() {
            queue.push(start_ms + (incident.at_s * 1000.0) as i64, Task::Start(slot));
        }
        if !self.random.is_empty() {
            let first_ms = (self.random_from_s * 1000.0) as i64 + self.random_gap_ms();
            queue.push(start_ms + first_ms, Task::Random);
        }
    }

    fn random_gap_ms(&self) -> i64 {
        let gap_s = self.dice.named("gap").of(self.random_count).exponential(self.random_gap_s);
        ((gap_s * 1000.0) as i64).clamp(RANDOM_GAP_LEAST_MS, HOUR_MS)
    }

    /// Picks one of the random incidents by weight.
    fn pick(&self) -> Option<(Incident, Arc<Fault>)> {
        let total: f64 = self.random.iter().map(|(incident, _)| incident.weight).sum();
        let mut left = self.dice.named("pick").of(self.random_count).unit() * total;
        let pick = self.random.iter().find(|(incident, _)| {
            left -= incident.weight;
            left < 0.0
        });
        pick.or(self.random.last()).cloned()
    }
}

impl Simulation {
    pub(super) fn start_incident(&mut self, now_ms: i64, slot: usize) {
        let (incident, fault) = self.incidents.listed[slot].clone();
        let occurrence = self.incidents.occurrences[slot];
        self.incidents.occurrences[slot] += 1;
        if let Some(every_s) = incident.every_s {
            self.queue.push(now_ms + (every_s * 1000.0) as i64, Task::Start(slot));
        }
        let dice = self.incidents.dice.named(&incident.name).of(occurrence);
        self.start(now_ms, &incident, fault, dice);
    }

    pub(super) fn start_random(&mut self, now_ms: i64) {
        let chosen = self.incidents.pick();
        self.incidents.random_count += 1;
        self.queue.push(now_ms + self.incidents.random_gap_ms(), Task::Random);
        if let Some((incident, fault)) = chosen {
            let dice = self.incidents.dice.named("random").of(self.incidents.random_count);
            self.start(now_ms, &incident, fault, dice);
        }
    }

    fn start(&mut self, now_ms: i64, incident: &Incident, fault: Arc<Fault>, dice: Dice) {
        let length_s = dice.named("length").range(incident.for_s.0, incident.for_s.1);
        let until_ms = now_ms + (length_s * 1000.0) as i64;
        let world = &self.world;
        let is_free = |device: usize| {
            let parent_is_free = world.parent[device].is_none_or(|parent| world.active[parent].is_empty());
            world.active[device].is_empty() && parent_is_free
        };
        let mut devices = incident.devices.choose(&world.fleet, dice.named("devices"), is_free);
        let mut connections = Vec::new();
        if fault.kind.cuts_connections() {
            (connections, devices) = self.whole_connections(&devices);
        } else if fault.kind == FaultKind::DeadCabinet {
            connections = devices.iter().map(|device| self.connection_of[*device]).collect();
        }
        if devices.is_empty() {
            tracing::warn!(incident = incident.name, "no device fits and is free for this incident");
            return;
        }
        let first = self.world.fleet[devices[0]].id.as_str();
        tracing::info!(incident = incident.name, devices = devices.len(), first, length_s, "incident starts");
        let token = self.incidents.next_token;
        self.incidents.next_token += 1;
        for device in &devices {
            let active = Active { token, fault: fault.clone(), since_ms: now_ms, until_ms, held: None };
            self.world.active[*device].push(active);
        }
        for device in &devices {
            self.take_notice(now_ms, *device, fault.kind);
        }
        let battery_ms =
            if fault.kind == FaultKind::DeadCabinet { (fault.amount * 1000.0) as i64 } else { 0 };
        if now_ms + battery_ms < until_ms {
            connections
                .iter()
                .for_each(|connection| self.queue.push(now_ms + battery_ms, Task::Cut(*connection)));
        } else {
            connections.clear();
        }
        self.queue.push(until_ms, Task::End(token));
        let running = Running { name: incident.name.clone(), fault, devices, connections };
        self.incidents.running.insert(token, running);
    }

    /// Returns the connections of devices, and everything that is behind them.
    fn whole_connections(&self, devices: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let connections: BTreeSet<usize> = devices.iter().map(|device| self.connection_of[*device]).collect();
        let behind = |connection: &usize| self.connections[*connection].devices.iter().copied();
        let devices: BTreeSet<usize> = connections.iter().flat_map(behind).collect();
        (connections.into_iter().collect(), devices.into_iter().collect())
    }

    /// Lets devices do what they do at once when a fault comes or goes.
    fn take_notice(&mut self, now_ms: i64, device: usize, kind: FaultKind) {
        if kind.is_told_at_once() {
            self.queue.push(now_ms + TELL_AFTER_MS, Task::Tell(device));
        }
        if let Some(within_s) = all_move_within_s(kind).filter(|_| self.world.fault(device, kind).is_some()) {
            for bay in self.world.members[device].clone() {
                if let Unit::Bay(unit) = &mut self.units[bay] {
                    unit.move_soon(self.world.at(bay, now_ms), within_s);
                    self.queue.push(unit.due_ms(), Task::Bay(bay));
                }
            }
        }
    }

    pub(super) fn end_incident(&mut self, now_ms: i64, token: u64) {
        let Some(running) = self.incidents.running.remove(&token) else { return };
        tracing::info!(incident = running.name, "incident ends");
        let is_storm = running.fault.kind == FaultKind::ReconnectStorm;
        for connection in &running.connections {
            let spread_ms = if is_storm { 1 } else { RETURN_SPREAD_MS };
            let delay_ms =
                self.incidents.dice.named("return").of(token).of(*connection as u64).below(spread_ms);
            self.queue.push(now_ms + delay_ms as i64, Task::Restore(*connection));
        }
        for device in &running.devices {
            self.world.active[*device].retain(|active| active.token != token);
        }
        for device in &running.devices {
            self.take_notice(now_ms, *device, running.fault.kind);
            self.plan_flush(now_ms, *device);
        }
    }
}
