//! Stations: air, noise, rain, river.
use super::{Yard, scaled};
use crate::{
    city::places::{AIR, GAUGES, NOISE, RAIN},
    kind::Kind,
};

/// Gauges that every fleet has.
const GAUGES_LEAST: usize = 2;

/// Places the stations; there are never more than there are places for them.
pub(super) fn place(yard: &mut Yard, scale: f64) {
    let stations = |full: usize, least: usize| scaled(full as f64, scale, least).min(full);
    for gauge in &GAUGES[..stations(GAUGES.len(), GAUGES_LEAST)] {
        let labels = [("station", gauge.station), ("river", gauge.river)];
        yard.add(gauge.id, Kind::WaterLevel, gauge.place, None, &labels);
    }
    for (number, (name, place, _)) in AIR[..stations(AIR.len(), 2)].iter().enumerate() {
        yard.add(&format!("AIR-{:02}", number + 1), Kind::AirStation, *place, None, &[("name", name)]);
    }
    for (number, (name, place, special)) in NOISE[..stations(NOISE.len(), 2)].iter().enumerate() {
        let labels = [("name", *name), ("zone", if *special { "special" } else { "ordinary" })];
        yard.add(&format!("NOI-{:02}", number + 1), Kind::NoiseMeter, *place, None, &labels);
    }
    for (number, (name, place)) in RAIN[..stations(RAIN.len(), 2)].iter().enumerate() {
        yard.add(&format!("RAIN-{:02}", number + 1), Kind::RainGauge, *place, None, &[("name", name)]);
    }
}
