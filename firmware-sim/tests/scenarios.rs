//! The scenario files, and what is refused in one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
mod common;

use common::{DAY_MS, NIGHT_MS, play};
use firmware_sim::{BUILT_IN, River, Scenario, Source};

#[test]
fn every_file_loads_and_is_built_in() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/scenarios");
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = Scenario::from_toml(&path.display().to_string(), &text).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
        assert!(BUILT_IN.iter().any(|(name, built_in)| *name == scenario.name && *built_in == text));
        files += 1;
    }
    assert_eq!(files, BUILT_IN.len());
}

const HEAD: &str = "name = 'x'\ntitle = { vi = 'x', en = 'x' }\nlength_s = 60\n";

fn refused(text: &str) -> String {
    Scenario::from_toml("x.toml", &format!("{HEAD}{text}")).unwrap_err().to_string()
}

#[test]
fn mistakes_are_named_with_their_line() {
    let incident =
        "[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 5\ndevices = { kind = 'luminaire', count = 1 }\n";
    let cases = [
        ("[[incident]]\nnmae = 'a'", "x.toml:5:1: unknown field `nmae`"),
        (&format!("{incident}fault = 'lamp_failur'"), "x.toml:9:9: unknown variant `lamp_failur`"),
        (&format!("{incident}fault = 'drift'"), "x.toml:9:9: this fault needs the field property"),
        (
            &format!("{incident}fault = 'day_burner'\namount = 3"),
            "x.toml:10:10: this fault has no field amount; remove it",
        ),
        (
            &format!("{incident}fault = 'door_open'"),
            "x.toml:8:11: this fault is one of lighting-cabinet, not of luminaire",
        ),
        (
            &format!("{incident}fault = 'duplicates'\nshare = 1.5"),
            "x.toml:10:9: share is 1.5; it must be between 0 and 1",
        ),
        (
            "[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 5\nfault = 'stuck'\ndevices = { kind = 'lamp' }",
            "x.toml:9:20: \"lamp\" is not a kind of device",
        ),
        (
            "[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 5\nfault = 'stuck'\ndevices = {}",
            "x.toml:9:11: devices must say which",
        ),
        ("[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 0", "x.toml:4:1: missing field `fault`"),
        (
            "[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 5\nfault = 'stuck'\nproperty = 'pm52'\n\
             devices = { kind = 'air-station' }",
            "x.toml:9:12: no air-station tells pm52",
        ),
        ("[[river]]\ndevice = 'WL-KIMLONG'", "x.toml:4:1: gauge WL-KIMLONG: give either points or follows"),
        (
            "[[river]]\ndevice = 'a'\n[[river.point]]\nat_s = 0\nlevel_m = 1\nsource = 'bulletin'",
            "x.toml:6:1: a bulletin's level needs a note: which bulletin",
        ),
    ];
    for (text, expected) in cases {
        let message = refused(text);
        assert!(message.starts_with(expected), "{message}\nexpected {expected}");
    }
}

fn course<'a>(scenario: &'a Scenario, gauge: &str) -> &'a River {
    scenario.rivers.iter().find(|river| river.device == gauge).unwrap()
}

fn level_at(river: &River, at_s: f64) -> f64 {
    let pair = river.points.windows(2).find(|pair| (pair[0].at_s..pair[1].at_s).contains(&at_s));
    pair.map_or(river.points.last().unwrap().level_m, |pair| {
        let share = (at_s - pair[0].at_s) / (pair[1].at_s - pair[0].at_s);
        pair[0].level_m + share * (pair[1].level_m - pair[0].level_m)
    })
}

#[test]
fn the_flood_passes_every_published_level() {
    let scenario = Scenario::built_in("flood-2025-10").unwrap().unwrap();
    let published = |gauge: &str| -> Vec<f64> {
        let points = course(&scenario, gauge).points.iter();
        points.filter(|point| point.source == Source::Bulletin).map(|point| point.level_m).collect()
    };
    assert_eq!(published("WL-KIMLONG"), [2.56, 3.54, 3.58, 4.70]);
    assert_eq!(published("WL-PHUOC"), [3.79, 4.52]);
    for (length_s, start_ms) in [(1200.0, DAY_MS), (300.0, NIGHT_MS)] {
        let scenario = scenario.clone().with_length(length_s);
        let span = play(&scenario, 100, start_ms, length_s as i64 + 60);
        for gauge in ["WL-KIMLONG", "WL-PHUOC"] {
            let river = course(&scenario, gauge);
            let series = span.series(gauge, "water_level");
            assert!(series.len() as f64 >= length_s / 10.0);
            for (ts_ms, level) in &series {
                let expected = level_at(river, (ts_ms - start_ms) as f64 / 1000.0);
                assert!((level - expected).abs() < 0.01, "{gauge} {level} {expected}");
            }
        }
        let kim_long = course(&scenario, "WL-KIMLONG");
        for point in kim_long.points.iter().filter(|point| point.source == Source::Bulletin) {
            assert_eq!(level_at(kim_long, point.at_s), point.level_m);
        }
    }
}

