//! Promise 5: bad input is seen. received = stored + duplicate + rejected at every moment, and every rejected message
//! can be looked up with its reason, device, topic and bytes.
use crate::support::{City, Client, metrics::Metrics, now_ms, one, payload::many, telemetry, until};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Default, Clone, Copy)]
struct Books {
    stored: u64,
    duplicate: u64,
    corrected: u64,
}

/// One message: who sends it, on which topic, what, and what must become of it.
struct Case {
    device: &'static str,
    topic: String,
    payload: Vec<u8>,
    books: Books,
    /// Reasons of what is rejected, in the order of the quarantine row.
    rejected: &'static [&'static str],
}

fn case(payload: Vec<u8>, books: Books, rejected: &'static [&'static str]) -> Case {
    Case { device: "AIR-1", topic: telemetry("AIR-1"), payload, books, rejected }
}

fn stored(count: u64) -> Books {
    Books { stored: count, ..Books::default() }
}

/// Fills in an object with one value for each `{GOOD}`, and a time for each `TS`; each has its own.
fn raw(ts: i64, template: &str) -> Vec<u8> {
    let text = template.replace("{GOOD}", r#"{"ts":TS,"values":{"co":1}}"#);
    let parts: Vec<&str> = text.split("TS").collect();
    let times = (0..).map(|n| (ts + n).to_string());
    let filled = parts.iter().zip(times).map(|(part, ts)| format!("{part}{ts}"));
    let filled: String = filled.collect();
    filled[..filled.len() - ts.to_string().len()].to_owned().into_bytes()
}

fn cases() -> Vec<Case> {
    let now = now_ms();
    let none = Books::default();
    let good = many(now, json!({ "pm25": 10.5, "pm10": 20 }));
    let corrected = Books { stored: 1, corrected: 1, ..none };
    let array = json!([
        { "ts": now - 3000, "values": { "pm25": 1 } },
        { "ts": now - 2000, "values": { "pm25": 2 } },
        { "ts": now - 1000, "values": { "pm25": 3, "colour": 4 } },
    ]);
    vec![
        case(good.clone(), stored(2), &[]),
        case(good, Books { duplicate: 2, ..none }, &[]),
        case(one(now, "pm25", 11.5), corrected, &[]),
        case(one(now - HOUR_MS, "pm25", 9), stored(1), &[]),
        case(one(now + 60_000, "no2", 9), stored(1), &[]),
        case(one(now + HOUR_MS, "pm25", 9), none, &["future_time"]),
        case(one(1_000_000_000_000, "pm25", 9), none, &["too_old"]),
        case(b"{\"ts\": 5, \"values\": {".to_vec(), none, &["malformed"]),
        case(b"not JSON at all".to_vec(), none, &["malformed"]),
        case(b"[{\"values\":{\"pm25\":\"\xff\"}}]".to_vec(), none, &["not_utf8"]),
        case(
            many(now - 5000, json!({ "pm25": 7, "pm3": 1, "wind": 2 })),
            stored(1),
            &["unknown_property", "unknown_property"],
        ),
        case(many(now - 6000, json!({ "pm25": "seven", "pm10": 8 })), stored(1), &["wrong_type"]),
        case(one(now - 7000, "pm25", 5000), none, &["out_of_range"]),
        case(
            format!("{{\"ts\":{},\"values\":{{\"pm25\":NaN,\"pm10\":3}}}}", now - 8000).into_bytes(),
            stored(1),
            &["out_of_range"],
        ),
        case(
            b"{\"ts\":\"yesterday\",\"values\":{\"pm25\":1,\"pm10\":2}}".to_vec(),
            none,
            &["bad_time", "bad_time"],
        ),
        case(raw(now - 20_000, "[{GOOD},null,{GOOD}]"), stored(2), &["malformed"]),
        case(raw(now - 21_000, "[{GOOD},7,[{GOOD}],{GOOD},]"), stored(3), &["malformed"; 3]),
        case(raw(now - 22_000, r#"{"ts":TS,"values":{"o3":-nan,"so2":1}}"#), stored(1), &["out_of_range"]),
        case(raw(now - 23_000, r#"{"ts":TS,"values":{"o3":.5,"so2":1}}"#), stored(1), &["malformed"]),
        case(raw(now - 24_000, r#"{"ts":TS,"values":{"so2":1},"unit":"m"}"#), stored(1), &["malformed"]),
        case(raw(now - 25_000, r#"{"ts":TS,"values":{"so2":1},"seq":"x"}"#), stored(1), &["malformed"]),
        case(
            raw(now - 26_000, r#"{"ts":TS,"values":{"so2":1},"quality":{"so2":"?"}}"#),
            stored(1),
            &["wrong_type"],
        ),
        case(raw(now - 27_000, r#"{"ts":TS,"values":{"so2":1,"o3" 2,"no2":3}}"#), stored(2), &["malformed"]),
        case(raw(now - 28_000, r#"{"ts":TS,"values":{"so2":1,"o3":2"#), stored(1), &["malformed"]),
        case(
            raw(now - 29_000, r#"{"values":{"so2":1,"o3":2},"ts"#),
            none,
            &["bad_time", "bad_time", "malformed"],
        ),
        case(raw(now - 30_000, "{GOOD}\n{GOOD}"), stored(2), &["malformed"]),
        case(one(now - 9000, "vn_aqi", 50), none, &["unknown_property"]),
        case(array.to_string().into_bytes(), stored(3), &["unknown_property"]),
        case(b"{\"values\":{\"so2\":1},\"seq\":7}".to_vec(), stored(1), &[]),
        case(b"{\"values\":{\"so2\":1},\"seq\":7}".to_vec(), Books { duplicate: 1, ..none }, &[]),
        Case { topic: telemetry("WL-1"), ..case(one(now, "pm25", 1), none, &["topic_not_allowed"]) },
        Case {
            topic: "ioc/v1/lighting/AIR-1/telemetry".into(),
            ..case(one(now, "pm25", 1), none, &["wrong_domain"])
        },
        Case {
            device: "GW-1",
            topic: telemetry("GW-1"),
            ..case(one(now, "pm25", 1), none, &["unknown_device"])
        },
    ]
}

#[track_caller]
fn balanced(metrics: &Metrics) {
    let [received, stored, duplicate, rejected] = metrics.ledger();
    assert_eq!(received, stored + duplicate + rejected, "{metrics:?}");
}

fn rows(engineer: &Client) -> Vec<Value> {
    engineer.get("/api/v1/quarantine?limit=1000").expect(200)["items"].as_array().unwrap().clone()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shows(row: &Value, case: &Case) {
    let reasons: Vec<&str> =
        row["items"].as_array().unwrap().iter().map(|item| item["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, case.rejected, "{row}");
    assert!(
        row["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["detail"].as_str().is_some_and(|why| why.len() > 10)),
        "{row}"
    );
    assert_eq!(row["topic"], case.topic.as_str());
    assert_eq!(row["credential"], case.device);
    assert_eq!(row["device"].as_str(), case.topic.split('/').nth(3), "{row}");
    assert_eq!(row["payload_hex"], hex(&case.payload).as_str());
    assert_eq!(row["payload_len"], case.payload.len());
    assert!(row["at"].as_i64().is_some_and(|at| (at - now_ms()).abs() < HOUR_MS));
}

#[test]
fn the_books_balance_and_everything_rejected_can_be_looked_up() {
    let mut city = City::prepare("");
    city.start();
    let air = city.device("AIR-1", "air-station");
    city.device("WL-1", "water-level");
    let gateway = city.credential("GW-1", "gateway");
    let engineer = city.user("ky", "engineer");
    let mut clients = [("AIR-1", city.mqtt("AIR-1", &air)), ("GW-1", city.mqtt("GW-1", &gateway))];

    // Somebody scrapes all the while, and must never see books that do not balance.
    let done = Arc::new(AtomicBool::new(false));
    let (scraping, client) = (Arc::clone(&done), city.client());
    let scraper = thread::spawn(move || {
        let mut scrapes = 0;
        while !scraping.load(Ordering::Relaxed) {
            balanced(&Metrics::parse(&client.get("/metrics").text()));
            scrapes += 1;
        }
        scrapes
    });
    let cases = cases();
    for case in &cases {
        let (_, client) = clients.iter_mut().find(|(name, _)| *name == case.device).unwrap();
        client.publish(&case.topic, &case.payload);
    }
    let sum = |of: fn(&Books) -> u64| cases.iter().map(|case| of(&case.books)).sum::<u64>() as f64;
    let rejected: Vec<&Case> = cases.iter().filter(|case| !case.rejected.is_empty()).collect();
    let rejections: usize = rejected.iter().map(|case| case.rejected.len()).sum();
    let (stored, duplicate) = (sum(|books| books.stored), sum(|books| books.duplicate));
    let expected = [stored + duplicate + rejections as f64, stored, duplicate, rejections as f64];
    until("every message in the books", || (city.metrics().ledger()[0] >= expected[0]).then_some(()));
    done.store(true, Ordering::Relaxed);
    assert!(scraper.join().unwrap() > 0);
    let metrics = city.metrics();
    assert_eq!(metrics.ledger(), expected);
    assert_eq!(metrics.get("ioc_observations_corrected_total"), sum(|books| books.corrected));
    for reason in rejected.iter().flat_map(|case| case.rejected) {
        let count = rejected.iter().flat_map(|case| case.rejected).filter(|found| *found == reason).count();
        assert_eq!(metrics.reason("ioc_observations_rejected_total", reason), count as f64, "{reason}");
    }

    let listed = until("every rejected message in quarantine", || {
        let rows = rows(&engineer);
        (rows.len() >= rejected.len()).then_some(rows)
    });
    assert_eq!(listed.len(), rejected.len());
    // Two connections: their order between each other is not given, that of each is.
    for device in ["AIR-1", "GW-1"] {
        let found = listed.iter().rev().filter(|row| row["credential"] == device);
        let wanted = rejected.iter().filter(|case| case.device == device);
        found.zip(wanted).for_each(|(row, case)| shows(row, case));
    }
    let by_cli = |city: &City| {
        city.ioc_json(&["quarantine", "list", "--limit", "1000"])["items"].as_array().unwrap().clone()
    };
    assert_eq!(by_cli(&city), listed, "the command line shows the same");
    let of_reason = city.ioc_json(&["quarantine", "list", "--reason", "future_time"]);
    assert_eq!(of_reason["items"].as_array().unwrap().len(), 1);
    city.restart();
    assert_eq!(rows(&engineer), listed, "and so does the next start");
    assert_eq!(city.stop().code(), Some(0));
    assert_eq!(by_cli(&city), listed, "and the command line without a server");
}

#[test]
fn the_quarantine_is_bounded_and_the_oldest_go() {
    let mut city = City::prepare("[records]\nquarantine_rows_max = 20\n");
    city.start();
    let token = city.device("WL-1", "water-level");
    let engineer = city.user("ky", "engineer");
    let mut device = city.mqtt("WL-1", &token);
    for n in 0..200 {
        device.publish(&telemetry("WL-1"), format!("broken {n}").as_bytes());
    }
    let newest = until("the newest in quarantine", || {
        let rows = rows(&engineer);
        rows.first().is_some_and(|row| row["payload"] == "broken 199").then_some(rows)
    });
    assert!((1..=40).contains(&newest.len()), "about twenty are kept: {}", newest.len());
    until("all are counted", || {
        (city.metrics().reason("ioc_observations_rejected_total", "malformed") == 200.0).then_some(())
    });
}
