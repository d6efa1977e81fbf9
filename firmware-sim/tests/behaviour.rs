//! Devices on a day without incidents.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod common;

use common::{DAY_MS, NIGHT_MS, Span, play_incidents};
use firmware_sim::{Kind, sun_times};
use ioc_model::{Catalogue, DeviceTopic, catalogue::ValueKind};
use std::collections::HashMap;

const HOUR_S: i64 = 3600;

fn calm(devices: usize, start_ms: i64, seconds: i64) -> Span {
    play_incidents("", devices, start_ms, seconds)
}

#[test]
fn payloads_are_of_the_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/catalogue/catalogue.toml");
    let catalogue = Catalogue::from_toml(&std::fs::read_to_string(path).unwrap()).unwrap();
    for start_ms in [DAY_MS, NIGHT_MS] {
        let span = calm(400, start_ms, 700);
        let kinds: HashMap<_, _> = span.fleet.iter().map(|d| (d.id.as_str(), d.kind)).collect();
        let mut told: HashMap<Kind, std::collections::BTreeSet<String>> = HashMap::new();
        for reading in &span.readings {
            let kind = kinds[reading.device.as_str()];
            for (name, value) in &reading.values {
                let property = catalogue.property(name).unwrap_or_else(|| panic!("unknown property {name}"));
                let fits = match &property.kind {
                    ValueKind::Number { min, max } => (min..=max).contains(&value),
                    ValueKind::Bool => [0.0, 1.0].contains(value),
                    ValueKind::Enum { codes, .. } => codes.values().any(|code| f64::from(*code) == *value),
                };
                assert!(fits, "{} {name} = {value}", reading.device);
                told.entry(kind).or_default().insert(name.clone());
            }
        }
        for kind in Kind::ALL {
            let entry = catalogue.kind(kind.as_str()).unwrap();
            assert_eq!((entry.domain, entry.reporting_period_s), (kind.domain(), kind.period_s()));
            assert_eq!(entry.properties, kind.properties());
            for name in &entry.properties {
                assert!(told[&kind].contains(name), "{kind} never tells {name}");
            }
        }
    }
}

#[test]
fn every_device_reports_in_its_period_on_its_own_topic() {
    let span = calm(400, DAY_MS, 120);
    let mut times: HashMap<&str, Vec<i64>> = HashMap::new();
    for event in &span.events {
        if let firmware_sim::Action::Publish { device, topic, .. } = &event.action {
            let parsed = DeviceTopic::parse(topic).unwrap();
            let it = &span.fleet[*device];
            assert_eq!((parsed.domain, parsed.device), (it.domain, it.id.as_str()));
            if topic.ends_with("/telemetry") {
                times.entry(it.id.as_str()).or_default().push(event.at_ms);
            }
        }
    }
    for device in &span.fleet {
        let period_ms = i64::from(device.kind.period_s()) * 1000;
        let times = &times[device.id.as_str()];
        assert!(times[0] - DAY_MS < period_ms, "{}", device.id);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == period_ms), "{}", device.id);
    }
    let phases: std::collections::HashSet<_> = times.values().map(|times| times[0] % 1000).collect();
    assert!(phases.len() > 200, "devices report in step");
}

#[test]
fn lamps_burn_from_civil_dusk_to_civil_dawn() {
    let noon_ms = DAY_MS + 2 * HOUR_S * 1000;
    let dusk_ms = sun_times(noon_ms, 16.4637, 107.5909).civil_dusk_ms;
    let dawn_ms = sun_times(noon_ms + 24 * HOUR_S * 1000, 16.4637, 107.5909).civil_dawn_ms;
    for (switch_ms, burns_after) in [(dusk_ms, true), (dawn_ms, false)] {
        let span = calm(80, switch_ms - 300_000, 600);
        for (ts_ms, level) in span.series("LUM-00001", "illuminance_level") {
            // Each lamp's own clock is off by a minute or so.
            if (ts_ms - switch_ms).abs() > 90_000 {
                assert_eq!(
                    level > 0.0,
                    (ts_ms > switch_ms) == burns_after,
                    "{} s",
                    (ts_ms - switch_ms) / 1000
                );
            }
        }
    }
}

#[test]
fn lamps_are_dimmed_late_and_power_follows() {
    for (hour, level) in [(20, 1.0), (23, 0.7), (26, 0.5)] {
        let start_ms = DAY_MS + (hour - 10) * HOUR_S * 1000;
        let span = calm(300, start_ms, 120);
        let (mut dimmed, mut all) = (0, 0);
        for lamp in span.fleet.iter().filter(|d| d.kind == Kind::Luminaire) {
            let rated: f64 = lamp.label("rated_power").unwrap().parse().unwrap();
            let levels = span.series(lamp.id.as_str(), "illuminance_level");
            let powers = span.series(lamp.id.as_str(), "active_power");
            for ((_, level_now), (_, watts)) in levels.iter().zip(&powers) {
                let expected = 0.7 + (rated - 0.7) * level_now;
                assert!((watts / expected - 1.0).abs() < 0.04, "{watts} W at {level_now} of {rated} W");
                all += 1;
                dimmed += usize::from(*level_now == level);
            }
        }
        assert!(dimmed as f64 >= 0.85 * f64::from(all), "{dimmed} of {all} at {level}");
    }
}

