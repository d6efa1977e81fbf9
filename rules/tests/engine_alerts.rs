//! What operators get to see: late data, silence, our own start, evidence, the city as a whole.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{LEVEL, ONLINE, POWER, START, Setup, device, reading, rules, until};
use ioc_model::{DeviceIndex, Observation, Presence, Quality, TransitionKind, presence::PresenceCause};
use ioc_rules::{DeviceLabels, Input, RuleHealth};
use std::sync::Arc;

const HIGH: (&str, &str) = ("High", "expr: water_level > 3.5");

fn late(seconds: f64, value: f64) -> Observation {
    let ts_ms = START + (seconds * 1e3) as i64;
    Observation { property: LEVEL, ts_ms, value, quality: Quality::LATE }
}

#[test]
fn an_observation_raises_its_alert_and_its_device_no_other() {
    let mut bench = Setup { shards: 3, ..Setup::new(rules(&[HIGH])) }.start();
    bench.observe(1.0, 2, LEVEL, 3.6);
    bench.observe(1.5, 4, LEVEL, 3.5);
    assert_eq!(bench.words(), ["High WL-2 firing 1"]);
    bench.observe(3.0, 2, LEVEL, 3.4);
    assert_eq!(bench.words(), ["High WL-2 cleared 3"]);
}

#[test]
fn a_transition_says_why() {
    let mut bench =
        Setup::new(rules(&[("Rise", "expr: avg_over_time(water_level[10s]) - 1 > water_level / 2")])).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    let said = bench.said();
    let alert = &said[0].alert;
    assert_eq!((alert.value, alert.device.as_ref().map(|id| id.as_str())), (Some(3.0), Some("WL-2")));
    assert_eq!(alert.summary.vi, "Giá trị 3 tại WL-2");
    assert_eq!(
        (alert.event_time, alert.arrival_time, alert.decision_time),
        (START + 1000, START + 1000, START + 1001)
    );
    assert_eq!(alert.ward.as_deref(), Some("B"));
    let evidence = &alert.evidence;
    assert_eq!(evidence.rule_hash.len(), 32);
    let read: Vec<_> =
        evidence.samples.iter().map(|sample| (sample.series.as_str(), sample.ts, sample.value)).collect();
    assert_eq!(read, [("water_level{device=\"WL-2\"}", START + 1000, 4.0)]);
    let parts: Vec<_> = evidence.parts.iter().map(|part| (part.expr.as_str(), part.value)).collect();
    let expected = [
        ("avg_over_time(water_level[10s]) - 1 > water_level / 2", Some(3.0)),
        ("avg_over_time(water_level[10s]) - 1", Some(3.0)),
        ("avg_over_time(water_level[10s])", Some(4.0)),
        ("water_level / 2", Some(2.0)),
        ("water_level", Some(4.0)),
    ];
    assert_eq!(parts, expected);
    let hops = evidence.hops;
    assert_eq!(
        (hops.event, hops.arrival, hops.committed, hops.decided),
        (START + 1000, START + 1000, START + 1001, START + 1001)
    );
}

/// The last transition's event, arrival, commit and decision, in milliseconds after the start.
fn hops(said: &[ioc_rules::RuleTransition]) -> [i64; 4] {
    let alert = &said.last().unwrap().alert;
    let hops = alert.evidence.hops;
    assert_eq!((alert.arrival_time, alert.decision_time), (hops.arrival, hops.decided));
    [hops.event, hops.arrival, hops.committed, hops.decided].map(|at| at - START)
}

