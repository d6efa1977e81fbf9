//! Alerts that come and go too often: what one device's excess costs, and what it does not.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{LEVEL, Setup, rules};
use ioc_model::share::Rate;

const BURST: u32 = 5;

/// Has a device cross the threshold so many times a second from second 1 to 31, with a tick each second; it ends below.
fn flap(bench: &mut engine_support::Bench, device: u32, per_second: u32) {
    for second in 1..31 {
        for step in 0..per_second {
            let level = if step % 2 == 0 { 4.0 } else { 1.0 };
            bench.observe(f64::from(second) + f64::from(step) / f64::from(per_second), device, LEVEL, level);
        }
        bench.tick(f64::from(second + 1));
    }
}

#[test]
fn a_device_that_flaps_is_told_of_as_often_as_its_share_allows_and_hides_nothing() {
    // Rules of the whole city are evaluated ten times a second.
    for (expr, per_second) in [("water_level > 3.5", 100), ("sum by (ward) (water_level) > 3.5", 10)] {
        let rules = rules(&[("High", &format!("expr: {expr}"))]);
        let mut bench = Setup { flapping: Rate::new(1, BURST), shards: 2, ..Setup::new(rules) }.start();
        flap(&mut bench, 2, per_second);
        let told = bench.words();
        let most = 2 * (BURST as usize + 30 + 1);
        assert!((BURST as usize..=most).contains(&told.len()), "{expr}: {} were told", told.len());
        assert!(bench.engine.meters().held > 90, "{expr}: {:?}", bench.engine.meters());
        // Another device has a share of its own, and is raised and cleared at once.
        bench.observe(31.5, 4, LEVEL, 4.0);
        bench.observe(31.6, 4, LEVEL, 1.0);
        let told = bench.words();
        assert!(told.iter().any(|word| word.ends_with("firing 31.5")), "{expr}: {told:?}");
        assert!(told.iter().any(|word| word.ends_with("cleared 31.6")), "{expr}: {told:?}");
        // Calm, it ends by time alone.
        bench.ticks(32, 34);
        bench.words();
        assert_eq!(bench.engine.rule_states()[0].firing, 0, "{expr}");
    }
}

#[test]
fn what_waits_for_its_time_is_told_of_no_more_often() {
    let rules = rules(&[("High", "expr: water_level > 3.5\nfor: 5s")]);
    let mut bench = Setup { flapping: Rate::new(1, BURST), ..Setup::new(rules) }.start();
    flap(&mut bench, 2, 100);
    let told = bench.words();
    assert!(told.len() <= 2 * (BURST as usize + 30 + 1), "{} were told", told.len());
    assert!(told.iter().all(|word| !word.contains("firing")), "{told:?}");
    // True from here on, it fires when its time has come: not earlier, not later.
    bench.observe(31.5, 2, LEVEL, 4.0);
    bench.ticks(32, 37);
    let fired: Vec<_> = bench.words().into_iter().filter(|word| word.contains("firing")).collect();
    assert_eq!(fired, ["High WL-2 firing 37"]);
}

#[test]
fn a_rule_that_goes_ends_only_what_was_told() {
    let waiting = ("High", "expr: water_level > 3.5\nfor: 1h");
    let mut bench = Setup { flapping: Rate::new(1, 1), ..Setup::new(rules(&[waiting])) }.start();
    for step in 0..10 {
        bench.observe(1.0 + f64::from(step) / 100.0, 2, LEVEL, if step % 2 == 1 { 4.0 } else { 1.0 });
    }
    let told = bench.words();
    assert_eq!(told, ["High WL-2 pending 1.01", "High WL-2 withdrawn 1.02"]);
    bench.engine.replace_rules(&rules(&[])).unwrap();
    assert_eq!(bench.words(), Vec::<String>::new());
}
