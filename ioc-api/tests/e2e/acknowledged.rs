//! Promise 1 on a fresh directory: what was acknowledged is in history, however much another device sends before history
//! has sealed anything and every follower has kept a place.
use crate::support::{City, Mqtt, now_ms, one, telemetry, until, within};
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG: &str = "[journal]\nsegment = \"1MiB\"\nkeep = \"2MiB\"\n[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n";
const READINGS: i64 = 2_000;
/// Publishes in flight.
const WINDOW: i64 = 64;
/// Times what the journal keeps in any case.
const JOURNAL_BYTES: f64 = 5.0 * 2.0 * 1024.0 * 1024.0;
const REPEATED: i64 = 500;
const SETTLE: Duration = Duration::from_secs(60);

fn acknowledge(device: &mut Mqtt, id: &str, begin: i64) {
    for n in 0..READINGS {
        device.send_publish(&telemetry(id), &one(begin + n, "water_level", n as f64 / 1000.0)).unwrap();
        if n >= WINDOW {
            assert!(device.puback(SETTLE).unwrap().is_some());
        }
    }
    (0..WINDOW).for_each(|_| assert!(device.puback(SETTLE).unwrap().is_some()));
}

/// Repeats one back-fill until the journal has passed what it keeps.
fn repeat(city: &City, device: &mut Mqtt, id: &str, begin: i64) {
    let elements = (0..REPEATED).map(|n| json!({ "ts": begin + n, "values": { "water_level": 1 } }));
    let payload = Value::from(elements.collect::<Vec<_>>()).to_string().into_bytes();
    let written = |city: &City| city.metrics().get("ioc_journal_written_bytes_total");
    while written(city) < JOURNAL_BYTES {
        for _ in 0..20 {
            device.publish(&telemetry(id), &payload);
        }
    }
}

#[test]
fn a_repeated_back_fill_pushes_nothing_out_that_history_lacks() {
    let mut city = City::prepare(CONFIG);
    city.start();
    let (token, other) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let vy = city.user("vy", "viewer");
    let begin = now_ms() - 3_600_000;
    acknowledge(&mut city.mqtt("WL-1", &token), "WL-1", begin);
    repeat(&city, &mut city.mqtt("WL-2", &other), "WL-2", begin);
    // History seals early, so that the journal comes back to what it is configured to keep.
    within(SETTLE, "a bounded journal", || {
        let metrics = city.metrics();
        let is_bounded = metrics.get("ioc_journal_disk_bytes") < JOURNAL_BYTES / 2.0;
        (is_bounded && metrics.get("ioc_journal_held_bytes") == 0.0).then_some(())
    });
    for _life in 0..2 {
        city.kill();
        city.start();
        let expected: Vec<(i64, f64)> = (0..READINGS).map(|n| (begin + n, n as f64 / 1000.0)).collect();
        let points =
            until("history", || Some(city.points(&vy, "WL-1", "water_level", begin, begin + READINGS)));
        assert!(points == expected, "{} of {READINGS} are left", points.len());
    }
    let log = city.log();
    assert!(!log.contains("history has a gap"), "{log}");
}
