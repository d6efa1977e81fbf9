//! Attacks over HTTP and WebSocket.
use crate::target::{ANSWER, Attack, Target};
use ioc_benches::{Outcome, now_ms, web_socket::WebSocket};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// Connections that hold what they can.
const CONNECTIONS: usize = 2_100;
/// Threads of those attacks that one alone could not drive.
const THREADS: usize = 16;
const STREAMS: usize = 200;
/// Between two bytes of a slow connection.
const TRICKLE: Duration = Duration::from_millis(500);
/// Longest text that a rule check takes.
const RULES_BYTES: usize = 1_000_000;

/// Returns the group's attacks.
pub(crate) fn attacks() -> impl Iterator<Item = Attack> {
    let attack = |name, run| Attack { name, run };
    [
        attack("http-slow-heads", |target, stop| held(target, stop, b"GET / HTTP/1.1\r\nHost: x\r\nX: ")),
        attack("http-slow-bodies", |target, stop| {
            let head = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 100000\r\n\r\n{";
            held(target, stop, head)
        }),
        attack("http-unread", |target, stop| {
            let asked = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
            held(target, stop, &asked)
        }),
        attack("http-connects", |target, stop| {
            asked(target, stop, |addr| {
                status(addr, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            })
        }),
        attack("http-history", history),
        attack("http-scrapes", |target, stop| {
            asked(target, stop, |addr| {
                status(addr, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            })
        }),
        attack("http-rule-checks", rule_checks),
        attack("http-sign-ins", sign_ins),
        attack("streams-subscribing", streams),
    ]
    .into_iter()
}

/// Opens connections, sends what begins a request, and then a byte now and then; opens those anew that were closed.
fn held(target: &Target<'_>, stop: &AtomicBool, begin: &[u8]) -> Outcome<String> {
    let addr = target.ioc.http;
    let open = || -> Outcome<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&addr, ANSWER)?;
        stream.set_nonblocking(true)?;
        // As much as goes in at once.
        let _ = stream.write(begin);
        Ok(stream)
    };
    let (mut streams, mut opened) = (Vec::new(), 0_u64);
    while !stop.load(Relaxed) {
        while streams.len() < CONNECTIONS && !stop.load(Relaxed) {
            match open() {
                Ok(stream) => streams.push(stream),
                Err(_) => break,
            }
            opened += 1;
        }
        streams.retain_mut(|stream| stream.write(b"x").map_or_else(is_idle, |written| written > 0));
        thread::sleep(TRICKLE);
    }
    Ok(format!("{opened} connections opened, {} held at the end", streams.len()))
}

fn is_idle(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
}

/// Asks again and again from several threads; says how many were answered well and otherwise.
fn asked(
    target: &Target<'_>,
    stop: &AtomicBool,
    ask: impl Fn(SocketAddr) -> Outcome<u16> + Sync,
) -> Outcome<String> {
    let (fine, other) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let answered = ask(target.ioc.http).is_ok_and(|status| status < 400);
                    if answered { &fine } else { &other }.fetch_add(1, Relaxed);
                }
            });
        }
    });
    Ok(format!("{} answered, {} refused", fine.into_inner(), other.into_inner()))
}

/// Sends a request, reads the whole answer and returns its status.
fn status(addr: SocketAddr, request: &str) -> Outcome<u16> {
    let mut stream = TcpStream::connect_timeout(&addr, ANSWER)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let code = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    Ok(code.ok_or("no answer")?)
}

/// One person asks for all of the city's history, as often as it goes.
fn history(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let cookie = target.ioc.sign_in_as("greedy", "engineer")?;
    let (from, to) = (now_ms() - 86_400_000, now_ms());
    let request = format!(
        "GET /api/v1/history/groups?property=lamp_fault&interval=60&from={from}&to={to} HTTP/1.1\r\nHost: x\r\n\
         Connection: close\r\nCookie: {cookie}\r\n\r\n"
    );
    asked(target, stop, |addr| status(addr, &request))
}

fn rule_checks(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let cookie = target.ioc.sign_in_as("greedy", "engineer")?;
    let group = |number| format!("  - name: g{number:05}\n    rules: []\n");
    let text = "groups:\n".to_owned() + &(0..RULES_BYTES / 33).map(group).collect::<String>();
    let request = format!(
        "POST /api/v1/rules/check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Cookie: {cookie}\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    asked(target, stop, |addr| status(addr, &request))
}

fn sign_ins(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let guess = r#"{"username":"root","password":"not the password"}"#;
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{guess}",
        guess.len()
    );
    asked(target, stop, |addr| status(addr, &request))
}

/// One person opens streams, subscribes to everything from the beginning again and again, and reads nothing.
fn streams(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let cookie = target.ioc.sign_in_as("greedy", "engineer")?;
    let all = r#"{"type":"subscribe","channels":["alerts","state","kpi"],"filter":{},"after":0}"#;
    let (mut streams, mut opened, mut sent) = (Vec::new(), 0_u64, 0_u64);
    while !stop.load(Relaxed) {
        while streams.len() < STREAMS && !stop.load(Relaxed) {
            let Ok(stream) = WebSocket::open(target.ioc.http, "/api/v1/stream", &cookie) else { break };
            streams.push(stream);
            opened += 1;
        }
        streams.retain_mut(|stream| stream.send(all).is_ok());
        sent += streams.len() as u64;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(format!("{opened} streams opened, {sent} subscriptions"))
}
