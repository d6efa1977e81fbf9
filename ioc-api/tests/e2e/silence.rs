//! Promise 7, first part: our own outage is not theirs. After a start silence alarms wait two reporting periods.
use crate::support::{City, now_ms, one, rules, telemetry, until, within};
use std::time::Duration;

/// Reporting period of water-level gauges, as in the catalogue.
const PERIOD_MS: i64 = 10_000;

#[test]
fn after_a_start_devices_have_two_periods_to_speak_up() {
    let silent = rules::rule("Silent", "device_silent_seconds{kind=\"water-level\"} > 3", "high", "");
    let mut city = City::with_rules(&rules::file("silence", &[silent]));
    let (quiet, lively) = (city.device("WL-QUIET", "water-level"), city.device("WL-LIVELY", "water-level"));
    let vy = city.user("vy", "viewer");
    city.mqtt("WL-QUIET", &quiet).publish(&telemetry("WL-QUIET"), &one(now_ms(), "water_level", 1));
    city.mqtt("WL-LIVELY", &lively).publish(&telemetry("WL-LIVELY"), &one(now_ms(), "water_level", 1));
    let begun = now_ms();
    city.restart();
    // Twenty seconds without an alarm although nobody spoke for more than three; then the one that stays silent.
    let mut device = city.mqtt("WL-LIVELY", &lively);
    let mut spoke_at = 0;
    let alert = within(Duration::from_secs(60), "the silence alarm", || {
        if now_ms() - spoke_at > 1000 {
            spoke_at = now_ms();
            device.publish(&telemetry("WL-LIVELY"), &one(spoke_at, "water_level", 1));
        }
        city.alerts(&vy, "Silent").pop()
    });
    assert_eq!(alert["device"], "WL-QUIET");
    let after = alert["decision_time"].as_i64().unwrap() - begun;
    assert!(after >= 2 * PERIOD_MS, "{after} ms after the start");
    assert!(after < 6 * PERIOD_MS, "{after} ms after the start");
    assert!(city.alerts(&vy, "Silent").iter().all(|alert| alert["device"] == "WL-QUIET"));

    city.mqtt("WL-QUIET", &quiet).publish(&telemetry("WL-QUIET"), &one(now_ms(), "water_level", 1));
    until("it clears with the first word", || {
        city.alerts(&vy, "Silent").iter().any(|alert| alert["state"] == "cleared").then_some(())
    });
}

#[test]
fn a_city_that_is_silent_from_the_start_is_told_of() {
    let silent = rules::rule("Silent", "device_silent_seconds{kind=\"water-level\"} > 3", "high", "");
    let mut city = City::with_rules(&rules::file("silence", &[silent]));
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    // The goodbye is the last record; the start after the next finds nothing that is new.
    until("the goodbye", || (city.metrics().get("ioc_mqtt_connections") == 0.0).then_some(()));
    city.restart();
    city.restart();
    let alert = within(Duration::from_secs(60), "the silence alarm", || city.alerts(&vy, "Silent").pop());
    assert_eq!(alert["device"], "WL-1");
}

#[test]
fn a_series_that_falls_silent_stays_firing_and_says_so_over_a_restart() {
    let mut city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
    let alert = || city.alerts(&vy, "HighWater").pop();
    let before = until("the alert", alert);
    assert_eq!(before["no_data"], false);
    // The look-back is three reporting periods.
    let silent =
        within(Duration::from_secs(60), "no_data", || alert().filter(|alert| alert["no_data"] == true));
    assert_eq!(
        (&silent["id"], silent["state"].as_str()),
        (&before["id"], Some("firing")),
        "a drowned gauge clears nothing"
    );
    let after = now_ms() - before["event_time"].as_i64().unwrap();
    assert!(after >= 3 * PERIOD_MS, "silent after {after} ms");
    city.restart();
    let alerts = city.alerts(&vy, "HighWater");
    assert_eq!(alerts.len(), 1);
    assert_eq!((&alerts[0]["id"], alerts[0]["state"].as_str()), (&before["id"], Some("firing")));
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    until("it clears with the next reading", || {
        city.alerts(&vy, "HighWater").iter().any(|alert| alert["state"] == "cleared").then_some(())
    });
}
