//! The city as behaviours see it: the fleet and what hangs on what, the sun, the weather, faults at work.
mod weather;

use crate::{
    clock::local_hour,
    dice::Dice,
    fleet::SimDevice,
    kind::Kind,
    scenario::{Course, Fault, FaultKind, Scenario},
    sun::Sun,
    values::Values,
};
use std::{collections::HashMap, sync::Arc};
use weather::Weather;

/// The middle of Huế, for its sun.
const CITY_LAT: f64 = 16.4637;
const CITY_LON: f64 = 107.5909;

/// A fault at work on one device.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    /// The incident it belongs to.
    pub(crate) token: u64,
    pub(crate) fault: Arc<Fault>,
    pub(crate) since_ms: i64,
    pub(crate) until_ms: i64,
    /// What the device said when it got stuck.
    pub(crate) held: Option<Values>,
}

/// The city as behaviours see it.
pub(crate) struct World {
    pub(crate) fleet: Arc<[SimDevice]>,
    pub(crate) dice: Dice,
    pub(crate) sun: Sun,
    pub(crate) start_ms: i64,
    pub(crate) weather: Weather,
    /// How the values of the scenario's own kinds behave.
    own: HashMap<Kind, Vec<Course>>,
    /// Each device's own dice.
    of_device: Vec<Dice>,
    /// Position of the parent of each device.
    pub(crate) parent: Vec<Option<usize>>,
    /// Positions of what hangs on each device.
    pub(crate) members: Vec<Vec<usize>>,
    /// Faults at work on each device.
    pub(crate) active: Vec<Vec<Active>>,
}

impl World {
    pub(crate) fn new(fleet: Arc<[SimDevice]>, scenario: &Scenario, seed: u64, start_ms: i64) -> Self {
        let index: HashMap<_, _> =
            fleet.iter().enumerate().map(|(slot, device)| (&device.id, slot)).collect();
        let parent_of = |device: &SimDevice| device.parent.as_ref().and_then(|p| index.get(&p.id).copied());
        let parent: Vec<_> = fleet.iter().map(parent_of).collect();
        let mut members = vec![Vec::new(); fleet.len()];
        for (device, parent) in parent.iter().enumerate() {
            if let Some(parent) = parent {
                members[*parent].push(device);
            }
        }
        let active = vec![Vec::new(); fleet.len()];
        let dice = Dice::new(seed).named("behaviour");
        let weather = Weather::new(scenario, dice, start_ms);
        let sun = Sun::new(CITY_LAT, CITY_LON, start_ms);
        let of_device = fleet.iter().map(|device| dice.named(device.id.as_str())).collect();
        let own = scenario.own.iter().map(|own| (own.kind, own.courses.clone())).collect();
        Self { fleet, dice, sun, start_ms, weather, own, of_device, parent, members, active }
    }

    /// Returns how the values of a kind of the scenario's own behave, in the order of its properties.
    pub(crate) fn courses(&self, kind: Kind) -> &[Course] {
        self.own.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Returns the fault of a kind that is at work on a device.
    pub(crate) fn fault(&self, device: usize, kind: FaultKind) -> Option<&Active> {
        self.active[device].iter().find(|active| active.fault.kind == kind)
    }

    /// Reports whether the supply of a street light is there.
    pub(crate) fn is_fed(&self, lamp: usize) -> bool {
        let Some(cabinet) = self.parent[lamp] else { return true };
        let feeder = self.fleet[lamp].label("feeder");
        !self.active[cabinet].iter().any(|active| match active.fault.kind {
            FaultKind::DeadCabinet => true,
            FaultKind::DeadFeeder => active.fault.feeder.as_deref() == feeder,
            _ => false,
        })
    }

    /// Returns the view of one device at one time.
    pub(crate) fn at(&self, device: usize, now_ms: i64) -> Context<'_> {
        Context { world: self, device, now_ms }
    }
}

/// One device at one time.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) world: &'a World,
    pub(crate) device: usize,
    pub(crate) now_ms: i64,
}

impl<'a> Context<'a> {
    /// Returns the fault of a kind at work on this device.
    pub(crate) fn fault(&self, kind: FaultKind) -> Option<&'a Active> {
        self.world.fault(self.device, kind)
    }

    /// Returns this device's dice for a purpose, the same at all times.
    pub(crate) fn dice(&self, purpose: &str) -> Dice {
        self.world.of_device[self.device].named(purpose)
    }

    /// Returns sensor noise of standard deviation 1 for this instant.
    pub(crate) fn noise(&self, purpose: &str) -> f64 {
        self.dice(purpose).of(self.now_ms as u64).normal()
    }

    /// Returns slow change in −1..1 over about `period_ms`.
    pub(crate) fn wave(&self, purpose: &str, period_ms: i64) -> f64 {
        self.dice(purpose).wave(self.now_ms, period_ms)
    }

    /// Returns the local hour of the day.
    pub(crate) fn hour(&self) -> f64 {
        local_hour(self.now_ms)
    }

    /// Returns the device itself.
    pub(crate) fn it(&self) -> &'a SimDevice {
        &self.world.fleet[self.device]
    }
}

impl Active {
    /// Returns the share of the incident that has passed, 0 to 1.
    pub(crate) fn progress(&self, now_ms: i64) -> f64 {
        let length_ms = (self.until_ms - self.since_ms).max(1) as f64;
        ((now_ms - self.since_ms) as f64 / length_ms).clamp(0.0, 1.0)
    }

    /// Returns 0..1: rises over the first fifth, falls over the last.
    pub(crate) fn swell(&self, now_ms: i64) -> f64 {
        let progress = self.progress(now_ms);
        (progress / 0.2).min((1.0 - progress) / 0.2).min(1.0)
    }
}
