//! Clients that have to wait for their turn: their pings are answered, and what they sent is handled to the end.
use crate::support::*;
use ioc_broker::{CloseReason, Limits};
use std::{io::Read, net::Shutdown, time::Duration};

const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: [u8; 2] = [0xd0, 0];

/// Three messages at once, then ten a second.
fn slow() -> Limits {
    Limits { publishes_per_second: 10, publish_burst: 3, ..Limits::default() }
}

fn numbered(count: u16) -> Vec<u8> {
    (1..=count).flat_map(|number| publish(TOPIC, number.to_string().as_bytes(), 0)).collect()
}

fn numbers(taken: &[Taken]) -> Vec<u16> {
    taken.iter().map(|message| String::from_utf8_lossy(&message.payload).parse().unwrap()).collect()
}

#[test]
fn a_ping_behind_a_throttled_flood_is_answered_before_it() {
    let edge = Edge::with(slow());
    let mut device = edge.connected("D1");
    device.send(&[numbered(40), PINGREQ.to_vec()].concat());
    device.expect(&PINGRESP);
    assert!(edge.meters().publishes[0] < 40, "answered early");
    // And one that comes while it waits.
    device.ping();
    assert!(edge.meters().publishes[0] < 40);
    assert_eq!(numbers(&edge.journal.taken(40)), (1..=40).collect::<Vec<_>>());
    // Neither is answered again.
    device.send(&publish(TOPIC, b"41", 7));
    device.expect(&puback(7));
}

#[test]
fn a_ping_is_answered_while_the_journal_is_full_and_while_acknowledgements_are_due() {
    let edge = Edge::with(Limits { inflight_max: 1, ..Limits::default() });
    edge.journal.hold(1);
    let (mut first, mut second) = (edge.connected("D1"), edge.connected("D2"));
    first.send(&[publish(TOPIC, b"1", 1), publish(TOPIC, b"2", 2), PINGREQ.to_vec()].concat());
    first.expect(&PINGRESP);
    edge.journal.taken(1);
    second.send(&[publish("ioc/v1/environment/D2/state", b"x", 1), PINGREQ.to_vec()].concat());
    second.expect(&PINGRESP);
    assert_eq!(edge.journal.taken(1).len(), 1);
    second.ping();
    edge.journal.release();
    first.expect(&puback(1));
    first.expect(&puback(2));
    second.expect(&puback(1));
}

#[test]
fn what_a_client_had_sent_before_it_came_back_is_handled_first() {
    let edge = Edge::with(slow());
    let mut before = edge.connected("D1");
    before.send(&numbered(20));
    edge.wait("the throttle", |meters| meters.throttled > 0);
    let mut after = edge.connected("D1");
    after.send(&publish(TOPIC, b"21", 21));
    // It is not left without an answer meanwhile.
    after.ping();
    assert!(edge.meters().publishes[0] < 20);
    after.expect(&puback(21));
    assert_eq!(numbers(&edge.journal.taken(21)), (1..=21).collect::<Vec<_>>());
    edge.wait_closed(CloseReason::TakenOver, 1);
}

#[test]
fn what_a_client_had_sent_before_it_gave_up_is_handled() {
    let edge = Edge::with(slow());
    let mut device = edge.connected("D1");
    // The answer that it never reads makes its end a reset.
    device.send(&[PINGREQ.to_vec(), numbered(25), PINGREQ.to_vec()].concat());
    edge.wait("the throttle", |meters| meters.throttled > 0);
    drop(device);
    assert_eq!(numbers(&edge.journal.taken(25)), (1..=25).collect::<Vec<_>>());
    edge.wait_closed(CloseReason::PeerClosed, 1);
}

#[test]
fn its_will_comes_behind_what_it_had_sent() {
    let edge = Edge::with(slow());
    let mut device = edge.client();
    let will = Some((TOPIC.to_owned(), b"15".to_vec()));
    device.send(&Connect { will, ..Connect::of("D1") }.bytes());
    device.expect(&ACCEPTED);
    device.send(&numbered(14));
    drop(device);
    assert_eq!(numbers(&edge.journal.taken(15)), (1..=15).collect::<Vec<_>>());
}

#[test]
fn who_sends_no_more_still_hears_what_is_due() {
    let edge = Edge::start();
    edge.journal.hold(100);
    let mut device = edge.connected("D1");
    device.send(&[publish(TOPIC, b"1", 1), publish(TOPIC, b"2", 2)].concat());
    device.stream.shutdown(Shutdown::Write).unwrap();
    edge.journal.taken(2);
    edge.journal.release();
    assert_eq!(device.rest(), [puback(1), puback(2)].concat());
}

