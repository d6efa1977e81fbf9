//! A PUBACK means on disk, in order; a full journal stops reading and loses nothing.
use crate::support::*;
use ioc_broker::{CloseReason, Limits};
use std::{io::ErrorKind, sync::Arc, time::Duration};

fn assert_silent(client: &mut Client) {
    client.stream.set_nonblocking(true).unwrap();
    let error = std::io::Read::read(&mut client.stream, &mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.stream.set_nonblocking(false).unwrap();
}

fn number(payload: &[u8]) -> u32 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

#[test]
fn no_puback_before_it_is_durable_and_all_in_order() {
    let edge = Edge::start();
    edge.journal.hold(usize::MAX);
    let mut client = edge.connected("D1");
    for id in [5, 3, 9, 1] {
        client.send(&publish(TOPIC, b"x", id));
    }
    // A ping overtakes what waits for the disk, and shows that the publishes were handled before it.
    client.ping();
    assert_eq!(edge.journal.taken(4).len(), 4);
    assert_silent(&mut client);
    edge.journal.commit(2);
    client.expect(&[puback(5), puback(3)].concat());
    client.ping();
    assert_silent(&mut client);
    edge.journal.commit(4);
    client.expect(&[puback(9), puback(1)].concat());
    edge.wait("four counted", |meters| meters.acknowledged == 4);
}

#[test]
fn a_full_journal_stops_reading_and_nothing_is_lost() {
    const COUNT: u16 = 2_000;
    let edge = Edge::with(Limits { publishes_per_second: 0, ..Limits::default() });
    edge.journal.hold(10);
    let mut client = edge.connected("D1");
    let mut sender = Client { stream: client.stream.try_clone().unwrap() };
    let sending = std::thread::spawn(move || {
        for id in 1..=COUNT {
            sender.send(&publish(TOPIC, id.to_string().as_bytes(), id));
        }
    });
    edge.journal.taken(10);
    edge.wait("a park", |meters| meters.busy_parks > 0);
    assert_eq!(edge.journal.taken(10).len(), 10);
    // Others are served meanwhile: one that has nothing to publish does not even notice.
    edge.connected("D2").ping();
    for step in 1..=20 {
        edge.journal.commit(step * 10);
        edge.journal.taken(step as usize * 10 + 10);
    }
    edge.journal.release();
    for id in 1..=COUNT {
        client.expect(&puback(id));
    }
    sending.join().unwrap();
    let taken = edge.journal.taken(usize::from(COUNT));
    let numbers: Vec<_> = taken.iter().map(|message| number(&message.payload)).collect();
    assert_eq!(numbers, (1..=u32::from(COUNT)).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn keep_alive_does_not_run_while_we_do_not_read() {
    let edge = Edge::start();
    edge.journal.hold(0);
    let quick = |name: &str| {
        let mut client = edge.client();
        client.send(&Connect { keep_alive_s: 1, ..Connect::of(name) }.bytes());
        client.expect(&ACCEPTED);
        client
    };
    let mut parked = quick("D1");
    parked.send(&publish(TOPIC, b"patient", 1));
    edge.wait("a park", |meters| meters.busy_parks > 0);
    // Two idle ones after each other take twice the time that would end the parked one.
    for name in ["D2", "D3"] {
        assert_eq!(quick(name).rest(), b"");
    }
    edge.wait_closed(CloseReason::KeepAlive, 2);
    edge.journal.release();
    parked.expect(&puback(1));
    parked.ping();
}

#[test]
fn one_connection_may_not_have_everything_in_flight() {
    let edge = Edge::with(Limits { inflight_max: 3, ..Limits::default() });
    edge.journal.hold(usize::MAX);
    let mut client = edge.connected("D1");
    let bytes: Vec<u8> = (1..=5).flat_map(|id| publish(TOPIC, b"x", id)).collect();
    client.send(&bytes);
    assert_eq!(edge.journal.taken(3).len(), 3);
    edge.journal.commit(1);
    client.expect(&puback(1));
    assert_eq!(edge.journal.taken(4).len(), 4);
    edge.journal.release();
    client.expect(&[puback(2), puback(3), puback(4), puback(5)].concat());
}

#[test]
fn stopping_waits_for_what_is_on_its_way_to_the_disk() {
    let edge = Arc::new(Edge::start());
    edge.journal.hold(usize::MAX);
    let mut client = edge.connected("D1");
    client.send(&publish(TOPIC, b"last", 1));
    edge.journal.taken(1);
    let stopping = std::thread::spawn({
        let edge = Arc::clone(&edge);
        move || edge.broker.shutdown(PATIENCE)
    });
    // New clients are refused once it has begun; then what was taken becomes durable.
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(edge.addr()).is_ok() {
        assert!(std::time::Instant::now() < deadline, "clients are still let in");
        std::thread::yield_now();
    }
    edge.journal.release();
    client.expect(&puback(1));
    assert_eq!(client.rest(), b"");
    stopping.join().unwrap();
}

#[test]
fn stopping_does_not_wait_longer_than_it_may() {
    let edge = Edge::start();
    edge.journal.hold(usize::MAX);
    let mut client = edge.connected("D1");
    client.send(&publish(TOPIC, b"never", 1));
    edge.journal.taken(1);
    edge.broker.shutdown(Duration::from_millis(100));
    assert_eq!(client.rest(), b"", "no PUBACK for what is not on disk");
    assert_eq!(edge.meters().closed_for(CloseReason::Shutdown), 1);
}
