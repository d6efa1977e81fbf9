use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use rumqttd::protocol::{Error, Publish as TheirPublish};

const MAX: usize = 4096;

fn publish_bytes(topic: &str, payload: &[u8], packet_id: Option<u16>, retain: bool) -> Vec<u8> {
    let mut out = Vec::new();
    put_publish(&mut out, topic, payload, packet_id, retain);
    out
}

#[test]
fn a_remaining_length_is_judged_before_the_packet_is_there() {
    assert_eq!(frame(&[0x30, 0xff, 0xff, 0xff, 0x7f], MAX), Err(Malformed::TooLarge));
    assert_eq!(frame(&[0x30, 0xff, 0xff, 0xff, 0xff], MAX), Err(Malformed::Protocol));
    assert_eq!(frame(&[0x30, 0xff, 0xff, 0xff], MAX), Ok(None));
    assert_eq!(frame(&[0x30], MAX), Ok(None));
    assert_eq!(frame(&[], MAX), Ok(None));
}

#[test]
fn publishes_that_cannot_be_are_named() {
    let parse = |bytes: &[u8]| publish(&frame(bytes, MAX).unwrap().unwrap()).map(|_| ());
    assert_eq!(parse(&[0x34, 5, 0, 1, b'a', 0, 1]), Err(Malformed::Qos2));
    assert_eq!(parse(&[0x36, 5, 0, 1, b'a', 0, 1]), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x32, 5, 0, 1, b'a', 0, 0]), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x32, 4, 0, 1, b'a', 0]), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x30, 3, 0, 9, b'a']), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x30, 0]), Err(Malformed::Protocol));
}

#[test]
fn the_packet_that_panics_the_v5_decoder_is_just_malformed() {
    let bytes = [0xb0, 1, 2];
    let frame = frame(&bytes, MAX).unwrap().unwrap();
    assert_eq!(decode(&frame), Err(Malformed::Protocol));
}

#[test]
fn subscribe_needs_its_flags_and_a_packet_id() {
    let parse = |bytes: &[u8]| subscribe(&frame(bytes, MAX).unwrap().unwrap()).map(|(id, _)| id);
    assert_eq!(parse(&[0x82, 6, 0, 7, 0, 1, b'a', 1]), Ok(7));
    assert_eq!(parse(&[0x80, 6, 0, 7, 0, 1, b'a', 1]), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x82, 6, 0, 0, 0, 1, b'a', 1]), Err(Malformed::Protocol));
    assert_eq!(parse(&[0x82, 2, 0, 7]), Err(Malformed::Protocol));
}

proptest! {
    #[test]
    fn our_publish_is_read_alike_by_us_and_by_rumqttd(
        topic in "[a-z/]{1,80}", payload in proptest::collection::vec(any::<u8>(), 0..600),
        packet_id in proptest::option::of(1u16..), retain: bool, dup: bool,
    ) {
        let mut bytes = publish_bytes(&topic, &payload, packet_id, retain);
        bytes[0] |= u8::from(dup) << 3;
        let ours = publish(&frame(&bytes, MAX).unwrap().unwrap()).unwrap();
        prop_assert_eq!(ours, Publish { topic: topic.as_bytes(), payload: &payload, packet_id, retain, dup: dup && packet_id.is_some() });
        let Packet::Publish(theirs, _) = V4.read_mut(&mut BytesMut::from(&bytes[..]), MAX).unwrap() else {
            return Err(TestCaseError::fail("not a publish"));
        };
        let serialized = theirs.serialize();
        prop_assert_eq!((serialized[0] >> 1) & 3, u8::from(packet_id.is_some()));
        prop_assert_eq!(u16::from_be_bytes([serialized[1], serialized[2]]), packet_id.unwrap_or(0));
        prop_assert_eq!((&theirs.topic[..], &theirs.payload[..]), (topic.as_bytes(), &payload[..]));
        prop_assert_eq!(theirs.retain, retain);
    }

    #[test]
    fn what_rumqttd_writes_we_read(topic in "[a-z/]{1,200}", payload in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = BytesMut::new();
        let packet = TheirPublish::new(Bytes::from(topic.clone()), Bytes::from(payload.clone()), false);
        V4.write(Packet::Publish(packet, None), &mut bytes).unwrap();
        let ours = publish(&frame(&bytes, MAX).unwrap().unwrap()).unwrap();
        prop_assert_eq!(ours, Publish { topic: topic.as_bytes(), payload: &payload, packet_id: None, retain: false, dup: false });
    }

    #[test]
    fn framing_agrees_with_rumqttd_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 2..40), max in 2usize..200) {
        let ours = frame(&bytes, max);
        let theirs = rumqttd::protocol::v4::check(bytes.iter(), max);
        match theirs {
            Ok(header) if header.frame_length() <= max => {
                prop_assert_eq!(ours.unwrap().unwrap().whole.len(), header.frame_length());
            }
            // Theirs limits the remaining length, ours the whole packet.
            Ok(_) | Err(Error::PayloadSizeLimitExceeded(_)) => prop_assert_eq!(ours, Err(Malformed::TooLarge)),
            Err(Error::InsufficientBytes(_)) => {
                prop_assert!(matches!(ours, Ok(None) | Err(Malformed::TooLarge)));
            }
            Err(_) => prop_assert_eq!(ours, Err(Malformed::Protocol)),
        }
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Some(frame)) = frame(&bytes, MAX) {
            let _ = (publish(&frame), puback(&frame), bare(&frame), subscribe(&frame), unsubscribe(&frame));
        }
    }

    #[test]
    fn mutated_packets_never_panic(
        kind in prop::sample::select(vec![0x10u8, 0x32, 0x40, 0x82, 0xa2]),
        body in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(4), any::<u8>()], 0..60),
    ) {
        let mut bytes = vec![kind, body.len() as u8];
        bytes.extend_from_slice(&body);
        let frame = frame(&bytes, MAX).unwrap().unwrap();
        let _ = (decode(&frame), publish(&frame), subscribe(&frame), unsubscribe(&frame));
    }

    #[test]
    fn packets_come_out_whole_whatever_the_pieces(
        packets in proptest::collection::vec(("[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..300), 1u16..), 1..6),
        piece in 1usize..20,
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(|(t, p, id)| publish_bytes(t, p, Some(*id), false)).collect();
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        for part in stream.chunks(piece) {
            buffer.extend_from_slice(part);
            while let Some(frame) = frame(&buffer, MAX).unwrap() {
                let packet = publish(&frame).unwrap();
                found.push((String::from_utf8(packet.topic.to_vec()).unwrap(), packet.payload.to_vec(), packet.packet_id.unwrap()));
                let len = frame.whole.len();
                buffer.drain(..len);
            }
        }
        prop_assert_eq!(found, packets);
    }
}
