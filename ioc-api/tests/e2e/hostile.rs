//! Whoever sends garbage harms themselves: others keep being served, the counters tell, nothing panics.
use crate::support::{
    City, Mqtt,
    metrics::Metrics,
    mqtt::{self, Connect, Received},
    now_ms, one, telemetry, until,
};
use std::time::Duration;

const SHORTLY: Duration = Duration::from_secs(10);

fn city() -> (City, String, String) {
    let config =
        "[mqtt.limits]\nconnect_timeout = \"1s\"\nunauthenticated_max = 16\nforeign_topics_max = 3\n";
    let mut city = City::prepare(config);
    city.start();
    let good = city.device("WL-GOOD", "water-level");
    let bad = city.device("WL-BAD", "water-level");
    (city, good, bad)
}

/// Publishes as the good neighbour, who must not notice anything.
struct Neighbour {
    client: Mqtt,
    ts: i64,
}

impl Neighbour {
    fn new(city: &City, token: &str) -> Self {
        Self { client: city.mqtt("WL-GOOD", token), ts: now_ms() - 60_000 }
    }

    fn is_served(&mut self) {
        self.ts += 1;
        self.client.publish(&telemetry("WL-GOOD"), &one(self.ts, "water_level", 1));
    }
}

fn closed(metrics: &Metrics, reason: &str) -> f64 {
    metrics.reason("ioc_mqtt_closed_total", reason)
}

#[track_caller]
fn counted(city: &City, reason: &str, count: f64) {
    until(&format!("{count} closed for {reason}"), || {
        (closed(&city.metrics(), reason) >= count).then_some(())
    });
}

#[test]
fn garbage_instead_of_connect_is_closed_and_counted() {
    let (city, good, _) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    let not_connect: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", b"\xb0\x01\x02", b"\x30\x03\x00\x01a", &[0; 64]];
    let malformed = [
        mqtt::packet(0x10, b""),
        mqtt::packet(0x10, b"\x00\x04MQTT\x04"),
        mqtt::packet(0x10, b"\x00\x04MQTT\x04\xff\x00\x0a\x00"),
        mqtt::packet(0x1f, b"\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"),
        b"\x10\xff\xff\xff\xff\x7f".to_vec(),
        mqtt::packet(
            0x10,
            &[b"\x00\x04MQTT\x04\x82\x00\x0a\x00\x00".as_slice(), b"\x00\x02\xff\xfe"].concat(),
        ),
    ];
    for bytes in not_connect.iter().copied().chain(malformed.iter().map(Vec::as_slice)) {
        let mut client = Mqtt::open(city.mqtt_addr());
        client.try_send(bytes);
        assert!(client.is_closed_within(SHORTLY), "{bytes:x?}");
        neighbour.is_served();
    }
    counted(&city, "not_connect", 4.0);
    let ended = ["not_connect", "protocol_error", "packet_too_large"];
    until("each of them under a reason", || {
        let metrics = city.metrics();
        let sum: f64 = ended.iter().map(|reason| closed(&metrics, reason)).sum();
        assert!(sum <= 10.0, "{sum}");
        (sum == 10.0).then_some(())
    });
    assert_eq!(city.metrics().get("ioc_mqtt_connected_total"), 1.0);
}

#[test]
fn half_open_sockets_run_into_the_connect_timeout_and_give_way() {
    let (city, good, _) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    // More than may wait unauthenticated: the oldest go, and the newest gets in.
    let mut silent: Vec<Mqtt> = (0..24).map(|_| Mqtt::open(city.mqtt_addr())).collect();
    neighbour.is_served();
    counted(&city, "unauthenticated_cap", 8.0);
    let mut slow = Mqtt::open(city.mqtt_addr());
    slow.send(&Connect::device("WL-BAD", "x").packet()[..5]);
    for client in &mut silent {
        assert!(client.is_closed_within(SHORTLY));
    }
    assert!(slow.is_closed_within(SHORTLY));
    counted(&city, "connect_timeout", 16.0);
    neighbour.is_served();
    until("one is left", || (city.metrics().get("ioc_mqtt_connections") == 1.0).then_some(()));
}

