//! A field of the city is data: `configs/examples/water-quality` adds a fifth one, and everything follows. What has history
//! keeps its meaning: a start with another catalogue is refused.
use crate::support::{
    City,
    http::Client,
    now_ms, one,
    payload::many,
    process::{self, Process},
    until, within,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, process::Command, time::Duration};

/// The discharge of the scenario comes after half a minute.
const DISCHARGE: Duration = Duration::from_secs(120);
const FIELD: &str = "water-quality";

fn example(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/examples/water-quality")).join(name)
}

/// A server with the example's catalogue and rules.
fn serve(city: &City) -> Command {
    let mut command = city.serve();
    command.arg("--catalogue").arg(example("catalogue")).arg("--rules").arg(example("rules"));
    command
}

fn started() -> City {
    let mut city = City::prepare("");
    let mut command = serve(&city);
    city.start_as(&mut command);
    city
}

/// The items of a list, those of the field alone.
fn of_field(client: &Client, path: &str) -> Vec<Value> {
    let answer = client.get(path).expect(200);
    let items = answer["items"].as_array().unwrap();
    items.iter().filter(|item| item["domain"] == FIELD).cloned().collect()
}

fn names(items: &[Value], key: &str) -> Vec<String> {
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_scenario_with_a_fleet_of_its_own_plays_in_the_new_field() {
    let mut city = City::prepare("");
    let mut command = city.demo();
    command.arg("--catalogue").arg(example("catalogue")).arg("--rules").arg(example("rules"));
    command.arg("--scenario").arg(example("scenario.toml"));
    city.start_as(&mut command);
    let sign_in = fs::read(city.data_dir().join("demo-signin.json")).unwrap();
    let sign_in: Value = serde_json::from_slice(&sign_in).unwrap();
    let client = city.sign_in(sign_in["username"].as_str().unwrap(), sign_in["password"].as_str().unwrap());

    let devices = of_field(&client, "/api/v1/devices?domain=water-quality");
    assert_eq!(devices.len(), 6, "four stations and two outfalls");
    assert_eq!(names(&of_field(&client, "/api/v1/rules"), "name").len(), 3);
    let open = || {
        let open = of_field(&client, "/api/v1/alerts?domain=water-quality");
        open.into_iter().find(|alert| alert["rule"] == "WaterOxygenLow")
    };
    let alert = within(DISCHARGE, "the alert of the discharge", open);
    assert_eq!((&alert["device"], &alert["severity"]), (&json!("WQ-BAOVINH"), &json!("high")));
    assert_eq!(alert["labels"]["river"], "huong");
    let oxygen = || {
        let kpis = of_field(&client, "/api/v1/kpis");
        let lowest = kpis.into_iter().find(|kpi| kpi["id"] == "lowest_oxygen").unwrap();
        lowest["severity"].is_string().then_some(lowest)
    };
    let lowest = until("the indicator", oxygen);
    assert!(lowest["value"].as_f64().unwrap() < 4.0, "{lowest}");
    assert_eq!(lowest["target"], 6.0);
}

#[test]
fn every_door_knows_the_new_field() {
    let city = started();
    let client = city.user("mai", "admin");
    let catalogue = client.get("/api/v1/catalogue").expect(200);
    let last = catalogue["domains"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["title"]["vi"]), (&json!(FIELD), &json!("Chất lượng nước")));
    assert!(last["icon"].as_str().unwrap().starts_with('M'));
    let panel = catalogue["panels"].as_array().unwrap().last().unwrap();
    assert_eq!(panel["indicators"], json!(["lowest_oxygen", "highest_ammonium", "total_discharge"]));
    assert_eq!(of_field(&client, "/api/v1/kpis").len(), 3);

    let token = city.device_in(FIELD, "WQ-1", "surface-water-station");
    let mut station = city.mqtt("WQ-1", &token);
    let at = now_ms();
    let topic = "ioc/v1/water-quality/WQ-1/telemetry";
    station.publish(topic, &many(at, json!({ "dissolved_oxygen": 2.5, "ph": 7.1 })));
    until("the alert", || city.alerts(&client, "WaterOxygenLow").into_iter().next());
    assert_eq!(city.points(&client, "WQ-1", "ph", at, at + 1), [(at, 7.1)]);

    let restricted = city.ioc_json(&["user", "add", "vy", "--role", "viewer", "--domain", FIELD]);
    let vy = city.sign_in("vy", restricted["password"].as_str().unwrap());
    assert_eq!(names(&of_field(&vy, "/api/v1/devices"), "id"), ["WQ-1"]);
    assert_eq!(vy.get("/api/v1/kpis").expect(200)["items"].as_array().unwrap().len(), 3);
    let unknown = client.get("/api/v1/alerts?domain=sewers").problem(400);
    assert!(
        unknown.contains("expected one of environment, traffic, lighting, parking, water-quality"),
        "{unknown}"
    );
    let output = city.ioc(&["user", "add", "an", "--role", "viewer", "--domain", "sewers"]);
    assert!(!output.status.success());
}

#[test]
fn what_has_history_keeps_its_meaning() {
    let mut city = started();
    let token = city.device_in(FIELD, "WQ-1", "surface-water-station");
    let client = city.user("mai", "admin");
    let at = now_ms();
    let mut station = city.mqtt("WQ-1", &token);
    station.publish("ioc/v1/water-quality/WQ-1/telemetry", &one(at, "turbidity", 20.0));
    until("history", || city.points(&client, "WQ-1", "turbidity", at, at + 1).into_iter().next());
    drop(station);
    assert_eq!(city.stop().code(), Some(0));

    let gone = process::run(&mut city.serve());
    assert_eq!(gone.status.code(), Some(64));
    let line = String::from_utf8_lossy(&gone.stderr);
    assert!(line.contains("surface-water-station") && line.contains("--catalogue"), "{line}");

    let own = city.path("own");
    fs::create_dir(&own).unwrap();
    let text = fs::read_to_string(example("catalogue/water-quality.toml")).unwrap();
    fs::write(own.join("water.toml"), text.replace("unit = \"NTU\"", "unit = \"FNU\"")).unwrap();
    let mut command = city.serve();
    command.arg("--catalogue").arg(&own);
    let log = city.path("refused");
    let mut refused = Process::start(&mut command, &log);
    until("the refusal", || refused.exit());
    let line = fs::read_to_string(&log).unwrap();
    assert!(line.contains("turbidity (id 1002) has history") && line.contains("\"FNU\""), "{line}");

    let mut command = serve(&city);
    city.start_as(&mut command);
    assert_eq!(city.points(&client, "WQ-1", "turbidity", at, at + 1), [(at, 20.0)]);
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let city = City::prepare("");
    let own = city.path("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("a.toml"), "[kind.sonde]\ndomain = \"sewers\"\nreporting_period_s = 10\nproperties = []\ntitle = { vi = \"a\", en = \"b\" }\n")
        .unwrap();
    let output = city.ioc(&["check", "--catalogue", own.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a.toml:2:10: kind sonde: \"sewers\" is not a domain of the city"), "{said}");
}
