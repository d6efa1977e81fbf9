//! What breaks the rules harms only itself and is counted by why.
use crate::support::*;
use ioc_broker::{CloseReason, Limits, Verdict};
use std::time::Duration;

/// Sends `bytes` on a fresh socket and on a signed-in connection's place, and expects the end for `reason`.
fn ends(edge: &Edge, connected: bool, bytes: &[u8], reason: CloseReason) {
    let before = edge.meters().closed_for(reason);
    let mut client = if connected { edge.connected("D1") } else { edge.client() };
    client.send(bytes);
    client.rest();
    edge.wait_closed(reason, before + 1);
}

#[test]
fn bytes_that_are_no_connect_end_the_connection() {
    let edge = Edge::start();
    let mut witness = edge.connected("D9");
    let connect = Connect::of("D1").bytes();
    let mut with_rest = Connect::of("D1").bytes();
    with_rest[1] += 1;
    with_rest.push(0);
    let cases: [(&[u8], CloseReason); 9] = [
        (b"GET / HTTP/1.1\r\n\r\n", CloseReason::NotConnect),
        (&[0xc0, 0], CloseReason::NotConnect),
        (&[0xb0, 1, 2], CloseReason::NotConnect),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], CloseReason::NotConnect),
        (&[0x10, 0xff, 0xff, 0xff, 0x7f], CloseReason::PacketTooLarge),
        (&[0x10, 0xff, 0xff, 0xff, 0xff, 0x01], CloseReason::ProtocolError),
        (&[0x10, 4, 0, 9, b'M', b'Q'], CloseReason::ProtocolError),
        (&[0x10, 8, 0, 4, b'H', b'T', b'T', b'P', 4, 2], CloseReason::NotConnect),
        (&with_rest, CloseReason::ProtocolError),
    ];
    for (bytes, reason) in cases {
        ends(&edge, false, bytes, reason);
    }
    let mut shifted = connect;
    shifted[0] |= 1;
    ends(&edge, false, &shifted, CloseReason::ProtocolError);
    witness.ping();
    let meters = edge.meters();
    assert_eq!((meters.closed_for(CloseReason::Panic), meters.restarts, meters.connections), (0, 0, 1));
}

#[test]
fn packets_against_the_standard_end_the_connection() {
    let edge = Edge::start();
    let mut witness = edge.connected("D9");
    let connect = Connect::of("D1").bytes();
    let qos_2 = [0x34, 5, 0, 1, b'a', 0, 1];
    let cases: [(&[u8], CloseReason); 12] = [
        (&connect, CloseReason::ProtocolError),
        (&[0xb0, 1, 2], CloseReason::ProtocolError),
        (&[0x00, 0], CloseReason::ProtocolError),
        (&[0xf0, 0], CloseReason::ProtocolError),
        (&[0x32, 3, 0, 9, b'a'], CloseReason::ProtocolError),
        (&[0x32, 5, 0, 1, b'a', 0, 0], CloseReason::ProtocolError),
        (&[0x82, 2, 0, 7], CloseReason::ProtocolError),
        (&[0xa2, 1, 7], CloseReason::ProtocolError),
        (&[0xc0, 1, 7], CloseReason::ProtocolError),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], CloseReason::PacketTooLarge),
        (&[0x30, 0xff, 0xff, 0xff, 0xff], CloseReason::ProtocolError),
        (&qos_2, CloseReason::Qos2),
    ];
    for (bytes, reason) in cases {
        ends(&edge, true, bytes, reason);
    }
    ends(&edge, true, &publish(TOPIC, &vec![0; 1 << 20], 1), CloseReason::PacketTooLarge);
    witness.ping();
    assert_eq!(edge.meters().closed_for(CloseReason::Panic), 0);
    assert_eq!(edge.meters().publishes, [0, 0]);
}

#[test]
fn what_came_before_a_broken_packet_counts() {
    let edge = Edge::start();
    let mut client = edge.connected("D1");
    let mut bytes = publish(TOPIC, b"good", 1);
    bytes.extend([0xb0, 1, 2]);
    client.send(&bytes);
    client.rest();
    assert_eq!(edge.journal.taken(1)[0].payload, b"good");
}

