//! CONNECT and CONNACK.
//!
//! CONNECT is read here and not by rumqttd's codec, which refuses passwords that are not UTF-8, does not show
//! the flags and cannot tell an unacceptable version from garbage. Tests hold the two against each other.
use crate::packet::{CONNECT, Frame};
use ioc_model::topic;

/// MQTT 3.1.1.
const LEVEL_V4: u8 = 4;
const LEVEL_V5: u8 = 5;

const FLAG_RESERVED: u8 = 1;
const FLAG_CLEAN: u8 = 1 << 1;
const FLAG_WILL: u8 = 1 << 2;
const FLAG_WILL_RETAIN: u8 = 1 << 5;
const FLAG_PASSWORD: u8 = 1 << 6;
const FLAG_USER: u8 = 1 << 7;

/// CONNACK: accepted, no session present. We keep no sessions over a disconnect yet.
pub(crate) const CONNACK_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
/// CONNACK of MQTT 5: unsupported protocol version, no properties.
const CONNACK_V5_UNSUPPORTED: [u8; 5] = [0x20, 3, 0, 0x84, 0];

/// The return codes of CONNACK (MQTT 3.1.1 §3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ReturnCode {
    ProtocolVersion = 1,
    IdentifierRejected = 2,
    Unavailable = 3,
    BadCredentials = 4,
    NotAuthorized = 5,
}

impl ReturnCode {
    /// Returns the CONNACK that says so.
    pub(crate) fn connack(self) -> Vec<u8> {
        vec![0x20, 2, 0, self as u8]
    }
}

/// What the client asks to be published when it vanishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    /// A valid topic name.
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retain: bool,
    /// 0 to 2; QoS 2 is refused, as in a PUBLISH.
    pub(crate) qos: u8,
}

/// A CONNECT of MQTT 3.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) clean_session: bool,
    /// Seconds; 0 means none.
    pub(crate) keep_alive_s: u16,
    pub(crate) will: Option<Will>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Vec<u8>,
}

/// A first packet that leads to no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectError {
    /// Not a CONNECT at all: closed without an answer.
    NotConnect,
    /// A CONNECT against the standard: closed without an answer.
    Malformed,
    /// Another protocol version; answered with these bytes.
    Version { level: u8, answer: Vec<u8> },
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ConnectError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(ConnectError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, ConnectError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, ConnectError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn bytes(&mut self) -> Result<&'a [u8], ConnectError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 string as the standard wants it: without NUL.
    fn text(&mut self) -> Result<String, ConnectError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| ConnectError::Malformed)?;
        if text.contains('\0') { Err(ConnectError::Malformed) } else { Ok(text.to_owned()) }
    }
}

/// Parses the first packet of a connection.
///
/// Errors: [`ConnectError`]; only a wrong version is answered.
pub(crate) fn connect(frame: &Frame<'_>) -> Result<Connect, ConnectError> {
    if frame.kind() != CONNECT {
        return Err(ConnectError::NotConnect);
    }
    if frame.first != CONNECT << 4 {
        return Err(ConnectError::Malformed);
    }
    let mut fields = Fields(frame.body);
    let name = fields.bytes()?;
    match (name, fields.u8()?) {
        (b"MQTT", LEVEL_V4) => {}
        (b"MQTT", level @ LEVEL_V5) => {
            return Err(ConnectError::Version { level, answer: CONNACK_V5_UNSUPPORTED.to_vec() });
        }
        (b"MQTT" | b"MQIsdp", level) => {
            return Err(ConnectError::Version { level, answer: ReturnCode::ProtocolVersion.connack() });
        }
        _ => return Err(ConnectError::NotConnect),
    }
    let flags = checked_flags(fields.u8()?)?;
    let keep_alive_s = fields.u16()?;
    let client_id = fields.text()?;
    let will = if flags & FLAG_WILL != 0 { Some(will(&mut fields, flags)?) } else { None };
    let user_name = if flags & FLAG_USER != 0 { Some(fields.text()?) } else { None };
    let password = if flags & FLAG_PASSWORD != 0 { fields.bytes()?.to_vec() } else { Vec::new() };
    if !fields.0.is_empty() {
        return Err(ConnectError::Malformed);
    }
    let clean_session = flags & FLAG_CLEAN != 0;
    Ok(Connect { client_id, clean_session, keep_alive_s, will, user_name, password })
}

