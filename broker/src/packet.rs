//! MQTT 3.1.1 framing and the packets of the hot path, read in place from raw bytes.
//!
//! PUBLISH and PUBACK are parsed here: rumqttd's codec wants to own the buffer, and hides QoS and packet id.
//! CONNECT, SUBSCRIBE and UNSUBSCRIBE go through that codec (see [`crate::connect`] and [`subscribe`]), each
//! on a copy of exactly one packet. Its V4 decoder was read for panics: everything is bounds-checked.
use bytes::BytesMut;
use rumqttd::protocol::{Filter, Packet, Protocol, v4::V4};

/// Packet type of a first byte.
pub(crate) const CONNECT: u8 = 1;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(crate) const SUBSCRIBE: u8 = 8;
pub(crate) const UNSUBSCRIBE: u8 = 10;
pub(crate) const PINGREQ: u8 = 12;
pub(crate) const DISCONNECT: u8 = 14;

/// Longest fixed header: first byte and four bytes of remaining length.
const FIXED_HEADER_MAX: usize = 5;
const RETAIN: u8 = 1;
const DUP: u8 = 8;
const SUBACK_FAILURE: u8 = 0x80;

/// A packet that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Against the standard.
    Protocol,
    /// Longer than allowed.
    TooLarge,
    /// QoS 2, which is not supported.
    Qos2,
}

/// One complete packet within a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The first byte: type and flags.
    pub(crate) first: u8,
    /// Variable header and payload.
    pub(crate) body: &'a [u8],
    /// The whole packet.
    pub(crate) whole: &'a [u8],
}

impl Frame<'_> {
    /// Returns the packet type, 0 to 15.
    pub(crate) fn kind(&self) -> u8 {
        self.first >> 4
    }

    fn flags(&self) -> u8 {
        self.first & 0x0f
    }
}

/// Looks for a complete packet at the start of `bytes`; `None` means more bytes are needed.
///
/// Errors: a remaining length that is malformed, or makes the packet longer than `packet_bytes_max`.
pub(crate) fn frame(bytes: &[u8], packet_bytes_max: usize) -> Result<Option<Frame<'_>>, Malformed> {
    let mut remaining = 0usize;
    for position in 1..FIXED_HEADER_MAX {
        let Some(byte) = bytes.get(position) else { return Ok(None) };
        remaining |= usize::from(byte & 0x7f) << (7 * (position - 1));
        if byte & 0x80 == 0 {
            let end = position + 1 + remaining;
            if end > packet_bytes_max {
                return Err(Malformed::TooLarge);
            }
            return Ok(bytes.get(..end).map(|whole| Frame {
                first: whole[0],
                body: &whole[position + 1..],
                whole,
            }));
        }
    }
    Err(Malformed::Protocol)
}

fn u16_at(bytes: &[u8], position: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(position)?, *bytes.get(position + 1)?]))
}

/// A PUBLISH, borrowed from the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    /// The topic name, not yet checked in any way.
    pub(crate) topic: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// The packet id of a QoS 1 publish, never 0; `None` is QoS 0.
    pub(crate) packet_id: Option<u16>,
    pub(crate) retain: bool,
    /// The sender says that it may have sent this packet before; only with QoS 1 (MQTT 3.1.1 §3.3.1.1).
    pub(crate) dup: bool,
}

/// Parses a PUBLISH.
///
/// Errors: QoS 2 as such; QoS 3, packet id 0 or a topic beyond the packet as protocol error.
pub(crate) fn publish<'a>(frame: &Frame<'a>) -> Result<Publish<'a>, Malformed> {
    let topic_len = usize::from(u16_at(frame.body, 0).ok_or(Malformed::Protocol)?);
    let after_topic = 2 + topic_len;
    let topic = frame.body.get(2..after_topic).ok_or(Malformed::Protocol)?;
    let (packet_id, payload_at) = match (frame.flags() >> 1) & 3 {
        0 => (None, after_topic),
        1 => {
            let id = u16_at(frame.body, after_topic).filter(|id| *id != 0);
            (Some(id.ok_or(Malformed::Protocol)?), after_topic + 2)
        }
        2 => return Err(Malformed::Qos2),
        _ => return Err(Malformed::Protocol),
    };
    let retain = frame.flags() & RETAIN != 0;
    let dup = packet_id.is_some() && frame.flags() & DUP != 0;
    Ok(Publish { topic, payload: &frame.body[payload_at..], packet_id, retain, dup })
}

