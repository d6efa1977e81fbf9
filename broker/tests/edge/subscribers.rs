//! Alerts to apps, commands to devices, and nothing to anybody else.
use crate::support::*;
use ioc_broker::{CloseReason, Limits};
use rumqttc::{Client as Mqtt, Event, MqttOptions, Packet, QoS};

const ALERT: &str = "ioc/v1/alerts/environment/critical/01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn text(packet: &[u8]) -> String {
    String::from_utf8_lossy(packet).into_owned()
}

#[test]
fn what_is_not_granted_is_answered_with_0x80() {
    let edge = Edge::start();
    let mut app = edge.connected("APP1");
    let filters = [("#", 0), ("ioc/v1/alerts/#", 2), ("ioc/v1/environment/D1/telemetry", 1), (ALERT, 0)];
    app.send(&subscribe(9, &filters));
    app.expect(&[0x90, 6, 0, 9, 0x80, 1, 0x80, 0]);
    let mut device = edge.connected("D1");
    let command = "ioc/v1/environment/D1/command";
    device.send(&subscribe(3, &[(command, 1), ("ioc/v1/environment/D2/command", 1), ("ioc/v1/alerts/#", 0)]));
    device.expect(&[0x90, 5, 0, 3, 1, 0x80, 0x80]);
    assert_eq!(edge.broker.publish(command, b"dim", false), 1);
    let packet = device.read();
    assert!(packet[0] == 0x32 && text(&packet).ends_with("dim"), "{packet:?}");
    edge.wait("the counts", |meters| (meters.subscribed, meters.subscribe_denied) == (3, 4));
}

#[test]
fn an_app_gets_retained_alerts_and_then_live_ones() {
    let edge = Edge::start();
    edge.broker.publish(ALERT, b"raised", true);
    edge.broker.publish("ioc/v1/alerts/parking/low/other", b"elsewhere", true);
    let mut options = MqttOptions::new("wall", "127.0.0.1", edge.addr().port());
    options.set_credentials("APP1", "token-APP1");
    let (client, mut connection) = Mqtt::new(options, 10);
    client.subscribe("ioc/v1/alerts/environment/#", QoS::AtLeastOnce).unwrap();
    let mut publishes = connection.iter().filter_map(|event| match event {
        Ok(Event::Incoming(Packet::Publish(publish))) => Some(publish),
        _ => None,
    });
    let first = publishes.next().unwrap();
    assert_eq!((&*first.topic, &*first.payload, first.retain), (ALERT, b"raised".as_slice(), true));
    assert_eq!(first.qos, QoS::AtLeastOnce);
    assert_eq!(edge.broker.publish(ALERT, b"acknowledged", true), 1);
    assert_eq!(edge.broker.publish(ALERT, b"", true), 1);
    let second = publishes.next().unwrap();
    assert_eq!((&*second.payload, second.retain), (b"acknowledged".as_slice(), false));
    assert!(publishes.next().unwrap().payload.is_empty());
    let mut late = edge.connected("APP2");
    late.send(&subscribe(1, &[("ioc/v1/alerts/#", 0)]));
    late.expect(&[0x90, 3, 0, 1, 0]);
    let packet = late.read();
    assert!(packet[0] == 0x31 && text(&packet).ends_with("elsewhere"), "the cleared one is gone");
}

#[test]
fn unsubscribing_ends_it_and_a_closed_connection_leaves_no_filter() {
    let edge = Edge::start();
    let mut app = edge.connected("APP1");
    app.send(&subscribe(1, &[(ALERT, 0)]));
    app.expect(&[0x90, 3, 0, 1, 0]);
    let mut body = vec![0, 2, 0, ALERT.len() as u8];
    body.extend_from_slice(ALERT.as_bytes());
    app.send(&packet(0xa2, &body));
    app.expect(&[0xb0, 2, 0, 2]);
    assert_eq!(edge.broker.publish(ALERT, b"x", false), 0);
    app.send(&subscribe(3, &[(ALERT, 0)]));
    app.expect(&[0x90, 3, 0, 3, 0]);
    assert_eq!(edge.broker.publish(ALERT, b"x", false), 1);
    drop(app);
    edge.wait("the end", |meters| meters.connections == 0);
    assert_eq!(edge.broker.publish(ALERT, b"x", false), 0);
}

#[test]
fn a_subscriber_that_does_not_keep_up_is_closed_and_the_others_get_everything() {
    let edge = Edge::with(Limits { subscriber_queue_max: 200, ..Limits::default() });
    let subscribed = |name: &str| {
        let mut app = edge.connected(name);
        app.send(&subscribe(1, &[("ioc/v1/alerts/#", 1)]));
        app.expect(&[0x90, 3, 0, 1, 1]);
        app
    };
    // QoS 1 and never acknowledged: 64 are sent, then they gather.
    let (mut slow, mut good) = (subscribed("APP1"), subscribed("APP2"));
    for number in 1..=300u16 {
        edge.broker.publish(ALERT, number.to_string().as_bytes(), false);
        let packet = good.read();
        assert!(text(&packet).ends_with(&number.to_string()));
        let id_at = 4 + ALERT.len();
        good.send(&packet_ack(&packet[id_at..id_at + 2]));
    }
    slow.rest();
    edge.wait_closed(CloseReason::SlowSubscriber, 1);
    good.ping();
}

fn packet_ack(id: &[u8]) -> Vec<u8> {
    packet(0x40, id)
}

#[test]
fn more_retained_alerts_than_the_queue_holds_still_arrive() {
    let edge = Edge::with(Limits { subscriber_queue_max: 10, ..Limits::default() });
    for number in 0..500 {
        edge.broker.publish(&format!("ioc/v1/alerts/traffic/low/{number:03}"), b"x", true);
    }
    let mut app = edge.connected("APP1");
    app.send(&subscribe(1, &[("ioc/v1/alerts/#", 0)]));
    app.expect(&[0x90, 3, 0, 1, 0]);
    for number in 0..500 {
        assert!(text(&app.read()).ends_with(&format!("{number:03}x")));
    }
    app.ping();
}

#[test]
fn filters_of_one_connection_are_capped() {
    let edge = Edge::with(Limits { subscriptions_max: 2, ..Limits::default() });
    let mut app = edge.connected("APP1");
    let filters: Vec<_> = ["ioc/v1/alerts/a", "ioc/v1/alerts/b", "ioc/v1/alerts/c", "ioc/v1/alerts/b"]
        .iter()
        .map(|filter| (*filter, 0))
        .collect();
    app.send(&subscribe(1, &filters));
    app.expect(&[0x90, 6, 0, 1, 0, 0, 0x80, 0]);
}
