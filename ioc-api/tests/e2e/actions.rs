//! What operators do to alerts, who may, and that it outlives a restart.
use crate::support::{City, Client, now_ms, one, rules, telemetry, until};
use serde_json::{Value, json};

fn raise(city: &City, token: &str) {
    city.mqtt("WL-1", token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
}

fn lower(city: &City, token: &str) {
    city.mqtt("WL-1", token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
}

fn open_alert(city: &City, client: &Client) -> String {
    let alert = until("the alert", || {
        city.alerts(client, "HighWater").into_iter().find(|alert| alert["state"] == "firing")
    });
    alert["id"].as_str().unwrap().to_owned()
}

fn words(alert: &Value) -> Vec<&str> {
    alert["transitions"].as_array().unwrap().iter().map(|line| line["transition"].as_str().unwrap()).collect()
}

#[test]
fn an_operator_acknowledges_notes_and_resolves() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let (mai, lan) = (city.user("mai", "operator"), city.user("lan", "operator"));
    raise(&city, &token);
    let id = open_alert(&city, &mai);
    let path = |action: &str| format!("/api/v1/alerts/{id}/{action}");

    let acknowledged = mai.post(&path("ack"), &json!({})).expect(200);
    assert_eq!(acknowledged["acknowledged_by"], "mai");
    assert!(acknowledged["acknowledged_at"].as_i64().is_some_and(|at| (at - now_ms()).abs() < 60_000));
    assert_eq!(acknowledged["state"], "firing", "acknowledging stands beside the condition");
    let detail = lan.post(&path("ack"), &json!({})).problem(409);
    assert!(detail.contains("mai"), "it names who was first: {detail}");

    let noted = lan.post(&path("note"), &json!({ "text": "Đã gọi đội trực" })).expect(200);
    assert_eq!(
        (noted["notes"][0]["by"].as_str(), noted["notes"][0]["text"].as_str()),
        (Some("lan"), Some("Đã gọi đội trực"))
    );
    mai.post(&path("note"), &json!({ "text": "  " })).problem(400);
    assert!(mai.post(&path("note"), &json!({ "txt": "x" })).problem(400).contains("txt"));

    let resolved = mai.post(&path("resolve"), &json!({ "note": "Nước đã rút" })).expect(200);
    assert_eq!(resolved["resolved_by"], "mai");
    mai.post(&path("resolve"), &json!({})).problem(409);
    mai.post("/api/v1/alerts/01ARZ3NDEKTSV4RRFFQ69G5FAV/ack", &json!({})).problem(404);
    mai.post("/api/v1/alerts/none/ack", &json!({})).problem(404);

    let detail = until("the whole timeline", || {
        let detail = mai.get(&format!("/api/v1/alerts/{id}")).expect(200);
        (words(&detail).len() == 4).then_some(detail)
    });
    assert_eq!(words(&detail), ["firing", "acknowledged", "noted", "resolved"]);
    let seqs: Vec<u64> =
        detail["transitions"].as_array().unwrap().iter().map(|t| t["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs[0] > 0, "{seqs:?}");
    assert_eq!(detail["transitions"][3]["note"], "Nước đã rút");
    let open = mai.get("/api/v1/alerts").expect(200);
    assert_eq!(open["items"], json!([]), "resolved is off the list of open alerts");
    lower(&city, &token);
}

#[test]
fn viewers_and_screens_only_look() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let (vy, admin) = (city.user("vy", "viewer"), city.user("an", "admin"));
    raise(&city, &token);
    let id = open_alert(&city, &vy);
    let made = admin.post("/api/v1/display-tokens", &json!({ "name": "wall-1" })).expect(201);
    let screen = city.client().with_token(made["token"].as_str().unwrap());
    screen.get(&format!("/api/v1/alerts/{id}")).expect(200);
    screen.get("/api/v1/kpis").expect(200);
    for who in [&vy, &screen] {
        for (action, body) in [("ack", json!({})), ("resolve", json!({})), ("note", json!({ "text": "x" }))] {
            who.post(&format!("/api/v1/alerts/{id}/{action}"), &body).problem(403);
        }
        for path in ["/api/v1/quarantine", "/api/v1/audit", "/api/v1/users"] {
            who.get(path).problem(403);
        }
        who.post("/api/v1/display-tokens", &json!({ "name": "mine" })).problem(403);
    }
    let listed = admin.get("/api/v1/display-tokens").expect(200);
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["created_by"]),
        (&"wall-1".into(), &"an".into())
    );
    vy.delete("/api/v1/display-tokens/wall-1").problem(403);
    assert_eq!(admin.delete("/api/v1/display-tokens/wall-1").status, 204);
    admin.delete("/api/v1/display-tokens/wall-1").problem(404);
    screen.get("/api/v1/kpis").problem(401);
    let nobody = city.client();
    nobody.post(&format!("/api/v1/alerts/{id}/ack"), &json!({})).problem(401);
    assert_eq!(city.alerts(&vy, "HighWater")[0]["acknowledged_by"], Value::Null);
    assert_eq!(city.alerts(&vy, "HighWater")[0]["notes"], json!([]));
}

