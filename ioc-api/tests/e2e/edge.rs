//! What the device edge promises beyond acknowledging: takeover, wills, rates that slow and never close, rotation.
use crate::support::{
    City, Client, Mqtt,
    mqtt::{Connect, Received, publish},
    now_ms, one, telemetry, until,
};
use std::time::{Duration, Instant};

const SHORTLY: Duration = Duration::from_secs(10);

fn city() -> (City, String, Client) {
    let mut city = City::prepare("[mqtt.limits]\ndevice_rate = 20\ndevice_burst = 20\n");
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    (city, token, vy)
}

#[test]
fn packets_right_behind_connect_are_kept() {
    let (city, token, vy) = city();
    let ts = now_ms();
    let mut client = Mqtt::open(city.mqtt_addr());
    let first = publish(telemetry("WL-1").as_bytes(), &one(ts, "water_level", 1), 1, 5);
    client.send(&[Connect::device("WL-1", &token).packet(), first].concat());
    assert_eq!(client.receive(SHORTLY), Received::Packet(0x20, vec![0, 0]));
    assert_eq!(client.puback(SHORTLY), Ok(Some(5)));
    until("the observation", || {
        (!city.points(&vy, "WL-1", "water_level", ts, ts + 1).is_empty()).then_some(())
    });
}

#[test]
fn acknowledgements_keep_the_order_of_a_full_pipeline() {
    let mut city = City::prepare(
        "[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n",
    );
    city.start();
    let token = city.device("WL-1", "water-level");
    let mut client = city.mqtt("WL-1", &token);
    let begin = now_ms() - 60_000;
    let sent: Vec<u16> = (0..2000)
        .map(|n| client.send_publish(&telemetry("WL-1"), &one(begin + n, "water_level", 1)).unwrap())
        .collect();
    let acknowledged: Vec<u16> = sent.iter().map(|_| client.puback(SHORTLY).unwrap().unwrap()).collect();
    assert_eq!(acknowledged, sent);
}

#[test]
fn a_newer_connection_takes_over() {
    let (city, token, _) = city();
    let mut first = city.mqtt("WL-1", &token);
    let mut second = city.mqtt("WL-1", &token);
    assert!(first.is_closed_within(SHORTLY));
    second.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    until("it is counted", || {
        (city.metrics().reason("ioc_mqtt_closed_total", "taken_over") == 1.0).then_some(())
    });
}

#[test]
fn a_will_is_published_when_the_connection_is_lost_and_not_after_a_goodbye() {
    let (city, token, vy) = city();
    let ts = now_ms() - 30_000;
    let will = |value: i64| Some((telemetry("WL-1"), one(ts + value, "water_level", value)));
    let connect = |value: i64| {
        let connect = Connect { will: will(value), ..Connect::device("WL-1", &token) };
        Mqtt::connect(city.mqtt_addr(), &connect).unwrap_or_else(|code| panic!("refused: {code}"))
    };
    connect(1).disconnect();
    drop(connect(2));
    let points = until("the will", || {
        Some(city.points(&vy, "WL-1", "water_level", ts, ts + 10)).filter(|p| !p.is_empty())
    });
    assert_eq!(points, [(ts + 2, 2.0)]);
}

#[test]
fn keep_alive_ends_a_silent_connection_and_zero_means_never() {
    let (city, token, vy) = city();
    let short = Connect { keep_alive_s: 1, ..Connect::device("WL-1", &token) };
    let mut client = Mqtt::connect(city.mqtt_addr(), &short).unwrap_or_else(|code| panic!("refused: {code}"));
    assert!(client.is_closed_within(SHORTLY));
    until("it is counted", || {
        (city.metrics().reason("ioc_mqtt_closed_total", "keep_alive") == 1.0).then_some(())
    });
    until("the device is offline", || {
        (vy.get("/api/v1/devices/WL-1").expect(200)["online"] == false).then_some(())
    });
    let never = Connect { keep_alive_s: 0, ..Connect::device("WL-1", &token) };
    let mut client = Mqtt::connect(city.mqtt_addr(), &never).unwrap_or_else(|code| panic!("refused: {code}"));
    assert!(!client.is_closed_within(Duration::from_secs(3)));
    client.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
}

