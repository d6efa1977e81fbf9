//! Caps, rates and timeouts.
use crate::support::*;
use ioc_broker::{CloseReason, Limits, RefuseReason};
use std::time::{Duration, Instant};

#[test]
fn the_oldest_unauthenticated_connection_goes_and_the_newest_gets_in() {
    let edge = Edge::with(Limits { unauthenticated_max: 2, ..Limits::default() });
    let mut device = edge.connected("D1");
    let mut waiting: Vec<Client> = (0..3).map(|_| edge.client()).collect();
    assert_eq!(waiting[0].rest(), b"");
    edge.wait_closed(CloseReason::UnauthenticatedCap, 1);
    let newest = waiting.last_mut().unwrap();
    newest.send(&Connect::of("D2").bytes());
    newest.expect(&ACCEPTED);
    device.ping();
}

#[test]
fn one_address_may_not_take_all_connections() {
    let edge = Edge::with(Limits { connections_per_address_max: 2, ..Limits::default() });
    let (first, mut second) = (edge.connected("D1"), edge.connected("D2"));
    assert_eq!(edge.client().rest(), b"");
    edge.wait_closed(CloseReason::AddressCap, 1);
    second.ping();
    drop(first);
    edge.wait("the end of one", |meters| meters.connections == 1);
    edge.connected("D3").ping();
}

#[test]
fn all_together_have_a_cap_too() {
    let edge = Edge::with(Limits { connections_max: 2, ..Limits::default() });
    let (_first, idle) = (edge.connected("D1"), edge.client());
    // The one that has said nothing yet goes for the newest.
    let _second = edge.connected("D2");
    drop(idle);
    edge.wait_closed(CloseReason::UnauthenticatedCap, 1);
    edge.wait("two left", |meters| meters.connections == 2);
    assert_eq!(edge.client().rest(), b"");
    edge.wait_closed(CloseReason::ConnectionCap, 1);
}

#[test]
fn a_fast_device_is_slowed_and_loses_nothing() {
    let edge = Edge::with(Limits { publishes_per_second: 50, publish_burst: 5, ..Limits::default() });
    let (mut fast, mut other) = (edge.connected("D1"), edge.connected("D2"));
    let began = Instant::now();
    let bytes: Vec<u8> = (1..=20).flat_map(|id| publish(TOPIC, b"x", id)).collect();
    fast.send(&bytes);
    other.send(&publish("ioc/v1/environment/D2/telemetry", b"x", 1));
    other.expect(&puback(1));
    for id in 1..=20 {
        fast.expect(&puback(id));
    }
    // 15 beyond the burst at 50 per second.
    assert!(began.elapsed() >= Duration::from_millis(280), "{:?}", began.elapsed());
    assert!(edge.meters().throttled > 0);
    fast.ping();
}

#[test]
fn a_rate_belongs_to_the_credential_and_not_to_the_connection() {
    let edge = Edge::with(Limits { publishes_per_second: 1, publish_burst: 1, ..Limits::default() });
    let mut first = edge.connected("D1");
    first.send(&publish(TOPIC, b"x", 1));
    first.expect(&puback(1));
    let mut second = edge.connected("D1");
    second.send(&publish(TOPIC, b"x", 2));
    edge.wait("the throttle", |meters| meters.throttled == 1);
    second.expect(&puback(2));
}

#[test]
fn keep_alive_ends_the_silent_and_zero_means_none() {
    let edge = Edge::start();
    let mut without = edge.client();
    without.send(&Connect { keep_alive_s: 0, ..Connect::of("D1") }.bytes());
    without.expect(&ACCEPTED);
    let mut silent = edge.client();
    let began = Instant::now();
    silent.send(&Connect { keep_alive_s: 1, ..Connect::of("D2") }.bytes());
    silent.expect(&ACCEPTED);
    assert_eq!(silent.rest(), b"");
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    edge.wait_closed(CloseReason::KeepAlive, 1);
    without.ping();
}

#[test]
fn guessing_is_slowed_and_who_has_the_right_token_gets_in() {
    let edge = Edge::start();
    let wrong = Connect { password: Some("guess".to_owned()), ..Connect::of("D1") }.bytes();
    let guess = || {
        let mut client = edge.client();
        client.send(&wrong);
        client
    };
    for _ in 0..4 {
        assert_eq!(guess().rest(), [0x20, 2, 0, 4]);
    }
    let began = Instant::now();
    assert_eq!(guess().rest(), [0x20, 2, 0, 4]);
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    // Many at once, from the address of the one with the right token, at its own name.
    let _waiting: Vec<Client> = (0..24).map(|_| guess()).collect();
    edge.wait("guesses", |meters| meters.accepted >= 29);
    edge.connected("D1").ping();
    edge.connected("D2").ping();
    edge.wait("those that guessed too often", |meters| meters.refused_for(RefuseReason::SlowedDown) > 0);
}

