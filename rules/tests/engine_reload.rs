//! New rules while alerts are open.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::{LEVEL, POWER, Past, START, Setup, rules};
use std::sync::Arc;

#[test]
fn unchanged_rules_keep_what_is_pending_and_firing() {
    let before = [
        ("Gone", "expr: water_level > 3"),
        ("Wait", "expr: water_level > 3\nfor: 10s"),
        ("Keep", "expr: water_level > 3"),
        ("Sum", "expr: sum(water_level) > 3\nfor: 10s"),
        ("Changed", "expr: water_level > 3\nfor: 5s"),
    ];
    let after = [
        ("Sum", "expr: sum(water_level) > 3\nfor: 10s"),
        ("Changed", "expr: water_level > 3\nfor: 6s"),
        ("New", "expr: water_level > 3.5"),
        ("Keep", "expr: water_level > 3"),
        ("Wait", "expr: water_level > 3\nfor: 10s"),
    ];
    for shards in [1, 3] {
        let mut bench = Setup { shards, ..Setup::new(rules(&before)) }.start();
        bench.observe(1.0, 2, LEVEL, 4.0);
        assert_eq!(bench.said().len(), 5);
        bench.observe(6.0, 2, LEVEL, 4.0);
        bench.said();
        bench.engine.replace_rules(&rules(&after)).unwrap();
        let mut words = bench.words();
        words.sort();
        assert_eq!(words, ["Changed WL-2 cleared 6", "Gone WL-2 cleared 6"]);
        // A new rule sees the window that is there, with the next tick.
        bench.tick(7.0);
        let mut words = bench.words();
        words.sort();
        assert_eq!(words, ["Changed WL-2 pending 7", "New WL-2 firing 7"]);
        let states = bench.engine.rule_states();
        let counts: Vec<_> = states.iter().map(|state| (&*state.name, state.firing, state.pending)).collect();
        assert_eq!(counts, [("Sum", 0, 1), ("Changed", 0, 1), ("New", 1, 0), ("Keep", 1, 0), ("Wait", 0, 1)]);
        bench.observe(10.9, 2, LEVEL, 4.0);
        bench.observe(11.0, 2, LEVEL, 4.0);
        bench.tick(11.0);
        let mut words = bench.words();
        words.sort();
        assert_eq!(words, ["Sum - firing 11", "Wait WL-2 firing 11"], "`for` ran on through the reload");
    }
}

#[test]
fn a_new_rule_sees_further_back_than_the_windows_reach() {
    let samples = (0..60).map(|step| (START - 60_000 + 1_000 * step, 9.0));
    let past = Arc::new(Past::of(2, LEVEL, samples));
    let mut bench = Setup { past, ..Setup::new(rules(&[("High", "expr: water_level > 50")])) }.start();
    bench.observe(1.0, 2, LEVEL, 9.0);
    let entries =
        [("Minute", "expr: count_over_time(water_level[1m]) >= 60"), ("High", "expr: water_level > 50")];
    bench.engine.replace_rules(&rules(&entries)).unwrap();
    bench.tick(1.5);
    // (-58.5 s, 1.5 s] holds what arrived at 1 s and 58 samples of the past.
    assert_eq!(bench.words(), [""; 0]);
    bench.observe(2.0, 2, LEVEL, 9.0);
    bench.observe(2.2, 2, LEVEL, 9.0);
    assert_eq!(bench.words(), ["Minute WL-2 firing 2.2"]);
}

#[test]
fn a_rule_that_reads_what_nobody_read_before_starts_to_see_it() {
    let mut bench = Setup { shards: 2, ..Setup::new(rules(&[("Level", "expr: water_level > 3")])) }.start();
    bench.observe(1.0, 1, POWER, 7.0);
    bench
        .engine
        .replace_rules(&rules(&[("Power", "expr: active_power > 3"), ("Sum", "expr: sum(active_power) > 3")]))
        .unwrap();
    bench.tick(2.0);
    assert_eq!(bench.words(), [""; 0], "what came before was not kept, and this past knows nothing");
    bench.observe(3.0, 1, POWER, 7.0);
    let mut words = bench.words();
    words.sort();
    assert_eq!(words, ["Power LUM-1 firing 3", "Sum - firing 3"]);
}

#[test]
fn reloads_under_load_lose_no_alert() {
    let first = [("High", "expr: water_level > 3"), ("A", "expr: water_level > 100")];
    let second = [("B", "expr: active_power > 100"), ("High", "expr: water_level > 3")];
    let mut bench = Setup { shards: 3, ..Setup::new(rules(&first)) }.start();
    let mut raised = 0;
    for step in 0..200u32 {
        let device = 2 * (step % 4);
        bench.observe(f64::from(step) / 10.0, device, LEVEL, if step % 8 < 4 { 4.0 } else { 1.0 });
        if step % 10 == 9 {
            let entries = if step % 20 == 9 { &second } else { &first };
            bench.engine.replace_rules(&rules(entries)).unwrap();
        }
        raised += u32::from(step % 8 < 4);
    }
    let said = bench.words();
    assert_eq!(said.iter().filter(|words| words.contains("firing")).count() as u32, raised);
    assert_eq!(said.len() as u32, 2 * raised);
}
