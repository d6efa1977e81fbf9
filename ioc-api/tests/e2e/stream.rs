//! Promise 2 on the wire: a client of the live stream misses no transition; and what else the stream says.
use crate::support::{City, Client, Ws, now_ms, one, rules, telemetry, until, ws::Said};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Raises and clears `HighWater` so many times.
fn toggle(city: &City, id: &str, token: &str, times: i64) {
    let mut device = city.mqtt(id, token);
    let begin = now_ms() - 10_000;
    for n in 0..times {
        device.publish(&telemetry(id), &one(begin + 2 * n, "water_level", 6));
        device.publish(&telemetry(id), &one(begin + 2 * n + 1, "water_level", 1));
    }
}

/// Collects sequence number and transition of `count` alert messages.
fn collect(ws: &mut Ws, count: usize) -> Vec<(u64, String, String)> {
    let take = |message: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (message["type"] == "alert").then(|| {
            (message["seq"].as_u64().unwrap(), text(&message["transition"]), text(&message["alert"]["id"]))
        })
    };
    (0..count).map(|_| ws.find(TIMEOUT, "alert", take)).collect()
}

fn follow(client: &Client, after: u64, count: usize) -> Vec<(u64, String, String)> {
    let mut ws = Ws::open(client);
    ws.follow_alerts(after);
    collect(&mut ws, count)
}

#[test]
fn a_client_that_resumes_misses_nothing() {
    const TOGGLES: usize = 40;
    let mut city = City::prepare("[rules]\ndevice_flap_rate = 0\n");
    city.write_rules("city.yaml", &rules::high_water());
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    toggle(&city, "WL-1", &token, TOGGLES as i64);
    let all = follow(&vy, 0, 2 * TOGGLES);
    assert!(all.is_sorted_by(|a, b| a.0 < b.0), "in order, each once");
    assert!(all[0].0 >= 1);
    for pair in all.chunks(2) {
        assert_eq!((pair[0].1.as_str(), pair[1].1.as_str()), ("firing", "cleared"));
        assert_eq!(pair[0].2, pair[1].2, "both of the same activation");
    }
    for resumed_at in [0, 1, 2 * TOGGLES / 2, 2 * TOGGLES - 1] {
        let after = all[resumed_at].0;
        assert_eq!(follow(&vy, after, 2 * TOGGLES - 1 - resumed_at), all[resumed_at + 1..]);
    }
    // After a restart the ring in memory is empty: the records answer.
    city.restart();
    assert_eq!(follow(&vy, 0, 2 * TOGGLES), all);
    let mut ws = city.ws(&vy);
    ws.follow_alerts(all.last().unwrap().0);
    toggle(&city, "WL-1", &token, 1);
    let new = collect(&mut ws, 2);
    assert!(new[0].0 > all.last().unwrap().0, "sequence numbers go on over a restart");
    assert_eq!(
        ws.hello["last_seq"].as_u64(),
        Some(all.last().unwrap().0),
        "the newest transition, not record"
    );
}

#[test]
fn a_place_that_is_not_ours_is_answered_with_resync() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    toggle(&city, "WL-1", &token, 1);
    let newest = follow(&vy, 0, 2)[1].0;
    let mut ws = city.ws(&vy);
    ws.follow_alerts(newest + 1);
    let reason = ws.of_type("resync")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("subscribe without"), "it says what would be right: {reason}");
    ws.send(&json!({ "type": "subscribe", "channels": ["alerts"] }));
    assert_eq!(ws.of_type("snapshot")["seq"].as_u64(), Some(newest), "the connection goes on");
    ws.follow_alerts(newest);
    toggle(&city, "WL-1", &token, 1);
    assert!(collect(&mut ws, 2)[0].0 > newest, "the newest is a place of ours");
}

#[test]
fn a_place_before_what_is_kept_is_answered_with_resync() {
    let mut city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    toggle(&city, "WL-1", &token, 3);
    let all = follow(&vy, 0, 6);
    // After a restart the ring in memory is empty: the records answer. They forget the first two alerts.
    city.restart();
    let records = rusqlite::Connection::open(city.data_dir().join("records.sqlite")).unwrap();
    records.execute("DELETE FROM transitions WHERE seq <= ?1", [all[3].0 as i64]).unwrap();
    let sql = "INSERT INTO meta (key, value) VALUES ('forgotten_offset', ?1)";
    records.execute(sql, [all[3].0 as i64]).unwrap();
    for resumed_at in [0, 2] {
        let mut ws = city.ws(&vy);
        ws.follow_alerts(all[resumed_at].0);
        let reason = ws.of_type("resync")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("subscribe without"), "it says what would be right: {reason}");
        ws.send(&json!({ "type": "subscribe", "channels": ["alerts"] }));
        assert_eq!(ws.of_type("snapshot")["seq"].as_u64(), Some(all[5].0), "the connection goes on");
    }
    assert_eq!(follow(&vy, all[3].0, 2), all[4..], "nothing is missing behind what was forgotten");
    assert_eq!(follow(&vy, 0, 2), all[4..], "0 is all that is kept");
}

