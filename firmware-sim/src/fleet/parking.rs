//! Parking bays: in car parks, and along streets.
use super::{ParentKind, SimParent, Yard, scaled};
use crate::{
    city::{Position, places::LOTS, streets::STREETS, water::in_water},
    kind::Kind,
};

const LOTS_FULL: f64 = 10.0;
const LOT_BAYS: (f64, f64) = (30.0, 44.0);
const STREET_BAYS_FULL: f64 = 140.0;
/// Rows of a car park and the distance of bays in it.
const ROW_BAYS: usize = 10;
const BAY_PITCH_M: f64 = 4.0;
const ROW_PITCH_M: f64 = 9.0;
/// Bays along a street stand in groups of this many.
const STREET_GROUP: usize = 10;
const STREET_BAY_PITCH_M: f64 = 7.0;
/// Longest stay allowed, in seconds, as the label `max_stay_s`.
const LOT_MAX_STAY_S: &str = "43200";
const STREET_MAX_STAY_S: &str = "7200";

/// Places car parks with their bays, then bays along streets.
pub(super) fn place(yard: &mut Yard, scale: f64) {
    let mut bays = 0;
    let least = if scale < 0.1 { 1 } else { 2 };
    for number in 0..scaled(LOTS_FULL, scale, least) {
        let (name, centre) = LOTS[number % LOTS.len()];
        let level = (number / LOTS.len()) as f64;
        let centre = centre.shifted(60.0 * level, 90.0 * level);
        let size = yard.dice.named("lot").of(number as u64).range(LOT_BAYS.0, LOT_BAYS.1) as usize;
        let size = if scale < 0.1 { ROW_BAYS } else { size };
        place_lot(yard, number, name, centre, size, &mut bays);
    }
    place_street_bays(yard, scaled(STREET_BAYS_FULL, scale, 4), &mut bays);
}

fn place_lot(yard: &mut Yard, number: usize, name: &str, centre: Position, size: usize, bays: &mut usize) {
    if in_water(centre) {
        return;
    }
    let id = format!("LOT-{:02}", number + 1);
    let Some(lot) = yard.add(&id, Kind::ParkingLot, centre, None, &[("lot", &id), ("name", name)]) else {
        return;
    };
    for spot in 0..size {
        let (row, column) = ((spot / ROW_BAYS) as f64, (spot % ROW_BAYS) as f64);
        let at = centre.shifted(8.0 + row * ROW_PITCH_M, (column - 5.0) * BAY_PITCH_M);
        *bays += 1;
        let parent = SimParent { kind: ParentKind::Gateway, id: lot.clone() };
        let labels = [("lot", id.as_str()), ("max_stay_s", LOT_MAX_STAY_S)];
        yard.add(&format!("BAY-{bays:04}"), Kind::ParkingBay, at, Some(parent), &labels);
    }
}

fn place_street_bays(yard: &mut Yard, wanted: usize, bays: &mut usize) {
    let mut placed = 0;
    for group in 0..wanted.div_ceil(STREET_GROUP) {
        let dice = yard.dice.named("street bays").of(group as u64);
        let street = &STREETS[(group * 5 + 1) % STREETS.len()];
        let start_m = dice.range(0.15, 0.75) * street.line().length_m();
        for spot in 0..STREET_GROUP.min(wanted - placed) {
            let Some(at) = street.line().place(start_m + spot as f64 * STREET_BAY_PITCH_M, 6.0) else {
                continue;
            };
            placed += 1;
            *bays += 1;
            let labels = [("street", street.name), ("max_stay_s", STREET_MAX_STAY_S)];
            yard.add(&format!("BAY-{bays:04}"), Kind::ParkingBay, at, None, &labels);
        }
    }
}
