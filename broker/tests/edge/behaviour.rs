//! What a well-behaved client finds: sign-in, publishing, presence, wills, takeover.
use crate::support::*;
use ioc_broker::{BrokerConfig, CloseReason, RefuseReason, StartError, TlsConfig, TlsIdentity, Verdict};
use ioc_model::presence::PresenceCause::{Connected, Disconnected, Lost, Ours};
use rumqttc::{Client as Mqtt, Event, MqttOptions, Outgoing, Packet, QoS};
use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

fn told(name: &str, online: bool, cause: ioc_model::presence::PresenceCause) -> Told {
    (name.to_owned(), online, cause)
}

#[test]
fn a_real_client_publishes_with_both_qos() {
    let edge = Edge::start();
    let mut options = MqttOptions::new("D1", "127.0.0.1", edge.addr().port());
    options.set_credentials("D1", "token-D1").set_keep_alive(Duration::from_secs(5));
    let (client, mut connection) = Mqtt::new(options, 10);
    client.publish(TOPIC, QoS::AtMostOnce, false, "zero").unwrap();
    client.publish(TOPIC, QoS::AtLeastOnce, false, "one").unwrap();
    let acknowledged =
        connection.iter().find(|event| matches!(event, Ok(Event::Incoming(Packet::PubAck(_)))));
    assert!(acknowledged.is_some());
    let taken = edge.journal.taken(2);
    let payloads: Vec<_> = taken.iter().map(|message| message.payload.as_slice()).collect();
    assert_eq!(payloads, [b"zero".as_slice(), b"one"]);
    assert!(taken.iter().all(|m| m.credential == "D1" && m.topic == TOPIC && m.verdict == Verdict::Ok));
    client.disconnect().unwrap();
    let said = connection.iter().find(|event| matches!(event, Ok(Event::Outgoing(Outgoing::Disconnect))));
    assert!(said.is_some());
    assert_eq!(edge.journal.told(2), [told("D1", true, Connected), told("D1", false, Disconnected)]);
    edge.wait_closed(CloseReason::Disconnect, 1);
    edge.wait("the counts", |meters| (meters.publishes, meters.acknowledged) == ([1, 1], 1));
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let edge = Edge::start();
    let refused = |connect: Connect, code: u8| {
        let mut client = edge.client();
        client.send(&connect.bytes());
        client.send(&publish(TOPIC, b"right behind", 1));
        assert_eq!(client.rest(), [0x20, 2, 0, code], "{:?} {:?}", connect.user_name, connect.client_id);
    };
    refused(Connect { password: Some("wrong".to_owned()), ..Connect::of("D1") }, 4);
    refused(Connect { user_name: None, password: None, ..Connect::of("D1") }, 5);
    refused(Connect { password: Some("x".to_owned()), ..Connect::of("D-BLOCKED") }, 5);
    refused(Connect { client_id: "D2".to_owned(), ..Connect::of("D1") }, 2);
    refused(Connect { client_id: String::new(), clean: false, ..Connect::of("D1") }, 2);
    let foreign_will = Some(("ioc/v1/environment/D2/state".to_owned(), b"gone".to_vec()));
    refused(Connect { will: foreign_will, ..Connect::of("D1") }, 5);
    refused(Connect { name: "MQIsdp", level: 3, ..Connect::of("D1") }, 1);
    let mut client = edge.client();
    client.send(&Connect { level: 5, ..Connect::of("D1") }.bytes());
    assert_eq!(client.rest(), [0x20, 3, 0, 0x84, 0]);
    let meters = edge.wait("ends", |meters| meters.closed_for(CloseReason::Refused) == 8);
    let count = |reason| meters.refused_for(reason);
    assert_eq!(count(RefuseReason::BadCredentials), 1);
    assert_eq!(count(RefuseReason::NotAuthorized), 3);
    assert_eq!(count(RefuseReason::IdentifierRejected), 2);
    assert_eq!(count(RefuseReason::ProtocolVersion), 2);
    assert_eq!((meters.publishes, meters.online), ([0, 0], 0));
}

