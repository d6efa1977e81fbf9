//! Promise 3: rules that take their time hold up no device, and miss nothing.
use crate::support::{City, now_ms, one, rules, telemetry, within};
use std::time::Duration;

const CONFIG: &str = "[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n[rules]\nshards = 1\nqueue_batches = 1\n";
/// Each of them fits a line through all readings so far, at every reading.
const RULES: usize = 100;
const READINGS: i64 = 1_500;
const STEP_MS: i64 = 50;
const PATIENCE: Duration = Duration::from_secs(240);

/// How many committed records the rules have not read.
fn lag(city: &City) -> f64 {
    city.metrics().get(r#"ioc_follower_lag_records{follower="rules"}"#)
}

#[test]
fn slow_rules_hold_up_no_device_and_miss_nothing() {
    let mut city = City::prepare(CONFIG);
    let slow = |n| rules::rule(&format!("Slow{n}"), "deriv(water_level[1h]) > 1000000", "low", "");
    city.write_rules("slow.yaml", &rules::file("slow", &(0..RULES).map(slow).collect::<Vec<_>>()));
    city.write_rules("city.yaml", &rules::high_water());
    city.start();
    let (slowed, other) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let vy = city.user("vy", "viewer");
    let (mut device, mut second) = (city.mqtt("WL-1", &slowed), city.mqtt("WL-2", &other));
    let begin = now_ms() - READINGS * STEP_MS;
    for n in 0..READINGS {
        device.send_publish(&telemetry("WL-1"), &one(begin + n * STEP_MS, "water_level", n % 3)).unwrap();
    }
    for _ in 0..READINGS {
        assert!(device.puback(PATIENCE).unwrap().is_some());
    }
    // Everything is acknowledged, and the rules are still at it.
    let behind = lag(&city);
    eprintln!("the rules were {behind} records behind when everything was acknowledged");
    assert!(behind > READINGS as f64 / 10.0, "{behind} records behind: the rules were not slow");
    second.publish(&telemetry("WL-2"), &one(now_ms(), "water_level", 6));
    let points = || city.points(&vy, "WL-1", "water_level", begin, now_ms()).len() as i64;
    within(PATIENCE, "history, which waits for no rule", || (points() == READINGS).then_some(()));
    within(PATIENCE, "the alert behind them", || city.alerts(&vy, "HighWater").pop());
    within(PATIENCE, "the rules to catch up", || (lag(&city) == 0.0).then_some(()));
}