#[test]
fn each_alarm_level_is_passed_once_up_and_once_down() {
    let scenario = Scenario::built_in("flood-2025-10").unwrap().unwrap();
    let span = play(&scenario, 100, DAY_MS, 1300);
    for (gauge, levels) in [("WL-KIMLONG", [1.0, 2.0, 3.5]), ("WL-PHUOC", [1.5, 3.0, 4.5])] {
        let series: Vec<f64> =
            span.series(gauge, "water_level").into_iter().map(|(_, level)| level).collect();
        for alarm in levels {
            let changes = series.windows(2).filter(|pair| (pair[0] >= alarm) != (pair[1] >= alarm)).count();
            assert_eq!(changes, 2, "{gauge} at {alarm}");
        }
        assert!(series[0] < levels[0] && *series.last().unwrap() < levels[0] - 0.1);
        let rates: Vec<f64> =
            span.series(gauge, "water_level_rate").into_iter().map(|(_, rate)| rate).collect();
        let fastest = rates.iter().copied().fold(f64::MIN, f64::max);
        assert!((0.2..1.0).contains(&fastest), "{gauge} rises at {fastest} m/h");
    }
}

#[test]
fn the_flood_hurts_the_rest_of_the_city() {
    let scenario = Scenario::built_in("flood-2025-10").unwrap().unwrap();
    let span = play(&scenario, 1000, DAY_MS, 600);
    let any = |property: &str, value: f64| {
        span.readings.iter().any(|reading| reading.values.get(property).is_some_and(|v| *v == value))
    };
    assert!(any("signal_mode", 2.0) && any("signal_mode", 4.0), "signals flash and go dark");
    assert!(any("feeder_energized", 0.0) && any("leakage", 1.0), "cabinets drown");
    assert!(
        any("available_spot_number", 0.0) && any("occupied_spot_number", 0.0),
        "car parks fill and empty"
    );
    let rain = span.within("RAIN-01", "rain_1h", DAY_MS, 250, 450);
    assert!(rain.iter().any(|mm| *mm > 40.0), "{rain:?}");
    assert!(span.within("WL-DAPDA", "water_level", DAY_MS, 530, 600).is_empty(), "a gauge drowns");
}

#[test]
fn a_normal_day_has_its_first_incident_at_twenty_seconds_by_day_and_by_night() {
    let scenario = Scenario::built_in("normal-day").unwrap().unwrap();
    for start_ms in [DAY_MS, NIGHT_MS] {
        let span = play(&scenario, 500, start_ms, 420);
        let first = |property: &str, value: f64| {
            let is_it =
                |reading: &&common::Reading| reading.values.get(property).is_some_and(|v| *v == value);
            span.readings.iter().find(is_it).map(|reading| (reading.at_ms - start_ms) / 1000)
        };
        assert_eq!(first("signal_mode", 2.0), Some(20));
        assert_eq!(first("door_open", 1.0), Some(60));
        assert_eq!(first("feeder_energized", 0.0), Some(170));
        assert!(first("available_spot_number", 0.0).is_some_and(|at_s| (230..300).contains(&at_s)));
        assert!(first("detector_fault", 1.0).is_some_and(|at_s| (300..330).contains(&at_s)));
        let rivers = span.series("WL-KIMLONG", "water_level");
        assert!(rivers.iter().all(|(_, level)| *level < 0.9), "no flood on a normal day");
    }
}

#[test]
fn a_normal_day_goes_on_with_incidents_by_chance_and_ends_them() {
    let scenario = Scenario::built_in("normal-day").unwrap().unwrap();
    let start_s = 1500;
    let span = play(&scenario, 300, DAY_MS, 3 * 3600);
    let is_late = |reading: &&common::Reading| reading.at_ms > DAY_MS + start_s * 1000;
    let abnormal = span.readings.iter().filter(is_late).filter(|reading| {
        let at = |property: &str| reading.values.get(property).copied();
        at("signal_mode").is_some_and(|mode| mode == 2.0)
            || at("door_open") == Some(1.0)
            || at("detector_fault").is_some_and(|fault| fault > 0.0)
            || at("lamp_fault") == Some(1.0)
    });
    let share = abnormal.count() as f64 / span.readings.len() as f64;
    assert!(share > 0.0 && share < 0.03, "{share}");
}

