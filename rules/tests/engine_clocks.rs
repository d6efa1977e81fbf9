//! Two clocks never agree: devices that are behind or ahead are heard as those that are right, before a start and after.
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "tests")]
mod engine_support;

use engine_support::{Bench, LEVEL, POWER, Past, START, Setup, rules, until};
use ioc_model::{
    DeviceIndex, Observation, PropertyId, Quality,
    time::{ClockOffset, LATE_AFTER_MS, is_late},
};
use ioc_rules::{Input, PastSample, PastSamples};
use std::sync::{Arc, Mutex};

const HIGH: (&str, &str) = ("High", "expr: water_level > 5");

/// Lets the gauge send what its clock, so many seconds behind, calls now.
fn send(bench: &mut Bench, at: f64, behind: f64, value: f64) {
    send_as(bench, at, behind, value, Quality::GOOD);
}

fn send_as(bench: &mut Bench, at: f64, behind: f64, value: f64, quality: Quality) {
    let ts_ms = START + ((at - behind) * 1e3) as i64;
    bench.observe_as(at, 2, Observation { property: LEVEL, ts_ms, value, quality });
}

#[test]
fn a_clock_that_is_off_loses_no_alarm() {
    for behind in [-300.0, -240.0, -1.0, 0.0, 35.0, 60.0, 119.0, 600.0, 900.0] {
        let mut bench = Setup::new(rules(&[HIGH])).start();
        send(&mut bench, 1.0, behind, 9.0);
        assert_eq!(bench.words(), ["High WL-2 firing 1"], "{behind} s behind");
        // It counts for three periods from its arrival, and each newer one after it.
        bench.ticks(2, 6);
        assert_eq!(bench.words(), [""; 0], "{behind} s behind");
        send(&mut bench, 6.5, behind, 9.0);
        bench.ticks(7, 12);
        assert_eq!(bench.words(), [""; 0], "{behind} s behind");
        bench.ticks(13, 14);
        assert_eq!(bench.words(), ["High WL-2 firing without data 13"], "{behind} s behind");
        send(&mut bench, 14.5, behind, 1.0);
        assert_eq!(bench.words(), ["High WL-2 cleared 14.5"], "{behind} s behind");
    }
}

#[test]
fn short_windows_of_a_clock_that_is_behind_are_not_empty() {
    for behind in [0.0, 35.0, 119.0, 900.0] {
        let mut bench =
            Setup::new(rules(&[("Mean", "expr: avg_over_time(water_level[5s]) > 5\nfor: 3s")])).start();
        for step in 0..20 {
            send(&mut bench, 1.0 + 2.0 * f64::from(step), behind, 9.0);
            bench.tick(2.0 + 2.0 * f64::from(step));
        }
        let words = bench.words();
        assert!(
            words.last().is_some_and(|word| word.starts_with("Mean WL-2 firing")),
            "{behind} s: {words:?}"
        );
        assert!(words.len() <= 2, "{behind} s behind: {words:?}");
    }
}

/// When our own clock is wrong, right devices look hours off: what the edge subtracted is subtracted here.
#[test]
fn an_offset_that_the_edge_subtracted_is_subtracted_from_windows() {
    for behind in [1_200.0, 36_000.0] {
        for (quality, fires) in [(Quality::CLOCK_OFFSET, true), (Quality::LATE, false)] {
            let mean = ("Mean", "expr: avg_over_time(water_level[5s]) > 5\nfor: 3s");
            let mut bench = Setup::new(rules(&[mean])).start();
            for step in 0..20 {
                send_as(&mut bench, 1.0 + 2.0 * f64::from(step), behind, 9.0, quality);
                bench.tick(2.0 + 2.0 * f64::from(step));
            }
            let words = bench.words();
            let fired = words.last().is_some_and(|word| word.starts_with("Mean WL-2 firing"));
            assert_eq!(fired, fires, "{behind} s behind, {quality:?}: {words:?}");
        }
    }
}

#[test]
fn a_time_ahead_hides_nothing_that_comes_later() {
    let mut bench = Setup::new(rules(&[HIGH])).start();
    send(&mut bench, 1.0, -240.0, 9.0);
    send(&mut bench, 2.0, 0.0, 1.0);
    assert_eq!(bench.words(), ["High WL-2 firing 1", "High WL-2 cleared 2"]);
    send(&mut bench, 3.0, -240.0, 1.0);
    send(&mut bench, 4.0, 0.0, 9.0);
    assert_eq!(bench.words(), ["High WL-2 firing 4"]);
}

