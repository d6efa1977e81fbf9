//! After a stop at any moment, replay repeats no transition and loses none.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{Bench, LEVEL, POWER, Past, START, Setup, fleet, rules, until, words};
use ioc_model::{Condition, DeviceIndex, Fingerprint, Observation, Quality};
use ioc_rules::{Input, RestoredAlert, RuleSet, RuleTransition};
use std::{collections::BTreeMap, sync::Arc};

fn flood_rules() -> RuleSet {
    rules(&[
        ("Level", "expr: water_level > 5"),
        ("LevelFor", "expr: water_level > 4\nfor: 3s"),
        ("Average", "expr: avg_over_time(water_level[8s]) > 4.3"),
        ("Hysteresis", "expr: water_level > 6\nclear: water_level < 3"),
        ("City", "expr: sum(water_level) > 11"),
        ("Ward", "expr: max by (ward) (active_power) > 5\nfor: 2s"),
    ])
}

/// Water levels and lamps going up and down, one message each 500 ms and no tick: everything that is decided is
/// decided by an input of the journal.
fn history() -> Vec<Input> {
    let wave = |step: i64, device: i64| ((step * (device + 3)) % 23 - (step * 5 + device) % 7).abs() % 9;
    let input = |step: i64| {
        let device = step % 4;
        let arrival_ms = START + 500 * step;
        let property = if device % 2 == 0 { LEVEL } else { POWER };
        let value = wave(step, device) as f64;
        let observation = Observation { property, ts_ms: arrival_ms - 3, value, quality: Quality::GOOD };
        let (offset, device) = (step as u64, DeviceIndex(device as u32));
        Input::Message {
            offset,
            committed_ms: arrival_ms,
            device,
            arrival_ms,
            set_back_ms: None,
            observations: vec![observation],
        }
    };
    (1..=70).map(input).collect()
}

fn feed(bench: &mut Bench, inputs: &[Input]) {
    let mut feed = bench.feeder().feed();
    inputs.iter().for_each(|input| feed.offer(input));
}

/// Runs to the end; transitions in the order in which the journal would hold them.
fn run(mut bench: Bench, inputs: &[Input]) -> Vec<RuleTransition> {
    feed(&mut bench, inputs);
    bench.stop();
    let mut said: Vec<_> = bench.out.try_iter().collect();
    said.sort_by_key(|transition| transition.cause);
    said
}

fn arrival(input: Option<&Input>) -> i64 {
    match input {
        Some(Input::Message { arrival_ms, .. }) => *arrival_ms,
        _ => START,
    }
}

fn stories(said: &[RuleTransition]) -> BTreeMap<Fingerprint, Vec<String>> {
    let mut stories: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for transition in said {
        stories.entry(transition.alert.fingerprint).or_default().push(words(transition));
    }
    stories
}

/// Returns the last transition of each fingerprint.
fn last_of_each(known: &[RuleTransition]) -> Vec<RestoredAlert> {
    let last: BTreeMap<_, _> =
        known.iter().map(|transition| (transition.alert.fingerprint, transition)).collect();
    last.into_values().map(|last| RestoredAlert { alert: last.alert.clone(), cause: last.cause }).collect()
}

#[test]
fn a_stop_at_any_input_with_any_part_recorded_repeats_and_loses_nothing() {
    let inputs = history();
    let whole = run(Setup { devices: fleet(4), ..Setup::new(flood_rules()) }.start(), &inputs);
    assert!(whole.len() > 40, "{}", whole.len());
    // Inputs up to `checkpoint` are only in the store; transitions up to `recorded` are in the journal.
    for checkpoint in (0..inputs.len()).step_by(4) {
        for recorded in (checkpoint..=inputs.len()).step_by(9) {
            let past = Arc::new(Past::default());
            inputs.iter().for_each(|input| past.record(input));
            let (known, _): (Vec<_>, Vec<_>) =
                whole.iter().cloned().partition(|transition| transition.cause <= recorded as u64);
            let setup = Setup {
                devices: fleet(4),
                past,
                shards: 1 + checkpoint % 3,
                restored: last_of_each(&known),
                seed_to_ms: arrival(checkpoint.checked_sub(1).and_then(|last| inputs.get(last))),
                resume_after: checkpoint as u64,
                ..Setup::new(flood_rules())
            };
            let again = run(setup.start(), &inputs[checkpoint..]);
            let all: Vec<_> = known.into_iter().chain(again).collect();
            assert_eq!(stories(&all), stories(&whole), "checkpoint {checkpoint}, recorded up to {recorded}");
        }
    }
}

