//! The story of the issue: a device registered and a rule written while the server runs raise an alert that a plain
//! WebSocket client sees; with a wrong password, a foreign topic or an unknown device they do not, and one can look
//! up why.
use crate::support::{City, now_ms, one, rules, skip, telemetry, until};
use serde_json::Value;
use std::process::{Command, Output};

/// Publishes once with mosquitto's own client; `None` where that is not installed.
fn mosquitto_pub(city: &City, user: &str, password: &str, topic: &str, payload: &[u8]) -> Option<Output> {
    let port = city.mqtt_addr().port().to_string();
    let payload = String::from_utf8(payload.to_vec()).unwrap();
    let args =
        ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-i", user, "-u", user, "-P", password, "-t", topic];
    match Command::new("mosquitto_pub").args(args).args(["-m", &payload]).output() {
        Ok(output) => Some(output),
        Err(error) => {
            skip::lacks(&format!("mosquitto_pub, which .ci/test installs: {error}"));
            None
        }
    }
}

fn quarantined(city: &City, reason: &str) -> Vec<Value> {
    let list = city.ioc_json(&["quarantine", "list", "--reason", reason]);
    list["items"].as_array().unwrap().clone()
}

#[test]
fn a_stranger_connects_a_device_writes_a_rule_and_sees_the_alert() {
    let mut city = City::prepare("");
    city.start();
    let viewer = city.user("vy", "viewer");
    let token = city.device("WL-NEW", "water-level");
    city.device("WL-OTHER", "water-level");
    let gateway = city.credential("GW-1", "gateway");
    let mut ws = city.ws(&viewer);
    ws.follow_alerts(0);

    city.write_rules("mine.yaml", &rules::high_water());
    until("the new rule in /api/v1/rules", || {
        let rules = viewer.get("/api/v1/rules").expect(200);
        rules["items"].as_array()?.iter().any(|rule| rule["name"] == "HighWater").then_some(())
    });

    let high = one(now_ms(), "water_level", 6.1);
    let publish =
        |user: &str, password: &str, topic: &str| mosquitto_pub(&city, user, password, topic, &high);
    let Some(wrong_password) = publish("WL-NEW", "not the token", &telemetry("WL-NEW")) else { return };
    assert!(!wrong_password.status.success());
    let said = String::from_utf8_lossy(&wrong_password.stderr).to_lowercase();
    assert!(said.contains("bad user name or password") || said.contains("not authori"), "{said}");
    let nobody = publish("WL-NOBODY", &token, &telemetry("WL-NOBODY")).unwrap();
    assert!(!nobody.status.success());
    let foreign = publish("WL-NEW", &token, &telemetry("WL-OTHER")).unwrap();
    assert!(foreign.status.success(), "acknowledged, so that the device does not repeat it for ever");
    let unknown = publish("GW-1", &gateway, &telemetry("GW-1")).unwrap();
    assert!(unknown.status.success());

    let good = publish("WL-NEW", &token, &telemetry("WL-NEW")).unwrap();
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let firing = ws.transition("HighWater", "firing");
    assert_eq!(firing["alert"]["device"], "WL-NEW");
    assert_eq!(firing["alert"]["value"], 6.1);
    assert_eq!(
        city.alerts(&viewer, "HighWater").len(),
        1,
        "only the one with the right token on its own topic"
    );

    assert_eq!(city.metrics().reason("ioc_mqtt_refused_total", "bad_credentials"), 2.0);
    let foreign = until("the foreign topic in quarantine", || quarantined(&city, "topic_not_allowed").pop());
    assert_eq!(
        (foreign["credential"].as_str(), foreign["topic"].as_str()),
        (Some("WL-NEW"), Some(&*telemetry("WL-OTHER")))
    );
    let unknown = until("the unknown device in quarantine", || quarantined(&city, "unknown_device").pop());
    assert_eq!((unknown["credential"].as_str(), unknown["device"].as_str()), (Some("GW-1"), Some("GW-1")));
    assert_eq!(unknown["payload"].as_str().unwrap().as_bytes(), high);
}
