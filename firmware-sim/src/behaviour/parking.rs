//! Parking bays and car parks.
//!
//! Vehicles come by the hour and stay for a while. A car park counts those that pass its barriers, so entrances,
//! exits and occupied spots always agree with its bays.
use crate::{
    clock::{DayCurve, HOUR_MS},
    scenario::FaultKind,
    values::Values,
    world::{Active, Context},
};

/// Share of the bays that is taken, by hour, in car parks.
const LOT_TAKEN: DayCurve = DayCurve([
    0.22, 0.20, 0.19, 0.19, 0.20, 0.24, 0.32, 0.46, 0.58, 0.64, 0.65, 0.62, 0.55, 0.53, 0.58, 0.62, 0.60,
    0.58, 0.60, 0.62, 0.56, 0.45, 0.33, 0.26,
]);
/// The same along streets.
const STREET_TAKEN: DayCurve = DayCurve([
    0.12, 0.10, 0.10, 0.10, 0.12, 0.18, 0.35, 0.58, 0.66, 0.64, 0.62, 0.64, 0.58, 0.52, 0.56, 0.60, 0.66,
    0.72, 0.70, 0.64, 0.52, 0.36, 0.24, 0.16,
]);
/// No bay is likelier taken than this: a car park is full by an incident, not by chance.
const TAKEN_MOST: f64 = 0.72;
/// Stays: mean, shortest and longest, seconds. The longest are within what the signs allow.
const LOT_STAY_S: (f64, f64, f64) = (4_200.0, 300.0, 14_000.0);
const STREET_STAY_S: (f64, f64, f64) = (1_900.0, 120.0, 6_600.0);
/// A free bay looks again after this long, because arrivals change with the hour.
const LOOK_AGAIN_S: f64 = 600.0;
/// A car park fills, or empties, within this time.
const FILL_S: f64 = 25.0;
const EMPTY_S: f64 = 90.0;
/// After having been full, this share of the bays empties within [`EMPTY_S`].
const LEAVE_SHARE: f64 = 0.35;
/// Batteries last years.
const BATTERY: (f64, f64) = (0.55, 0.98);

/// A parking bay and who stands in it.
#[derive(Debug)]
pub(crate) struct Bay {
    on_street: bool,
    battery: f64,
    occupied: bool,
    since_ms: i64,
    /// When something changes next; anything scheduled for another time is out of date.
    due_ms: i64,
    /// Whether what is due at a free bay is an arrival, or only a new look.
    due_is_arrival: bool,
    changes: u64,
}

/// What a bay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Arrived,
    Left,
    Nothing,
}