#[test]
fn without_after_there_is_a_snapshot_and_then_what_follows() {
    let city = City::with_rules(&rules::high_water());
    let (first, second) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let mai = city.user("mai", "operator");
    city.mqtt("WL-1", &first).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
    let id = until("the alert", || city.alerts(&mai, "HighWater").pop())["id"].as_str().unwrap().to_owned();
    let mut ws = city.ws(&mai);
    assert_eq!(ws.hello["protocol"], 1);
    assert!(ws.hello["server_time"].as_i64().is_some_and(|t| (t - now_ms()).abs() < 60_000));
    ws.send(&json!({ "type": "subscribe", "channels": ["alerts"] }));
    let snapshot = ws.of_type("snapshot");
    assert_eq!(snapshot["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["alerts"][0]["id"], id.as_str());
    mai.post(&format!("/api/v1/alerts/{id}/ack"), &json!({})).expect(200);
    let acknowledged = ws.transition("HighWater", "acknowledged");
    assert_eq!(
        (acknowledged["by"].as_str(), acknowledged["alert"]["acknowledged_by"].as_str()),
        (Some("mai"), Some("mai"))
    );
    assert!(acknowledged["seq"].as_u64() > snapshot["seq"].as_u64());
    city.mqtt("WL-2", &second).publish(&telemetry("WL-2"), &one(now_ms(), "water_level", 6));
    assert_eq!(ws.transition("HighWater", "firing")["alert"]["device"], "WL-2");
}

#[test]
fn a_heartbeat_comes_each_second() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let mut ws = city.ws(&vy);
    ws.send(&json!({ "type": "subscribe", "channels": ["alerts"] }));
    ws.of_type("heartbeat");
    let times: Vec<i64> = (0..4).map(|_| ws.of_type("heartbeat")["t"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| b - a > 500), "{times:?}");
    assert!(times.windows(2).any(|pair| pair[1] - pair[0] < 1500), "{times:?}");
}

#[test]
fn a_filter_lets_through_what_it_names() {
    let city = City::with_rules(&rules::file(
        "water",
        &[
            rules::rule("HighWater", "water_level > 5", "high", ""),
            rules::rule("AnyWater", "water_level > 1", "low", ""),
        ],
    ));
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let open = |filter: Value| {
        let mut ws = city.ws(&vy);
        ws.send(&json!({ "type": "subscribe", "channels": ["alerts"], "after": 0, "filter": filter }));
        ws
    };
    let mut severe = open(json!({ "severity": ["high"] }));
    let mut traffic = open(json!({ "domain": ["traffic"] }));
    let mut here = open(json!({ "bbox": [107.5, 16.4, 107.7, 16.5], "domain": ["environment"] }));
    let mut elsewhere = open(json!({ "bbox": [106.5, 16.4, 106.7, 16.5] }));
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(now_ms() - 1000, "water_level", 2));
    device.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
    assert_eq!(here.transition("AnyWater", "firing")["alert"]["severity"], "low");
    let last = here.transition("HighWater", "firing")["seq"].as_u64().unwrap();
    let first = severe.of_type("alert");
    assert_eq!(first["alert"]["rule"], "HighWater", "the first that passes: {first}");
    // A heartbeat that names the last sequence number comes after whatever was let through.
    for quiet in [&mut traffic, &mut elsewhere] {
        quiet.find(TIMEOUT, "heartbeat", |message| {
            assert_ne!(message["type"], "alert", "{message}");
            (message["type"] == "heartbeat" && message["seq"].as_u64() >= Some(last)).then_some(())
        });
    }
}

