//! The few MQTT 3.1.1 packets that a load generator needs, as bytes.
use crate::Outcome;
use std::io::Read;

/// First byte of a PUBLISH with QoS 1.
pub const PUBLISH_QOS1: u8 = 0x32;
/// First byte of a PUBACK.
pub const PUBACK: u8 = 0x40;
/// Length of a PUBACK.
pub const PUBACK_LEN: usize = 4;

/// Builds a CONNECT with a clean session. `keep_alive_s` 0 is none.
pub fn connect(client_id: &str, login: Option<(&str, &str)>, keep_alive_s: u16) -> Vec<u8> {
    connect_packet(client_id, login, keep_alive_s, None)
}

/// Builds a CONNECT with a clean session, no keep-alive and a will of QoS 1.
pub fn connect_with_will(
    client_id: &str,
    login: Option<(&str, &str)>,
    topic: &str,
    payload: &[u8],
) -> Vec<u8> {
    connect_packet(client_id, login, 0, Some((topic, payload)))
}

fn connect_packet(
    client_id: &str,
    login: Option<(&str, &str)>,
    keep_alive_s: u16,
    will: Option<(&str, &[u8])>,
) -> Vec<u8> {
    const CLEAN_SESSION: u8 = 0x02;
    const WILL_QOS1: u8 = 0x0C;
    const USER_AND_PASSWORD: u8 = 0xC0;
    let with_login = if login.is_some() { USER_AND_PASSWORD } else { 0 };
    let with_will = if will.is_some() { WILL_QOS1 } else { 0 };
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    body.extend([4, CLEAN_SESSION | with_login | with_will]);
    body.extend(keep_alive_s.to_be_bytes());
    put_text(&mut body, client_id);
    if let Some((topic, payload)) = will {
        put_text(&mut body, topic);
        put_bytes(&mut body, payload);
    }
    if let Some((user, password)) = login {
        put_text(&mut body, user);
        put_text(&mut body, password);
    }
    packet(0x10, &body)
}

/// Builds a PUBLISH with QoS 1. Returns where its packet id stands, too.
pub fn publish(topic: &str, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut body = Vec::new();
    put_text(&mut body, topic);
    let id_in_body = body.len();
    body.extend([0, 1]);
    body.extend_from_slice(payload);
    let packet = packet(PUBLISH_QOS1, &body);
    let id_at = packet.len() - body.len() + id_in_body;
    (packet, id_at)
}

/// Builds a SUBSCRIBE to one filter with QoS 1.
pub fn subscribe(filter: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    put_text(&mut body, filter);
    body.push(1);
    packet(0x82, &body)
}

/// Reads the answer to CONNECT.
///
/// Errors: it is a refusal, or none.
pub fn read_connack(stream: &mut impl Read) -> Outcome<()> {
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    match answer {
        [0x20, 2, _, 0] => Ok(()),
        [0x20, 2, _, code] => Err(format!("CONNECT was refused with code {code}").into()),
        other => Err(format!("CONNECT was answered with {other:02x?}").into()),
    }
}

/// Reads the answer to SUBSCRIBE.
///
/// Errors: it is a refusal, or none.
pub fn read_suback(stream: &mut impl Read) -> Outcome<()> {
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    match answer {
        [0x90, 3, _, _, 0..=2] => Ok(()),
        other => Err(format!("SUBSCRIBE was answered with {other:02x?}").into()),
    }
}

/// One whole packet at the start of `bytes`: its first byte, its body, its length. `None` when it is not there yet.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (mut len, mut at) = (0, 1);
    loop {
        let byte = *bytes.get(at)?;
        len |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 || at > 4 {
            break;
        }
    }
    Some((bytes[0], bytes.get(at..at + len)?, at + len))
}

/// Takes the body of a PUBLISH with QoS 1 apart: topic and packet id.
pub fn topic_and_id(body: &[u8]) -> Option<(&[u8], [u8; 2])> {
    let len = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    let topic = body.get(2..2 + len)?;
    let id = body.get(2 + len..4 + len)?;
    Some((topic, [id[0], id[1]]))
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = body.len();
    loop {
        let more = if len > 0x7F { 0x80 } else { 0 };
        packet.push((len & 0x7F) as u8 | more);
        len >>= 7;
        if len == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_taken_apart_as_it_was_built() {
        let (mut bytes, id_at) = publish("a/b", &[7; 200]);
        bytes[id_at..id_at + 2].copy_from_slice(&[1, 2]);
        let (first, body, len) = split(&bytes).unwrap();
        assert_eq!((first, len), (PUBLISH_QOS1, bytes.len()));
        assert_eq!(topic_and_id(body), Some((&b"a/b"[..], [1, 2])));
        assert_eq!(split(&bytes[..bytes.len() - 1]), None);
    }
}
