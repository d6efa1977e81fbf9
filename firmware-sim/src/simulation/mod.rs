//! The simulation: fleet, scenario and seed turned into an endless, ordered list of what is said on the wire.
//!
//! Owns the order of things (a heap of what is due next), faults of delivery (silence, outages, duplicates, skewed
//! clocks) and the messages. Leaves what is measured to the behaviours and sending to the runner. It never reads the
//! clock: the same (fleet, scenario, seed, start) gives the same list.
mod delivery;
mod incidents;
mod past;
mod queue;

use crate::{
    behaviour::Unit,
    city::places::GAUGES,
    connections::{Connection, connection_of, connections},
    fleet::SimDevice,
    kind::Kind,
    scenario::Scenario,
    world::World,
};
use delivery::Outbox;
use incidents::Incidents;
use ioc_model::{DeviceTopic, TopicLeaf};
use queue::{Queue, Task};
use std::{collections::VecDeque, sync::Arc};

/// Something a connection does at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Which connection, as a position in [`Simulation::connections`].
    pub connection: usize,
    /// What the connection does.
    pub action: Action,
}

/// What a connection does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Publishes with QoS 1.
    Publish {
        /// The device it is about, as a position in the fleet.
        device: usize,
        /// MQTT topic name.
        topic: Arc<str>,
        /// JSON in the native form.
        payload: Vec<u8>,
    },
    /// Is cut, without a word.
    Cut,
    /// Comes back.
    Restore,
}

/// One published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// MQTT topic name.
    pub topic: Arc<str>,
    /// JSON in the native form.
    pub payload: Vec<u8>,
}

/// A scenario that does not fit the fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// It gives a course to a gauge that there is not.
    #[error("scenario {scenario}: there is no gauge {gauge}; the gauges are {gauges}")]
    UnknownGauge {
        /// The scenario.
        scenario: String,
        /// The gauge.
        gauge: String,
        /// Those that there are.
        gauges: String,
    },
    /// A gauge follows one that has no course.
    #[error("scenario {scenario}: the course of gauge {gauge} follows {follows}, which has no points")]
    NothingToFollow {
        /// The scenario.
        scenario: String,
        /// The gauge.
        gauge: String,
        /// What it should follow.
        follows: String,
    },
}

/// A running simulation; an endless iterator of [`Event`]s in order of time.
pub struct Simulation {
    seed: u64,
    world: World,
    units: Vec<Unit>,
    connections: Arc<[Connection]>,
    connection_of: Vec<usize>,
    telemetry_topics: Vec<Arc<str>>,
    event_topics: Vec<Arc<str>>,
    queue: Queue,
    incidents: Incidents,
    outbox: Outbox,
    /// What the last step brought about; at most what one task can.
    ready: VecDeque<Event>,
}

impl Simulation {
    /// Prepares the run of a scenario that starts at `start_ms` (milliseconds since the epoch).
    ///
    /// Errors: a scenario that contradicts itself. A device that the scenario names and a small fleet does not have
    /// is left out.
    pub fn new(
        fleet: impl Into<Arc<[SimDevice]>>,
        scenario: &Scenario,
        seed: u64,
        start_ms: i64,
    ) -> Result<Self, SimulationError> {
        check(scenario)?;
        let fleet = fleet.into();
        let world = World::new(fleet.clone(), scenario, seed, start_ms);
        let units: Vec<_> = (0..fleet.len()).map(|device| Unit::new(world.at(device, start_ms))).collect();
        let connections: Arc<[_]> = connections(&fleet).into();
        let connection_of = connection_of(&connections, fleet.len());
        let topic = |device: &SimDevice, leaf| -> Arc<str> {
            DeviceTopic { domain: device.domain, device: device.id.as_str(), leaf }.to_string().into()
        };
        let mut simulation = Self {
            seed,
            telemetry_topics: fleet.iter().map(|d| topic(d, TopicLeaf::Telemetry)).collect(),
            event_topics: fleet.iter().map(|d| topic(d, TopicLeaf::Event)).collect(),
            outbox: Outbox::new(fleet.len(), connections.len()),
            incidents: Incidents::new(scenario, world.dice),
            queue: Queue::default(),
            ready: VecDeque::new(),
            world,
            units,
            connections,
            connection_of,
        };
        simulation.schedule_first_tasks();
        Ok(simulation)
    }

    /// Returns the fleet.
    pub fn fleet(&self) -> &Arc<[SimDevice]> {
        &self.world.fleet
    }

    /// Returns the connections that events are about.
    pub fn connections(&self) -> &Arc<[Connection]> {
        &self.connections
    }

    /// Returns what the measuring stations say about the `hours` before `end_ms`: one array each, on the connections
    /// of this simulation.
    ///
    /// Errors: as [`Simulation::new`].
    pub fn past(&self, end_ms: i64, hours: u32) -> Result<Vec<Event>, SimulationError> {
        past::past(&self.world.fleet, &self.connection_of, self.seed, end_ms, hours)
    }