#[test]
fn topics_that_are_none_are_quarantined_before_the_close() {
    let edge = Edge::start();
    let long = "x".repeat(300);
    let topics: [&[u8]; 6] = [b"ioc/v1/+/D1/telemetry", b"ioc/#", b"a\0b", b"", b"caf\xe9", long.as_bytes()];
    for (number, topic) in topics.iter().enumerate() {
        let mut client = edge.connected("D1");
        client.send(&publish(topic, b"odd", 1));
        client.rest();
        let taken = edge.journal.taken(number + 1);
        assert_eq!(taken[number].verdict, Verdict::TopicNotAllowed);
        assert_eq!(taken[number].payload, b"odd");
        assert!(taken[number].topic.len() <= 256);
    }
    edge.wait_closed(CloseReason::TopicInvalid, topics.len() as u64);
    assert_eq!(edge.journal.taken(6)[4].topic, "caf\u{fffd}");
}

#[test]
fn somebody_elses_topic_is_acknowledged_quarantined_and_in_the_end_closes() {
    let edge = Edge::with(Limits { foreign_topics_max: 3, ..Limits::default() });
    let mut client = edge.connected("D1");
    let foreign = ["ioc/v1/environment/D2/telemetry", "ioc/v1/environment/D1/command", "$SYS/broker"];
    for (topic, id) in foreign.iter().zip(1..) {
        client.send(&publish(topic, b"{}", id));
        client.expect(&puback(id));
    }
    client.send(&publish(TOPIC, b"{}", 9));
    client.expect(&puback(9));
    client.send(&publish(foreign[0], b"{}", 10));
    client.rest();
    edge.wait_closed(CloseReason::TopicNotAllowed, 1);
    let verdicts: Vec<_> = edge.journal.taken(5).iter().map(|message| message.verdict).collect();
    let (foreign, own) = (Verdict::TopicNotAllowed, Verdict::Ok);
    assert_eq!(verdicts, [foreign, foreign, foreign, own, foreign]);
    assert_eq!(edge.meters().foreign_topics, 4);
}

#[test]
fn an_app_publishes_nothing() {
    let edge = Edge::start();
    let mut app = edge.connected("APP1");
    app.send(&publish("ioc/v1/alerts/lighting/critical/x", b"{}", 1));
    app.expect(&puback(1));
    assert_eq!(edge.journal.taken(1)[0].verdict, Verdict::TopicNotAllowed);
}

#[test]
fn a_panic_ends_its_own_connection_and_nothing_else() {
    let edge = Edge::start();
    let (mut same_thread, mut other_thread) = (edge.connected("D8"), edge.connected("D9"));
    let mut client = edge.connected("D1");
    client.send(&publish("ioc/v1/environment/D-PANIC/telemetry", b"{}", 1));
    client.rest();
    edge.wait_closed(CloseReason::Panic, 1);
    assert_eq!(edge.journal.told(4)[3].0, "D1", "it went offline");
    same_thread.ping();
    other_thread.ping();
    let mut again = edge.connected("D1");
    again.send(&publish(TOPIC, b"{}", 1));
    again.expect(&puback(1));
}

#[test]
fn half_a_connect_and_silence_run_into_the_timeout_and_hold_up_nobody() {
    let edge = Edge::with(Limits { connect_timeout: Duration::from_millis(500), ..Limits::default() });
    let (mut silent, mut half) = (edge.client(), edge.client());
    half.send(&Connect::of("D1").bytes()[..9]);
    edge.connected("D2").ping();
    assert_eq!((silent.rest(), half.rest()), (Vec::new(), Vec::new()));
    edge.wait_closed(CloseReason::ConnectTimeout, 2);
}

#[test]
fn half_a_packet_runs_into_the_timeout_whatever_the_keep_alive() {
    let edge = Edge::with(Limits { packet_timeout: Duration::from_millis(300), ..Limits::default() });
    let mut client = edge.client();
    client.send(&Connect { keep_alive_s: 0, ..Connect::of("D1") }.bytes());
    client.expect(&ACCEPTED);
    client.send(&publish(TOPIC, b"cut short", 1)[..12]);
    assert_eq!(client.rest(), b"");
    edge.wait_closed(CloseReason::PacketTimeout, 1);
}
