//! Rules over many devices: one alert for all of them, without a device of its own.
use crate::support::{City, now_ms, one, rules, telemetry, until};
use serde_json::Value;

#[test]
fn a_mean_over_devices_of_every_shard_raises_one_alert() {
    const DEVICES: usize = 9;
    let mut city = City::prepare("[rules]\nshards = 4\n");
    let mean = rules::rule("WardHigh", "avg by (ward) (water_level) > 5", "high", "");
    city.write_rules("city.yaml", &rules::file("mean", &[mean]));
    let tokens: Vec<(String, String)> =
        (0..DEVICES).map(|n| (format!("WL-{n}"), city.device(&format!("WL-{n}"), "water-level"))).collect();
    city.start();
    let vy = city.user("vy", "viewer");
    let mut ws = city.ws(&vy);
    ws.follow_alerts(0);
    let ward = vy.get("/api/v1/devices/WL-0").expect(200)["ward"].clone();
    let publish = |level: f64| {
        for (id, token) in &tokens {
            city.mqtt(id, token).publish(&telemetry(id), &one(now_ms(), "water_level", level));
        }
    };
    publish(4.0);
    publish(6.0);
    let firing = ws.transition("WardHigh", "firing");
    let alert = &firing["alert"];
    assert_eq!((&alert["device"], &alert["ward"]), (&Value::Null, &ward));
    assert!(alert["value"].as_f64().is_some_and(|mean| mean > 5.0 && mean <= 6.0), "{alert}");
    publish(2.0);
    let cleared = ws.transition("WardHigh", "cleared");
    assert_eq!(cleared["alert"]["id"], alert["id"]);
    until("one alert in all", || (city.alerts(&vy, "WardHigh").len() == 1).then_some(()));
}
