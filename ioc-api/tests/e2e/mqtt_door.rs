//! How devices enter over TLS.
use crate::support::{
    City, Mqtt,
    mqtt::{Connect, packet},
    ports, telemetry,
    tls::{self, Stream, write_pair},
    until,
};
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
};

/// Signs a device in over TLS and trusts one certificate alone; `None` when the server has another.
fn connect(addr: SocketAddr, certificate: &Path, id: &str, token: &str) -> Option<Stream> {
    let mut stream = tls::open(addr, certificate)?;
    stream.write_all(&Connect::device(id, token).packet()).ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).ok()?;
    assert_eq!(answer, [0x20, 2, 0, 0], "CONNACK");
    Some(stream)
}

/// Pings and waits for the answer.
fn is_alive(stream: &mut Stream) -> bool {
    let mut answer = [0; 2];
    stream.write_all(&packet(0xc0, b"")).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer[0] == 0xd0
}

#[test]
fn a_renewed_certificate_of_mqtt_is_shown_without_a_restart_and_connections_live_on() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    write_pair(&certificate, &key);
    let addr = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let mut city = City::prepare(&format!(
        "[mqtt.tls]\nlisten = \"{addr}\"\ncertificate = {certificate:?}\nkey = {key:?}\n"
    ));
    city.start();
    let tokens = ["WL-1", "WL-2", "WL-3"].map(|id| (id, city.device(id, "water-level")));
    let (id, token) = &tokens[0];
    let mut first = connect(addr, &certificate, id, token).unwrap();
    let expires = || city.metrics().get("ioc_mqtts_certificate_expires_seconds");
    assert!(expires() > 1e9, "{}", expires());

    // A broken renewal keeps the certificate and is told.
    let old = dir.path().join("old.pem");
    fs::copy(&certificate, &old).unwrap();
    fs::write(&key, "no key").unwrap();
    until("the log says that the new certificate cannot be used", || {
        let log = city.log();
        (log.contains("the new certificate of MQTT over TLS cannot be used") && log.contains("key.pem"))
            .then_some(())
    });
    let (id, token) = &tokens[1];
    let mut second = connect(addr, &old, id, token).expect("the certificate before");

    // A good one is shown to whoever comes; who is connected stays so.
    write_pair(&certificate, &key);
    let (id, token) = &tokens[2];
    let mut third = until("the new certificate", || connect(addr, &certificate, id, token));
    assert!(connect(addr, &old, id, token).is_none());
    for stream in [&mut first, &mut second, &mut third] {
        assert!(is_alive(stream));
    }

    // Plain MQTT goes on beside it.
    let mut plain = Mqtt::device(city.mqtt_addr(), "WL-1", &tokens[0].1);
    plain.publish(&telemetry("WL-1"), json!({ "values": { "water_level": 1 } }).to_string().as_bytes());
}

#[test]
fn a_certificate_of_mqtt_that_cannot_be_used_refuses_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    write_pair(&certificate, &key);
    fs::write(&key, "no key").unwrap();
    let city = City::prepare(&format!("[mqtt.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    let output = crate::support::process::run(&mut city.serve());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("mqtts: ") && said.contains("key.pem") && said.contains("PEM"), "{said}");
}
