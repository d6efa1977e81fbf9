//! Which devices a rule picks, and at which times: matchers and functions of time, through the engine.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{Bench, LEVEL, POWER, START, Setup, place, rules};
use std::collections::BTreeMap;
use sunrise::{Coordinates, SolarDay, SolarEvent};

/// Devices, or `-`, by rule, of everything that fired.
fn fired(bench: &mut Bench) -> BTreeMap<String, Vec<String>> {
    let mut fired: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for said in bench.said() {
        let device = said.alert.device.as_ref().map_or("-".to_owned(), ToString::to_string);
        fired.entry(said.alert.rule).or_default().push(device);
    }
    // Shards speak in any order.
    fired.values_mut().for_each(|devices| devices.sort());
    fired
}

#[test]
fn matchers_that_exclude_decide_which_devices_a_rule_picks() {
    // Water levels 0 and 4 stand in ward A, 2 and 6 in ward B; none has a floor.
    let cases: [(&str, &str, &[&str]); 8] = [
        ("NotA", "expr: water_level{ward!=\"A\"} > 3", &["WL-2", "WL-6"]),
        ("NotThese", "expr: water_level{device!~\"WL-(0|2)\"} > 3", &["WL-4", "WL-6"]),
        ("WholeValue", "expr: water_level{device!~\"WL\"} > 3", &["WL-0", "WL-2", "WL-4", "WL-6"]),
        ("NoSuchLabel", "expr: water_level{floor!=\"3\"} > 3", &["WL-0", "WL-2", "WL-4", "WL-6"]),
        ("HasLabel", "expr: water_level{floor!=\"\"} > 3", &[]),
        ("HasNone", "expr: water_level{street!~\".+\"} > 3", &[]),
        ("Both", "expr: water_level{ward!=\"A\",device!~\".*6\"} > 3", &["WL-2"]),
        ("City", "expr: count(water_level{ward!~\"B|C\"} > 3) == 2", &["-"]),
    ];
    let entries = cases.map(|(name, rule, _)| (name, rule));
    for shards in [1, 3] {
        let mut bench = Setup { shards, ..Setup::new(rules(&entries)) }.start();
        for device in [0, 2, 4, 6] {
            bench.observe(1.0, device, LEVEL, 4.0);
        }
        bench.tick(2.0);
        let fired = fired(&mut bench);
        for (name, _, expected) in cases {
            let found = fired.get(name).map_or(&[][..], Vec::as_slice);
            assert_eq!(found, expected, "{name}, {shards} shards");
        }
    }
}

#[test]
fn two_selectors_of_one_rule_exclude_each_for_itself() {
    let entries = [("Other", "expr: active_power{ward!=\"B\"} > 3 or active_energy{ward!~\"A\"} > 3")];
    let mut bench = Setup::new(rules(&entries)).start();
    // Lamps 1 and 5 stand in ward A, 3 and 7 in ward B.
    bench.observe(1.0, 1, POWER, 4.0);
    bench.observe(1.1, 3, POWER, 4.0);
    bench.observe(1.2, 5, engine_support::COUNTER, 4.0);
    bench.observe(1.3, 7, engine_support::COUNTER, 4.0);
    assert_eq!(bench.words(), ["Other LUM-1 firing 1", "Other LUM-7 firing 1.3"]);
}

/// Ticks at each of these seconds after the start.
fn ticks(bench: &mut Bench, seconds: impl IntoIterator<Item = i64>) {
    seconds.into_iter().for_each(|second| bench.tick(second as f64));
}

#[test]
fn days_of_the_week_begin_at_midnight_of_the_city_and_of_utc() {
    let entries = [
        ("Here", "expr: max_over_time(water_level[9h]) > 3 and local_day_of_week() == 2"),
        ("Utc", "expr: max_over_time(water_level[9h]) > 3 and on() day_of_week() == 2"),
        ("City", "expr: sum(max_over_time(water_level[9h])) > 3 and local_day_of_week() == 2"),
        ("Of", "expr: day_of_week(water_level) == 4"),
    ];
    // Monday 00:00 UTC is 07:00 in the city, whose Tuesday is from 17:00 UTC to 17:00 UTC.
    let (day, here) = (86_400, 17 * 3_600);
    for shards in [1, 2] {
        let mut bench = Setup { shards, ..Setup::new(rules(&entries)) }.start();
        bench.observe(1.0, 2, LEVEL, 4.0);
        assert_eq!(bench.words(), ["Of WL-2 firing 1"], "4 s after the epoch it was a Thursday");
        bench.observe(2.0, 2, LEVEL, 86_404.0);
        assert_eq!(bench.words(), ["Of WL-2 cleared 2"]);
        for midnight in [here, day, here + day, 2 * day] {
            bench.observe((midnight - 2) as f64, 2, LEVEL, 86_404.0);
            ticks(&mut bench, [midnight - 1, midnight, midnight + 1]);
        }
        let mut words = bench.words();
        words.sort();
        let expected = [
            "City - cleared 147600",
            "City - firing 61200",
            "Here WL-2 cleared 147600",
            "Here WL-2 firing 61200",
            "Utc WL-2 cleared 172800",
            "Utc WL-2 firing 86400",
        ];
        assert_eq!(words, expected, "{shards} shards");
    }
}

/// Seconds from the start to an event of the sun on a day.
fn sun(event: SolarEvent, date: &str) -> i64 {
    let coordinates = Coordinates::new(place().latitude, place().longitude).unwrap();
    // Whatever date type the crate takes, it can be made from text.
    let day = SolarDay::new(coordinates, date.parse().unwrap());
    day.event_time(event).unwrap().timestamp() - START / 1_000
}

#[test]
fn a_lamp_that_is_off_is_told_of_from_sunset_to_sunrise() {
    // Rise and set are seen at -0.83 degrees.
    let entries = [
        ("Dark", "expr: max_over_time(active_power[14h]) < 1 and sun_elevation() < -0.83"),
        ("DarkCity", "expr: max(max_over_time(active_power[14h])) < 1 and sun_elevation() < -0.83"),
    ];
    let (set, rise) = (sun(SolarEvent::Sunset, "2025-10-13"), sun(SolarEvent::Sunrise, "2025-10-14"));
    assert!(36_000 < set && set < rise && rise < 86_400, "{set} {rise}");
    let mut bench = Setup { shards: 2, ..Setup::new(rules(&entries)) }.start();
    bench.observe(1.0, 1, POWER, 0.0);
    for event in [set, rise] {
        bench.observe((event - 601) as f64, 1, POWER, 0.0);
        ticks(&mut bench, (event - 600..event + 600).step_by(10));
    }
    let said = bench.said();
    assert_eq!(said.len(), 4, "{said:#?}");
    for transition in said {
        let expected = if transition.alert.cleared_at.is_some() { rise } else { set };
        let seconds = (transition.at_ms - START) / 1_000;
        assert!((seconds - expected).abs() <= 120, "{} at {seconds}, not {expected}", transition.alert.rule);
    }
}
