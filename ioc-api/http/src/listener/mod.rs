//! An HTTP/1.1 server for any [`tower::Service`] that no client can take for itself: sockets, TLS, deadlines and fair
//! shares of connections. Knows nothing of the API behind it.
//!
//! Every connection is accepted at once and decided upon at once; none waits in the kernel. Each has a place in one
//! table ([`table`]). A connection whose caller is not known shares its network's places and makes room, oldest and
//! idle first, for a newer one; a connection whose caller the service has identified ([`Peer::identified`]) keeps its
//! place. A network that opens connections faster than it may gets a small lane in which only the head of a request is
//! read: the service answers health checks and callers that it knows, and tells all others so ([`Peer::is_over_rate`]).
//! What a client is slow with has a deadline: the head of a request, its body ([`body`]), reading the answer
//! ([`io`]).
mod accept;
mod body;
mod connection;
mod io;
mod meters;
mod place;
mod socket;
pub mod table;

pub use accept::{Listener, serve};
pub use body::{BodyPace, Paced, TooSlow};
pub use meters::Snapshot;
pub use place::Peer;
pub use socket::bind;
pub use table::Limits;

use std::time::Duration;

/// How long clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For the head of a request from its first byte on, and for the TLS handshake.
    pub head: Duration,
    /// For a body before its rate counts.
    pub body: Duration,
    /// Slowest body after that, in bytes per second.
    pub body_rate: u32,
    /// For taking some of an answer: with what the kernel holds for a client, about 2 KB per second.
    pub answer: Duration,
    /// Between requests.
    pub idle: Duration,
    /// For requests in progress after a stop.
    pub grace: Duration,
}

/// The head of a connection beyond its network's rate comes within this time, or not at all.
const OVER_RATE: Duration = Duration::from_secs(2);

impl Deadlines {
    /// Returns those of one connection.
    fn of(self, place: &place::Place) -> Self {
        match place.is_over_rate() {
            true => Self { head: self.head.min(OVER_RATE), ..self },
            false => self,
        }
    }
}

/// How large the head of a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes in all.
    pub bytes: usize,
    /// Number of headers.
    pub headers: usize,
}