fn checked_flags(flags: u8) -> Result<u8, ConnectError> {
    let will_alone = flags & FLAG_WILL == 0 && (will_qos(flags) != 0 || flags & FLAG_WILL_RETAIN != 0);
    let password_alone = flags & FLAG_PASSWORD != 0 && flags & FLAG_USER == 0;
    if flags & FLAG_RESERVED != 0 || will_qos(flags) == 3 || will_alone || password_alone {
        return Err(ConnectError::Malformed);
    }
    Ok(flags)
}

const fn will_qos(flags: u8) -> u8 {
    (flags >> 3) & 3
}

fn will(fields: &mut Fields<'_>, flags: u8) -> Result<Will, ConnectError> {
    let topic = fields.text()?;
    if !topic::is_name(&topic) {
        return Err(ConnectError::Malformed);
    }
    let (payload, retain) = (fields.bytes()?.to_vec(), flags & FLAG_WILL_RETAIN != 0);
    Ok(Will { topic, payload, retain, qos: will_qos(flags) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet;
    use bytes::BytesMut;
    use proptest::prelude::*;
    use rumqttd::protocol::{Connect as TheirConnect, LastWill, Login, Packet, Protocol, QoS, v4::V4};

    const MAX: usize = 4096;

    fn parse(bytes: &[u8]) -> Result<Connect, ConnectError> {
        connect(&packet::frame(bytes, MAX).unwrap().unwrap())
    }

    fn version(level: u8, answer: &[u8]) -> ConnectError {
        ConnectError::Version { level, answer: answer.to_vec() }
    }

    #[test]
    fn other_versions_are_answered_in_their_own_form() {
        let v5 = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 0];
        assert_eq!(parse(&v5), Err(version(5, &[0x20, 3, 0, 0x84, 0])));
        let v31 = [0x10, 14, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 60, 0, 0];
        assert_eq!(parse(&v31), Err(version(3, &[0x20, 2, 0, 1])));
        let v9 = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 9, 2, 0, 60, 0, 0];
        assert_eq!(parse(&v9), Err(version(9, &[0x20, 2, 0, 1])));
    }

    #[test]
    fn flags_against_the_standard_are_malformed() {
        for flags in [0b0000_0011, 0b0000_1010, 0b0010_0010, 0b0001_1110, 0b0100_0010] {
            let bytes = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60, 0, 0];
            assert_eq!(parse(&bytes), Err(ConnectError::Malformed), "{flags:08b}");
        }
    }

    #[test]
    fn a_password_need_not_be_text() {
        let mut bytes = vec![0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 4, 0xc2, 0, 60, 0, 0];
        bytes.extend_from_slice(&[0, 1, b'u', 0, 2, 0xff, 0xfe]);
        assert_eq!(parse(&bytes).map(|c| c.password), Ok(vec![0xff, 0xfe]));
    }

    proptest! {
        #[test]
        fn what_rumqttd_writes_we_read(
            client_id in "[ -~đô]{0,40}", clean_session: bool, keep_alive: u16,
            login in proptest::option::of(("[a-z]{1,20}", "[a-z0-9]{1,60}")),
            will in proptest::option::of(("[a-z/]{1,30}", proptest::collection::vec(any::<u8>(), 0..90), any::<bool>())),
        ) {
            let theirs = TheirConnect { keep_alive, client_id: client_id.clone(), clean_session };
            let last_will = will.clone().map(|(topic, message, retain)| LastWill {
                topic: topic.into(), message: message.into(), qos: QoS::AtLeastOnce, retain,
            });
            let their_login = login.clone().map(|(username, password)| Login { username, password });
            let mut bytes = BytesMut::new();
            V4.write(Packet::Connect(theirs, None, last_will, None, their_login), &mut bytes).unwrap();
            let (user_name, password) = login.map_or((None, Vec::new()), |(u, p)| (Some(u), p.into_bytes()));
            let will = will.map(|(topic, payload, retain)| Will { topic, payload, retain, qos: 1 });
            let expected = Connect { client_id, clean_session, keep_alive_s: keep_alive, will, user_name, password };
            prop_assert_eq!(parse(&bytes), Ok(expected));
        }

        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(prop_oneof![Just(0u8), Just(4), any::<u8>()], 0..80)) {
            let mut bytes = vec![0x10, body.len() as u8];
            bytes.extend_from_slice(&body);
            let _ = parse(&bytes);
            let mut bytes = vec![0x10, body.len() as u8 + 7, 0, 4, b'M', b'Q', b'T', b'T', 4];
            bytes.extend_from_slice(&body);
            let _ = parse(&bytes);
        }
    }
}
