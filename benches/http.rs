//! HTTP requests of the shortest kind.
use crate::Outcome;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines.
    pub head: String,
    /// Body, as text.
    pub body: String,
}

/// Sends one request and reads the whole answer.
///
/// Errors: no answer, or none that is HTTP.
pub fn request(server: SocketAddr, method: &str, path: &str, json: &str) -> Outcome<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the server did not answer with HTTP")?;
    let status =
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("an answer without status")?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