#[test]
fn a_page_of_another_site_and_nobody_are_kept_out() {
    let mut city = City::prepare("");
    city.start();
    let admin = city.user("an", "admin");
    let status =
        |result: Result<Ws, Box<tungstenite::Error>>| match result.map(|_| ()).map_err(|error| *error) {
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{other}"),
            Ok(()) => 101,
        };
    assert_eq!(status(Ws::try_open(&admin, &[])), 101, "without Origin");
    assert_eq!(status(Ws::try_open(&admin, &[("origin", &format!("http://{}", city.http_addr()))])), 101);
    assert_eq!(status(Ws::try_open(&admin, &[("origin", "https://evil.example")])), 403);
    assert_eq!(status(Ws::try_open(&admin, &[("origin", "null")])), 403);
    assert_eq!(status(Ws::try_open(&city.client(), &[])), 401);
    assert_eq!(status(Ws::with_token(&city.client(), "forged")), 401);
    let made = admin.post("/api/v1/display-tokens", &json!({ "name": "wall" })).expect(201);
    assert_eq!(status(Ws::with_token(&city.client(), made["token"].as_str().unwrap())), 101);
}

#[test]
fn what_is_not_understood_closes_with_a_reason() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let wrong = [
        r#"{"type":"subscribe","channels":["alarms"]}"#,
        r#"{"type":"subscribe","channels":["alerts"],"filter":{"domains":["traffic"]}}"#,
        r#"{"type":"unsubscribe"}"#,
        "not json",
    ];
    for message in wrong {
        let mut ws = city.ws(&vy);
        ws.send_text(message);
        let detail = ws.of_type("error")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("subscribe"), "it says what would be right: {detail}");
        assert!(matches!(ws.next(TIMEOUT), Said::Closed), "{message}");
    }
}

/// Index to state and flags, as the frames so far say.
fn read_frame(bytes: &[u8], states: &mut BTreeMap<u32, (u8, u8)>) -> (bool, u32) {
    assert_eq!(bytes[0], 1, "version");
    assert_eq!(bytes[2..4], [0, 0]);
    assert_eq!((bytes.len() - 8) % 6, 0, "{} bytes", bytes.len());
    let full = bytes[1] == 1;
    if full {
        states.clear();
    }
    for entry in bytes[8..].chunks(6) {
        states.insert(u32::from_le_bytes(entry[..4].try_into().unwrap()), (entry[4], entry[5]));
    }
    (full, u32::from_le_bytes(bytes[4..8].try_into().unwrap()))
}

#[test]
fn device_states_come_as_binary_frames_behind_a_table() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let mai = city.user("mai", "operator");
    let mut ws = city.ws(&mai);
    ws.send(&json!({ "type": "subscribe", "channels": ["state"] }));
    let (mut table, mut states, mut epoch) = (Value::Null, BTreeMap::new(), 0);
    let mut wait_for = |ws: &mut Ws, what: &str, index: u32, wanted: &dyn Fn(u8, u8) -> bool| {
        let deadline = Instant::now() + TIMEOUT;
        while !states.get(&index).is_some_and(|(state, flags)| wanted(*state, *flags)) {
            assert!(Instant::now() < deadline, "{what}: {states:?}");
            match ws.next(TIMEOUT) {
                Said::Json(message) if message["type"] == "devices" => {
                    epoch = message["epoch"].as_u64().unwrap() as u32;
                    table = message["items"].clone();
                }
                Said::Binary(bytes) => {
                    let (full, of) = read_frame(&bytes, &mut states);
                    assert_eq!(of, epoch, "a frame belongs to the table before it");
                    assert!(full || !table.is_null(), "the first frame is full");
                }
                Said::Json(_) => {}
                other => panic!("{what}: {other:?}"),
            }
        }
        table.clone()
    };
    let table = wait_for(&mut ws, "never reported", 0, &|state, flags| state == 1 && flags & 4 == 4);
    assert_eq!((table[0]["i"].as_u64(), table[0]["id"].as_str()), (Some(0), Some("WL-1")));
    assert_eq!(
        (table[0]["kind"].as_str(), table[0]["domain"].as_str()),
        (Some("water-level"), Some("environment"))
    );
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    wait_for(&mut ws, "normal", 0, &|state, flags| state == 0 && flags == 0);
    device.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 6));
    wait_for(&mut ws, "a high alarm", 0, &|state, flags| state == 4 && flags & 1 == 0);
    let id = until("the alert", || city.alerts(&mai, "HighWater").pop())["id"].as_str().unwrap().to_owned();
    mai.post(&format!("/api/v1/alerts/{id}/ack"), &json!({})).expect(200);
    wait_for(&mut ws, "acknowledged", 0, &|state, flags| state == 4 && flags & 1 == 1);
    city.device("WL-2", "water-level");
    let table = wait_for(&mut ws, "a new device", 1, &|state, _| state == 1);
    assert_eq!(table[1]["id"], "WL-2");
    assert_eq!(mai.get("/api/v1/devices/WL-1").expect(200)["state"], 4, "the list says the same");
}