#[test]
fn an_open_alert_keeps_its_id_and_clears_under_it() {
    let mut bench = Setup::new(rules(&[("High", "expr: water_level > 3.5\nfor: 10s")])).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    let pending = bench.said();
    let setup = Setup {
        restored: last_of_each(&pending),
        seed_to_ms: START + 2_000,
        startup_ms: START + 5_000,
        resume_after: 10,
        ..Setup::new(rules(&[("High", "expr: water_level > 3.5\nfor: 10s")]))
    };
    let mut bench = setup.start();
    until("windows to be filled", || bench.engine.is_filled());
    assert_eq!(bench.engine.rule_states()[0].pending, 1);
    // The silence until then is ours; `for` goes on from when it was first true.
    bench.ticks(5, 8);
    bench.observe(10.9, 2, LEVEL, 4.0);
    bench.observe(11.0, 2, LEVEL, 4.0);
    let fired = bench.said();
    assert_eq!(fired.iter().map(words).collect::<Vec<_>>(), ["High WL-2 firing 11"]);
    bench.observe(12.0, 2, LEVEL, 1.0);
    let cleared = bench.said();
    assert_eq!((fired[0].alert.id, cleared[0].alert.id), (pending[0].alert.id, pending[0].alert.id));
    assert_eq!(cleared[0].alert.active_since, START + 1_000);
}

