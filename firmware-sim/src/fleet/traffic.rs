//! Signal controllers at junctions, with a detector on each approach.
use super::{ParentKind, SimParent, Yard, scaled};
use crate::{
    city::{streets::JUNCTIONS, water::in_water},
    kind::Kind,
};

const APPROACHES: [(&str, f64, f64); 4] =
    [("N", 1.0, 0.0), ("E", 0.0, 1.0), ("S", -1.0, 0.0), ("W", 0.0, -1.0)];
/// How far before the stop line a detector stands.
const DETECTOR_DISTANCE_M: (f64, f64) = (35.0, 70.0);
const SIGNALS_FULL: f64 = 32.0;

/// Places controllers and detectors; beyond the list of junctions a second stage of the same junction is built
/// some way off.
pub(super) fn place(yard: &mut Yard, scale: f64) {
    let dice = yard.dice.named("traffic");
    let mut detector = 0;
    for number in 0..scaled(SIGNALS_FULL, scale, 2) {
        let (name, place) = JUNCTIONS[number % JUNCTIONS.len()];
        let stage = (number / JUNCTIONS.len()) as f64;
        let place = place.shifted(160.0 * stage, 120.0 * stage);
        if in_water(place) {
            continue;
        }
        let id = format!("SIG-{:03}", number + 1);
        let street = name.split(" – ").next().unwrap_or(name);
        let labels = [("junction", name), ("street", street)];
        let Some(controller) = yard.add(&id, Kind::SignalController, place, None, &labels) else { continue };
        for (approach, north, east) in APPROACHES {
            let distance_m =
                dice.named(&id).named(approach).range(DETECTOR_DISTANCE_M.0, DETECTOR_DISTANCE_M.1);
            let at = place.shifted(north * distance_m, east * distance_m);
            if in_water(at) {
                continue;
            }
            detector += 1;
            let parent = SimParent { kind: ParentKind::Gateway, id: controller.clone() };
            let labels = [("junction", name), ("street", street), ("approach", approach)];
            yard.add(&format!("DET-{detector:04}"), Kind::TrafficDetector, at, Some(parent), &labels);
        }
    }
}