#[test]
fn other_protocol_versions_are_told_so() {
    let (city, good, bad) = city();
    let mut client = Mqtt::open(city.mqtt_addr());
    client.send(&Connect { level: 5, ..Connect::device("WL-BAD", &bad) }.packet());
    // CONNACK of MQTT 5 with reason 0x84, unsupported protocol version.
    assert_eq!(client.receive(SHORTLY), Received::Packet(0x20, vec![0, 0x84, 0]));
    assert!(client.is_closed_within(SHORTLY));
    let old = Connect { level: 3, ..Connect::device("WL-BAD", &bad) };
    assert_eq!(Mqtt::connect(city.mqtt_addr(), &old).err(), Some(1));
    until("both counted", || {
        (city.metrics().reason("ioc_mqtt_refused_total", "protocol_version") == 2.0).then_some(())
    });
    Neighbour::new(&city, &good).is_served();
}

#[test]
fn wrong_sign_ins_get_their_own_code() {
    let (city, good, bad) = city();
    let code = |connect: Connect| Mqtt::connect(city.mqtt_addr(), &connect).err();
    assert_eq!(code(Connect::device("WL-BAD", "wrong")), Some(4));
    assert_eq!(code(Connect::device("WL-NONE", &bad)), Some(4));
    assert_eq!(code(Connect { user: None, password: None, ..Connect::device("WL-BAD", "") }), Some(5));
    assert_eq!(code(Connect { client_id: "WL-GOOD".into(), ..Connect::device("WL-BAD", &bad) }), Some(2));
    let will = Some((telemetry("WL-GOOD"), b"x".to_vec()));
    assert_eq!(code(Connect { will, ..Connect::device("WL-BAD", &bad) }), Some(5));
    assert_eq!(code(Connect::device("WL-BAD", &bad)), None, "and the right one gets in");
    let metrics = city.metrics();
    let refused = |reason: &str| metrics.reason("ioc_mqtt_refused_total", reason);
    assert_eq!(
        (refused("bad_credentials"), refused("not_authorized"), refused("identifier_rejected")),
        (2.0, 2.0, 1.0)
    );
    Neighbour::new(&city, &good).is_served();
}

#[test]
fn packets_against_the_standard_close_their_connection_alone() {
    let (city, good, bad) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    let topic = telemetry("WL-BAD");
    let packets = [
        (mqtt::publish(topic.as_bytes(), b"{}", 2, 1), "qos_2"),
        (mqtt::publish(b"ioc/v1/environment/+/telemetry", b"{}", 1, 1), "topic_invalid"),
        (mqtt::publish(b"ioc/v1/#", b"{}", 0, 0), "topic_invalid"),
        (mqtt::publish(b"", b"{}", 1, 1), "topic_invalid"),
        (mqtt::publish(b"ioc/\xff\xfe", b"{}", 1, 1), "topic_invalid"),
        (mqtt::publish(topic.as_bytes(), &vec![b'x'; 1 << 20], 1, 1), "packet_too_large"),
        (mqtt::publish(topic.as_bytes(), b"{}", 1, 0), "protocol_error"),
        (mqtt::publish(topic.as_bytes(), b"{}", 3, 1), "protocol_error"),
        (mqtt::packet(0x30, b"\xff\xffa"), "protocol_error"),
        (Connect::device("WL-BAD", &bad).packet(), "protocol_error"),
    ];
    for (packet, reason) in packets {
        let before = closed(&city.metrics(), reason);
        let mut client = city.mqtt("WL-BAD", &bad);
        client.try_send(&packet);
        assert!(client.is_closed_within(SHORTLY), "{reason}");
        until(reason, || (closed(&city.metrics(), reason) > before).then_some(()));
        neighbour.is_served();
    }
}

#[test]
fn payloads_nobody_can_read_are_acknowledged_and_kept_in_quarantine() {
    let (city, good, bad) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    let engineer = city.user("ky", "engineer");
    let mut client = city.mqtt("WL-BAD", &bad);
    let deep = [b'['; 5000];
    let long_text = [b"{\"values\":{\"".as_slice(), &[b'a'; 100_000], b"\":1}}"].concat();
    let payloads: [(&[u8], &str); 8] = [
        (b"", "malformed"),
        (b"{\"ts\":1,\"values\":{\"water_level\":", "malformed"),
        (b"\xc3\x28\xff", "not_utf8"),
        (&deep, "malformed"),
        (b"null", "malformed"),
        (b"{\"values\":{\"water_level\":1e999}}", "out_of_range"),
        (&long_text, "unknown_property"),
        (b"{\"ts\":\"soon\",\"values\":{\"water_level\":1}}", "bad_time"),
    ];
    for (payload, reason) in payloads {
        client.publish(&telemetry("WL-BAD"), payload);
        let kept = until(reason, || {
            let list = engineer
                .get(&format!("/api/v1/quarantine?device=WL-BAD&reason={reason}&limit=1"))
                .expect(200);
            list["items"].as_array()?.first().filter(|row| row["payload_len"] == payload.len()).cloned()
        });
        assert_eq!(kept["topic"], telemetry("WL-BAD").as_str());
        neighbour.is_served();
    }
    until("the neighbour's", || (city.metrics().get("ioc_observations_stored_total") == 8.0).then_some(()));
}