impl Bay {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let mut bay = Self {
            on_street: at.world.parent[at.device].is_none(),
            battery: at.dice("battery").range(BATTERY.0, BATTERY.1),
            occupied: false,
            since_ms: at.now_ms,
            due_ms: at.now_ms,
            due_is_arrival: true,
            changes: 0,
        };
        let dice = at.dice("first");
        bay.occupied = dice.of(0).chance(bay.taken(at));
        let next_ms = if bay.occupied { bay.stay_ms(at) } else { bay.gap_ms(at) };
        let passed = dice.of(1).unit();
        if bay.occupied {
            bay.since_ms -= (next_ms as f64 * passed) as i64;
        }
        bay.due_ms += (next_ms as f64 * (1.0 - passed)) as i64 + 1;
        bay
    }

    pub(crate) fn is_occupied(&self) -> bool {
        self.occupied
    }

    /// Returns when something changes next.
    pub(crate) fn due_ms(&self) -> i64 {
        self.due_ms
    }

    fn taken(&self, at: Context<'_>) -> f64 {
        let curve = if self.on_street { STREET_TAKEN } else { LOT_TAKEN };
        let lot = at.world.parent[at.device]
            .map_or(1.0, |lot| at.world.at(lot, at.now_ms).dice("liked").range(0.8, 1.1));
        (curve.at(at.hour()) * lot).clamp(0.02, TAKEN_MOST)
    }

    fn mean_stay_s(&self) -> (f64, f64, f64) {
        if self.on_street { STREET_STAY_S } else { LOT_STAY_S }
    }

    fn stay_ms(&self, at: Context<'_>) -> i64 {
        let (mean_s, least_s, most_s) = self.mean_stay_s();
        (at.dice("stay").of(self.changes).exponential(mean_s).clamp(least_s, most_s) * 1000.0) as i64
    }

    /// How long a free bay stays free, by arrivals at this hour.
    fn gap_ms(&self, at: Context<'_>) -> i64 {
        let taken = self.taken(at);
        let mean_s = self.mean_stay_s().0 * (1.0 - taken) / taken;
        (at.dice("gap").of(self.changes).exponential(mean_s) * 1000.0) as i64
    }

    /// Plans an earlier change because the car park begins to fill or empty.
    pub(crate) fn move_soon(&mut self, at: Context<'_>, within_s: f64) {
        let dice = at.dice("hurry").of(at.now_ms as u64);
        self.due_ms = at.now_ms + 1 + (dice.unit() * within_s * 1000.0) as i64;
    }

    /// Does what is due at `at.now_ms`.
    pub(crate) fn step(&mut self, at: Context<'_>) -> Move {
        self.changes += 1;
        let lot = at.world.parent[at.device];
        let fault = |kind| lot.and_then(|lot| at.world.fault(lot, kind));
        match (fault(FaultKind::LotFull), fault(FaultKind::LotClosed)) {
            (Some(full), _) => self.stay_until_after(at, full),
            (None, Some(closed)) => self.leave_until_after(at, closed),
            (None, None) if self.occupied => self.leave(at),
            (None, None) => self.arrive_or_look_again(at),
        }
    }

    fn stay_until_after(&mut self, at: Context<'_>, full: &Active) -> Move {
        let dice = at.dice("after full").of(self.changes);
        let after_s = match dice.of(0).chance(LEAVE_SHARE) {
            true => dice.of(1).range(1.0, EMPTY_S),
            false => EMPTY_S + dice.of(1).exponential(self.mean_stay_s().0),
        };
        self.due_ms = full.until_ms + (after_s * 1000.0) as i64;
        self.occupy(at)
    }

    fn leave_until_after(&mut self, at: Context<'_>, closed: &Active) -> Move {
        let was = self.occupied;
        self.due_ms = closed.until_ms + self.gap_ms(at).max(1000);
        self.due_is_arrival = true;
        self.occupied = false;
        if was {
            self.since_ms = at.now_ms;
        }
        if was { Move::Left } else { Move::Nothing }
    }

    fn leave(&mut self, at: Context<'_>) -> Move {
        (self.occupied, self.since_ms) = (false, at.now_ms);
        self.plan_arrival(at);
        Move::Left
    }

    fn arrive_or_look_again(&mut self, at: Context<'_>) -> Move {
        if self.due_is_arrival {
            self.due_ms = at.now_ms + self.stay_ms(at);
            return self.occupy(at);
        }
        self.plan_arrival(at);
        Move::Nothing
    }

    /// Plans the next arrival, or a look at the changed hour when it is far off: waiting has no memory.
    fn plan_arrival(&mut self, at: Context<'_>) {
        let look_ms = (LOOK_AGAIN_S * 1000.0) as i64;
        let gap_ms = self.gap_ms(at).max(2_000);
        self.due_is_arrival = gap_ms <= look_ms;
        self.due_ms = at.now_ms + gap_ms.min(look_ms);
    }

    fn occupy(&mut self, at: Context<'_>) -> Move {
        if self.occupied {
            return Move::Nothing;
        }
        (self.occupied, self.since_ms) = (true, at.now_ms);
        Move::Arrived
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let overstay = at
            .fault(FaultKind::Overstay)
            .map(|active| active.fault.amount + (at.now_ms - active.since_ms) as f64 / 1000.0);
        let stay_s = if self.occupied { (at.now_ms - self.since_ms) as f64 / 1000.0 } else { 0.0 };
        out.flag("occupied", self.occupied || overstay.is_some());
        out.number("occupied_since_s", overstay.unwrap_or(stay_s).max(0.0), 0);
        let battery = at.fault(FaultKind::BatteryLow).map_or(self.battery, |active| active.fault.amount);
        out.number("battery", battery, 2);
    }
}

/// How fast the bays of a car park follow a fault of it; `None` for other faults.
pub(crate) fn all_move_within_s(kind: FaultKind) -> Option<f64> {
    match kind {
        FaultKind::LotFull => Some(FILL_S),
        FaultKind::LotClosed => Some(EMPTY_S),
        _ => None,
    }
}

/// A car park and what its barriers counted.
#[derive(Debug)]
pub(crate) struct Lot {
    total: u32,
    occupied: u32,
    entrances: u64,
    exits: u64,
}

/// Barriers began to count at this instant (2025-01-01), with about so many vehicles a spot and hour.
const COUNTED_FROM_MS: i64 = 1_735_689_600_000;
const TURNOVER_PER_HOUR: f64 = 0.55;

impl Lot {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let total = at.world.members[at.device].len() as u32;
        let hours = (at.now_ms - COUNTED_FROM_MS).max(0) as f64 / HOUR_MS as f64;
        let passed = (hours * TURNOVER_PER_HOUR * f64::from(total)) as u64;
        Self { total, occupied: 0, entrances: passed, exits: passed }
    }

    /// Takes in a vehicle that was there before the run began.
    pub(crate) fn found_occupied(&mut self) {
        self.occupied += 1;
        self.entrances += 1;
    }

    /// Counts what one of its bays did.
    pub(crate) fn count(&mut self, moved: Move) {
        match moved {
            Move::Arrived => {
                self.occupied += 1;
                self.entrances += 1;
            }
            Move::Left => {
                self.occupied = self.occupied.saturating_sub(1);
                self.exits += 1;
            }
            Move::Nothing => {}
        }
    }

    pub(crate) fn measure(&mut self, out: &mut Values) {
        out.number("total_spot_number", f64::from(self.total), 0);
        out.number("available_spot_number", f64::from(self.total.saturating_sub(self.occupied)), 0);
        out.number("occupied_spot_number", f64::from(self.occupied), 0);
        out.number("parking_occupancy", f64::from(self.occupied) / f64::from(self.total.max(1)), 3);
        out.number("vehicle_entrance_count", self.entrances as f64, 0);
        out.number("vehicle_exit_count", self.exits as f64, 0);
    }
}