#[test]
fn a_for_that_ends_after_a_restart_goes_back_to_no_input_of_this_run() {
    let entries = [("High", "expr: water_level > 3.5\nfor: 3s")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    let past = Past::of(2, LEVEL, [(START + 1_000, 4.0)]);
    let setup = Setup {
        past: Arc::new(past),
        restored: last_of_each(&bench.said()),
        seed_to_ms: START + 2_000,
        startup_ms: START + 2_500,
        resume_after: 10,
        ..Setup::new(rules(&entries))
    };
    let mut bench = setup.start();
    bench.ticks(3, 5);
    let said = bench.said();
    assert_eq!(said.iter().map(words).collect::<Vec<_>>(), ["High WL-2 firing 4"]);
    let hops = said[0].alert.evidence.hops;
    assert_eq!((hops.event, hops.arrival, hops.committed, hops.decided), (0, 0, 0, START + 4_000));
    assert_eq!(said[0].alert.arrival_time, START + 4_000);
}

#[test]
fn an_alert_whose_gauge_stayed_silent_through_the_restart_is_held() {
    for rule in ["expr: water_level > 3.5", "expr: sum(water_level) > 3.5"] {
        let mut bench = Setup::new(rules(&[("High", rule)])).start();
        bench.observe(1.0, 2, LEVEL, 4.0);
        let firing = bench.said();
        let past = Past::of(2, LEVEL, [(START + 1_000, 4.0)]);
        let setup = Setup {
            past: Arc::new(past),
            restored: last_of_each(&firing),
            seed_to_ms: START + 2_000,
            startup_ms: START + 3_600_000,
            resume_after: 10,
            ..Setup::new(rules(&[("High", rule)]))
        };
        let mut bench = setup.start();
        bench.ticks(3_600, 3_603);
        assert_eq!(bench.words(), [""; 0], "two periods are ours");
        bench.ticks(3_604, 3_610);
        let said = bench.said();
        assert_eq!(said.len(), 1, "{rule}");
        assert!(said[0].alert.no_data && said[0].alert.state == Condition::Firing, "{rule}");
        assert_eq!(said[0].alert.id, firing[0].alert.id);
        bench.observe(3_611.0, 2, LEVEL, 1.0);
        let cleared = bench.said();
        assert_eq!((cleared.len(), cleared[0].alert.state), (1, Condition::Cleared), "{rule}");
    }
}

/// A start an hour later, of whose past nothing is known but the alerts.
fn an_hour_later(entries: &[(&str, &str)], known: &[RuleTransition]) -> Bench {
    let setup = Setup {
        restored: last_of_each(known),
        seed_to_ms: START + 2_000,
        startup_ms: START + 3_600_000,
        resume_after: 10,
        ..Setup::new(rules(entries))
    };
    setup.start()
}

#[test]
fn an_alert_is_held_by_its_own_evidence_when_the_past_has_nothing_of_it() {
    // Water levels are not expected to report power; a value that is derived from others is in no kind's list either.
    let entries = [("Power", "expr: active_power > 3.5")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, POWER, 4.0);
    let firing = bench.said();
    let mut bench = an_hour_later(&entries, &firing);
    bench.ticks(3_600, 3_603);
    assert_eq!(bench.words(), [""; 0], "two periods are ours");
    bench.ticks(3_604, 3_606);
    let silent = bench.said();
    assert_eq!(silent.iter().map(words).collect::<Vec<_>>(), ["Power WL-2 firing without data 3604"]);
    // By then its evidence names nothing that spoke.
    let mut bench = an_hour_later(&entries, &silent);
    bench.ticks(3_600, 3_610);
    assert_eq!(bench.words(), [""; 0]);
    bench.observe(3_611.0, 2, POWER, 1.0);
    assert_eq!(bench.words(), ["Power WL-2 cleared 3611"]);
}

#[test]
fn an_alert_of_a_device_that_is_offline_outlives_a_restart_until_the_device_comes_back() {
    let entries = [("Offline", "expr: device_online == 0")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.presence(1.0, 2, false);
    let firing = bench.said();
    assert_eq!(firing.len(), 1);
    let mut bench = an_hour_later(&entries, &firing);
    bench.ticks(3_600, 3_610);
    assert_eq!(bench.words(), ["Offline WL-2 firing without data 3604"]);
    bench.presence(3_611.0, 2, true);
    assert_eq!(bench.words(), ["Offline WL-2 cleared 3611"]);
}

#[test]
fn what_an_alert_did_not_come_of_does_not_hold_it_after_a_restart() {
    let entries = [("Either", "expr: active_power > 3 or active_energy > 3")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 1, POWER, 4.0);
    let firing = bench.said();
    let mut bench = an_hour_later(&entries, &firing);
    bench.observe(3_601.0, 1, POWER, 1.0);
    assert_eq!(bench.words(), ["Either LUM-1 cleared 3601"], "energy was never reported");
}

#[test]
fn a_silence_alert_survives_a_restart_without_starting_over() {
    let entries = [("Silent", "expr: device_silent_seconds{device=\"WL-2\"} > 10")];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.ticks(2, 20);
    let firing = bench.said();
    assert_eq!(firing.len(), 1);
    // The past does not know when the device was last heard of; the alert does.
    let setup = Setup {
        restored: last_of_each(&firing),
        seed_to_ms: START + 21_000,
        startup_ms: START + 30_000,
        resume_after: 10,
        ..Setup::new(rules(&entries))
    };
    let mut bench = setup.start();
    bench.ticks(30, 50);
    assert_eq!(bench.words(), [""; 0]);
    bench.observe(51.0, 2, LEVEL, 4.0);
    assert_eq!(bench.words(), ["Silent WL-2 cleared 51"]);
}

#[test]
fn alerts_of_changed_rules_and_gone_devices_are_cleared_at_the_start() {
    let mut bench =
        Setup::new(rules(&[("High", "expr: water_level > 3.5"), ("Sum", "expr: sum(water_level) > 3.5")]))
            .start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.observe(1.5, 4, LEVEL, 4.0);
    let firing = bench.said();
    assert_eq!(firing.len(), 3);
    let restart = |rules: RuleSet, devices: u32| {
        let setup = Setup {
            restored: last_of_each(&firing),
            devices: fleet(devices),
            resume_after: 10,
            ..Setup::new(rules)
        };
        let mut words = setup.start().last_words();
        words.sort();
        words
    };
    let changed = rules(&[("High", "expr: water_level > 3.6"), ("Sum", "expr: sum(water_level) > 3.5")]);
    let at = "-3600";
    assert_eq!(restart(changed, 8), [format!("High WL-2 cleared {at}"), format!("High WL-4 cleared {at}")]);
    let same = rules(&[("High", "expr: water_level > 3.5"), ("Sum", "expr: sum(water_level) > 3.5")]);
    assert_eq!(restart(same, 4), [format!("High WL-4 cleared {at}")]);
}

#[test]
fn windows_are_filled_from_the_past_and_what_they_say_alone_raises_nothing() {
    let samples = (0..10).map(|step| (START - 10_000 + 1_000 * step, 9.0));
    let past = Past::of(2, LEVEL, samples);
    let entries = [
        ("Average", "expr: avg_over_time(water_level[20s]) > 5"),
        ("Count", "expr: count_over_time(water_level[20s]) == 11"),
        ("City", "expr: sum(avg_over_time(water_level[20s])) > 5"),
    ];
    let mut bench = Setup { past: Arc::new(past), ..Setup::new(rules(&entries)) }.start();
    bench.tick(0.0);
    assert_eq!(bench.words(), [""; 0]);
    bench.observe(1.0, 2, LEVEL, 0.0);
    let mut words = bench.words();
    words.sort();
    assert_eq!(words, ["Average WL-2 firing 1", "City - firing 1", "Count WL-2 firing 1"]);
}

#[test]
fn rules_that_changed_while_the_center_was_down_see_the_last_values_and_the_others_repeat_nothing() {
    let before = [
        ("Same", "expr: water_level > 5"),
        ("SameSum", "expr: sum(water_level) > 5"),
        ("Changed", "expr: water_level > 5"),
        ("ChangedSum", "expr: sum(water_level) > 5"),
        ("Wait", "expr: water_level > 5\nfor: 10m"),
        ("Gone", "expr: water_level > 5"),
    ];
    let after = [
        ("New", "expr: water_level > 6"),
        ("Low", "expr: water_level < 6"),
        ("NewSum", "expr: sum(water_level) > 6"),
        ("ChangedSum", "expr: sum(water_level) > 7"),
        ("Changed", "expr: water_level > 7"),
        ("Wait", "expr: water_level > 5\nfor: 11m"),
        ("SameSum", "expr: sum(water_level) > 5"),
        ("Same", "expr: water_level > 5"),
    ];
    for shards in [1, 3] {
        let mut bench = Setup { shards, ..Setup::new(rules(&before)) }.start();
        bench.observe(1.0, 2, LEVEL, 9.0);
        let known = bench.said();
        assert_eq!(known.len(), 6);
        let past = Past::of(2, LEVEL, [(START + 1_000, 9.0)]);
        // Down for 3 s: within three reporting periods the value is still current.
        let setup = Setup {
            shards,
            past: Arc::new(past),
            restored: last_of_each(&known),
            seed_to_ms: START + 2_000,
            startup_ms: START + 4_000,
            resume_after: 10,
            ..Setup::new(rules(&before))
        };
        let mut bench = setup.start();
        bench.engine.replace_rules(&rules(&after)).unwrap();
        let mut words = bench.words();
        words.sort();
        let cleared = ["Changed WL-2", "ChangedSum -", "Gone WL-2"].map(|of| format!("{of} cleared 4"));
        assert_eq!(words[..3], cleared, "not before the start");
        assert_eq!(words[3..], ["Wait WL-2 withdrawn 4"]);
        bench.tick(4.1);
        let mut words = bench.words();
        words.sort();
        assert_eq!(
            words,
            [
                "Changed WL-2 firing 4.1",
                "ChangedSum - firing 4.1",
                "New WL-2 firing 4.1",
                "NewSum - firing 4.1",
                "Wait WL-2 pending 4.1"
            ]
        );
        bench.tick(5.0);
        assert_eq!(bench.words(), [""; 0]);
        bench.observe(5.5, 2, LEVEL, 1.0);
        let said = bench.said();
        let same = said.iter().find(|transition| transition.alert.rule == "Same").unwrap();
        assert_eq!(same.alert.id, known.iter().find(|one| one.alert.rule == "Same").unwrap().alert.id);
    }
}

#[test]
fn a_changed_rule_raises_nothing_of_a_value_that_is_no_longer_current() {
    let past = Past::of(2, LEVEL, [(START + 1_000, 9.0)]);
    let setup = Setup {
        past: Arc::new(past),
        seed_to_ms: START + 2_000,
        startup_ms: START + 3_600_000,
        resume_after: 10,
        ..Setup::new(rules(&[("High", "expr: water_level > 5")]))
    };
    let mut bench = setup.start();
    bench.engine.replace_rules(&rules(&[("High", "expr: water_level > 6")])).unwrap();
    bench.ticks(3_600, 3_610);
    assert_eq!(bench.words(), [""; 0]);
}

/// `keep_firing_for` and a share that is used up hold what is over: no input to come ends it after a start.
#[test]
fn what_was_over_and_held_ends_after_a_start() {
    let entries = [
        ("Kept", "expr: water_level > 3.5\nkeep_firing_for: 2s"),
        ("KeptCity", "expr: sum(water_level) > 3.5\nkeep_firing_for: 2s"),
    ];
    let mut bench = Setup::new(rules(&entries)).start();
    bench.observe(1.0, 2, LEVEL, 4.0);
    bench.observe(1.5, 2, LEVEL, 1.0);
    bench.tick(2.0);
    let restored = last_of_each(&bench.said());
    assert_eq!(restored.len(), 2);
    let past = Arc::new(Past::of(2, LEVEL, [(START + 1_000, 4.0), (START + 1_500, 1.0)]));
    let setup = Setup::new(rules(&entries));
    let seed_to_ms = START + 3_000;
    let mut bench = Setup { past, restored, seed_to_ms, resume_after: bench.offset, ..setup }.start();
    bench.ticks(4, 12);
    let words = bench.words();
    assert_eq!(words.iter().filter(|word| word.contains("cleared")).count(), 2, "{words:?}");
}
