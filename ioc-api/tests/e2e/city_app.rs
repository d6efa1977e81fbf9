//! The city app: push alerts over MQTT, retained while they are active, for credentials of kind app alone.
use crate::support::{City, Mqtt, mqtt::Connect, now_ms, one, rules, telemetry};
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn an_app_is_told_of_alerts_and_a_late_one_finds_those_that_are_active() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let app = city.credential("APP-1", "app");
    let subscribe = |name: &str, filter: &str| {
        let connect = Connect { client_id: name.into(), ..Connect::device("APP-1", &app) };
        let mut client =
            Mqtt::connect(city.mqtt_addr(), &connect).unwrap_or_else(|code| panic!("refused: {code}"));
        assert_eq!(client.subscribe(filter), 0, "{filter}");
        client
    };
    let mut phone = subscribe("phone", "ioc/v1/alerts/environment/#");
    let mut traffic = subscribe("traffic", "ioc/v1/alerts/traffic/#");
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(now_ms() - 1000, "water_level", 6));
    let (_, topic, payload) = phone.message(TIMEOUT).expect("the alert");
    let alert: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(topic, format!("ioc/v1/alerts/environment/high/{}", alert["id"].as_str().unwrap()));
    assert_eq!((alert["rule"].as_str(), alert["state"].as_str()), (Some("HighWater"), Some("firing")));

    let mut late = subscribe("late", "ioc/v1/alerts/+/high/#");
    let (retained, found, _) = late.message(TIMEOUT).expect("the retained alert");
    assert!(retained && found == topic);
    device.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    let (_, _, cleared) = phone.message(TIMEOUT).expect("it cleared");
    assert_eq!(serde_json::from_slice::<Value>(&cleared).unwrap()["state"], "cleared");
    let (_, gone, empty) = phone.message(TIMEOUT).expect("it is taken away");
    assert!(gone == topic && empty.is_empty());
    let mut later = subscribe("later", "ioc/v1/alerts/#");
    assert_eq!(later.message(Duration::from_secs(1)), None, "nothing is active any more");
    assert_eq!(traffic.message(Duration::from_millis(1)), None);
    assert!(
        phone.send_publish(&telemetry("WL-1"), b"{}").is_some(),
        "an app may not publish, and is told by quarantine"
    );
}