#[test]
fn an_empty_client_id_is_the_devices_own_and_gateways_never_share_one() {
    let edge = Edge::start();
    let mut device = edge.client();
    device.send(&Connect { client_id: String::new(), ..Connect::of("D1") }.bytes());
    device.expect(&ACCEPTED);
    let mut gateways = [edge.client(), edge.client()];
    for gateway in &mut gateways {
        gateway.send(&Connect { client_id: String::new(), ..Connect::of("GW1") }.bytes());
        gateway.expect(&ACCEPTED);
    }
    gateways.iter_mut().for_each(Client::ping);
    let mut again = edge.connected("D1");
    assert_eq!(device.rest(), b"");
    again.ping();
    gateways[0].send(&publish("ioc/v1/lighting/LUM-7/state", b"{}", 1));
    gateways[0].expect(&puback(1));
    assert_eq!(edge.journal.taken(1)[0].verdict, Verdict::Ok);
}

#[test]
fn packets_right_behind_connect_are_kept_and_answered_after_connack() {
    let edge = Edge::start();
    let mut client = edge.client();
    let mut bytes = Connect::of("D1").bytes();
    bytes.extend(publish(TOPIC, b"first", 7));
    bytes.extend(publish(TOPIC, b"second", 8));
    bytes.extend([0xc0, 0]);
    client.send(&bytes);
    client.expect(&ACCEPTED);
    let mut answers = [client.read(), client.read(), client.read()];
    answers.sort();
    assert_eq!(answers, [puback(7), puback(8), vec![0xd0, 0]]);
    assert_eq!(edge.journal.taken(2)[1].payload, b"second");
}

#[test]
fn a_client_may_send_one_byte_at_a_time() {
    let edge = Edge::start();
    let mut client = edge.client();
    let mut bytes = Connect::of("D1").bytes();
    bytes.extend(publish(TOPIC, &[b'x'; 200], 1));
    bytes.extend(subscribe(2, &[("ioc/v1/environment/D1/command", 1)]));
    for byte in bytes {
        client.send(&[byte]);
    }
    client.expect(&ACCEPTED);
    let mut answers = [client.read(), client.read()];
    answers.sort();
    assert_eq!(answers, [puback(1), vec![0x90, 3, 0, 2, 1]]);
}

#[test]
fn a_large_packet_comes_through_in_pieces() {
    let edge = Edge::start();
    let mut client = edge.connected("D1");
    let payload = vec![b'y'; 200 * 1024];
    client.send(&publish(TOPIC, &payload, 1));
    client.expect(&puback(1));
    assert!(edge.journal.taken(1)[0].payload == payload);
}

#[test]
fn a_will_is_published_when_the_client_vanishes_and_not_when_it_says_goodbye() {
    let edge = Edge::start();
    let state = "ioc/v1/environment/D1/state";
    let connect = || {
        let mut client = edge.client();
        client
            .send(&Connect { will: Some((state.to_owned(), b"gone".to_vec())), ..Connect::of("D1") }.bytes());
        client.expect(&ACCEPTED);
        client
    };
    let mut polite = connect();
    polite.send(&[0xe0, 0]);
    assert_eq!(polite.rest(), b"");
    assert_eq!(edge.journal.told(2)[1], told("D1", false, Disconnected));
    drop(connect());
    let taken = edge.journal.taken(1);
    assert_eq!((taken[0].topic.as_str(), taken[0].payload.as_slice()), (state, b"gone".as_slice()));
    assert_eq!(edge.journal.told(4)[3], told("D1", false, Lost));
    assert_eq!(edge.journal.taken(1).len(), 1);
    edge.wait("the count", |meters| meters.wills == 1);
}

