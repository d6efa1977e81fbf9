//! Kills while history is sealed: back-filled data goes into many short segments, the journal drops what the store
//! has, and nothing acknowledged is lost between the two.
use crate::support::{City, Client, Mqtt, now_ms, telemetry, within};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const CONFIG: &str = "[journal]\nsegment = \"1MiB\"\nkeep = \"1MiB\"\n[store]\nsegment_span = \"1m\"\n[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n";
const KILLS: usize = 5;
/// Messages between two kills, and readings of each.
const MESSAGES: usize = 90;
const READINGS: usize = 250;
/// Publishes in flight.
const WINDOW: usize = 8;
/// So that all of it covers some forty spans.
const STEP_MS: i64 = 20;
/// A span, and what sealing takes.
const SEALING: Duration = Duration::from_secs(120);
const SETTLE: Duration = Duration::from_secs(60);

/// The readings of one message; each message is a stretch of its own, and they come in no order.
fn readings(begin: i64, message: usize) -> Vec<(i64, f64)> {
    const TOTAL: usize = KILLS * MESSAGES;
    // Prime to the number of messages: each stretch comes once.
    let stretch = message * 7919 % TOTAL;
    let first = begin + (stretch * READINGS) as i64 * STEP_MS;
    (0..READINGS).map(|n| (first + n as i64 * STEP_MS, ((stretch + n) % 97) as f64 / 8.0)).collect()
}

fn payload(readings: &[(i64, f64)]) -> Vec<u8> {
    let elements = readings.iter().map(|(ts, v)| json!({ "ts": ts, "values": { "water_level": v } }));
    Value::from(elements.collect::<Vec<_>>()).to_string().into_bytes()
}

fn publish(device: &mut Mqtt, begin: i64, messages: std::ops::Range<usize>) {
    let mut flying = 0;
    for message in messages {
        device.send_publish(&telemetry("WL-1"), &payload(&readings(begin, message))).unwrap();
        flying += 1;
        if flying == WINDOW {
            assert!(device.puback(SETTLE).unwrap().is_some());
            flying -= 1;
        }
    }
    for _ in 0..flying {
        assert!(device.puback(SETTLE).unwrap().is_some());
    }
}

/// How many segments history has on disk.
/// Segments that count: those that the manifest names.
fn segments(city: &City) -> usize {
    let manifest = fs::read_to_string(city.data_dir().join("store/manifest")).unwrap_or_default();
    manifest.lines().filter(|line| line.starts_with("segment ") || line.starts_with("wide ")).count()
}

#[test]
fn kills_while_history_is_sealed_lose_nothing() {
    let mut city = City::prepare(CONFIG);
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let span = (KILLS * MESSAGES * READINGS) as i64 * STEP_MS;
    let begin = now_ms() - span - 3_600_000;
    for kill in 0..KILLS {
        publish(&mut city.mqtt("WL-1", &token), begin, kill * MESSAGES..(kill + 1) * MESSAGES);
        if kill == KILLS / 2 {
            // Sealing begins as the next span falls due; the kill comes while it goes on, or right behind it.
            within(SEALING, "a sealed segment", || (segments(&city) > 0).then_some(()));
        }
        city.kill();
        city.start();
    }
    let mut expected: Vec<(i64, f64)> =
        (0..KILLS * MESSAGES).flat_map(|message| readings(begin, message)).collect();
    expected.sort_by_key(|(ts, _)| *ts);
    for chunk in expected.chunks(100_000) {
        let (from, to) = (chunk[0].0, chunk.last().unwrap().0 + 1);
        let points = || city.points(&vy, "WL-1", "water_level", from, to);
        within(SETTLE, "all in history", || (points().len() >= chunk.len()).then_some(()));
        assert!(points() == chunk, "history from {from} to {to} is not what was acknowledged");
    }
    let journal = fs::read_dir(city.data_dir().join("journal")).unwrap();
    let bytes: u64 = journal.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    eprintln!("{} readings in {} segments; the journal keeps {bytes} bytes", expected.len(), segments(&city));
    city.restart();
    let last = expected.last().unwrap();
    assert_eq!(city.points(&vy, "WL-1", "water_level", last.0, last.0 + 1), [*last]);
    damaged_history_says_so(&mut city, &vy, begin, last.0 + 1);
}

/// Damages a block of each file and asks for history in every way.
fn damaged_history_says_so(city: &mut City, vy: &Client, from: i64, to: i64) {
    let ranges = [
        format!("?device=WL-1&property=water_level&from={from}&to={to}&buckets=9"),
        format!("/top?property=water_level&from={from}&to={to}"),
        format!("/groups?property=water_level&from={from}&to={to}&interval=60"),
    ];
    let damaged = |path: &String| vy.get(&format!("/api/v1/history{path}")).expect(200)["damaged"].clone();
    ranges.iter().for_each(|path| assert_eq!(damaged(path), json!([]), "{path}"));
    assert_eq!(city.stop().code(), Some(0));
    for entry in fs::read_dir(city.data_dir().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "history") {
            let mut bytes = fs::read(&path).unwrap();
            bytes[100] ^= 0x10;
            fs::write(&path, bytes).unwrap();
        }
    }
    city.start();
    for path in &ranges {
        let ranges = damaged(path);
        assert!(!ranges.as_array().unwrap().is_empty(), "{path}");
        for range in ranges.as_array().unwrap() {
            assert!(
                from <= range["from"].as_i64().unwrap() && range["to"].as_i64().unwrap() <= to,
                "{range}"
            );
        }
    }
    let before = format!("?device=WL-1&property=water_level&from={}&to={from}", from - 1_000);
    assert_eq!(damaged(&before), json!([]), "another time is whole");
    assert!(city.metrics().get("ioc_history_incomplete_answers_total") >= 3.0);
    assert!(city.metrics().get("ioc_history_damaged_places") >= 1.0);
}
