//! Our own outage is not the devices': the wall clock jumps, or whoever feeds the engine stands still.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{Bench, LEVEL, Past, START, Setup, fleet, rules, words};
use ioc_rules::Input;
use std::{collections::BTreeMap, sync::Arc};

/// Water levels report every 2 s, so silence counts 4 s after an outage of ours.
const SILENCE: [(&str, &str); 5] = [
    ("Silent", "expr: device_silent_seconds{kind=\"water-level\"} > 10"),
    ("SilentFor", "expr: device_silent_seconds{device=\"WL-2\"} > 8\nfor: 2s"),
    ("Offline", "expr: device_online == 0"),
    ("Gone", "expr: absent(water_level{device=\"WL-2\"})"),
    ("City", "expr: count(device_silent_seconds{kind=\"water-level\"} > 10) > 0"),
];

const HOUR: f64 = 3_600.0;

/// Ticks with a wall clock and a monotonic clock, both in seconds.
fn tick(bench: &mut Bench, wall: f64, monotonic: f64) {
    let ms = |seconds: f64| (seconds * 1e3) as i64;
    bench
        .feeder()
        .offer(&Input::Tick { now_ms: START + ms(wall), monotonic_ms: ms(monotonic) + 77 })
        .unwrap();
}

/// Ticks each second of the monotonic clock, both ends included; the wall clock shows `ahead` seconds more.
fn ticks(bench: &mut Bench, from: u32, to: u32, ahead: f64) {
    (from..=to).for_each(|second| tick(bench, f64::from(second) + ahead, f64::from(second)));
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

/// Two water levels and a lamp.
fn three_devices(rules: &[(&str, &str)], shards: usize) -> Bench {
    Setup { devices: fleet(3), shards, ..Setup::new(engine_support::rules(rules)) }.start()
}

#[test]
fn after_a_jump_ahead_silence_counts_once_devices_had_a_chance_to_speak() {
    for shards in [1, 2] {
        let mut bench = three_devices(&SILENCE, shards);
        for device in [2, 0] {
            bench.presence(0.5, device, true);
            bench.observe(1.0, device, LEVEL, 1.0);
        }
        ticks(&mut bench, 1, 2, 0.0);
        // The first to notice is a message, before the next tick.
        bench.observe(HOUR + 2.9, 0, LEVEL, 1.0);
        bench.presence(HOUR + 2.95, 2, false);
        ticks(&mut bench, 3, 4, HOUR);
        bench.observe(HOUR + 5.0, 0, LEVEL, 1.0);
        ticks(&mut bench, 5, 6, HOUR);
        assert_eq!(bench.words(), [""; 0], "{shards} shards");
        ticks(&mut bench, 7, 9, HOUR);
        let expected = [
            "City - firing 3607",
            "Gone WL-2 firing 3607",
            "Offline WL-2 firing 3607",
            "Silent WL-2 firing 3607",
            "SilentFor WL-2 firing 3609",
            "SilentFor WL-2 pending 3607",
        ];
        assert_eq!(sorted(bench.words()), expected, "{shards} shards");
    }
}

#[test]
fn after_a_jump_back_silence_is_measured_and_readings_are_taken_again() {
    let entries = [SILENCE[0], SILENCE[2], ("High", "expr: water_level > 3.5")];
    for shards in [1, 2] {
        let mut bench = three_devices(&entries, shards);
        for device in [0, 2] {
            bench.presence(0.5, device, true);
            bench.observe(5.0, device, LEVEL, 1.0);
        }
        ticks(&mut bench, 5, 6, 0.0);
        ticks(&mut bench, 7, 8, -HOUR);
        bench.observe(8.5 - HOUR, 2, LEVEL, 4.0);
        bench.presence(8.6 - HOUR, 2, false);
        assert_eq!(bench.words(), ["High WL-2 firing -3591.5"], "{shards} shards");
        ticks(&mut bench, 9, 11, -HOUR);
        bench.observe(11.5 - HOUR, 2, LEVEL, 3.0);
        ticks(&mut bench, 12, 16, -HOUR);
        let expected = ["High WL-2 cleared -3588.5", "Offline WL-2 firing -3589", "Silent WL-0 firing -3584"];
        assert_eq!(sorted(bench.words()), expected, "{shards} shards: heard 5 s before, silent for 10 s");
    }
}

#[test]
fn after_a_jump_back_a_gauge_that_went_silent_is_noticed_without_waiting_for_the_clock() {
    let entries = [("High", "expr: water_level > 3.5"), ("Sum", "expr: sum(water_level) > 3.5"), SILENCE[0]];
    for shards in [1, 2] {
        let setup = Setup { devices: fleet(1), shards, startup_ms: START, ..Setup::new(rules(&entries)) };
        let mut bench = setup.start();
        bench.observe(5.0, 0, LEVEL, 4.0);
        ticks(&mut bench, 5, 6, 0.0);
        assert_eq!(sorted(bench.words()), ["High WL-0 firing 5", "Sum - firing 5"]);
        ticks(&mut bench, 7, 20, -HOUR);
        let expected = [
            "High WL-0 firing without data -3589",
            "Silent WL-0 firing -3584",
            "Sum - firing without data -3589",
        ];
        assert_eq!(sorted(bench.words()), expected, "{shards} shards");
    }
}

#[test]
fn alerts_of_silence_stay_as_they_are_through_jumps_and_outages() {
    let mut entries = SILENCE.to_vec();
    entries.push(("High", "expr: water_level > 3.5"));
    entries.push(("Mean", "expr: avg(avg_over_time(water_level[3h])) > 3.5"));
    for shards in [1, 2] {
        let mut bench = three_devices(&entries, shards);
        bench.presence(0.5, 2, true);
        bench.observe(1.0, 2, LEVEL, 4.0);
        bench.presence(2.0, 2, false);
        ticks(&mut bench, 2, 20, 0.0);
        let before = bench.words();
        assert!(before.contains(&"High WL-2 firing without data 7".to_owned()), "{before:?}");
        assert!(before.contains(&"Silent WL-2 firing 12".to_owned()), "{before:?}");
        ticks(&mut bench, 21, 40, -HOUR);
        ticks(&mut bench, 41, 60, 0.0);
        bench.feeder().outage_ended(START + 60_000);
        ticks(&mut bench, 61, 80, 0.0);
        assert_eq!(bench.words(), [""; 0], "{shards} shards");
        ticks(&mut bench, 81, 90, HOUR / 2.0);
        assert_eq!(bench.words(), [""; 0], "{shards} shards");
        bench.presence(HOUR / 2.0 + 90.5, 2, true);
        bench.observe(HOUR / 2.0 + 91.0, 2, LEVEL, 1.0);
        ticks(&mut bench, 91, 92, HOUR / 2.0);
        let cleared = bench.said();
        let cleared: Vec<_> = cleared.iter().filter(|said| said.alert.cleared_at.is_some()).collect();
        let device = |said: &&&ioc_rules::RuleTransition| words(said).contains("WL-2");
        assert_eq!(cleared.iter().filter(device).count(), 5, "{shards} shards: {cleared:#?}");
    }
}

#[test]
fn what_is_about_to_be_raised_is_neither_raised_nor_dropped_while_the_outage_is_ours() {
    let entries = [
        ("High", "expr: water_level > 3.5\nfor: 20s"),
        ("SilentFor", "expr: device_silent_seconds{device=\"WL-2\"} > 8\nfor: 2s"),
        ("SilentCity", "expr: max(device_silent_seconds{device=\"WL-2\"}) > 8\nfor: 2s"),
    ];
    let mut bench = three_devices(&entries, 2);
    bench.observe(1.0, 2, LEVEL, 4.0);
    // It rains in; then nothing does, as there is no space.
    for second in 2..=30 {
        if second > 4 {
            bench.feeder().outage_ended(START + 1_000 * i64::from(second));
        }
        ticks(&mut bench, second, second, 0.0);
    }
    assert_eq!(bench.words(), ["High WL-2 pending 1"]);
    bench.observe(31.0, 2, LEVEL, 4.0);
    assert_eq!(bench.words(), ["High WL-2 firing 31"]);
    ticks(&mut bench, 31, 42, 0.0);
    let expected = [
        "High WL-2 firing without data 37",
        "SilentCity - firing 42",
        "SilentCity - pending 40",
        "SilentFor WL-2 firing 42",
        "SilentFor WL-2 pending 40",
    ];
    assert_eq!(sorted(bench.words()), expected);
}

#[test]
fn a_pending_alert_of_silence_waits_while_the_outage_is_ours() {
    let mut bench = three_devices(&SILENCE[1..2], 1);
    bench.observe(1.0, 2, LEVEL, 4.0);
    ticks(&mut bench, 2, 10, 0.0);
    assert_eq!(bench.words(), ["SilentFor WL-2 pending 10"]);
    bench.feeder().outage_ended(START + 10_500);
    ticks(&mut bench, 11, 16, 0.0);
    assert_eq!(bench.words(), ["SilentFor WL-2 firing 15"]);
}

#[test]
fn an_outage_that_is_told_late_shortens_no_grace() {
    let setup = Setup { devices: fleet(3), startup_ms: START + 8_000, ..Setup::new(rules(&SILENCE[..1])) };
    let past = Past::default();
    past.heard.lock().unwrap().insert(2, START);
    let mut bench = Setup { past: Arc::new(past), ..setup }.start();
    bench.feeder().outage_ended(START + 1_000);
    ticks(&mut bench, 8, 13, 0.0);
    assert_eq!(bench.words(), ["Silent WL-2 firing 12"]);
}

#[test]
fn a_clock_that_was_put_back_while_we_were_down_does_not_hide_silence() {
    let past = Past::default();
    past.heard.lock().unwrap().insert(2, START + 3_600_000);
    let setup = Setup { past: Arc::new(past), startup_ms: START, ..Setup::new(rules(&SILENCE[..1])) };
    let mut bench = Setup { devices: fleet(3), ..setup }.start();
    bench.observe(9.0, 0, LEVEL, 1.0);
    ticks(&mut bench, 0, 12, 0.0);
    assert_eq!(bench.words(), ["Silent WL-2 firing 11"]);
}

/// Readings and connection states of all devices through jumps and outages; what was said about each alert.
fn stories(shards: usize) -> BTreeMap<String, Vec<String>> {
    let mut entries = SILENCE.to_vec();
    entries.push(("High", "expr: water_level > 3.5"));
    entries.push(("Mean", "expr: avg_over_time(water_level[20s]) > 2\nfor: 3s"));
    entries.push(("Sum", "expr: sum by (ward) (water_level) > 6\nfor: 2s"));
    let mut bench = Setup { shards, ..Setup::new(rules(&entries)) }.start();
    let ahead = |second: u32| [0.0, HOUR, HOUR - 90.0, -HOUR, 30.0, 33.0][second as usize / 30 % 6];
    for second in 1..=300 {
        let wall = f64::from(second) + ahead(second);
        for device in (0..8u32).step_by(2) {
            match (second * 7 + device * 3) % 11 {
                0..3 => bench.observe(wall, device, LEVEL, f64::from((second + device) % 6)),
                3 => bench.presence(wall, device, (second + device) % 2 == 0),
                _ => {}
            }
        }
        if (100..110).contains(&second) {
            bench.feeder().outage_ended(START + (wall * 1e3) as i64);
        }
        tick(&mut bench, wall + 0.4, f64::from(second));
    }
    bench.stop();
    let mut stories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for said in bench.out.try_iter() {
        stories.entry(said.alert.fingerprint.to_string()).or_default().push(words(&said));
    }
    stories
}

#[test]
fn jumps_and_outages_are_the_same_for_any_number_of_shards() {
    let one = stories(1);
    assert!(one.values().map(Vec::len).sum::<usize>() > 100, "{one:#?}");
    assert_eq!(stories(2), one);
    assert_eq!(stories(5), one);
}
