//! Simulations of a span of time, taken apart into readings.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part; tests may panic"
)]
use firmware_sim::{Action, Event, Scenario, SimDevice, Simulation, fleet};
use std::collections::BTreeMap;

/// 2026-06-22 10:00 in Huế, a Monday.
pub const DAY_MS: i64 = 1_782_097_200_000;
/// 2026-06-22 23:30 in Huế.
pub const NIGHT_MS: i64 = 1_782_145_800_000;

/// One reading as it came over the wire.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When it was sent.
    pub at_ms: i64,
    /// When it was measured, by the device's clock.
    pub ts_ms: i64,
    pub device: String,
    pub leaf: String,
    pub seq: u64,
    pub values: BTreeMap<String, f64>,
}

/// A simulated span.
pub struct Span {
    pub fleet: Vec<SimDevice>,
    pub events: Vec<Event>,
    pub readings: Vec<Reading>,
}

/// Plays `seconds` of a scenario.
pub fn play(scenario: &Scenario, devices: usize, start_ms: i64, seconds: i64) -> Span {
    let fleet = fleet(1, devices);
    let mut simulation = Simulation::new(fleet.clone(), scenario, 1, start_ms).unwrap();
    let mut events = Vec::new();
    while let Some(event) = simulation.next_before(start_ms + seconds * 1000) {
        events.push(event);
    }
    let readings = events.iter().flat_map(readings).collect();
    Span { fleet, events, readings }
}

/// Plays a scenario of the given incidents, in TOML.
pub fn play_incidents(incidents: &str, devices: usize, start_ms: i64, seconds: i64) -> Span {
    let text = format!("name = 't'\ntitle = {{ vi = 't', en = 't' }}\nlength_s = 600\n{incidents}");
    play(&Scenario::from_toml("t.toml", &text).unwrap(), devices, start_ms, seconds)
}

fn readings(event: &Event) -> Vec<Reading> {
    let Action::Publish { topic, payload, .. } = &event.action else { return Vec::new() };
    let mut levels = topic.split('/').skip(3);
    let (device, leaf) = (levels.next().unwrap(), levels.next().unwrap());
    let parsed: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let objects = parsed.as_array().cloned().unwrap_or_else(|| vec![parsed.clone()]);
    let reading = |object: &serde_json::Value| {
        let value = |value: &serde_json::Value| {
            value.as_f64().or(value.as_bool().map(|flag| f64::from(u8::from(flag)))).unwrap()
        };
        let values = object["values"].as_object().unwrap();
        Reading {
            at_ms: event.at_ms,
            ts_ms: object["ts"].as_i64().unwrap(),
            device: device.to_owned(),
            leaf: leaf.to_owned(),
            seq: object["seq"].as_u64().unwrap(),
            values: values.iter().map(|(name, v)| (name.clone(), value(v))).collect(),
        }
    };
    objects.iter().map(reading).collect()
}

impl Span {
    /// Returns (measured at, value) of a property of a device, in the order sent.
    pub fn series(&self, device: &str, property: &str) -> Vec<(i64, f64)> {
        let of_device = self.readings.iter().filter(|reading| reading.device == device);
        of_device.filter_map(|reading| Some((reading.ts_ms, *reading.values.get(property)?))).collect()
    }

    /// Returns the values measured from..to seconds after the start.
    pub fn within(&self, device: &str, property: &str, start_ms: i64, from_s: i64, to_s: i64) -> Vec<f64> {
        let range = start_ms + from_s * 1000..start_ms + to_s * 1000;
        self.series(device, property)
            .into_iter()
            .filter(|(ts, _)| range.contains(ts))
            .map(|(_, v)| v)
            .collect()
    }
}