#[test]
fn what_came_late_is_not_the_present() {
    let mut bench = Setup::new(rules(&[HIGH])).start();
    send(&mut bench, 1.0, 0.0, 9.0);
    bench.ticks(2, 8);
    assert_eq!(bench.words(), ["High WL-2 firing 1", "High WL-2 firing without data 7"]);
    // Kept back for an hour: nothing is known of now, and the alarm neither goes on nor ends.
    send_as(&mut bench, 8.5, 3_600.0, 1.0, Quality::LATE);
    send_as(&mut bench, 8.6, 3.0, 1.0, Quality::LATE);
    bench.tick(13.0);
    assert_eq!(
        bench.words(),
        ["High WL-2 cleared 8.6"],
        "three seconds old, and so the present for three more"
    );
    send_as(&mut bench, 14.0, 3_000.0, 9.0, Quality::LATE);
    bench.tick(15.0);
    assert_eq!(bench.words(), [""; 0]);
}

/// A gauge whose clock the edge looks at: what it finds comes with the message.
struct Looked {
    bench: Bench,
    edge: ClockOffset,
}

impl Looked {
    fn new(rule: (&str, &str)) -> Self {
        Self { bench: Setup::new(rules(&[rule])).start(), edge: ClockOffset::default() }
    }

    /// Sends each second, from one on and up to another, what its clock calls now; ticks in between.
    fn report(&mut self, seconds: std::ops::Range<u32>, behind: f64, value: f64) {
        for second in seconds {
            let at = f64::from(second);
            let (ts_ms, arrival_ms) = (START + ((at - behind) * 1e3) as i64, START + (at * 1e3) as i64);
            let step = self.edge.observe(ts_ms, arrival_ms);
            let late = is_late(ts_ms, arrival_ms, self.edge.usable_ms(), LATE_AFTER_MS);
            let quality = if late { Quality::LATE } else { Quality::GOOD };
            self.bench.observe_stepped(at, 2, Observation { property: LEVEL, ts_ms, value, quality }, step);
            self.bench.tick(at + 0.5);
        }
    }
}

/// However far its clock goes back, the third message that shows it counts.
#[test]
fn a_clock_that_is_set_back_loses_no_alarm() {
    for step in [5.0, 15.0, 29.0, 31.0, 119.0, 200.0, 900.0] {
        let mut gauge = Looked::new(HIGH);
        gauge.report(1..40, 0.0, 1.0);
        gauge.report(40..60, step, 9.0);
        assert_eq!(gauge.bench.words(), ["High WL-2 firing 42"], "{step} s");
        gauge.report(60..70, step, 1.0);
        assert_eq!(gauge.bench.words(), ["High WL-2 cleared 60"], "{step} s");
        // And right again.
        gauge.report(70..80, 0.0, 9.0);
        assert_eq!(gauge.bench.words(), ["High WL-2 firing 70"], "{step} s");
    }
}

/// What windows held before is where it was: neither a gap nor a counter that seems to have begun anew.
#[test]
fn windows_go_back_with_their_clock() {
    for step in [5.25, 15.25, 200.25] {
        let mut gauge =
            Looked::new(("Many", "expr: count_over_time(water_level[20s]) >= 20 or water_level > 50"));
        gauge.report(1..40, 0.0, 1.0);
        assert_eq!(gauge.bench.words(), ["Many WL-2 firing 20"]);
        gauge.report(40..44, step, 1.0);
        gauge.bench.words();
        gauge.report(44..90, step, 1.0);
        assert_eq!(gauge.bench.words(), [""; 0], "{step} s: no hole passes through the window");
    }
    for step in [5.25, 15.25, 200.25] {
        let mut gauge = Looked::new(("Grown", "expr: increase(water_level[30s]) > 100"));
        for second in 1..120 {
            let behind = if second < 50 { 0.0 } else { step };
            gauge.report(second..second + 1, behind, f64::from(second));
            // While it is not known, what comes since stands among what came before; it is late, or starts something.
            if (50..53).contains(&second) {
                gauge.bench.words();
            }
        }
        let words = gauge.bench.words();
        assert!(words.iter().all(|word| !word.contains("firing")), "{step} s: {words:?}");
    }
}

/// A past that knows when the newest reading came, and counts what is asked of it.
struct Counted {
    past: Past,
    arrived_ms: Option<i64>,
    longest_ms: Mutex<i64>,
}

