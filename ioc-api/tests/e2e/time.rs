//! Promise 6: time is honest. Late data lands in history and pages nobody; a clock that runs ahead is not believed.
use crate::support::{City, now_ms, one, rules, telemetry, until};
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;

#[test]
fn back_filled_data_lands_in_history_and_raises_no_alarm() {
    let slow = rules::rule("HighForLong", "avg_over_time(water_level[10m]) > 5", "medium", "");
    let city = City::with_rules(&rules::file(
        "water",
        &[rules::rule("HighWater", "water_level > 5", "high", ""), slow],
    ));
    let (late, live) = (city.device("WL-LATE", "water-level"), city.device("WL-LIVE", "water-level"));
    let vy = city.user("vy", "viewer");
    let begin = now_ms() - 30 * MINUTE_MS;
    let array: Vec<Value> =
        (0..60).map(|n| json!({ "ts": begin + n * 20_000, "values": { "water_level": 9 } })).collect();
    let mut device = city.mqtt("WL-LATE", &late);
    device.publish(&telemetry("WL-LATE"), Value::from(array).to_string().as_bytes());
    device.publish(&telemetry("WL-LATE"), &one(now_ms() - 3 * MINUTE_MS, "water_level", 9));
    // What comes after it in the journal has been decided after it.
    city.mqtt("WL-LIVE", &live).publish(&telemetry("WL-LIVE"), &one(now_ms(), "water_level", 9));
    let alert = until("the alert of the device that is on time", || city.alerts(&vy, "HighWater").pop());
    assert_eq!(alert["device"], "WL-LIVE");
    device.publish(&telemetry("WL-LATE"), &one(now_ms(), "water_level", 1));
    let all = until("61 late readings and a fresh one in history", || {
        let points = city.points(&vy, "WL-LATE", "water_level", begin, now_ms() + 1);
        (points.len() == 62).then_some(points)
    });
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    let list = vy.get("/api/v1/alerts?state=all").expect(200);
    let devices: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|alert| &alert["device"]).collect();
    assert!(!devices.contains(&&json!("WL-LATE")), "{list}");

    // A late reading never replaces a newer value: what comes after it shows that it was passed over.
    let latest = |property: &str| {
        let items = vy.get("/api/v1/devices/WL-LATE/latest").expect(200)["items"].clone();
        items.as_array().unwrap().iter().find(|item| item["property"] == property).cloned()
    };
    until("the fresh value", || latest("water_level").filter(|item| item["value"] == 1.0));
    device.publish(&telemetry("WL-LATE"), &one(begin - 1000, "water_level", 8));
    device.publish(&telemetry("WL-LATE"), &one(now_ms(), "water_level_rate", 0.5));
    until("the marker", || latest("water_level_rate"));
    assert_eq!(latest("water_level").unwrap()["value"], 1.0);
    assert_eq!(city.points(&vy, "WL-LATE", "water_level", begin - 1000, begin).len(), 1);
}

#[test]
fn a_clock_that_runs_ahead_is_not_believed() {
    let city = City::with_rules(&rules::high_water());
    let (wrong, right) = (city.device("WL-WRONG", "water-level"), city.device("WL-RIGHT", "water-level"));
    let vy = city.user("vy", "viewer");
    let mut device = city.mqtt("WL-WRONG", &wrong);
    let ahead = now_ms() + 10 * MINUTE_MS;
    device.publish(&telemetry("WL-WRONG"), &one(ahead, "water_level", 9));
    city.mqtt("WL-RIGHT", &right).publish(&telemetry("WL-RIGHT"), &one(now_ms(), "water_level", 9));
    until("the alert", || city.alerts(&vy, "HighWater").pop());
    assert_eq!(city.alerts(&vy, "HighWater").len(), 1);
    assert_eq!(city.points(&vy, "WL-WRONG", "water_level", ahead - MINUTE_MS, ahead + MINUTE_MS), []);
    city.counts("ioc_observations_rejected_total", "future_time", 1.0);

    let a_little = now_ms() + MINUTE_MS;
    device.publish(&telemetry("WL-WRONG"), &one(a_little, "water_level", 1));
    let latest = until("the latest value", || {
        vy.get("/api/v1/devices/WL-WRONG/latest").expect(200)["items"].as_array()?.first().cloned()
    });
    assert_eq!(latest["t"].as_i64(), Some(a_little), "accepted as it is");
    assert!(latest["quality"].as_array().is_some_and(|flags| !flags.is_empty()), "and flagged: {latest}");
    assert!(
        latest["arrival"].as_i64().is_some_and(|arrival| arrival < a_little),
        "the three times are kept apart"
    );
}

#[test]
fn a_correction_changes_history_and_is_counted() {
    let mut city = City::prepare("");
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let ts = now_ms() - 1000;
    let mut device = city.mqtt("WL-1", &token);
    for value in [1.0, 2.0, 2.0, 3.0] {
        device.publish(&telemetry("WL-1"), &one(ts, "water_level", value));
    }
    until("all in the books", || (city.metrics().ledger()[0] == 4.0).then_some(()));
    assert_eq!(city.metrics().ledger(), [4.0, 3.0, 1.0, 0.0]);
    assert_eq!(city.metrics().get("ioc_observations_corrected_total"), 2.0);
    assert_eq!(
        city.points(&vy, "WL-1", "water_level", ts, ts + 1),
        [(ts, 3.0)],
        "the last accepted one wins"
    );
    city.kill();
    city.start();
    assert_eq!(city.points(&vy, "WL-1", "water_level", ts, ts + 1), [(ts, 3.0)]);
}

#[test]
fn without_a_time_a_reading_gets_that_of_its_arrival() {
    let mut city = City::prepare("");
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let mut device = city.mqtt("WL-1", &token);
    let begin = now_ms();
    for _ in 0..50 {
        device.publish(&telemetry("WL-1"), b"{\"values\":{\"water_level\":1}}");
    }
    let end = now_ms() + 100;
    let points = until("all in history", || {
        let points = city.points(&vy, "WL-1", "water_level", begin, end);
        (points.len() == 50).then_some(points)
    });
    assert!(points.is_sorted_by(|a, b| a.0 < b.0), "strictly increasing");
}
