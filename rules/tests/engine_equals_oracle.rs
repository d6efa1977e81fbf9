//! The engine, fed one by one in any number of shards, says what a plain evaluation of everything would say.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{
    COUNTER, LEVEL, POWER, START, Setup, fleet,
    oracle::{Labels, Oracle, Said, seconds},
    rules,
};
use ioc_model::{DeviceIndex, Observation, Presence, Quality, presence::PresenceCause, time::ClockOffset};
use ioc_rules::{Directory, Input, RuleSet, RuleTransition};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::LazyLock};

const DEVICES: u32 = 7;

fn every_kind_of_rule() -> RuleSet {
    static RULES: LazyLock<RuleSet> = LazyLock::new(parsed);
    RULES.clone()
}

fn parsed() -> RuleSet {
    rules(&[
        ("Level", "expr: water_level > 5"),
        ("LevelFor", "expr: water_level > 4\nfor: 4s"),
        ("LevelKept", "expr: water_level > 5\nkeep_firing_for: 5s"),
        ("LevelHysteresis", "expr: water_level > 6\nclear: water_level < 2"),
        (
            "LevelHysteresisKept",
            "expr: water_level > 6\nclear: water_level < 3\nkeep_firing_for: 3s\nfor: 1s",
        ),
        ("LevelUnheld", "expr: water_level > 5\nno_data: clear"),
        ("OneDevice", "expr: water_level{device=\"WL-2\"} >= 3"),
        ("OneWard", "expr: water_level{ward=~\"A|C\"} < 2"),
        ("Avg", "expr: avg_over_time(water_level[9s]) > 4"),
        ("MinMax", "expr: max_over_time(water_level[8s]) - min_over_time(water_level[8s]) > 5"),
        ("SumCount", "expr: sum_over_time(water_level[6s]) / count_over_time(water_level[6s]) > 5"),
        ("Few", "expr: count_over_time(water_level[10s]) < 2"),
        ("Last", "expr: last_over_time(water_level[20s]) == 7"),
        ("Rise", "expr: deriv(water_level[12s]) > 0.4937"),
        ("Delta", "expr: delta(water_level[12s]) > 4.0531"),
        ("Rate", "expr: rate(active_energy[15s]) > 0.7311\nfor: 2s"),
        ("Increase", "expr: increase(active_energy[15s]) > 9.0717"),
        ("Both", "expr: active_power > 3 and active_energy > 3"),
        ("Either", "expr: active_power > 6 or active_energy > 7"),
        ("Unless", "expr: active_power > 2 unless active_energy > 2"),
        ("Bool", "expr: (active_power > bool 3) + (active_energy > bool 3) == 2"),
        ("Ratio", "expr: abs(active_power - active_energy) / active_power > 2"),
        ("Flipped", "expr: -(5 < active_power) < -5"),
        ("Silent", "expr: device_silent_seconds > 6\nfor: 2s"),
        ("SilentAtLeast", "expr: 2.5 <= device_silent_seconds\nclear: device_silent_seconds < 0.5"),
        ("NotSilent", "expr: device_silent_seconds < 4 unless device_silent_seconds < 1.5"),
        ("SilentSome", "expr: device_silent_seconds > 2 and device_silent_seconds <= 7.0701"),
        ("SilentSince", "expr: water_level > 3 and device_silent_seconds >= 3\nkeep_firing_for: 2s"),
        ("SilentTwo", "expr: (device_silent_seconds > bool 2) + (device_silent_seconds > bool 5) == 2"),
        ("SilentEver", "expr: (device_silent_seconds > bool -1e300) == 1"),
        ("SilentNot", "expr: device_silent_seconds != 3"),
        (
            "SilentShare",
            "expr: avg by (ward) (device_silent_seconds > bool 5) >= 0.5\nclear: avg by (ward) (device_silent_seconds > bool 3) < 0.4",
        ),
        ("SilentCount", "expr: count(device_silent_seconds > 4) >= 3\nfor: 1s"),
        ("SilentLongest", "expr: max(device_silent_seconds) > 8"),
        ("Offline", "expr: device_online == 0\nfor: 3s"),
        ("Daytime", "expr: active_power > 3 and local_hour() >= 7 and on() hour() >= 1"),
        ("TimeOf", "expr: time() - water_level > 100 and water_level > 6"),
        ("CitySum", "expr: sum(water_level) > 12"),
        ("WardAvg", "expr: avg by (ward) (water_level) > 4\nfor: 2s"),
        ("WardMax", "expr: max without (device, street) (active_power) >= 7"),
        ("WardCount", "expr: count by (ward) (active_power > 5) >= 2"),
        ("WardMin", "expr: min by (ward, kind) (avg_over_time(water_level[8s])) < 2"),
        (
            "WardRatio",
            "expr: sum by (ward) (active_power) / count by (ward) (active_power) > 4\nclear: avg by (ward) (active_power) < 2",
        ),
        ("Nested", "expr: max(sum by (ward) (water_level)) > 10"),
        ("Absent", "expr: absent(water_level{device=\"WL-4\"})"),
        ("AbsentLong", "expr: absent_over_time(active_power{ward=\"A\"}[8s])\nfor: 2s"),
        ("WardUnheld", "expr: sum by (ward) (active_energy) > 8\nno_data: clear"),
    ])
}

