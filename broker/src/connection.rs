//! One client being served: its state, its turns, its end. How it reads is in [`crate::reading`], how it writes in
//! [`crate::writing`], what the packets mean in [`crate::packet_handler`].
//!
//! # Few system calls
//! A connection reads when its socket is readable, into a buffer that its reactor lends, and handles every
//! complete packet in place; only an incomplete one is kept. A short read says that the socket is empty, so
//! none is tried in vain. PUBACKs are written by the reactor when a batch is on disk, all of one connection
//! in one write, without waking the connection's task. An idle connection holds no buffer at all.
//!
//! # What was received is handled
//! A client may be told to wait: its rate, the disk, its connection before this one. While it waits its pings are
//! answered. When it goes, or comes back on another connection, what it had sent is handled to the end, at its rate; the
//! new connection's turn comes after that. At a stop what was received is handled at once, whatever the rate: nobody would
//! send a QoS 0 message again, and there is no more of it than the bounds of reading ahead.
use crate::{
    allowance::Rates,
    backlog::Backlog,
    connect::{CONNACK_ACCEPTED, Will},
    handshake::{Established, Session},
    key::Key,
    meters::CloseReason,
    stream::Stream,
    subscriber::Subscriber,
    thread_context::ThreadContext,
};
use ioc_model::CredentialKind;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{io::AsyncWrite, time::Sleep};

/// Bytes waiting for the client beyond which nothing more is read from it.
pub(crate) const OUT_BYTES_MAX: usize = 64 * 1024;
/// Looks at the credential, one a second, between two looks at the number of a gateway's devices.
const CHECKS_PER_RATE: u32 = 30;
/// Most that is still read of a connection whose client has another one already.
const LAST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A reason for not reading.
pub(crate) enum Blocked {
    No,
    /// It has done much in this turn; the others have theirs first.
    TurnEnded,
    /// The sink has no room; progress wakes it.
    Busy,
    /// Too many publishes wait for the disk; acknowledging wakes it.
    InFlight,
    /// The client does not take what it is sent; writing goes on first.
    Output,
    /// Its credential was too fast.
    Throttled(Pin<Box<Sleep>>),
    /// The connection that the client had before is not at its end.
    Predecessor(Pin<Box<dyn Future<Output = ()>>>),
}

/// What stops the handling of packets.
pub(crate) enum Stop {
    /// The packet was not handled and stays in the buffer.
    Block(Blocked),
    Close(CloseReason),
}

pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) session: Session,
    pub(crate) subscriber: Option<Box<Subscriber>>,
    /// Bytes for the client.
    pub(crate) out: Vec<u8>,
    /// Publishes that wait for the disk.
    pub(crate) unacked: usize,
    /// Publishes to topics not its own so far.
    pub(crate) foreign: u32,
    /// Whether this round of acknowledgements of its reactor has something for it.
    pub(crate) touched: bool,
    /// Whether its reactor wakes it on progress.
    pub(crate) parked: bool,
    pub(crate) stream: Stream,
    pub(crate) backlog: Backlog,
    pub(crate) blocked: Blocked,
    /// The TLS layer may hold bytes.
    pub(crate) unflushed: bool,
    pub(crate) times: Times,
    /// The client sends no more.
    pub(crate) has_ended: bool,
    /// The socket had nothing when it was last read.
    pub(crate) is_dry: bool,
    /// Nothing can be written to the client any more.
    pub(crate) is_output_closed: bool,
    /// Bytes read since the end was decided.
    pub(crate) last_bytes: usize,
    /// The edge stops: there is no later turn to wait for.
    pub(crate) is_unpaced: bool,
    will: Option<Box<Will>>,
    registered: bool,
    checks: u32,
}

/// As [`ThreadContext::now_ms`]; 0 is never.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// One and a half times the keep-alive, 0 for none.
    silence_max: u64,
    /// Last time that we read, or chose not to.
    pub(crate) read: u64,
    /// The socket is being looked at once more before silence ends the connection.
    pub(crate) suspect: bool,
    /// When the incomplete packet in the buffer began or last made room for another.
    pub(crate) packet_begun: u64,
    /// Since when the client takes no bytes.
    pub(crate) stuck: u64,
}

impl Connection {
    pub(crate) fn new(key: Key, established: Established, thread: &ThreadContext) -> Self {
        let Established { stream, session, previous, keep_alive_s, will, rest } = established;
        let silence_max = u64::from(keep_alive_s) * 1_500;
        let budgets = [session.allowance.read_ahead(), Arc::clone(&thread.shared.read_ahead)];
        let blocked = previous.map_or(Blocked::No, |previous| {
            Blocked::Predecessor(Box::pin(async move { previous.gone().await }))
        });
        Self {
            key,
            session,
            subscriber: None,
            out: CONNACK_ACCEPTED.to_vec(),
            unacked: 0,
            foreign: 0,
            touched: false,
            parked: false,
            stream,
            backlog: Backlog::new(rest, budgets),
            blocked,
            unflushed: false,
            times: Times { silence_max, read: thread.now_ms(), ..Times::default() },
            has_ended: false,
            is_dry: false,
            is_output_closed: false,
            last_bytes: 0,
            is_unpaced: false,
            will: will.map(Box::new),
            registered: false,
            checks: 0,
        }
    }