#[test]
fn indicators_come_once_a_second() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let known: Vec<Value> = vy.get("/api/v1/kpis").expect(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kpi| kpi["id"].clone())
        .collect();
    let mut ws = city.ws(&vy);
    ws.send(&json!({ "type": "subscribe", "channels": ["kpi"] }));
    let frames = [ws.of_type("kpi"), ws.of_type("kpi"), ws.of_type("kpi")];
    let gap = frames[2]["t"].as_i64().unwrap() - frames[1]["t"].as_i64().unwrap();
    assert!((500..3000).contains(&gap), "{gap} ms");
    let ids: Vec<Value> =
        frames[2]["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, known);
}

#[test]
fn signing_out_ends_the_stream() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let mut ws = city.ws(&vy);
    ws.send(&json!({ "type": "subscribe", "channels": ["alerts"] }));
    assert_eq!(vy.delete("/api/v1/session").status, 204);
    until("the stream closes", || matches!(ws.next(Duration::from_secs(3)), Said::Closed).then_some(()));
}

/// Promise 3: a screen that does not read delays neither devices nor other screens.
#[test]
fn a_screen_that_does_not_read_delays_nobody() {
    let mut city = City::prepare(
        "[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n[rules]\ndevice_flap_rate = 0\n",
    );
    city.write_rules("city.yaml", &rules::high_water());
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let mut deaf: Vec<Ws> = (0..3).map(|_| city.ws(&vy)).collect();
    for ws in &mut deaf {
        ws.send(&json!({ "type": "subscribe", "channels": ["alerts", "state", "kpi"], "after": 0 }));
    }
    let mut reader = city.ws(&vy);
    reader.follow_alerts(0);
    toggle(&city, "WL-1", &token, 300);
    let seen = collect(&mut reader, 600);
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
    // One that wakes up later finds everything too.
    let late = collect(&mut deaf[0], 600);
    assert_eq!(late, seen);
}

#[test]
fn alerts_are_told_while_the_records_cannot_be_written() {
    const ALERTS: usize = 5;
    let city = City::with_rules(&rules::high_water());
    let tokens: Vec<_> = (0..ALERTS).map(|n| city.device(&format!("WL-{n}"), "water-level")).collect();
    let mai = city.user("mai", "operator");
    let mut ws = city.ws(&mai);
    ws.follow_alerts(0);
    let lock = rusqlite::Connection::open(city.data_dir().join("records.sqlite")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (n, token) in tokens.iter().enumerate() {
        let id = format!("WL-{n}");
        city.mqtt(&id, token).publish(&telemetry(&id), &one(now_ms(), "water_level", 6));
    }
    let told = collect(&mut ws, ALERTS);
    assert!(city.alerts(&mai, "HighWater").is_empty(), "nobody could have written them");
    let known = mai.get(&format!("/api/v1/alerts/{}", told[0].2)).expect(200);
    assert_eq!(known["state"], "firing", "the stream knows it: {known}");
    lock.execute_batch("COMMIT").unwrap();
    until("the records to have them", || (city.alerts(&mai, "HighWater").len() == ALERTS).then_some(()));
    assert_eq!(follow(&mai, 0, ALERTS), told);
}

#[test]
fn who_was_told_of_an_alert_finds_it_and_who_acted_sees_it_done() {
    let city = City::with_rules(&rules::high_water());
    let token = city.device("WL-1", "water-level");
    let mai = city.user("mai", "operator");
    let mut ws = city.ws(&mai);
    ws.follow_alerts(0);
    let mut device = city.mqtt("WL-1", &token);
    for n in 0..10 {
        device.publish(&telemetry("WL-1"), &one(now_ms() - 1_000 + 20 * n, "water_level", 6));
        let id = ws.transition("HighWater", "firing")["alert"]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/alerts/{id}");
        assert_eq!(mai.get(&path).expect(200)["state"], "firing");
        mai.post(&format!("{path}/ack"), &json!({})).expect(200);
        assert_eq!(mai.get(&path).expect(200)["acknowledged_by"], "mai");
        device.publish(&telemetry("WL-1"), &one(now_ms() - 990 + 20 * n, "water_level", 1));
        ws.transition("HighWater", "cleared");
        assert_eq!(mai.get(&path).expect(200)["state"], "cleared");
    }
}
