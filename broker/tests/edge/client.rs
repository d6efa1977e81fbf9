//! A client that speaks in raw bytes.
use crate::support::PATIENCE;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

pub(crate) const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

/// Builds a CONNECT.
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) keep_alive_s: u16,
    pub(crate) clean: bool,
    pub(crate) will: Option<(String, Vec<u8>)>,
    pub(crate) name: &'static str,
    pub(crate) level: u8,
}

impl Connect {
    pub(crate) fn of(credential: &str) -> Self {
        Self {
            client_id: credential.to_owned(),
            user_name: Some(credential.to_owned()),
            password: Some(format!("token-{credential}")),
            keep_alive_s: 60,
            clean: true,
            will: None,
            name: "MQTT",
            level: 4,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put(&mut body, self.name.as_bytes());
        let flags = u8::from(self.clean) << 1
            | if self.will.is_some() { 0b1100 } else { 0 }
            | u8::from(self.password.is_some()) << 6
            | u8::from(self.user_name.is_some()) << 7;
        body.extend_from_slice(&[self.level, flags]);
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.level == 5 {
            body.push(0);
        }
        put(&mut body, self.client_id.as_bytes());
        if let Some((topic, payload)) = &self.will {
            put(&mut body, topic.as_bytes());
            put(&mut body, payload);
        }
        for text in self.user_name.iter().chain(&self.password) {
            put(&mut body, text.as_bytes());
        }
        packet(0x10, &body)
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Builds any packet.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut len = body.len();
    while len > 0x7f {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(body);
    out
}

/// Builds a PUBLISH; id 0 means QoS 0.
pub(crate) fn publish(topic: impl AsRef<[u8]>, payload: &[u8], id: u16) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, topic.as_ref());
    if id != 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    packet(if id == 0 { 0x30 } else { 0x32 }, &body)
}

pub(crate) fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

/// Builds a SUBSCRIBE of (filter, QoS).
pub(crate) fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        put(&mut body, filter.as_bytes());
        body.push(*qos);
    }
    packet(0x82, &body)
}

/// A client that says exactly what the test wants.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends; that the other side has closed meanwhile is for the next read to find.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
            assert!(closed, "{error}");
        }
    }

    /// Reads exactly these bytes.
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        let mut found = vec![0; expected.len()];
        self.stream.read_exact(&mut found).unwrap();
        assert_eq!(found, expected);
    }

    /// Reads one packet.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.stream.read_exact(&mut packet).unwrap();
        let mut len = usize::from(packet[1] & 0x7f);
        let mut shift = 7;
        while packet.last().unwrap() & 0x80 != 0 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            len |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            packet.push(byte[0]);
        }
        let header = packet.len();
        packet.resize(header + len, 0);
        self.stream.read_exact(&mut packet[header..]).unwrap();
        packet
    }

    /// Waits for the end of the connection and returns what came before it.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut found = Vec::new();
        match self.stream.read_to_end(&mut found) {
            Ok(_) => found,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => found,
            Err(error) => panic!("still open: {error}"),
        }
    }

    /// Asks whether anyone is there.
    pub(crate) fn ping(&mut self) {
        self.send(&[0xc0, 0]);
        self.expect(&[0xd0, 0]);
    }
}
