//! Whoever puts a device into service finds in the log why it is not let in, and no secret.
use crate::support::{
    City, Mqtt,
    mqtt::{Connect, Received},
    until,
};
use std::time::Duration;

const SHORTLY: Duration = Duration::from_secs(10);

/// Sends the first bytes and waits for the end.
fn attempt(city: &City, bytes: &[u8]) {
    let mut client = Mqtt::open(city.mqtt_addr());
    client.send(bytes);
    while !matches!(client.receive(SHORTLY), Received::Closed | Received::Nothing) {}
}

#[test]
fn the_log_says_why_a_client_is_not_let_in() {
    let mut city = City::prepare("[mqtt.limits]\nconnect_timeout = \"1s\"\n");
    city.start();
    let token = city.device("WL-1", "water-level");
    let connect = Connect::device("WL-1", &token);
    // Each for a reason of its own: none may hide another.
    attempt(&city, &Connect { level: 5, ..connect.clone() }.packet());
    attempt(&city, &Connect { client_id: "sensor-7".into(), ..connect.clone() }.packet());
    attempt(&city, &Connect { password: None, ..connect.clone() }.packet());
    attempt(&city, &Connect { user: None, password: None, ..connect.clone() }.packet());
    attempt(&city, b"GET /?token=s3cret HTTP/1.1\r\n\r\n");
    attempt(&city, &connect.packet()[..5]);
    let expected = [
        "speaks MQTT 5; this server speaks MQTT 3.1.1",
        "client id \"sensor-7\": a device's must be its user name \"WL-1\", or empty with a clean session",
        "user name \"WL-1\": no password; it is the token",
        "gave no user name",
        "began with HTTP",
        "no complete CONNECT within 1 s",
    ];
    for words in expected {
        let line = until(words, || city.log().lines().find(|line| line.contains(words)).map(str::to_owned));
        assert!(line.contains("MQTT sign-in refused") && line.contains("127.0.0.1"), "{line}");
    }
    let log = city.log();
    assert!(!log.contains(&token) && !log.contains("s3cret"), "{log}");
}