#[test]
fn a_takeover_closes_the_old_connection_and_keeps_the_device_online() {
    let edge = Edge::start();
    let will = Some(("ioc/v1/environment/D1/state".to_owned(), b"old".to_vec()));
    let mut old = edge.client();
    old.send(&Connect { will, ..Connect::of("D1") }.bytes());
    old.expect(&ACCEPTED);
    let mut new = edge.connected("D1");
    new.send(&publish(TOPIC, b"new", 1));
    new.expect(&puback(1));
    assert_eq!(old.rest(), b"");
    let payloads: Vec<_> = edge.journal.taken(2).into_iter().map(|message| message.payload).collect();
    assert_eq!(payloads, [b"old".to_vec(), b"new".to_vec()], "the old one's will comes first");
    assert_eq!(edge.journal.told(1), [told("D1", true, Connected)]);
    edge.wait_closed(CloseReason::TakenOver, 1);
}

#[test]
fn a_goodbye_counts_although_its_sender_is_back_before_it_was_read() {
    const TIMES: u64 = 300;
    let edge = Edge::start();
    let will = Some(("ioc/v1/environment/D1/state".to_owned(), b"gone".to_vec()));
    let hello = Connect { will, ..Connect::of("D1") }.bytes();
    for _ in 0..TIMES {
        let mut client = edge.client();
        client.send(&hello);
        client.expect(&ACCEPTED);
        client.send(&[0xe0, 0]);
    }
    let meters = edge.wait("all to be closed", |meters| meters.connections == 0);
    assert_eq!(meters.wills, 0);
    edge.wait_closed(CloseReason::Disconnect, TIMES);
}

#[test]
fn a_revoked_credential_loses_its_connection() {
    let edge = Edge::start();
    let (mut revoked, mut other) = (edge.connected("D1"), edge.connected("D2"));
    edge.access.revoke("D1");
    assert_eq!(revoked.rest(), b"");
    edge.wait_closed(CloseReason::Revoked, 1);
    other.ping();
}

#[test]
fn stopping_is_our_doing_and_a_taken_port_is_named() {
    let edge = Edge::start();
    let addr = edge.broker.addrs().tcp[0];
    let config = BrokerConfig { tcp: vec![addr], ..BrokerConfig::default() };
    let second = ioc_broker::Broker::start(config, edge.access.clone(), edge.journal.clone());
    let error = second.err().unwrap();
    assert!(matches!(error, StartError::Bind { addr: taken, .. } if taken == addr), "{error}");
    let mut client = edge.connected("D1");
    edge.broker.shutdown(Duration::from_secs(5));
    assert_eq!(client.rest(), b"");
    assert_eq!(edge.journal.told(2)[1], told("D1", false, Ours));
    assert_eq!(edge.meters().connections, 0);
}

#[test]
fn ipv6_and_ipv4_reach_the_same_listener() {
    let edge = Edge::start();
    let port = edge.broker.addrs().tcp[0].port();
    let Ok(stream) = std::net::TcpStream::connect(("::1", port)) else {
        // A host without IPv6: the listener has fallen back.
        assert!(edge.broker.addrs().tcp[0].is_ipv4());
        return;
    };
    let mut client = Client { stream };
    client.send(&Connect::of("D1").bytes());
    client.expect(&ACCEPTED);
    edge.connected("D2").ping();
}

#[test]
fn tls_carries_the_same_protocol() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificates, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificates, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let identity = TlsIdentity::Pem { certificates, key };
    let tls = Some(TlsConfig { addrs: vec![any], identity });
    let edge = Edge::configured(BrokerConfig { tls, reactors: 1, ..BrokerConfig::default() });
    let addr = edge.broker.addrs().tls[0];

    let idle = Client::new(addr);
    let mut garbage = Client::new(addr);
    garbage.send(b"this is no handshake, and long enough to show it");
    garbage.rest();
    edge.wait_closed(CloseReason::TlsHandshake, 1);

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, Client::new(addr).stream);
    let mut bytes = Connect::of("D1").bytes();
    (1..=100).for_each(|id| bytes.extend(publish(TOPIC, &[b'z'; 1_000], id)));
    stream.write_all(&bytes).unwrap();
    let mut answer = vec![0; ACCEPTED.len() + 100 * 4];
    stream.read_exact(&mut answer).unwrap();
    let acks: Vec<u8> = (1..=100).flat_map(puback).collect();
    assert_eq!((&answer[..4], &answer[4..]), (&ACCEPTED[..], &acks[..]));
    drop(idle);
}
