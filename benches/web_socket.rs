//! A WebSocket client that reads text messages, as plain as the protocol allows.
use crate::Outcome;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Longest that a read waits.
const TICK: Duration = Duration::from_millis(100);

/// An open connection.
#[derive(Debug)]
pub struct WebSocket {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl WebSocket {
    /// Opens `path`, signed in with `cookie`.
    ///
    /// Errors: the server refuses.
    pub fn open(server: SocketAddr, path: &str, cookie: &str) -> Outcome<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: {cookie}\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&head)).into());
        }
        stream.set_read_timeout(Some(TICK))?;
        Ok(Self { stream, bytes: Vec::new() })
    }

    /// Sends a text.
    ///
    /// Errors: the connection is broken.
    pub fn send(&mut self, text: &str) -> Outcome<()> {
        self.send_frame(TEXT, text.as_bytes())
    }

    fn send_frame(&mut self, kind: u8, payload: &[u8]) -> Outcome<()> {
        const FINAL: u8 = 0x80;
        const MASKED: u8 = 0x80;
        let mut frame = vec![FINAL | kind];
        match u16::try_from(payload.len())? {
            len @ 0..=125 => frame.push(MASKED | len as u8),
            len => {
                frame.push(MASKED | 126);
                frame.extend(len.to_be_bytes());
            }
        }
        // A mask of zeros is a mask.
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame)?)
    }

    /// Waits a little for bytes and returns the texts that are complete.
    ///
    /// Errors: the connection is broken or closed.
    pub fn texts(&mut self) -> Outcome<Vec<String>> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the server closed the stream".into()),
            Ok(got) => self.bytes.extend_from_slice(&chunk[..got]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        let mut texts = Vec::new();
        while let Some((kind, payload, len)) = split(&self.bytes) {
            match kind {
                TEXT => texts.push(String::from_utf8_lossy(payload).into_owned()),
                PING => {
                    let payload = payload.to_vec();
                    self.send_frame(PONG, &payload)?;
                }
                CLOSE => return Err("the server closed the stream".into()),
                _ => {}
            }
            self.bytes.drain(..len);
        }
        Ok(texts)
    }
}

/// One whole unmasked frame at the start of `bytes`: kind, payload, length.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let kind = bytes.first()? & 0x0F;
    let (start, len) = match *bytes.get(1)? & 0x7F {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        len => (2, u64::from(len)),
    };
    let end = start + usize::try_from(len).ok()?;
    Some((kind, bytes.get(start..end)?, end))
}
