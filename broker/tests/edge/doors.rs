//! One rule about text, every door that text comes in at.
use crate::support::*;
use ioc_broker::Verdict;

/// What a door may say to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The connection ends, or does not come about.
    Closed,
    /// CONNACK with this code.
    Refused(u8),
    /// SUBACK with 0x80.
    Denied,
    /// Taken for quarantine.
    Quarantined,
    /// Let through.
    Fine,
}
use Answer::{Closed, Denied, Fine, Quarantined, Refused};

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

/// A CONNECT of the gateway `GW1` with raw texts.
fn connect(client_id: &[u8], user: &[u8], will: Option<&[u8]>) -> Vec<u8> {
    connect_with(client_id, user, will, 1)
}

fn connect_with(client_id: &[u8], user: &[u8], will: Option<&[u8]>, qos: u8) -> Vec<u8> {
    let flags = 0b1100_0010 | if will.is_some() { 0b100 | qos << 3 } else { 0 };
    let mut body = [text(b"MQTT"), vec![4, flags, 0, 60], text(client_id)].concat();
    if let Some(topic) = will {
        body.extend([text(topic), text(b"gone")].concat());
    }
    body.extend([text(user), text(b"token-GW1")].concat());
    packet(0x10, &body)
}

fn answer_to_connect(edge: &Edge, bytes: &[u8]) -> Answer {
    let mut client = edge.client();
    client.send(bytes);
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    match client.rest()[..] {
        [0x20, 2, 0, 0] => Fine,
        [0x20, 2, 0, code] => Refused(code),
        _ => Closed,
    }
}

fn filters(first: u8, filter: &[u8], qos: &[u8]) -> Vec<u8> {
    packet(first, &[&[0, 9][..], &text(filter), qos].concat())
}

fn answer_to(edge: &Edge, bytes: &[u8]) -> Answer {
    let mut client = edge.connected("GW1");
    client.send(bytes);
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    match client.rest()[..] {
        [0x90, 3, 0, 9, 0x80] => Denied,
        [] => Closed,
        _ => Fine,
    }
}

#[test]
fn every_door_checks_what_comes_in() {
    let edge = Edge::start();
    // Text; as client id, user name, will topic, topic of a PUBLISH, filter of a SUBSCRIBE and of an UNSUBSCRIBE.
    let cases: [(&[u8], [Answer; 6]); 8] = [
        (b"a\0b", [Closed, Closed, Closed, Closed, Closed, Closed]),
        (b"\xff\xfe", [Closed, Closed, Closed, Closed, Closed, Closed]),
        (b"\xed\xa0\x80", [Closed, Closed, Closed, Closed, Closed, Closed]),
        (b"a\x01b", [Refused(2), Refused(4), Refused(5), Quarantined, Denied, Fine]),
        (b"", [Fine, Refused(4), Closed, Closed, Closed, Closed]),
        (b"ioc/v1/+/LUM-1/state", [Fine, Refused(4), Closed, Closed, Denied, Fine]),
        (b"ioc/v1/lighting/LUM-1/#", [Fine, Refused(4), Closed, Closed, Denied, Fine]),
        (b"ioc/v1/lighting/LUM-1/state", [Fine, Refused(4), Fine, Fine, Denied, Fine]),
    ];
    for (text, expected) in cases {
        let before = edge.journal.taken(0).len();
        let published = match (answer_to(&edge, &publish(text, b"{}", 1)), edge.journal.taken(0)) {
            (Fine, taken) if taken[before].verdict == Verdict::TopicNotAllowed => Quarantined,
            (Closed, taken) => {
                assert!(taken[before..].iter().all(|message| message.verdict == Verdict::TopicNotAllowed));
                Closed
            }
            (other, _) => other,
        };
        let found = [
            answer_to_connect(&edge, &connect(text, b"GW1", None)),
            answer_to_connect(&edge, &connect(b"x", text, None)),
            answer_to_connect(&edge, &connect(b"x", b"GW1", Some(text))),
            published,
            answer_to(&edge, &filters(0x82, text, &[1])),
            answer_to(&edge, &filters(0xa2, text, &[])),
        ];
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_will_has_the_qos_of_a_publish() {
    let edge = Edge::start();
    let topic = b"ioc/v1/lighting/LUM-1/state";
    for (qos, published, willed) in
        [(0, Fine, Fine), (1, Fine, Fine), (2, Closed, Refused(5)), (3, Closed, Closed)]
    {
        let id: &[u8] = if qos == 0 { b"" } else { &[0, 7] };
        let found = answer_to(&edge, &packet(0x30 | qos << 1, &[&text(topic), id, b"{}"].concat()));
        // At QoS 0 nothing is answered, so that its end says nothing.
        assert!(qos == 0 || found == published, "publish with QoS {qos}: {found:?}");
        let found = answer_to_connect(&edge, &connect_with(b"x", b"GW1", Some(topic), qos));
        assert_eq!(found, willed, "will with QoS {qos}");
    }
}
