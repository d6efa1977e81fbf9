//! Free ports that stay free over a restart.
use std::{
    net::TcpListener,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// Below what the system hands out to outgoing connections, so that none of those takes the port while a server is
/// down.
const FIRST: u16 = 11_000;
/// Ports of one run, more than it takes.
const RUN: u16 = 400;
const RUNS: u16 = 50;

/// The ports of this run: the first of them is held for as long as it lasts, so that runs that go on at the same time
/// keep apart. A port whose server was just killed looks free.
static RANGE: LazyLock<(u16, TcpListener)> = LazyLock::new(|| {
    let begin = (std::process::id() % u32::from(RUNS)) as u16;
    let ranges = (0..RUNS).map(|step| FIRST + (begin + step) % RUNS * RUN);
    let mut free = ranges.filter_map(|first| Some((first, TcpListener::bind(("127.0.0.1", first)).ok()?)));
    free.next().unwrap_or_else(|| panic!("no free port among {RUNS} from {FIRST} on"))
});
static NEXT: AtomicU16 = AtomicU16::new(1);

/// Returns a port of the loopback address that nobody listens on.
pub(crate) fn free() -> u16 {
    let first = RANGE.0;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < RUN, "no free port between {first} and {}", first + RUN);
        if TcpListener::bind(("127.0.0.1", first + step)).is_ok() {
            return first + step;
        }
    }
}