#[test]
fn a_restart_keeps_ids_acknowledgements_and_the_lifecycle() {
    let mut city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let mai = city.user("mai", "operator");
    raise(&city, &token);
    let id = open_alert(&city, &mai);
    let before = mai.post(&format!("/api/v1/alerts/{id}/ack"), &json!({})).expect(200);
    city.restart();

    let alerts = city.alerts(&mai, "HighWater");
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    for field in
        ["id", "fingerprint", "state", "active_since", "acknowledged_by", "acknowledged_at", "evidence"]
    {
        assert_eq!(alerts[0][field], before[field], "{field}");
    }
    city.kill();
    city.start();
    assert_eq!(city.alerts(&mai, "HighWater")[0]["acknowledged_at"], before["acknowledged_at"]);

    lower(&city, &token);
    until("it clears", || (city.alerts(&mai, "HighWater")[0]["state"] == "cleared").then_some(()));
    let detail = mai.get(&format!("/api/v1/alerts/{id}")).expect(200);
    assert_eq!(words(&detail), ["firing", "acknowledged", "cleared"]);
    assert_eq!(detail["acknowledged_by"], "mai", "people's deeds outlive the condition");
}

#[test]
fn every_transition_carries_its_evidence() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let viewer = city.user("vy", "viewer");
    let ts = now_ms() - 1500;
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(ts, "water_level", 6.25));
    let alert = until("the alert", || city.alerts(&viewer, "HighWater").pop());
    let evidence = &alert["evidence"];
    assert_eq!(evidence["expr"], "water_level > 5");
    assert!(evidence["rule_hash"].as_str().is_some_and(|hash| !hash.is_empty()));
    assert_eq!(
        (evidence["samples"][0]["ts"].as_i64(), evidence["samples"][0]["value"].as_f64()),
        (Some(ts), Some(6.25))
    );
    assert!(evidence["samples"][0]["series"].as_str().is_some_and(|series| series.contains("WL-1")));
    assert!(evidence["parts"].as_array().is_some_and(|parts| !parts.is_empty()));
    let hop = |name: &str| evidence["hops"][name].as_i64().unwrap();
    assert_eq!(hop("event"), ts);
    assert!(hop("event") < hop("arrival"), "{evidence}");
    assert!(hop("arrival") <= hop("committed") && hop("committed") <= hop("decided"), "{evidence}");
    let time = |name: &str| alert[name].as_i64().unwrap();
    assert_eq!(time("event_time"), ts);
    assert!(
        time("event_time") < time("arrival_time") && time("arrival_time") <= time("decision_time"),
        "{alert}"
    );
    assert_eq!(alert["summary"], json!({ "vi": "HighWater tại WL-1", "en": "HighWater at WL-1" }));
    assert_eq!((alert["domain"].as_str(), alert["severity"].as_str()), (Some("environment"), Some("high")));
    assert!(alert["ward"].as_str().is_some_and(|ward| !ward.is_empty()), "{alert}");
}

#[test]
fn an_action_that_was_answered_is_on_disk() {
    let mut city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let (mai, admin) = (city.user("mai", "operator"), city.user("an", "admin"));
    raise(&city, &token);
    let id = open_alert(&city, &mai);
    // Killed right behind each answer.
    let steps = [("ack", json!({})), ("note", json!({ "text": "x" })), ("resolve", json!({}))];
    for (action, body) in &steps {
        mai.post(&format!("/api/v1/alerts/{id}/{action}"), body).expect(200);
        city.kill();
        city.start();
    }
    let detail = mai.get(&format!("/api/v1/alerts/{id}")).expect(200);
    assert_eq!(words(&detail), ["firing", "acknowledged", "noted", "resolved"]);
    assert_eq!(detail["resolved_by"], "mai");
    let trail = admin.get("/api/v1/audit?limit=1000").expect(200);
    let done: Vec<&Value> =
        trail["items"].as_array().unwrap().iter().filter(|entry| entry["object"] == id.as_str()).collect();
    assert_eq!(done.len(), 3, "{trail:#?}");
}