#[test]
fn foreign_topics_are_quarantined_and_at_last_close_the_connection() {
    let (city, good, bad) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    let mut client = city.mqtt("WL-BAD", &bad);
    let mut acknowledged = 0;
    for n in 0..20 {
        let high = one(now_ms() + n, "water_level", 9);
        if client.send_publish(&telemetry("WL-GOOD"), &high).is_none() || client.puback(SHORTLY).is_err() {
            break;
        }
        acknowledged += 1;
    }
    assert!((3..=4).contains(&acknowledged), "{acknowledged} were acknowledged before the close");
    counted(&city, "topic_not_allowed", 1.0);
    until("all in quarantine", || {
        let counted = city.metrics().reason("ioc_observations_rejected_total", "topic_not_allowed");
        (counted >= f64::from(acknowledged)).then_some(())
    });
    neighbour.is_served();
}

#[test]
fn the_quarantine_table_shows_who_sent_it_and_the_text_as_it_came() {
    let (city, _, bad) = city();
    let mut client = city.mqtt("WL-BAD", &bad);
    client.publish(&telemetry("WL-GOOD"), b"{\"it's\":\"\x1b[2J\"}");
    client.publish("ioc/v1/environment/WL-BAD/telemetri", b"{}");
    let rows = until("both in quarantine", || {
        let output = city.ioc(&["quarantine", "list"]);
        let table = String::from_utf8(output.stdout).unwrap();
        (table.lines().count() == 3).then_some(table)
    });
    let row = |device: &str| rows.lines().find(|row| row.contains(&telemetry(device))).unwrap();
    assert!(row("WL-GOOD").contains("WL-GOOD  WL-BAD"), "device and credential: {rows}");
    assert!(row("WL-GOOD").contains(r#"{"it's":"\u{1b}[2J"}"#), "{rows}");
    assert!(
        rows.contains(r#"unknown last level "telemetri"; expected telemetry, event, state or"#),
        "{rows}"
    );
}

#[test]
fn nobody_listens_in() {
    let (city, _, bad) = city();
    let mut client = city.mqtt("WL-BAD", &bad);
    let forbidden = [
        "#",
        "ioc/v1/#",
        "ioc/v1/alerts/#",
        "ioc/v1/environment/WL-GOOD/command",
        "ioc/v1/environment/+/command",
        "$SYS/#",
    ];
    for filter in forbidden {
        assert_eq!(client.subscribe(filter), 0x80, "{filter}");
    }
    assert_eq!(client.subscribe("ioc/v1/environment/WL-BAD/command"), 0);
    assert_eq!(city.metrics().get("ioc_mqtt_subscribe_denied_total"), forbidden.len() as f64);
}

/// Bytes of a fixed generator, so that a failure can be repeated.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn noise_on_the_wire_before_and_after_sign_in_harms_nobody() {
    let (city, good, bad) = city();
    let mut neighbour = Neighbour::new(&city, &good);
    for seed in 0..60 {
        let mut stranger = Mqtt::open(city.mqtt_addr());
        stranger.try_send(&noise(seed, 300));
        let mut client = city.mqtt("WL-BAD", &bad);
        let mut bytes =
            mqtt::publish(telemetry("WL-BAD").as_bytes(), b"{\"values\":{\"water_level\":1}}", 1, 7);
        let at = seed as usize % bytes.len();
        bytes[at] ^= 1 << (seed % 8);
        client.try_send(&bytes);
        client.try_send(&noise(seed + 1000, 200));
        neighbour.is_served();
    }
    assert_eq!(closed(&city.metrics(), "panic"), 0.0);
    assert_eq!(city.metrics().get("ioc_mqtt_restarts_total"), 0.0);
}