#[test]
fn a_goodbye_behind_a_flood_is_heard_after_it() {
    let edge = Edge::with(slow());
    let mut device = edge.client();
    let will = Some((TOPIC.to_owned(), b"99".to_vec()));
    device.send(&Connect { will, ..Connect::of("D1") }.bytes());
    device.expect(&ACCEPTED);
    device.send(&[numbered(10), vec![0xe0, 0]].concat());
    drop(device);
    edge.wait_closed(CloseReason::Disconnect, 1);
    assert_eq!(numbers(&edge.journal.taken(10)), (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_revoked_client_is_not_heard_out() {
    let edge = Edge::with(Limits { publishes_per_second: 1, ..slow() });
    let mut device = edge.connected("D1");
    device.send(&numbered(60));
    edge.wait("the throttle", |meters| meters.throttled > 0);
    drop(device);
    edge.access.revoke("D1");
    edge.wait_closed(CloseReason::Revoked, 1);
    assert!(edge.meters().publishes[0] < 60);
}

#[test]
fn a_will_waits_for_room_and_is_not_lost() {
    let edge = Edge::start();
    edge.journal.hold(0);
    for number in 0..50 {
        let mut device = edge.client();
        let (name, topic) = (format!("D{number}"), format!("ioc/v1/environment/D{number}/state"));
        device.send(&Connect { will: Some((topic, b"gone".to_vec())), ..Connect::of(&name) }.bytes());
        device.expect(&ACCEPTED);
    }
    edge.wait("all wills to find no room", |meters| meters.busy_parks >= 50);
    edge.journal.release();
    assert_eq!(edge.journal.taken(50).len(), 50);
    edge.wait("all wills", |meters| (meters.wills, meters.wills_dropped) == (50, 0));
}

#[test]
fn commands_are_acknowledged_while_publishes_wait() {
    let edge = Edge::with(slow());
    let mut device = edge.connected("D1");
    device.send(&subscribe(1, &[("ioc/v1/environment/D1/command", 1)]));
    device.expect(&[0x90, 3, 0, 1, 1]);
    device.send(&numbered(60));
    edge.wait("the throttle", |meters| meters.throttled > 0);
    // More than may be unacknowledged at once.
    for number in 0..100_u16 {
        edge.broker.publish("ioc/v1/environment/D1/command", &number.to_be_bytes(), false);
    }
    for number in 1..=100_u16 {
        let command = device.read();
        assert_eq!(command[0], 0x32);
        device.send(&puback(number));
    }
    assert!(edge.meters().publishes[0] < 60);
}

#[test]
fn a_flood_of_pings_is_not_answered_without_end() {
    let edge = Edge::with(slow());
    let mut device = edge.connected("D1");
    device.send(&[numbered(10), PINGREQ.repeat(5_000)].concat());
    // Those that are answered early are paid for like messages; with a debt of ten seconds no more of them are.
    device.stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (mut answered, mut chunk) = (0, [0; 1_024]);
    while let Ok(read @ 1..) = device.stream.read(&mut chunk) {
        answered += read / PINGRESP.len();
    }
    assert!((1..1_000).contains(&answered), "{answered}");
    edge.connected("D2").ping();
}

/// Nobody sends a QoS 0 message again: what was received before a stop is stored, however fast its sender was.
#[test]
fn what_was_received_before_a_stop_is_handled() {
    let edge = Edge::with(Limits { inflight_max: 5, ..slow() });
    let mut device = edge.connected("D1");
    let confirmed: Vec<u8> =
        (1..=20).flat_map(|id| publish(TOPIC, (40 + id).to_string().as_bytes(), id)).collect();
    // The ping shows that all in front of it was received; the last message never comes whole.
    device.send(&[numbered(40), confirmed, PINGREQ.to_vec(), vec![0x30, 100]].concat());
    device.expect(&PINGRESP);
    let mut again = edge.connected("D1");
    again.send(&[publish(TOPIC, b"61", 0), PINGREQ.to_vec()].concat());
    again.expect(&PINGRESP);
    assert!(edge.meters().publishes[0] < 40);
    edge.broker.shutdown(PATIENCE);
    assert_eq!(numbers(&edge.journal.taken(61)), (1..=61).collect::<Vec<_>>());
}