    /// Reads, handles and writes until nothing is left to do now; ready when the connection is to end. If it is for a
    /// reason that hears the client out, [`Connection::poll_last`] comes next.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> Poll<CloseReason> {
        if !self.registered {
            // Once is enough: a task's waker stays the same.
            self.session.handle.register(cx);
            self.registered = true;
        }
        let mut ended = self.session.handle.closing();
        if ended.is_none() {
            ended = self.turn(cx, thread);
        }
        self.write_turn(cx, thread);
        let gone = (self.has_ended || self.is_output_closed).then_some(CloseReason::PeerClosed);
        match ended.or(gone) {
            Some(reason) => Poll::Ready(reason),
            None if thread.is_draining() && self.is_settled() && self.is_drained() => {
                Poll::Ready(CloseReason::Shutdown)
            }
            None => Poll::Pending,
        }
    }

    /// Handles what the client had sent before the connection was to end for `reason`; says how it ended.
    pub(crate) fn poll_last(
        &mut self,
        cx: &mut Context<'_>,
        thread: &ThreadContext,
        reason: CloseReason,
    ) -> Poll<CloseReason> {
        if let Some(other) = self.session.handle.closing().filter(|other| !other.hears_out()) {
            return Poll::Ready(other);
        }
        self.is_output_closed |= matches!(reason, CloseReason::WriteTimeout | CloseReason::SlowSubscriber);
        let ended = self.turn(cx, thread);
        self.write_turn(cx, thread);
        if ended.is_some() {
            return ended.map_or(Poll::Pending, Poll::Ready);
        }
        if self.is_through() && self.is_dry && !thread.is_draining() && self.stream.has_unread() {
            // The runtime has not noticed yet what came, above all a goodbye; it looks once the other tasks had their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // One that has only said that it sends no more still hears PUBACKs.
        let waits = reason == CloseReason::PeerClosed && !self.is_output_closed && !self.is_settled();
        if (self.is_through() || thread.is_draining() && self.is_drained()) && !waits {
            Poll::Ready(reason)
        } else {
            Poll::Pending
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> Option<CloseReason> {
        match thread.is_draining() {
            true => self.drain_turn(cx, thread),
            false => self.read_turn(cx, thread),
        }
    }

    /// Reports, at a stop, whether nothing that was received is left that can be handled.
    fn is_drained(&self) -> bool {
        matches!(self.blocked, Blocked::No)
    }

    fn is_settled(&self) -> bool {
        self.unacked == 0 && self.out.is_empty() && !self.unflushed
    }

    /// Reports whether everything that the client sent was handled.
    fn is_through(&self) -> bool {
        let nothing_comes = self.has_ended || self.is_dry || self.last_bytes > LAST_BYTES_MAX;
        matches!(self.blocked, Blocked::No) && nothing_comes
    }

    /// Reports whether it is we who do not read.
    fn is_held_back(&self) -> bool {
        !matches!(self.blocked, Blocked::No | Blocked::TurnEnded)
    }

    /// Looks at the clock: ends a connection that has been silent, slow or stuck for too long.
    pub(crate) fn check(&mut self, thread: &ThreadContext, now_ms: u64) {
        let limits = &thread.shared.limits;
        let since = |start: u64, limit: Duration| start != 0 && now_ms.saturating_sub(start) > millis(limit);
        if since(self.times.stuck, limits.write_timeout) {
            return self.session.handle.close(CloseReason::WriteTimeout);
        }
        if self.is_held_back() || self.has_ended {
            self.times.read = now_ms;
            return;
        }
        if !self.backlog.has_room() {
            // Nobody tells when there is room again, so it looks.
            self.times.read = now_ms;
            self.session.handle.wake();
        }
        if since(self.times.packet_begun, limits.packet_timeout) {
            return self.session.handle.close(CloseReason::PacketTimeout);
        }
        if self.times.silence_max == 0 || now_ms.saturating_sub(self.times.read) <= self.times.silence_max {
            return;
        }
        if self.times.suspect {
            return self.session.handle.close(CloseReason::KeepAlive);
        }
        // If it is this thread that was held up, something may be in the socket: the next check decides.
        self.times.suspect = true;
        self.session.handle.wake();
    }

    /// Reports whether the credential is still good, and ends the connection if not. Looks now and then how many devices a
    /// gateway has.
    pub(crate) fn check_access(&mut self, thread: &ThreadContext) {
        let Session { principal, rates, .. } = &mut self.session;
        self.checks = self.checks.wrapping_add(1);
        if principal.kind == CredentialKind::Gateway && self.checks.is_multiple_of(CHECKS_PER_RATE) {
            *rates = Rates::of(&thread.shared.limits, thread.shared.access.devices(principal));
        }
        if !thread.shared.access.still_valid(&self.session.principal) {
            self.session.handle.close(CloseReason::Revoked);
        }
    }

    /// Takes the will, if the end of the connection for `reason` makes it due.
    pub(crate) fn take_will(&mut self, reason: CloseReason) -> Option<Box<Will>> {
        let due = !matches!(reason, CloseReason::Disconnect | CloseReason::Revoked | CloseReason::Shutdown);
        self.will.take().filter(|_| due)
    }

    /// Leaves the subscription table.
    pub(crate) fn end(&mut self, thread: &ThreadContext) {
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.leave(&*thread.shared.fanout);
        }
        if let Stream::Tls(_) = self.stream {
            // Says goodbye if that can be done at once.
            let _ =
                Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(std::task::Waker::noop()));
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