impl Counted {
    fn arrived(&self, sample: PastSample) -> PastSample {
        let fresh_ms = self.arrived_ms.unwrap_or(sample.placed_ms);
        PastSample { fresh_ms: fresh_ms.max(sample.placed_ms), ..sample }
    }
}

impl PastSamples for Counted {
    fn samples(&self, device: DeviceIndex, property: PropertyId, from: i64, to: i64) -> Vec<PastSample> {
        let mut longest = self.longest_ms.lock().unwrap();
        *longest = (*longest).max(to - from);
        let samples = self.past.samples(device, property, from, to);
        samples.into_iter().map(|sample| self.arrived(sample)).collect()
    }
    fn summaries(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        (from, to): (i64, i64),
        step: i64,
    ) -> Vec<ioc_rules::PastSummary> {
        ioc_rules::summarized(&self.past.samples(device, property, from, to), step)
    }
    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<PastSample> {
        self.past.last(device, property).map(|sample| self.arrived(sample))
    }
}

fn started(rule: (&str, &str), past: &Arc<Counted>) -> Bench {
    let past: Arc<dyn PastSamples> = Arc::clone(past) as _;
    Setup::new(rules(&[rule])).start_with(past)
}

fn counted(samples: impl Iterator<Item = (i64, f64)>, arrived_ms: Option<i64>) -> Arc<Counted> {
    let past = Past::of(2, LEVEL, samples);
    Arc::new(Counted { past, arrived_ms, longest_ms: Mutex::new(0) })
}

#[test]
fn what_arrived_before_a_start_counts_from_its_arrival_too() {
    let expected = [(Some(START), true), (None, false), (Some(START - 9_000), false)];
    for (arrived_ms, is_present) in expected {
        // A gauge whose clock is a minute behind; its lamp is not, and touches the rule.
        let past = counted([(START - 60_000, 9.0)].into_iter(), arrived_ms);
        let mut bench = started(("High", "expr: water_level > 5 and device_silent_seconds < 100000"), &past);
        bench.presence(1.0, 2, true);
        bench.ticks(2, 3);
        let found = bench.words();
        assert_eq!(!found.is_empty(), is_present, "{arrived_ms:?}: {found:?}");
    }
}

#[test]
fn a_long_window_is_filled_without_reading_each_sample() {
    let samples = || (1..=43_200).map(|n| (START - n * 2_000, 4.0 + (n % 2) as f64));
    let past = counted(samples(), Some(START));
    let mut bench =
        started(("Mean", "expr: avg_over_time(water_level[8h]) > 4.4 and water_level > 8"), &past);
    send(&mut bench, 1.0, 0.0, 9.0);
    let said = bench.said();
    assert_eq!(said.len(), 1);
    let mean = said[0].alert.evidence.parts.iter().find(|part| part.expr.starts_with("avg_over")).unwrap();
    let value = said[0].alert.evidence.parts[1].value.or(mean.value).unwrap();
    assert!((value - 4.5).abs() < 0.01, "{value}");
    assert!(*past.longest_ms.lock().unwrap() <= 600_000, "read sample by sample");
    // A slope needs each.
    let past = counted(samples(), Some(START));
    started(("Slope", "expr: deriv(water_level[1h]) > 4"), &past).said();
    assert!(*past.longest_ms.lock().unwrap() >= 3_600_000);
}

/// A batch of a second each, ten seconds long, from a gauge whose clock is so far behind.
fn send_batch(bench: &mut Bench, at: f64, behind: f64, value: impl Fn(u32) -> f64) {
    let at_ms = START + (at * 1e3) as i64;
    let one = |n: u32| {
        let ts_ms = at_ms - ((9.0 - f64::from(n) + behind) * 1e3) as i64;
        Observation { property: LEVEL, ts_ms, value: value(n), quality: Quality::GOOD }
    };
    bench.observe_all(at, 2, (0..10).map(one).collect(), None);
}

#[test]
fn batches_of_a_clock_that_is_ahead_fill_windows_like_any() {
    let entries = [
        ("Count", "expr: count_over_time(water_level[60s]) >= 25"),
        ("Spike", "expr: max_over_time(water_level[60s]) > 8"),
        ("Mean", "expr: avg_over_time(water_level[60s]) > 1.5"),
    ];
    for behind in [0.0, -0.3, -5.0, -12.0, -60.0, -290.0] {
        let mut bench = Setup::new(rules(&entries)).start();
        for batch in 0..5u32 {
            // A single spike in the middle of the last two; the rest is calm.
            let value = |n: u32| if batch >= 3 && n == 4 { 9.0 } else { 1.0 };
            send_batch(&mut bench, f64::from(batch * 10 + 10), behind, value);
        }
        let words = bench.words();
        assert_eq!(words, ["Count WL-2 firing 30", "Spike WL-2 firing 40"], "{behind} s");
    }
}