/// What arrives: device, property, value, how far in the past it is dated in half seconds, quality.
#[derive(Debug, Clone)]
enum Event {
    Observe {
        device: u32,
        values: Vec<(u8, u8, i64, u8)>,
    },
    /// A clock goes back, and its device reports so many values a second apart.
    SetBack {
        device: u32,
        half_seconds: i64,
        values: Vec<u8>,
    },
    Presence {
        device: u32,
        online: bool,
    },
    Pause {
        half_seconds: u8,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = (0u8..2, 0u8..9, prop_oneof![6 => Just(0i64), 2 => 1i64..8, 1 => -4i64..0], 0u8..20);
    let observe = (0..DEVICES, prop::collection::vec(value, 1..3));
    let event = prop_oneof![
        12 => observe.prop_map(|(device, values)| Event::Observe { device, values }),
        1 => (0..DEVICES, any::<bool>()).prop_map(|(device, online)| Event::Presence { device, online }),
        3 => (1u8..4).prop_map(|half_seconds| Event::Pause { half_seconds }),
        1 => (10u8..40).prop_map(|half_seconds| Event::Pause { half_seconds }),
        1 => (0..DEVICES, 1i64..400, prop::collection::vec(0u8..9, 1..7))
            .prop_map(|(device, half_seconds, values)| Event::SetBack { device, half_seconds, values }),
    ];
    prop::collection::vec(event, 1..100)
}

fn observation(device: u32, at: i64, (which, value, back, quality): (u8, u8, i64, u8)) -> Observation {
    let property = match (device % 2, which) {
        (0, _) => LEVEL,
        (_, 0) => POWER,
        _ => COUNTER,
    };
    let quality = match quality {
        0 => Quality::LATE,
        1 => Quality::CALIBRATING,
        _ => Quality::GOOD,
    };
    Observation { property, ts_ms: at - 500 * back, value: f64::from(value), quality }
}

/// How many half seconds the clock of each device is behind; negative when it is ahead. Some are slower than their values
/// count for when that is judged by their clocks.
fn clocks() -> impl Strategy<Value = Vec<i64>> {
    let clock = prop_oneof![2 => Just(0i64), 1 => -600i64..0, 1 => 1i64..20, 2 => 20i64..1_800];
    prop::collection::vec(clock, DEVICES as usize)
}

/// Events of one kind less: a clock that is set back, and what its device reports then.
fn plain(event: &Event) -> Vec<Event> {
    let Event::SetBack { device, half_seconds, values } = event else { return vec![event.clone()] };
    let (device, none) = (*device, Vec::new());
    let reports = values.iter().flat_map(|value| {
        let values = vec![(0, *value, 0, 9), (1, *value, 0, 9)];
        [Event::Observe { device, values }, Event::Pause { half_seconds: 2 }]
    });
    [Event::SetBack { device, half_seconds: *half_seconds, values: none }]
        .into_iter()
        .chain(reports)
        .collect()
}

/// Lays events on a time line with a tick each second, and messages 70 ms apart in between. Clocks that go back are noticed
/// as the edge does.
fn inputs(events: &[Event], clocks: &[i64]) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut clocks: Vec<_> =
        (0..DEVICES as usize).map(|device| clocks.get(device).copied().unwrap_or(0)).collect();
    let mut edge = vec![ClockOffset::default(); DEVICES as usize];
    let events: Vec<_> = events.iter().flat_map(plain).collect();
    let (mut now, mut offset) = (START + 130, 0);
    let mut next_tick = START + 1_000;
    for event in &events {
        now += match event {
            Event::Pause { half_seconds } => i64::from(*half_seconds) * 500,
            Event::SetBack { .. } => 0,
            _ => 70,
        };
        while next_tick <= now {
            inputs.push(Input::Tick { now_ms: next_tick, monotonic_ms: next_tick - START });
            next_tick += 1_000;
        }
        offset += 1;
        match event {
            Event::Pause { .. } => inputs.push(Input::Other { offset }),
            Event::SetBack { device, half_seconds, .. } => {
                clocks[*device as usize] += half_seconds;
                inputs.push(Input::Other { offset });
            }
            Event::Presence { device, online } => {
                let (device, cause) = (DeviceIndex(*device), PresenceCause::Connected);
                let presence = Presence { device, at_ms: now, online: *online, cause };
                inputs.push(Input::Presence { offset, committed_ms: now, presence });
            }
            Event::Observe { device, values } => {
                let clock = now - 500 * clocks[*device as usize];
                let observations: Vec<_> =
                    values.iter().map(|value| observation(*device, clock, *value)).collect();
                let newest = observations.iter().map(|observation| observation.ts_ms).max();
                let set_back_ms = newest.and_then(|ts_ms| edge[*device as usize].observe(ts_ms, now));
                let (device, committed_ms, arrival_ms) = (DeviceIndex(*device), now, now);
                inputs.push(Input::Message {
                    offset,
                    committed_ms,
                    device,
                    arrival_ms,
                    set_back_ms,
                    observations,
                });
            }
        }
    }
    inputs
}