#[test]
fn a_guesser_fills_its_own_share_of_the_handshakes() {
    let edge = Edge::with(Limits { unauthenticated_per_address_max: 8, ..Limits::default() });
    let wrong = Connect { password: Some("guess".to_owned()), ..Connect::of("D1") }.bytes();
    let guesses: Vec<Client> = (0..40)
        .map(|_| {
            let mut client = edge.client();
            client.send(&wrong);
            client
        })
        .collect();
    edge.wait("its oldest to go", |meters| meters.closed_for(CloseReason::UnauthenticatedCap) > 0);
    edge.connected("D1").ping();
    drop(guesses);
}

#[test]
fn sign_ins_of_one_credential_are_paced() {
    let limits = Limits { sign_ins_per_second: 20, sign_in_burst: 2, ..Limits::default() };
    let edge = Edge::with(limits);
    let began = Instant::now();
    (0..6).for_each(|_| edge.connected("D1").ping());
    assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
    let edge = Edge::with(Limits { sign_ins_per_second: 1, sign_in_burst: 1, ..Limits::default() });
    let mut clients: Vec<Client> = (0..12).map(|_| edge.client()).collect();
    clients.iter_mut().for_each(|client| client.send(&Connect::of("GW1").bytes()));
    edge.wait("one that would wait too long", |meters| meters.refused_for(RefuseReason::SlowedDown) > 0);
    edge.connected("GW2").ping();
}

#[test]
fn one_credential_may_not_take_all_connections() {
    let edge = Edge::with(Limits { connections_per_credential_max: 2, ..Limits::default() });
    let connect = |credential: &str, client_id: &str| {
        let mut client = edge.client();
        client.send(&Connect { client_id: client_id.to_owned(), ..Connect::of(credential) }.bytes());
        client
    };
    let (mut first, mut second) = (connect("GW1", "a"), connect("GW1", "b"));
    first.expect(&ACCEPTED);
    second.expect(&ACCEPTED);
    assert_eq!(connect("GW1", "c").rest(), [0x20, 2, 0, 3]);
    assert_eq!(edge.meters().refused_for(RefuseReason::ConnectionCap), 1);
    let mut other = connect("GW2", "c");
    other.expect(&ACCEPTED);
    drop(first);
    edge.wait("the end of one", |meters| meters.closed_for(CloseReason::PeerClosed) == 1);
    connect("GW1", "c").expect(&ACCEPTED);
    second.ping();
}

#[test]
fn readings_and_bytes_slow_their_sender_alone() {
    let limits = Limits { readings_per_second: 100, readings_burst: 10, ..Limits::default() };
    let edge = Edge::with(limits);
    let (mut fast, mut other) = (edge.connected("D1"), edge.connected("D2"));
    let many = vec![b'\n'; 59];
    // The first is over its share and passes; the next waits until it is paid for.
    fast.send(&[publish(TOPIC, &many, 1), publish(TOPIC, b"x", 2)].concat());
    fast.expect(&puback(1));
    other.send(&publish("ioc/v1/environment/D2/telemetry", b"x", 1));
    other.expect(&puback(1));
    assert_eq!(edge.meters().throttled, 1);
    fast.expect(&puback(2));
    let limits = Limits { bytes_per_second: 1_000, bytes_burst: 1_000, ..Limits::default() };
    let edge = Edge::with(limits);
    let mut fast = edge.connected("D1");
    fast.send(&[publish(TOPIC, &[b'x'; 900], 1), publish(TOPIC, &[b'x'; 200], 2)].concat());
    fast.expect(&puback(1));
    edge.wait("the throttle", |meters| meters.throttled == 1);
    fast.expect(&puback(2));
}

#[test]
fn a_client_that_takes_nothing_is_closed() {
    let limits = Limits {
        write_timeout: Duration::from_millis(300),
        subscriber_queue_max: 100_000,
        ..Limits::default()
    };
    let edge = Edge::with(limits);
    let mut app = edge.connected("APP1");
    app.send(&subscribe(1, &[("ioc/v1/alerts/#", 0)]));
    app.expect(&[0x90, 3, 0, 1, 0]);
    let payload = vec![b'a'; 60_000];
    let mut device = edge.connected("D1");
    // More than any socket buffer takes.
    for _ in 0..300 {
        edge.broker.publish("ioc/v1/alerts/lighting/low/x", &payload, false);
    }
    edge.wait_closed(CloseReason::WriteTimeout, 1);
    device.ping();
}