/// Derived values have our time: they say nothing about the clock of the device that they are about.
#[test]
fn what_we_write_down_about_a_device_is_not_its_clock() {
    for behind in [600.0, -60.0, 0.0] {
        let mut bench =
            Setup::new(rules(&[("Many", "expr: count_over_time(water_level[20s]) >= 10")])).start();
        for second in 1..40 {
            let at = f64::from(second);
            send(&mut bench, at, behind, 1.0);
            if second % 7 == 0 {
                send_derived(&mut bench, at + 0.1);
            }
            bench.tick(at + 0.5);
        }
        let words = bench.words();
        assert_eq!(words.len(), 1, "{behind} s: {words:?}");
    }
}

fn send_derived(bench: &mut Bench, at: f64) {
    let ts_ms = START + (at * 1e3) as i64;
    bench.observe_as(at, 2, Observation { property: POWER, ts_ms, value: 1.0, quality: Quality::DERIVED });
}

/// What happens in the middle of a story.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Break {
    None,
    /// The center ends and starts.
    Restart,
    /// The rules are loaded only then.
    Reload,
}

/// Tells of a gauge that reports every two seconds, with a break in the middle; returns what rules said.
fn story(entries: &[(&str, &str)], behind: f64, at_step_8: Break) -> Vec<String> {
    let past = Arc::new(Past::default());
    let calm = [("Calm", "expr: water_level > 1000")];
    let setup = |entries| Setup { past: Arc::clone(&past), ..Setup::new(rules(entries)) };
    let mut bench = setup(if at_step_8 == Break::Reload { &calm } else { entries }).start();
    for step in 0..14u32 {
        let at = 2.0 * f64::from(step) + 1.0;
        if step == 8 {
            assert_eq!(bench.words(), [""; 0], "{behind} s behind");
            let seed_to_ms = START + (at * 1e3) as i64 - 2_000;
            match at_step_8 {
                Break::None => {}
                Break::Restart => {
                    let resume_after = bench.offset;
                    bench =
                        Setup { seed_to_ms, startup_ms: seed_to_ms, resume_after, ..setup(entries) }.start();
                }
                Break::Reload => bench.engine.replace_rules(&rules(entries)).unwrap(),
            }
            // What is recorded from here on is not past.
            until("windows to be filled", || bench.engine.is_filled());
            assert_eq!(bench.words(), [""; 0], "{behind} s behind, {at_step_8:?}");
        }
        let value = match step {
            0 => 9.5,
            9..12 => 9.0,
            12.. => 1.5,
            _ => 1.0,
        };
        let (ts_ms, arrival_ms) = (START + ((at - behind) * 1e3) as i64, START + (at * 1e3) as i64);
        let observation = Observation { property: LEVEL, ts_ms, value, quality: Quality::GOOD };
        past.record(&Input::Message {
            offset: 0,
            committed_ms: arrival_ms,
            device: DeviceIndex(2),
            arrival_ms,
            set_back_ms: None,
            observations: vec![observation],
        });
        bench.observe_as(at, 2, observation);
    }
    bench.words()
}

#[test]
fn a_start_and_a_reload_find_windows_of_any_clock_as_they_were() {
    let entries = [
        ("Count", "expr: count_over_time(water_level[30s]) >= 11"),
        ("Delta", "expr: delta(water_level[12s]) > 5"),
        ("Slope", "expr: deriv(water_level[12s]) > 0.3"),
        ("Least", "expr: min_over_time(water_level[20s]) < 3 and water_level > 5"),
        ("Long", "expr: max_over_time(water_level[30m]) > 9.2 and water_level == 1.5"),
    ];
    for behind in [0.0, 600.0, 100.0, 15.0, -0.5, -5.0, -30.0, -100.0, -290.0] {
        let whole = story(&entries, behind, Break::None);
        let fired = whole.iter().filter(|word| word.contains("firing"));
        assert_eq!(fired.count(), entries.len(), "{behind} s behind: {whole:?}");
        for at_step_8 in [Break::Restart, Break::Reload] {
            assert_eq!(story(&entries, behind, at_step_8), whole, "{behind} s behind, {at_step_8:?}");
        }
    }
}
