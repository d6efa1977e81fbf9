//! What is a repeat and what is a new reading, of messages without a time.
use crate::support::{City, Mqtt, now_ms, until};
use serde_json::{Value, json};

const TOPIC: &str = "ioc/v1/parking/BAY-1/telemetry";
const DUP: u8 = 8;

fn bay(occupied: bool, seq: u64) -> Vec<u8> {
    json!({ "values": { "occupied": occupied }, "seq": seq }).to_string().into_bytes()
}

/// Publishes with DUP set and waits for the PUBACK.
fn publish_again(client: &mut Mqtt, payload: &[u8]) {
    client.publish_flagged(DUP, TOPIC, payload);
}

/// Checks received, stored, duplicate and rejected of this process.
#[track_caller]
fn books(city: &City, expected: [f64; 4]) {
    until("the books", || (city.metrics().ledger()[0] >= expected[0]).then_some(()));
    assert_eq!(city.metrics().ledger(), expected);
}

#[test]
fn a_bay_that_restarts_is_occupied_again() {
    let mut city = City::prepare("");
    city.start();
    let token = city.device_in("parking", "BAY-1", "parking-bay");
    let password = city.add_user("vy", "viewer");
    let begin = now_ms() - 60_000;
    let mut client = city.mqtt("BAY-1", &token);
    client.publish(TOPIC, &bay(true, 0));
    client.publish(TOPIC, &bay(false, 1));
    publish_again(&mut client, &bay(true, 0));
    books(&city, [3.0, 2.0, 1.0, 0.0]);
    drop(client);
    let mut client = city.mqtt("BAY-1", &token);
    client.publish(TOPIC, &bay(true, 0));
    books(&city, [4.0, 3.0, 1.0, 0.0]);
    client.publish(TOPIC, &bay(true, 0));
    books(&city, [5.0, 3.0, 2.0, 0.0]);

    // Acknowledged, and the device does not know: it says so again, to our next process.
    city.kill();
    city.start();
    let mut client = city.mqtt("BAY-1", &token);
    publish_again(&mut client, &bay(true, 0));
    client.publish(TOPIC, &bay(true, 0));
    books(&city, [2.0, 0.0, 2.0, 0.0]);
    let viewer = city.sign_in("vy", &password);

    let values: Vec<f64> =
        city.points(&viewer, "BAY-1", "occupied", begin, now_ms() + 60_000).iter().map(|(_, v)| *v).collect();
    assert_eq!(values, [1.0, 0.0, 1.0], "the third is a reading of its own");
    let latest = viewer.get("/api/v1/devices/BAY-1/latest").expect(200);
    let shown: Vec<&Value> = latest["items"].as_array().unwrap().iter().map(|item| &item["value"]).collect();
    assert_eq!(shown, [&json!(1.0)], "the bay shows occupied");
}

/// The first message after a reboot went into a connection that was dead, so that it comes with DUP on the next.
#[test]
fn a_bay_that_restarts_and_repeats_its_first_message_is_occupied() {
    /// Longer than several messages on their way at once follow each other.
    const ACKNOWLEDGED_MS: i64 = 300;
    let mut city = City::prepare("");
    city.start();
    let token = city.device_in("parking", "BAY-1", "parking-bay");
    let mut client = city.mqtt("BAY-1", &token);
    client.publish(TOPIC, &bay(true, 0));
    let acknowledged = now_ms();
    until("the bay has long had its acknowledgement", || {
        (now_ms() > acknowledged + ACKNOWLEDGED_MS).then_some(())
    });
    client.publish(TOPIC, &bay(false, 1));
    drop(client);
    let mut client = city.mqtt("BAY-1", &token);
    publish_again(&mut client, &bay(true, 0));
    books(&city, [3.0, 3.0, 0.0, 0.0]);
    publish_again(&mut client, &bay(true, 0));
    books(&city, [4.0, 3.0, 1.0, 0.0]);
}

/// A reading without a time does not take the place of one that has its millisecond.
#[test]
fn a_reading_without_a_time_replaces_none() {
    const TOPIC: &str = "ioc/v1/environment/AIR-1/telemetry";
    let mut city = City::prepare("");
    city.start();
    let token = city.device_in("environment", "AIR-1", "air-station");
    let mut client = city.mqtt("AIR-1", &token);
    let begin = now_ms();
    for _ in 0..20 {
        let now = now_ms();
        let timed = (0..6).map(|n| json!({ "ts": now + n, "values": { "pm25": 100 + n } }));
        let elements: Vec<Value> = timed.chain([json!({ "values": { "pm25": 1 } })]).collect();
        client.publish(TOPIC, json!(elements).to_string().as_bytes());
        until("other milliseconds", || (now_ms() > now + 10).then_some(()));
    }
    books(&city, [140.0, 140.0, 0.0, 0.0]);
    let password = city.add_user("vy", "viewer");
    let viewer = city.sign_in("vy", &password);
    assert_eq!(city.points(&viewer, "AIR-1", "pm25", begin - 1000, now_ms() + 60_000).len(), 140);
}