/// What was said about each alert, in order.
type Stories = BTreeMap<(String, Labels), Vec<String>>;

fn told(transitions: impl IntoIterator<Item = Said>) -> Stories {
    let mut stories = Stories::new();
    for (rule, labels, kind, at, withdrawn, no_data) in transitions {
        let line = format!("{kind} at {} withdrawn {withdrawn} no_data {no_data}", seconds(at));
        stories.entry((rule, labels)).or_default().push(line);
    }
    stories
}

fn said(transition: RuleTransition) -> Said {
    let RuleTransition { kind, at_ms, withdrawn_pending, alert, .. } = transition;
    (alert.rule, Labels::new(alert.labels), kind, at_ms, withdrawn_pending, alert.no_data)
}

fn by_engine(inputs: &[Input], shards: usize, batch: usize) -> Stories {
    let mut bench = Setup {
        shards,
        devices: fleet(DEVICES),
        startup_ms: START - 60_000,
        ..Setup::new(every_kind_of_rule())
    }
    .start();
    for inputs in inputs.chunks(batch) {
        let mut feed = bench.feeder().feed();
        inputs.iter().for_each(|input| feed.offer(input));
    }
    bench.stop();
    for state in bench.engine.rule_states() {
        assert_eq!(state.health, ioc_rules::RuleHealth::Ok, "{}", state.name);
    }
    told(bench.out.try_iter().map(said))
}

fn by_oracle(inputs: &[Input]) -> Stories {
    let rules = every_kind_of_rule();
    let mut oracle = Oracle::new(&rules, fleet(DEVICES).devices(), START - 60_000);
    inputs.iter().for_each(|input| oracle.take(input));
    told(oracle.said)
}

proptest! {
    // A sixteenth of PROPTEST_CASES, as the oracle is slow. Failures name their input; the tree stays free of regression files.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_by_one_in_any_number_of_shards_is_what_a_plain_evaluation_says(events in events(), clocks in clocks()) {
        let inputs = inputs(&events, &clocks);
        let expected = by_oracle(&inputs);
        for (shards, batch) in [(1, 1), (2, 17), (4, 1_000)] {
            let found = by_engine(&inputs, shards, batch);
            for key in expected.keys().chain(found.keys()) {
                let (expected, found) = (expected.get(key), found.get(key));
                prop_assert_eq!(found, expected, "{} shards, {:?}", shards, key);
            }
        }
    }
}

/// The property is about steps, too: they are frequent among its inputs.
#[test]
fn a_clock_that_goes_back_is_noticed_among_the_inputs() {
    let observe = |device, value| Event::Observe { device, values: vec![(0, value, 0, 9)] };
    let values: Vec<u8> = (0..6).collect();
    let mut events: Vec<_> = (0..20).map(|step| observe(step % DEVICES, 3)).collect();
    events.push(Event::SetBack { device: 2, half_seconds: 30, values: values.clone() });
    events.push(Event::SetBack { device: 3, half_seconds: 400, values });
    let inputs = inputs(&events, &[]);
    let steps = |input: &Input| match input {
        Input::Message { device, set_back_ms, .. } => set_back_ms.map(|_| device.0),
        _ => None,
    };
    assert_eq!(inputs.iter().filter_map(steps).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(by_engine(&inputs, 2, 5), by_oracle(&inputs));
}

#[test]
fn the_oracle_is_not_silent() {
    let observe = |device, value| Event::Observe { device, values: vec![(0, value, 0, 9)] };
    let high: Vec<_> = (0..30).map(|step| observe(step % DEVICES, 8)).collect();
    let stories = by_oracle(&inputs(&high, &[]));
    assert!(stories.len() > 10, "{stories:#?}");
    assert_eq!(by_engine(&inputs(&high, &[]), 2, 5), stories);
}