#[test]
fn who_is_too_fast_is_slowed_alone_and_never_closed() {
    let (city, token, _) = city();
    let other = city.device("WL-2", "water-level");
    let mut fast = city.mqtt("WL-1", &token);
    let begin = now_ms() - 60_000;
    let begun = Instant::now();
    // 20 at once, then 20 a second: two seconds for sixty.
    for n in 0..60 {
        fast.send_publish(&telemetry("WL-1"), &one(begin + n, "water_level", 1)).unwrap();
    }
    let mut slow = city.mqtt("WL-2", &other);
    let other_begun = Instant::now();
    slow.publish(&telemetry("WL-2"), &one(now_ms(), "water_level", 1));
    let (other_took, mut acknowledged) = (other_begun.elapsed(), 0);
    while acknowledged < 60 {
        assert!(fast.puback(SHORTLY).unwrap().is_some(), "after {acknowledged}");
        acknowledged += 1;
    }
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1500), "sixty were through after {took:?}");
    assert!(other_took < took / 2, "the other waited {other_took:?} of {took:?}");
    assert!(city.metrics().get("ioc_mqtt_throttled_total") >= 1.0);
}

#[test]
fn a_rotated_token_ends_the_old_connection_within_moments() {
    let (city, token, _) = city();
    let mut client = city.mqtt("WL-1", &token);
    client.publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    let rotated = city.ioc_json(&["device", "rotate", "--id", "WL-1"]);
    assert!(client.is_closed_within(SHORTLY));
    assert_eq!(Mqtt::connect(city.mqtt_addr(), &Connect::device("WL-1", &token)).err(), Some(4));
    city.mqtt("WL-1", rotated["token"].as_str().unwrap())
        .publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    city.counts("ioc_mqtt_closed_total", "revoked", 1.0);
}

#[test]
fn repeated_wrong_tokens_slow_that_credential_and_not_its_neighbours() {
    let (city, token, _) = city();
    let other = city.device("WL-2", "water-level");
    let wrong = Connect::device("WL-1", "wrong");
    let begun = Instant::now();
    let codes: Vec<u8> = (0..6).map(|_| Mqtt::connect(city.mqtt_addr(), &wrong).err().unwrap()).collect();
    assert!(codes.iter().all(|code| [3, 4].contains(code)), "{codes:?}");
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(700), "six attempts took {took:?}");
    let begun = Instant::now();
    city.mqtt("WL-2", &other);
    assert!(begun.elapsed() < took, "the neighbour waited {:?} of {took:?}", begun.elapsed());
    drop(token);
}

#[test]
fn a_gateway_speaks_for_the_devices_listed_under_it_and_no_others() {
    let (mut city, _, vy) = city();
    let place = ["--domain", "environment", "--kind", "water-level", "--lat", "16.46", "--lon", "107.59"];
    city.ioc_json(&[&["device", "add", "--id", "WL-2", "--parent", "gateway:GW-1"][..], &place].concat());
    let token = city.ioc_json(&["credential", "add", "--id", "GW-1", "--kind", "gateway"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let any_id = Connect { client_id: "site 7/a".into(), ..Connect::device("GW-1", &token) };
    let mut gateway =
        Mqtt::connect(city.mqtt_addr(), &any_id).unwrap_or_else(|code| panic!("refused: {code}"));
    let ts = now_ms();
    gateway.publish(&telemetry("WL-2"), &one(ts, "water_level", 1));
    gateway.publish(&telemetry("WL-1"), &one(ts, "water_level", 1));
    gateway.publish0(&telemetry("WL-2"), &one(ts + 1, "water_level", 1));
    until("both of WL-2", || (city.points(&vy, "WL-2", "water_level", ts, ts + 2).len() == 2).then_some(()));
    assert_eq!(city.points(&vy, "WL-1", "water_level", ts, ts + 2), []);
    city.counts("ioc_observations_rejected_total", "topic_not_allowed", 1.0);

    let online = |id: &str| vy.get(&format!("/api/v1/devices/{id}")).expect(200)["online"].clone();
    until("its gateway's connection is its own", || (online("WL-2") == true).then_some(()));
    assert!(online("WL-1").is_null(), "nobody speaks for it");
    drop(gateway);
    until("and so is its end", || (online("WL-2") == false).then_some(()));

    let arrival = || vy.get("/api/v1/devices/WL-2/latest").expect(200)["items"][0]["arrival"].clone();
    let before = arrival();
    assert!(before.as_i64().is_some_and(|arrival| arrival >= ts));
    city.restart();
    assert_eq!(arrival(), before, "history knows when it came");
}
