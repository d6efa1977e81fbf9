//! Free ports that stay free over a restart.
use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below what the system hands out to outgoing connections, so that none of those takes the port while a server is
/// down.
const FIRST: u16 = 11_000;
const COUNT: u16 = 20_000;

/// More than one run takes.
const RUN: u32 = 400;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a port of the loopback address that nobody listens on.
pub(crate) fn free() -> u16 {
    // Runs that go on at the same time begin at places far enough from each other: a port whose server was just killed
    // looks free.
    let begin = (std::process::id().wrapping_mul(RUN) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin.wrapping_add(step)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
