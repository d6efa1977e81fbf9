//! An MQTT 3.1.1 client that sends what it is told, right or wrong, and shows what comes back.
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const TIMEOUT: Duration = Duration::from_secs(20);
const CHUNK_BYTES: usize = 4096;

/// What a client sends first.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) keep_alive_s: u16,
    /// Topic and payload.
    pub(crate) will: Option<(String, Vec<u8>)>,
    /// 4 is MQTT 3.1.1.
    pub(crate) level: u8,
}

impl Connect {
    /// The CONNECT of a device.
    pub(crate) fn device(id: &str, token: &str) -> Self {
        let (user, password) = (Some(id.to_owned()), Some(token.to_owned()));
        Self { client_id: id.to_owned(), user, password, keep_alive_s: 60, will: None, level: 4 }
    }

    /// The packet.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut flags = 0b10;
        let mut tail = text(self.client_id.as_bytes());
        if let Some((topic, payload)) = &self.will {
            flags |= 0b1100;
            tail.extend(text(topic.as_bytes()));
            tail.extend(text(payload));
        }
        if let Some(user) = &self.user {
            flags |= 1 << 7;
            tail.extend(text(user.as_bytes()));
        }
        if let Some(password) = &self.password {
            flags |= 1 << 6;
            tail.extend(text(password.as_bytes()));
        }
        let mut body = text(b"MQTT");
        body.extend([self.level, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.level == 5 {
            body.push(0);
        }
        body.extend(tail);
        packet(1 << 4, &body)
    }
}

/// A length-prefixed text.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

/// A packet with its fixed header.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let byte = (left % 128) as u8;
        left /= 128;
        out.push(if left > 0 { byte | 128 } else { byte });
        if left == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

/// A PUBLISH; `id` with QoS 1 or 2.
pub(crate) fn publish(topic: &[u8], payload: &[u8], qos: u8, id: u16) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(PUBLISH << 4 | qos << 1, &body)
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// First byte and body.
    Packet(u8, Vec<u8>),
    /// Nothing within the time.
    Nothing,
    /// The other side closed.
    Closed,
}

/// A connection.
pub(crate) struct Mqtt {
    stream: TcpStream,
    buffer: Vec<u8>,
    next_id: u16,
}

impl Mqtt {
    /// Connects without saying anything.
    pub(crate) fn open(addr: SocketAddr) -> Self {
        Self::try_open(addr).unwrap()
    }

    fn try_open(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::new(), next_id: 0 })
    }

    /// Signs in.
    ///
    /// Errors: the return code of CONNACK; 255 when the other side closed instead.
    pub(crate) fn connect(addr: SocketAddr, connect: &Connect) -> Result<Self, u8> {
        let mut client = Self::open(addr);
        client.send(&connect.packet());
        match client.receive(TIMEOUT) {
            Received::Packet(first, body) if first >> 4 == CONNACK && body.get(1) == Some(&0) => Ok(client),
            Received::Packet(first, body) if first >> 4 == CONNACK => Err(body[1]),
            _ => Err(255),
        }
    }

    /// Signs in as a device, which must work.
    #[track_caller]
    pub(crate) fn device(addr: SocketAddr, id: &str, token: &str) -> Self {
        Self::connect(addr, &Connect::device(id, token))
            .unwrap_or_else(|code| panic!("{id} was refused: {code}"))
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes; says whether the other side still took them.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a QoS 1 publish and returns its packet id; the answer is not waited for.
    pub(crate) fn send_publish(&mut self, topic: &str, payload: &[u8]) -> Option<u16> {
        self.next_id = if self.next_id == u16::MAX { 1 } else { self.next_id + 1 };
        let bytes = publish(topic.as_bytes(), payload, 1, self.next_id);
        self.try_send(&bytes).then_some(self.next_id)
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        let id = self.send_publish(topic, payload).unwrap();
        match self.puback(TIMEOUT) {
            Ok(Some(acked)) => assert_eq!(acked, id, "PUBACKs come in order"),
            other => panic!("no PUBACK on {topic}: {other:?}"),
        }
    }

    /// Publishes with QoS 1 and more flags of the first byte, and waits for the PUBACK.
    #[track_caller]
    pub(crate) fn publish_flagged(&mut self, flags: u8, topic: &str, payload: &[u8]) {
        self.next_id = if self.next_id == u16::MAX { 1 } else { self.next_id + 1 };
        let mut bytes = publish(topic.as_bytes(), payload, 1, self.next_id);
        bytes[0] |= flags;
        self.send(&bytes);
        assert_eq!(self.puback(TIMEOUT), Ok(Some(self.next_id)));
    }

    /// Publishes with QoS 0.
    pub(crate) fn publish0(&mut self, topic: &str, payload: &[u8]) {
        self.send(&publish(topic.as_bytes(), payload, 0, 0));
    }

    /// Waits for a PUBACK and returns its id; `None` when none came in time. Other packets are passed over.
    ///
    /// Errors: the other side closed.
    pub(crate) fn puback(&mut self, timeout: Duration) -> Result<Option<u16>, Closed> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.receive(deadline.saturating_duration_since(Instant::now())) {
                Received::Packet(first, body) if first >> 4 == PUBACK => {
                    return Ok(Some(u16::from_be_bytes([body[0], body[1]])));
                }
                Received::Packet(..) => {}
                Received::Nothing => return Ok(None),
                Received::Closed => return Err(Closed),
            }
        }
    }

    /// Subscribes with QoS 0 and returns the code of SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = vec![0, 7];
        body.extend(text(filter.as_bytes()));
        body.push(0);
        self.send(&packet(0x82, &body));
        loop {
            match self.receive(TIMEOUT) {
                Received::Packet(first, body) if first >> 4 == SUBACK => return body[2],
                Received::Packet(..) => {}
                other => panic!("no SUBACK: {other:?}"),
            }
        }
    }

    /// Waits for a message: retained or not, topic, payload.
    pub(crate) fn message(&mut self, timeout: Duration) -> Option<(bool, String, Vec<u8>)> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.receive(deadline.saturating_duration_since(Instant::now())) {
                Received::Packet(first, body) if first >> 4 == PUBLISH => {
                    let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    let topic = String::from_utf8(body[2..2 + len].to_vec()).unwrap();
                    let skip = if first & 0b110 > 0 { 2 } else { 0 };
                    return Some((first & 1 == 1, topic, body[2 + len + skip..].to_vec()));
                }
                Received::Packet(..) => {}
                Received::Nothing | Received::Closed => return None,
            }
        }
    }

    /// Reports whether the other side closes within the time.
    pub(crate) fn is_closed_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            match self.receive(deadline.saturating_duration_since(Instant::now())) {
                Received::Packet(..) => {}
                Received::Nothing => return false,
                Received::Closed => return true,
            }
        }
    }

    /// Waits for one packet.
    pub(crate) fn receive(&mut self, timeout: Duration) -> Received {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some((first, body, len)) = split(&self.buffer) {
                self.buffer.drain(..len);
                return Received::Packet(first, body);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Received::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; CHUNK_BYTES];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Received::Closed,
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Received::Closed,
            }
        }
    }

    /// Says goodbye.
    pub(crate) fn disconnect(mut self) {
        self.send(&[14 << 4, 0]);
    }
}

/// The other side closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// First byte, body and length of the packet at the start of `bytes`, once it is whole.
fn split(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let mut len = 0;
    for (position, byte) in bytes.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 127) << (7 * (position - 1));
        if byte & 128 == 0 {
            let begin = position + 1;
            return Some((bytes[0], bytes.get(begin..begin + len)?.to_vec(), begin + len));
        }
    }
    None
}