#[test]
fn a_cabinet_measures_the_sum_of_its_lamps() {
    let span = calm(300, NIGHT_MS, 120);
    for cabinet in span.fleet.iter().filter(|d| d.kind == Kind::LightingCabinet) {
        let lamps = span
            .fleet
            .iter()
            .filter(|d| d.kind == Kind::Luminaire && d.label("cabinet") == Some(cabinet.id.as_str()));
        let full: f64 = lamps.map(|d| d.label("rated_power").unwrap().parse::<f64>().unwrap()).sum();
        let power = span.series(cabinet.id.as_str(), "total_active_power");
        let [least, most] = [0.65 * full / 1000.0, 1.02 * full / 1000.0 + 0.05];
        assert!(
            power.iter().all(|(_, kilowatts)| (least..most).contains(kilowatts)),
            "{power:?} of {full} W"
        );
    }
}

#[test]
fn registers_only_rise() {
    let span = calm(80, NIGHT_MS, 1800);
    for property in ["active_energy", "operating_hours"] {
        let register = span.series("LUM-00001", property);
        assert!(
            register.len() >= 5 && register.windows(2).all(|pair| pair[0].1 <= pair[1].1),
            "{register:?}"
        );
        assert!(register.last() > register.first());
    }
}

#[test]
fn lots_agree_with_their_barriers_and_their_bays() {
    let span = calm(300, DAY_MS, 2 * HOUR_S);
    for lot in span.fleet.iter().filter(|d| d.kind == Kind::ParkingLot) {
        let id = lot.id.as_str();
        let reports: Vec<_> = span.readings.iter().filter(|r| r.device == id).collect();
        for report in &reports {
            let at = |name: &str| report.values[name];
            assert_eq!(at("occupied_spot_number") + at("available_spot_number"), at("total_spot_number"));
            assert_eq!(at("vehicle_entrance_count") - at("vehicle_exit_count"), at("occupied_spot_number"));
        }
        let entered = |r: &common::Reading| r.values["vehicle_entrance_count"];
        assert!(entered(reports[reports.len() - 1]) > entered(reports[0]), "nobody came to {id}");
        let bays = span.fleet.iter().filter(|d| d.parent.as_ref().is_some_and(|p| p.id == lot.id));
        let taken: f64 = bays.map(|bay| span.series(bay.id.as_str(), "occupied").last().unwrap().1).sum();
        let last = reports.last().unwrap();
        // Bays tell changes at once, the lot every 15 s.
        assert!((taken - last.values["occupied_spot_number"]).abs() <= 2.0, "{id}: {taken}");
    }
}

#[test]
fn a_calm_day_stays_within_what_is_normal() {
    for hours in [0, 2, 5, 7, 11, 13, 18, 21] {
        let span = calm(500, DAY_MS + hours * HOUR_S * 1000, 240);
        let all = |property: &str| -> Vec<f64> {
            span.readings.iter().filter_map(|r| r.values.get(property).copied()).collect()
        };
        let within = |property: &str, low: f64, high: f64| {
            let off: Vec<_> = all(property).into_iter().filter(|v| !(low..high).contains(v)).collect();
            assert!(off.is_empty(), "{property} outside {low}..{high} at +{hours} h: {off:?}");
        };
        within("pm25", 0.0, 75.0);
        within("phase_voltage_r", 205.0, 245.0);
        within("supply_voltage", 198.0, 245.0);
        within("clock_drift", -1.0, 1.0);
        within("parking_occupancy", 0.0, 0.95);
        within("water_level", -0.5, 0.95);
        within("water_level_rate", -0.1, 0.1);
        within("rain_1h", 0.0, 0.1);
        within("battery", 0.3, 1.0);
        within("average_vehicle_speed", 15.0, 60.0);
        assert!(all("occupied_since_s").iter().all(|seconds| *seconds < 14_500.0));
        assert!(all("signal_mode").iter().all(|mode| [0.0, 1.0].contains(mode)));
    }
}

#[test]
fn some_junctions_flash_by_plan_at_night_and_none_by_day() {
    let flashing = |start_ms| {
        let span = calm(1000, start_ms, 30);
        span.readings.iter().filter(|r| r.values.get("signal_mode") == Some(&1.0)).count()
    };
    assert_eq!(flashing(DAY_MS), 0);
    assert!(flashing(NIGHT_MS) > 0);
}

#[test]
fn phases_go_round_within_the_cycle() {
    let span = calm(80, DAY_MS, 400);
    let phases: Vec<f64> = span.series("SIG-001", "phase").into_iter().map(|(_, phase)| phase).collect();
    for phase in [1.0, 2.0, 3.0, 4.0] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    assert!(phases.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] % 4.0 + 1.0), "{phases:?}");
}