/// Parses a PUBACK and returns its packet id.
pub(crate) fn puback(frame: &Frame<'_>) -> Result<u16, Malformed> {
    match (frame.flags(), frame.body.len(), u16_at(frame.body, 0)) {
        (0, 2, Some(id)) if id != 0 => Ok(id),
        _ => Err(Malformed::Protocol),
    }
}

/// Checks a packet that has flags 0 and nothing after the fixed header: PINGREQ, DISCONNECT.
pub(crate) fn bare(frame: &Frame<'_>) -> Result<(), Malformed> {
    if frame.flags() == 0 && frame.body.is_empty() { Ok(()) } else { Err(Malformed::Protocol) }
}

/// Reports whether `text` may stand in a packet at all: not without a character where one must be, and none of them is
/// U+0000 (MQTT 3.1.1 §1.5.3, §4.7.3). What it may say is for others to check.
fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

/// Decodes one packet with rumqttd's codec.
pub(crate) fn decode(frame: &Frame<'_>) -> Result<Packet, Malformed> {
    let mut copy = BytesMut::from(frame.whole);
    V4.read_mut(&mut copy, frame.whole.len()).map_err(|_| Malformed::Protocol)
}

/// Parses a SUBSCRIBE into its packet id and filters with the wanted QoS.
pub(crate) fn subscribe(frame: &Frame<'_>) -> Result<(u16, Vec<Filter>), Malformed> {
    match decode(frame)? {
        Packet::Subscribe(subscribe, _)
            if frame.flags() == 2
                && subscribe.pkid != 0
                && subscribe.filters.iter().all(|filter| is_text(&filter.path)) =>
        {
            Ok((subscribe.pkid, subscribe.filters))
        }
        _ => Err(Malformed::Protocol),
    }
}

/// Parses an UNSUBSCRIBE into its packet id and filters.
pub(crate) fn unsubscribe(frame: &Frame<'_>) -> Result<(u16, Vec<String>), Malformed> {
    match decode(frame)? {
        Packet::Unsubscribe(packet, _)
            if frame.flags() == 2
                && packet.pkid != 0
                && !packet.filters.is_empty()
                && packet.filters.iter().all(|filter| is_text(filter)) =>
        {
            Ok((packet.pkid, packet.filters))
        }
        _ => Err(Malformed::Protocol),
    }
}

/// Appends a PUBACK.
pub(crate) fn put_puback(out: &mut Vec<u8>, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[PUBACK << 4, 2, high, low]);
}

/// Appends a PINGRESP.
pub(crate) fn put_pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xd0, 0]);
}

/// Appends an UNSUBACK.
pub(crate) fn put_unsuback(out: &mut Vec<u8>, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[0xb0, 2, high, low]);
}

/// Appends a SUBACK; `None` is a denied filter, else the granted QoS.
pub(crate) fn put_suback(out: &mut Vec<u8>, packet_id: u16, granted: &[Option<u8>]) {
    out.push(0x90);
    put_remaining_length(out, 2 + granted.len());
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend(granted.iter().map(|qos| qos.unwrap_or(SUBACK_FAILURE)));
}

/// Appends a PUBLISH of ours; `packet_id` makes it QoS 1. The topic must be shorter than 64 KiB.
pub(crate) fn put_publish(
    out: &mut Vec<u8>,
    topic: &str,
    payload: &[u8],
    packet_id: Option<u16>,
    retain: bool,
) {
    let id_len = if packet_id.is_some() { 2 } else { 0 };
    out.push((PUBLISH << 4) | (id_len as u8) | u8::from(retain));
    put_remaining_length(out, 2 + topic.len() + id_len + payload.len());
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    out.extend(packet_id.iter().flat_map(|id| id.to_be_bytes()));
    out.extend_from_slice(payload);
}

fn put_remaining_length(out: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests;
