//! A data directory of the version before alerts were events: it opens with its alerts, and goes on. `fixtures/version-1` was
//! left by a kill: its journal has transitions that its records lack.
use crate::support::{City, Mqtt, Ws, mqtt::Connect, now_ms, one, telemetry, until};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(20);
/// What the version before had told, in order: rule, device and transition.
const TOLD: [(&str, &str, &str); 18] = [
    ("HighWater", "WL-1", "firing"),
    ("WaterStaysHigh", "WL-1", "pending"),
    ("HighWater", "WL-1", "acknowledged"),
    ("HighWater", "WL-1", "noted"),
    ("HighWater", "WL-1", "cleared"),
    ("WaterStaysHigh", "WL-1", "cleared"),
    ("HighWater", "WL-1", "noted"),
    ("HighWater", "WL-2", "firing"),
    ("WaterStaysHigh", "WL-2", "pending"),
    ("HighWater", "WL-2", "acknowledged"),
    ("HighWater", "WL-2", "noted"),
    ("HighWater", "WL-3", "firing"),
    ("WaterStaysHigh", "WL-3", "pending"),
    ("HighWater", "WL-3", "resolved"),
    ("WaterStaysHigh", "WL-4", "pending"),
    ("HighWater", "WL-2", "cleared"),
    ("WaterStaysHigh", "WL-2", "cleared"),
    ("HighWater", "WL-4", "firing"),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => _ = fs::copy(entry.path(), to.join(entry.file_name())).unwrap(),
        }
    }
}

fn earlier() -> City {
    let mut city = City::prepare("");
    copy(&fixture("version-1"), city.data_dir());
    city.write_rules("city.yaml", &fs::read_to_string(fixture("version-1.yaml")).unwrap());
    city.start();
    city
}

/// Returns the messages about the first `count` transitions.
fn told(ws: &mut Ws, count: usize) -> Vec<Value> {
    ws.follow_alerts(0);
    let take = |message: &Value| (message["type"] == "alert").then(|| message.clone());
    (0..count).map(|_| ws.find(TIMEOUT, "alert", take)).collect()
}

fn of<'a>(alerts: &'a [Value], device: &str) -> &'a Value {
    alerts.iter().find(|alert| alert["device"] == device).unwrap()
}

#[test]
fn a_directory_of_the_version_before_opens_with_its_alerts_and_goes_on() {
    let mut city = earlier();
    let format = fs::read_to_string(city.data_dir().join("FORMAT")).unwrap();
    assert_eq!(format, "ioc-data 2\n", "the version before says what is wrong when it finds events");
    let mai = city.user("mai", "admin");
    let all = told(&mut city.ws(&mai), TOLD.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let said: Vec<_> = all
        .iter()
        .map(|one| {
            let alert = &one["alert"];
            (text(&alert["rule"]), text(&alert["device"]), text(&one["transition"]))
        })
        .collect();
    let expected = TOLD.map(|(rule, device, kind)| (rule.to_owned(), device.to_owned(), kind.to_owned()));
    assert_eq!(said, expected, "every transition, in order");

    let alerts = city.alerts(&mai, "HighWater");
    assert_eq!(of(&alerts, "WL-1")["notes"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&of(&alerts, "WL-2")["state"], &of(&alerts, "WL-2")["acknowledged_by"]),
        (&json!("cleared"), &json!("lan"))
    );
    assert_eq!(of(&alerts, "WL-3")["resolved_by"], "lan");
    assert_eq!(of(&alerts, "WL-4")["state"], "firing");

    // People and rules go on with alerts of the version before.
    let (ended, open) = (text(&of(&alerts, "WL-1")["id"]), text(&of(&alerts, "WL-4")["id"]));
    mai.post(&format!("/api/v1/alerts/{open}/ack"), &json!({})).expect(200);
    mai.post(&format!("/api/v1/alerts/{ended}/note"), &json!({ "text": "ổn" })).expect(200);
    let token = text(&city.ioc_json(&["device", "rotate", "--id", "WL-4"])["token"]);
    city.mqtt("WL-4", &token).publish(&telemetry("WL-4"), &one(now_ms(), "water_level", 1));
    for _life in 0..2 {
        let alert = until("the end of the alert", || {
            let alert = mai.get(&format!("/api/v1/alerts/{open}")).expect(200);
            (alert["state"] == "cleared").then_some(alert)
        });
        assert_eq!(alert["acknowledged_by"], "mai");
        let timeline = mai.get(&format!("/api/v1/alerts/{open}")).expect(200)["transitions"].clone();
        let kinds: Vec<_> = timeline.as_array().unwrap().iter().map(|one| text(&one["transition"])).collect();
        assert_eq!(kinds, ["firing", "acknowledged", "cleared"]);
        let notes = mai.get(&format!("/api/v1/alerts/{ended}")).expect(200)["notes"].clone();
        assert_eq!(notes[2]["text"], "ổn");
        let audit = mai.get("/api/v1/audit").expect(200)["items"].clone();
        let acts = |object: &str| {
            let entries = audit.as_array().unwrap().iter().filter(|entry| entry["object"] == object);
            entries.map(|entry| text(&entry["action"])).collect::<Vec<_>>()
        };
        assert_eq!(acts(&open), ["alert.acknowledge"]);
        assert_eq!(acts(&ended), ["alert.note", "alert.note", "alert.note", "alert.acknowledge"]);
        city.kill();
        city.start();
    }
    // What was told before is told again alike.
    assert_eq!(told(&mut city.ws(&mai), TOLD.len()), all);
}

#[test]
fn apps_find_the_open_alerts_of_the_version_before_retained() {
    let city = earlier();
    let token = city.credential("APP-1", "app");
    let connect = Connect { client_id: "phone".into(), ..Connect::device("APP-1", &token) };
    let mut app = Mqtt::connect(city.mqtt_addr(), &connect).unwrap_or_else(|code| panic!("refused: {code}"));
    assert_eq!(app.subscribe("ioc/v1/alerts/#"), 0);
    let (retained, _, payload) = app.message(TIMEOUT).expect("the open alert");
    let alert: Value = serde_json::from_slice(&payload).unwrap();
    assert!(retained);
    assert_eq!((&alert["device"], &alert["state"]), (&json!("WL-4"), &json!("firing")));
    assert_eq!(app.message(Duration::from_secs(1)), None, "it is the only one");
}