    /// Returns everything published before `end_ms`, in order; goes on from where it stopped before.
    pub fn published_until(&mut self, end_ms: i64) -> Vec<Published> {
        let mut published = Vec::new();
        while let Some(event) = self.next_before(end_ms) {
            if let Action::Publish { topic, payload, .. } = event.action {
                published.push(Published { at_ms: event.at_ms, topic, payload });
            }
        }
        published
    }

    /// Returns the next event before `end_ms`; `None` when the next one comes later.
    pub fn next_before(&mut self, end_ms: i64) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let (at_ms, task) = self.queue.pop_before(end_ms)?;
            self.world.sun.advance(at_ms);
            self.perform(at_ms, task);
        }
    }

    fn schedule_first_tasks(&mut self) {
        let start_ms = self.world.start_ms;
        for device in 0..self.world.fleet.len() {
            // Each device reports at its own moment of the period, the same in every run of a seed.
            let period_ms = self.period_ms(device);
            let phase_ms = self.world.at(device, 0).dice("phase").range(0.0, period_ms as f64) as i64;
            let first_ms = start_ms + (phase_ms - start_ms).rem_euclid(period_ms);
            self.queue.push(first_ms, Task::Report(device));
            self.schedule_bay(device);
            if let (Unit::Bay(bay), Some(lot)) = (&self.units[device], self.world.parent[device])
                && bay.is_occupied()
                && let Unit::Lot(lot) = &mut self.units[lot]
            {
                lot.found_occupied();
            }
        }
        self.incidents.schedule(start_ms, &mut self.queue);
    }

    fn period_ms(&self, device: usize) -> i64 {
        i64::from(self.world.fleet[device].kind.period_s()) * 1000
    }

    fn schedule_bay(&mut self, device: usize) {
        if let Unit::Bay(bay) = &self.units[device] {
            self.queue.push(bay.due_ms(), Task::Bay(device));
        }
    }

    fn perform(&mut self, now_ms: i64, task: Task) {
        match task {
            Task::Report(device) => {
                self.queue.push(now_ms + self.period_ms(device), Task::Report(device));
                self.report(now_ms, device, TopicLeaf::Telemetry);
            }
            Task::Tell(device) => self.report(now_ms, device, TopicLeaf::Event),
            Task::Bay(device) => self.step_bay(now_ms, device),
            Task::Start(incident) => self.start_incident(now_ms, incident),
            Task::Random => self.start_random(now_ms),
            Task::End(token) => self.end_incident(now_ms, token),
            Task::Flush(device) => self.flush(now_ms, device),
            Task::Cut(connection) => self.cut(now_ms, connection),
            Task::Restore(connection) => self.restore(now_ms, connection),
            Task::Again(event) => self.ready.push_back(Event { at_ms: now_ms, ..*event }),
        }
    }

    fn step_bay(&mut self, now_ms: i64, device: usize) {
        let Unit::Bay(bay) = &mut self.units[device] else { return };
        if bay.due_ms() != now_ms {
            return;
        }
        let moved = bay.step(self.world.at(device, now_ms));
        self.schedule_bay(device);
        if let Some(Unit::Lot(lot)) = self.world.parent[device].map(|lot| &mut self.units[lot]) {
            lot.count(moved);
        }
        if moved != crate::behaviour::parking::Move::Nothing {
            self.report(now_ms, device, TopicLeaf::Event);
        }
    }

    /// Adds up the lamps of a cabinet.
    fn load_w(&self, device: usize, now_ms: i64) -> f64 {
        if self.world.fleet[device].kind != Kind::LightingCabinet {
            return 0.0;
        }
        let power_w = |lamp: &usize| match &self.units[*lamp] {
            Unit::Luminaire(unit) => unit.power_w(self.world.at(*lamp, now_ms)),
            _ => 0.0,
        };
        self.world.members[device].iter().map(power_w).sum()
    }
}

impl Iterator for Simulation {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_before(i64::MAX)
    }
}

fn check(scenario: &Scenario) -> Result<(), SimulationError> {
    let has_points = |gauge: &str| scenario.rivers.iter().any(|r| r.device == gauge && !r.points.is_empty());
    for river in &scenario.rivers {
        if !GAUGES.iter().any(|gauge| gauge.id == river.device) {
            let gauges = GAUGES.iter().map(|gauge| gauge.id).collect::<Vec<_>>().join(", ");
            let (scenario, gauge) = (scenario.name.clone(), river.device.clone());
            return Err(SimulationError::UnknownGauge { scenario, gauge, gauges });
        }
        if let Some(follows) = river.follows.as_ref().filter(|follows| !has_points(&follows.device)) {
            return Err(SimulationError::NothingToFollow {
                scenario: scenario.name.clone(),
                gauge: river.device.clone(),
                follows: follows.device.clone(),
            });
        }
    }
    Ok(())
}