#[test]
fn a_course_needs_a_gauge_and_one_to_follow() {
    let refused = |text: &str| {
        let scenario = Scenario::from_toml("x.toml", &format!("{HEAD}{text}")).unwrap();
        firmware_sim::Simulation::new(firmware_sim::fleet(1, 60), &scenario, 1, 0).err().unwrap().to_string()
    };
    let point = "[[river.point]]\nat_s = 0\nlevel_m = 1\nsource = 'interpolation'";
    let unknown = refused(&format!("[[river]]\ndevice = 'WL-KIM'\n{point}"));
    assert!(
        unknown.starts_with("scenario x: there is no gauge WL-KIM; the gauges are WL-KIMLONG, "),
        "{unknown}"
    );
    let alone = refused("[[river]]\ndevice = 'WL-ANCUU'\nfollows = 'WL-KIMLONG'");
    assert!(alone.ends_with("follows WL-KIMLONG, which has no points"), "{alone}");
}

const STATION: &str = "[[fleet]]\nkind = 'sonde'\ndomain = 'waste'\nperiod_s = 10\n\
                       device = [{ id = 'S-1', lat = 16.46, lon = 107.58 }, { id = 'S-2', lat = 16.47, lon = 107.59 }]\n";

#[test]
fn a_fleet_of_its_own_follows_its_courses() {
    let values = "[fleet.value.level]\nbase = 3.0\nmin = 0.0\ndecimals = 1\n\
                  step = [{ at_s = 30, base = 9.0, devices = ['S-1'] }, { at_s = 60, base = -4.0 }]\n\
                  [fleet.value.lid]\nas = 'flag'\nbase = 1.0\n[fleet.value.mode]\nas = 'code'\nbase = 2.0\n";
    let text = format!("{HEAD}{STATION}{values}");
    let scenario = Scenario::from_toml("x.toml", &text).unwrap();
    let mut fleet = firmware_sim::fleet(1, 60);
    fleet.extend(scenario.devices());
    let mut simulation = firmware_sim::Simulation::new(fleet, &scenario, 1, DAY_MS).unwrap();
    let published = simulation.published_until(DAY_MS + 90_000);
    let of = |id: &str| -> Vec<serde_json::Value> {
        let topic = format!("ioc/v1/waste/{id}/telemetry");
        let own = published.iter().filter(|message| *message.topic == *topic);
        own.map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
    };
    let levels = |id: &str| -> Vec<f64> {
        of(id).iter().map(|message| message["values"]["level"].as_f64().unwrap()).collect()
    };
    assert_eq!(levels("S-1"), [3.0, 3.0, 3.0, 9.0, 9.0, 9.0, 0.0, 0.0, 0.0]);
    assert_eq!(levels("S-2"), [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0]);
    let first = &of("S-1")[0]["values"];
    assert_eq!((&first["lid"], &first["mode"]), (&true.into(), &2.into()));
}

#[test]
fn mistakes_of_a_fleet_are_named_with_their_line() {
    let value = "[fleet.value.level]\nbase = 1.0\n";
    let cases = [
        (STATION.replace("'sonde'", "'luminaire'"), "x.toml:5:8: luminaire is built in"),
        (STATION.replace("period_s = 10", "period_s = 0"), "x.toml:7:12: period_s must be at least 1"),
        (STATION.replace("'waste'", "'Waste'"), "x.toml:6:10: \"Waste\" cannot name a domain"),
        (STATION.replace("'S-2'", "'S 2'"), "x.toml:8:61: device id \"S 2\" must be"),
        (STATION.replace("lat = 16.47", "lat = 107.59"), "x.toml:8:54: latitude 107.59"),
    ];
    for (text, expected) in cases {
        let message = refused(&format!("{text}{value}"));
        assert!(message.starts_with(expected), "{message}");
    }
    let unsorted = format!("{STATION}{value}step = [{{ at_s = 9, base = 1 }}, {{ at_s = 8, base = 1 }}]");
    assert!(refused(&unsorted).contains("steps must stand in order of at_s"));
    let fault = "[[incident]]\nname = 'a'\nat_s = 1\nfor_s = 5\nfault = 'drift'\namount = 1\nproperty = 'lid'\n\
                 devices = { kind = 'sonde' }\n";
    let message = refused(&format!("{fault}{STATION}{value}"));
    assert!(message.contains("no sonde tells lid; take one of its properties"), "{message}");
}