#[test]
fn what_time_decides_says_which_input_it_goes_back_to() {
    let entries = [
        ("expr: water_level > 3.5\nfor: 3s", 4.0),
        ("expr: water_level > 3.5\nkeep_firing_for: 2s", 1.0),
        ("expr: sum(water_level) > 3.5\nfor: 3s", 4.0),
        ("expr: sum by (ward) (water_level) > 3.5\nkeep_firing_for: 2s", 1.0),
    ];
    for ((rule, second_value), shards) in entries.into_iter().flat_map(|e| [(e, 1), (e, 3)]) {
        let mut bench = Setup { shards, ..Setup::new(rules(&[("Timed", rule)])) }.start();
        bench.observe(1.0, 2, LEVEL, 4.0);
        bench.observe(1.9, 2, LEVEL, second_value);
        bench.observe(2.5, 1, POWER, 1.0); // Of no concern to the rule.
        bench.ticks(3, 6);
        assert_eq!(hops(&bench.said()), [1_900, 1_900, 1_901, 4_000], "{rule}, {shards} shards");
    }
}

#[test]
fn an_alert_about_silence_goes_back_to_the_last_message() {
    let entries = [("Silent", "expr: device_silent_seconds{device=\"WL-2\"} > 5")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.ticks(2, 7);
    assert_eq!(hops(&bench.said()), [1_000, 1_000, 1_001, 7_000]);
}

#[test]
fn late_data_never_starts_an_alarm_not_even_by_the_next_tick() {
    let rules = rules(&[
        HIGH,
        ("Peak", "expr: max_over_time(water_level[10m]) > 5"),
        ("Sum", "expr: sum(max_over_time(water_level[10m])) > 5"),
    ]);
    let mut bench = Setup::new(rules).start();
    bench.observe_as(1.0, 2, late(-150.0, 6.0));
    bench.ticks(1, 3);
    assert_eq!(bench.words(), [""; 0]);
    // It counts in the window once something timely comes in.
    bench.observe(4.0, 2, LEVEL, 1.0);
    bench.tick(5.0);
    let mut words = bench.words();
    words.sort();
    assert_eq!(words, ["Peak WL-2 firing 4", "Sum - firing 4"]);
}

#[test]
fn late_data_may_correct_what_is_firing() {
    let mut bench = Setup::new(rules(&[("Low", "expr: max_over_time(water_level[10m]) < 2")])).start();
    bench.observe(1.0, 2, LEVEL, 1.0);
    assert_eq!(bench.words(), ["Low WL-2 firing 1"]);
    bench.observe_as(2.0, 2, late(-150.0, 6.0));
    assert_eq!(bench.words(), ["Low WL-2 cleared 2"]);
}

#[test]
fn values_of_a_faulty_instrument_are_not_used() {
    let mut bench = Setup::new(rules(&[HIGH])).start();
    for quality in [Quality::FAULT, Quality::CALIBRATING] {
        bench.observe_as(1.0, 2, Observation { property: LEVEL, ts_ms: START + 1000, value: 9.0, quality });
    }
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn a_clock_that_is_ahead_delays_no_alarm() {
    let mut bench = Setup::new(rules(&[HIGH])).start();
    let quality = Quality::CLOCK_AHEAD;
    bench.observe_as(1.0, 2, Observation { property: LEVEL, ts_ms: START + 61_000, value: 9.0, quality });
    assert_eq!(bench.words(), ["High WL-2 firing 1"]);
    bench.ticks(2, 5);
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn a_drowned_gauge_keeps_its_alarm_and_says_that_it_is_silent() {
    let mut bench = Setup::new(rules(&[HIGH, ("Unheld", "expr: water_level > 3.5\nno_data: clear")])).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.said();
    // Look-back is three periods of 2 s, open on the left: at 7 s the sample of 1 s is too old.
    bench.ticks(2, 20);
    assert_eq!(bench.words(), ["High WL-2 firing without data 7", "Unheld WL-2 cleared 7"]);
    bench.observe(30.0, 2, LEVEL, 4.5);
    assert_eq!(bench.words(), ["High WL-2 firing 30", "Unheld WL-2 firing 30"]);
    bench.observe(31.0, 2, LEVEL, 1.0);
    assert_eq!(bench.words(), ["High WL-2 cleared 31", "Unheld WL-2 cleared 31"]);
}

#[test]
fn silence_has_no_meaning_until_devices_had_a_fair_chance_after_our_start() {
    let entries = [
        ("Silent", "expr: device_silent_seconds > 10"),
        ("Gone", "expr: absent(water_level)"),
        ("Offline", "expr: device_online == 0"),
    ];
    let past = Arc::new(engine_support::Past::default());
    past.heard.lock().unwrap().insert(2, START - 3_600_000);
    let setup = Setup { past, startup_ms: START, ..Setup::new(rules(&entries)) };
    let mut bench = setup.start();
    bench.offset += 1;
    let presence =
        Presence { device: DeviceIndex(2), at_ms: START, online: false, cause: PresenceCause::Ours };
    let input = Input::Presence { offset: bench.offset, committed_ms: START, presence };
    bench.feeder().offer(&input).unwrap();
    // Two periods of water levels are 4 s; the others were taken in at our start, which is less than 10 s ago.
    bench.ticks(0, 3);
    assert_eq!(bench.words(), [""; 0]);
    bench.ticks(4, 5);
    let mut words = bench.words();
    words.sort();
    assert_eq!(words, ["Gone - firing 4", "Offline WL-2 firing 4", "Silent WL-2 firing 4"]);
    assert_eq!(ONLINE.0, 90);
}

#[test]
fn sums_reach_across_shards() {
    let entries = [
        ("All", "expr: sum(active_power) > 9"),
        ("PerWard", "expr: count by (ward) (active_power > 1) >= 2\nfor: 2s"),
        ("Mean", "expr: avg(active_power) > 3.9"),
    ];
    for shards in [1, 2, 4] {
        let mut bench = Setup { shards, ..Setup::new(rules(&entries)) }.start();
        // Wards: 1 and 5 are in A, 3 and 7 in B.
        bench.observe(1.0, 1, POWER, 2.0);
        bench.observe(1.2, 3, POWER, 2.0);
        bench.observe(1.4, 5, POWER, 6.0);
        let mut words = bench.words();
        words.sort();
        assert_eq!(words, ["All - firing 1.4", "PerWard - pending 1.4"], "{shards} shards");
        bench.ticks(2, 3);
        bench.observe(3.5, 7, POWER, 7.0);
        let said = bench.said();
        let mut fired: Vec<_> = said.iter().map(engine_support::words).collect();
        fired.sort();
        let expected = ["Mean - firing 3.5", "PerWard - firing 3.5", "PerWard - pending 3.5"];
        assert_eq!(fired, expected, "{shards} shards");
        let mean = said.iter().find(|transition| transition.alert.rule == "Mean").unwrap();
        assert_eq!((mean.alert.value, mean.alert.device.is_none()), (Some(4.25), true));
        assert_eq!(mean.alert.evidence.samples.len(), 4);
        assert_eq!(mean.alert.evidence.parts[1].expr, "avg(active_power)");
        let ward = said.iter().find(|transition| transition.kind == TransitionKind::Pending).unwrap();
        assert_eq!(ward.alert.ward.as_deref(), Some("B"));
    }
}

#[test]
fn between_ticks_the_city_is_evaluated_at_most_ten_times_a_second() {
    let mut bench =
        Setup { shards: 2, ..Setup::new(rules(&[("All", "expr: sum(active_power) > 100")])) }.start();
    for step in 0..1000 {
        bench.observe(1.0 + f64::from(step) / 1e3, 1 + 2 * (step % 4), POWER, f64::from(step % 7));
    }
    bench.said();
    assert_eq!(bench.engine.meters().rounds, 10);
}

#[test]
fn a_device_that_was_never_seen_is_taken_in_when_it_speaks() {
    let setup = Setup::new(rules(&[HIGH]));
    let devices = Arc::clone(&setup.devices);
    let mut bench = setup.start();
    devices.0.lock().unwrap().push(device(40));
    bench.observe(1.0, 40, LEVEL, 4.0);
    bench.observe(1.0, 50, LEVEL, 4.0);
    assert_eq!(bench.words(), ["High WL-40 firing 1"]);
    assert_eq!(bench.engine.meters().unknown_devices, 1);
}

#[test]
fn a_label_change_rekeys_no_open_alarm_and_a_device_that_is_gone_has_none() {
    let setup = Setup::new(rules(&[HIGH, ("WardB", "expr: water_level{ward=\"B\"} > 3.5")]));
    let devices = Arc::clone(&setup.devices);
    let mut bench = setup.start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    let raised = bench.said();
    assert_eq!(raised.len(), 2);
    let moved = {
        let known = device(2);
        let (id, labels) = (known.id.clone(), [("street", "Hung Vuong")]);
        Arc::new(DeviceLabels::new(
            known.index,
            id,
            ioc_model::Domain::from_static("environment"),
            "water-level",
            Some("A"),
            labels,
            2_000,
        ))
    };
    devices.0.lock().unwrap()[2] = moved;
    bench.feeder().devices_changed().unwrap();
    bench.tick(2.0);
    assert_eq!(bench.words(), ["WardB WL-2 cleared 2"], "it is no longer in ward B");
    bench.observe(3.0, 2, LEVEL, 1.0);
    let cleared = bench.said();
    assert_eq!((cleared.len(), cleared[0].alert.id), (1, raised[0].alert.id));
    assert_eq!(
        (&cleared[0].alert.labels["ward"], cleared[0].alert.fingerprint),
        (&"B".to_owned(), raised[0].alert.fingerprint)
    );

    bench.observe(4.0, 2, LEVEL, 4.0);
    bench.said();
    devices.0.lock().unwrap().remove(2);
    bench.feeder().devices_changed().unwrap();
    assert_eq!(bench.words(), ["High WL-2 cleared 4"]);
    assert_eq!(bench.engine.rule_states()[0].firing, 0);
}

#[test]
fn a_device_that_is_taken_in_is_judged_by_what_it_says_and_not_by_its_past() {
    let setup = Setup::new(rules(&[("High", "expr: water_level > 3.5")]));
    let (devices, past) = (Arc::clone(&setup.devices), Arc::clone(&setup.past));
    let newcomer = devices.0.lock().unwrap().remove(2);
    let mut bench = setup.start();
    bench.tick(0.5);
    // History has the reading already while it is still on its way to the rules.
    past.series
        .lock()
        .unwrap()
        .entry((2, LEVEL.0))
        .or_default()
        .insert(START + 900, reading(START + 900, 4.0));
    devices.0.lock().unwrap().push(newcomer);
    bench.feeder().devices_changed().unwrap();
    bench.tick(1.0);
    assert!(bench.said().is_empty());
    bench.observe(1.0, 2, LEVEL, 4.0);
    let said = bench.said();
    assert_eq!(said.len(), 1);
    let hops = &said[0].alert.evidence.hops;
    assert_eq!((hops.arrival, hops.committed), (START + 1_000, START + 1_001), "{hops:?}");
}

#[test]
fn a_jump_of_the_wall_clock_ends_no_for_and_is_counted() {
    let mut bench = Setup::new(rules(&[("Long", "expr: water_level > 3.5\nfor: 30s")])).start();
    bench.tick(0.5);
    bench.observe(1.0, 2, LEVEL, 4.0);
    let tick = |bench: &mut engine_support::Bench, now: f64, monotonic_ms: i64| {
        bench.feeder().offer(&Input::Tick { now_ms: START + (now * 1e3) as i64, monotonic_ms }).unwrap();
    };
    // The wall clock goes an hour ahead within a second; the device's samples follow it.
    tick(&mut bench, 3601.5, 1_577);
    bench.observe(3601.6, 2, LEVEL, 4.0);
    assert_eq!(bench.words(), ["Long WL-2 pending 1"], "nor does the silence that it makes");
    for second in 2..40 {
        let now = 3600.5 + f64::from(second);
        tick(&mut bench, now, i64::from(second) * 1000 + 577);
        bench.observe(now + 0.1, 2, LEVEL, 4.0);
    }
    assert_eq!(bench.words(), ["Long WL-2 firing 3631.5"]);
    assert_eq!(bench.engine.meters().clock_jumps, 1);
}

#[test]
fn counts_and_health_are_told_per_rule() {
    let entries = [HIGH, ("Wait", "expr: water_level > 3\nfor: 1m")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.observe(1.0, 4, LEVEL, 3.2);
    bench.tick(2.0);
    bench.said();
    let states = bench.engine.rule_states();
    let counts: Vec<_> = states.iter().map(|state| (&*state.name, state.firing, state.pending)).collect();
    assert_eq!(counts, [("High", 1, 0), ("Wait", 0, 2)]);
    assert!(states.iter().all(|state| state.health == RuleHealth::Ok), "{states:?}");
}

#[test]
fn progress_waits_until_transitions_are_handed_over() {
    let mut bench = Setup { out_room: Some(1), shards: 2, ..Setup::new(rules(&[HIGH])) }.start();
    for (step, device) in [0, 2, 4].into_iter().enumerate() {
        bench.observe(1.0 + step as f64, device, LEVEL, 4.0);
    }
    until("a transition", || !bench.out.is_empty());
    assert!(bench.engine.processed() < 3, "three transitions, room for one");
    let mut words = bench.words();
    words.sort();
    assert_eq!(words, ["High WL-0 firing 1", "High WL-2 firing 2", "High WL-4 firing 3"]);
}

#[test]
fn silence_and_the_sun_are_looked_at_when_they_can_have_changed_and_not_with_every_tick() {
    let rules = rules(&[
        ("Silent", "expr: device_silent_seconds > 1500"),
        ("AllSilent", "expr: avg(device_silent_seconds > bool 1700.5) >= 1"),
        // At the start, 7 h in Huế in October, it stands some 17 degrees high and climbs by 14 an hour.
        ("Day", "expr: last_over_time(water_level[1h]) > 3.5 and sun_elevation() > 20"),
    ]);
    let mut bench = Setup { startup_ms: START, ..Setup::new(rules) }.start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.words();
    bench.ticks(2, 301);
    bench.words();
    let evaluations = bench.engine.meters().evaluations;
    bench.ticks(302, 601);
    assert_eq!(bench.words(), [""; 0]);
    let more = bench.engine.meters().evaluations - evaluations;
    assert!(more <= 10, "300 ticks made {more} evaluations");
    bench.ticks(602, 1_800);
    let words = bench.words();
    let of = |what: &str| words.iter().filter(|word| word.starts_with(what)).cloned().collect::<Vec<_>>();
    assert!(of("Silent WL-2 ").iter().eq(["Silent WL-2 firing 1502"]), "{words:#?}");
    assert_eq!(of("AllSilent").len(), 1, "{words:#?}");
    assert_eq!(of("Day WL-2 firing").len(), 1, "{words:#?}");
}

#[test]
fn an_engine_that_nobody_listens_to_stops_and_says_so() {
    let mut bench = Setup::new(rules(&[HIGH])).start();
    bench.out = crossbeam_channel::never();
    let high = Observation { property: LEVEL, ts_ms: START, value: 4.0, quality: Quality::GOOD };
    let (device, observations) = (DeviceIndex(2), vec![high]);
    let mut input = Input::Message {
        offset: 1,
        committed_ms: START,
        device,
        arrival_ms: START,
        set_back_ms: None,
        observations,
    };
    // The engine may have noticed before the first one is offered whole.
    while bench.feeder().offer(&input).is_ok() {
        input = Input::Other { offset: 2 };
        std::thread::yield_now();
    }
    assert_eq!(bench.engine.processed(), 0, "what was not told is not done");
    bench.stop();
}
