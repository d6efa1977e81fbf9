//! One client being served: reading, writing, waiting. What the packets mean is in [`crate::dispatch`].
//!
//! # Few system calls
//! A connection reads when its socket is readable, into a buffer that its reactor lends, and handles every
//! complete packet in place; only an incomplete one is kept. A short read says that the socket is empty, so
//! none is tried in vain. PUBACKs are written by the reactor when a batch is on disk, all of one connection
//! in one write, without waking the connection's task. An idle connection holds no buffer at all.
use crate::{
    Principal,
    bucket::Bucket,
    connect::{CONNACK_ACCEPTED, Will},
    handshake::{Established, Session},
    meters::{CloseReason, add},
    packet,
    reactor::{Key, Reactor},
    stream::Stream,
    subscriber::Subscriber,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Reads of one connection before the others get their turn.
const READS_PER_TURN: usize = 4;
/// Bytes waiting for the client beyond which nothing more is read from it.
pub(crate) const OUT_BYTES_MAX: usize = 64 * 1024;
/// A buffer that was larger is given back when it is empty.
const KEPT_BYTES_MAX: usize = 512;

/// Why a connection does not read.
#[derive(Debug)]
pub(crate) enum Blocked {
    No,
    /// The intake has no room; progress wakes it.
    Busy,
    /// Too many publishes wait for the disk; acknowledging wakes it.
    InFlight,
    /// The client does not take what it is sent; writing goes on first.
    Output,
    /// Its credential was too fast.
    Throttled(Pin<Box<Sleep>>),
}

/// What stops the handling of packets.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The packet was not handled and stays in the buffer.
    Block(Blocked),
    Close(CloseReason),
}

pub(crate) struct Connection {
    pub(crate) key: Key,
    pub(crate) session: Session,
    pub(crate) bucket: Arc<Bucket>,
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
    stream: Stream,
    will: Option<Box<Will>>,
    /// Received and not handled yet: an incomplete packet, or all that came while blocked.
    received: Vec<u8>,
    blocked: Blocked,
    registered: bool,
    /// The TLS layer may hold bytes.
    unflushed: bool,
    times: Times,
}

/// As [`Reactor::now_ms`]; 0 is never.
#[derive(Debug, Default)]
struct Times {
    /// One and a half times the keep-alive, 0 for none.
    silence_max: u64,
    /// Last time that we read, or chose not to.
    read: u64,
    /// The socket is being looked at once more before silence ends the connection.
    suspect: bool,
    /// When the incomplete packet in the buffer began or last made room for another.
    packet_begun: u64,
    /// Since when the client takes no bytes.
    stuck: u64,
}

impl Connection {
    pub(crate) fn new(key: Key, established: Established, now_ms: u64) -> Self {
        let Established { stream, session, bucket, keep_alive_s, will, rest } = established;
        let silence_max = u64::from(keep_alive_s) * 1_500;
        Self {
            key,
            session,
            bucket,
            subscriber: None,
            out: CONNACK_ACCEPTED.to_vec(),
            unacked: 0,
            foreign: 0,
            touched: false,
            parked: false,
            stream,
            will: will.map(Box::new),
            received: rest,
            blocked: Blocked::No,
            registered: false,
            unflushed: false,
            times: Times { silence_max, read: now_ms, ..Times::default() },
        }
    }

    /// Reads, handles and writes until nothing is left to do now; ready when the connection has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Poll<CloseReason> {
        if !self.registered {
            // Once is enough: a task's waker stays the same.
            self.session.handle.register(cx);
            self.registered = true;
        }
        let mut ended = self.session.handle.closing();
        if ended.is_none() && !reactor.is_draining() {
            ended = self.read_turn(cx, reactor);
        }
        let written = self.write_turn(cx, reactor);
        match ended.or(written.err()) {
            Some(reason) => Poll::Ready(reason),
            None if reactor.is_draining() && self.is_settled() => Poll::Ready(CloseReason::Shutdown),
            None => Poll::Pending,
        }
    }

    /// Handles what a connection that was taken over had sent before; says how it ended.
    pub(crate) fn poll_last(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Poll<CloseReason> {
        let goodbye = self.read_turn(cx, reactor) == Some(CloseReason::Disconnect);
        Poll::Ready(if goodbye { CloseReason::Disconnect } else { CloseReason::TakenOver })
    }

    fn is_settled(&self) -> bool {
        self.unacked == 0 && self.out.is_empty() && !self.unflushed
    }

    fn read_turn(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Option<CloseReason> {
        if self.is_still_blocked(cx, reactor) {
            return None;
        }
        self.blocked = Blocked::No;
        if !self.received.is_empty()
            && let Some(reason) = self.handle_received(cx, reactor)
        {
            return Some(reason);
        }
        for _ in 0..READS_PER_TURN {
            if !matches!(self.blocked, Blocked::No) {
                return None;
            }
            let mut scratch = reactor.scratch();
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return None,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Some(CloseReason::PeerClosed),
            }
            if let Some(reason) = self.handle_fresh(cx, reactor, buffer.filled()) {
                return Some(reason);
            }
        }
        if matches!(self.blocked, Blocked::No) {
            cx.waker().wake_by_ref();
        }
        None
    }

    fn is_still_blocked(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> bool {
        match &mut self.blocked {
            Blocked::No | Blocked::Busy => false,
            Blocked::InFlight => self.unacked >= reactor.shared.limits.inflight_max,
            Blocked::Output => self.out.len() >= OUT_BYTES_MAX,
            Blocked::Throttled(until) => until.as_mut().poll(cx).is_pending(),
        }
    }

    /// Handles what was just read; without a rest from before it is not copied.
    fn handle_fresh(&mut self, cx: &mut Context<'_>, reactor: &Reactor, bytes: &[u8]) -> Option<CloseReason> {
        if !self.received.is_empty() {
            self.received.extend_from_slice(bytes);
            return self.handle_received(cx, reactor);
        }
        let (used, stop) = self.handle_packets(reactor, bytes);
        self.received.extend_from_slice(&bytes[used..]);
        self.after_packets(cx, reactor, used, stop)
    }

    fn handle_received(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Option<CloseReason> {
        let mut received = std::mem::take(&mut self.received);
        let (used, stop) = self.handle_packets(reactor, &received);
        received.drain(..used);
        if !received.is_empty() || received.capacity() <= KEPT_BYTES_MAX {
            self.received = received;
        }
        self.after_packets(cx, reactor, used, stop)
    }

    fn after_packets(
        &mut self,
        cx: &mut Context<'_>,
        reactor: &Reactor,
        used: usize,
        stop: Option<Stop>,
    ) -> Option<CloseReason> {
        let now = reactor.now_ms();
        self.times.read = now;
        self.times.suspect = false;
        if self.received.is_empty() || stop.is_some() {
            self.times.packet_begun = 0;
        } else if used > 0 || self.times.packet_begun == 0 {
            self.times.packet_begun = now;
        }
        match stop {
            None => None,
            Some(Stop::Close(reason)) => Some(reason),
            Some(Stop::Block(mut blocked)) => {
                match &mut blocked {
                    Blocked::Busy if !self.parked => {
                        self.parked = true;
                        reactor.park(self.key);
                    }
                    // Registers the timer with this task; should it be over already, the task comes again.
                    Blocked::Throttled(until) => {
                        if until.as_mut().poll(cx).is_ready() {
                            cx.waker().wake_by_ref();
                        }
                    }
                    Blocked::Busy | Blocked::InFlight | Blocked::Output | Blocked::No => {}
                }
                self.blocked = blocked;
                None
            }
        }
    }

    fn write_turn(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Result<(), CloseReason> {
        let fanout = &*reactor.shared.fanout;
        loop {
            let delivered = match &mut self.subscriber {
                Some(subscriber) => subscriber.deliver(fanout, &mut self.out, OUT_BYTES_MAX),
                None => 0,
            };
            add(&reactor.shared.meters.delivered, delivered);
            self.flush(cx, reactor)?;
            if matches!(self.blocked, Blocked::Output) && self.out.len() < OUT_BYTES_MAX {
                cx.waker().wake_by_ref();
            }
            if delivered == 0 || !self.out.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes as much as the socket takes.
    ///
    /// Errors: the connection is broken.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>, reactor: &Reactor) -> Result<(), CloseReason> {
        let mut written = 0;
        let mut stream = Pin::new(&mut self.stream);
        while written < self.out.len() {
            match stream.as_mut().poll_write(cx, &self.out[written..]) {
                Poll::Ready(Ok(count)) if count > 0 => written += count,
                Poll::Ready(_) => return Err(CloseReason::PeerClosed),
                Poll::Pending => break,
            }
        }
        if written > 0 || self.unflushed {
            self.unflushed = match stream.poll_flush(cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(_)) => return Err(CloseReason::PeerClosed),
                Poll::Pending => true,
            };
        }
        if written == self.out.len() {
            self.out.clear();
            if self.out.capacity() > KEPT_BYTES_MAX {
                self.out = Vec::new();
            }
        } else {
            self.out.drain(..written);
        }
        let idle = self.out.is_empty() && !self.unflushed;
        match (idle, written > 0 || self.times.stuck == 0) {
            (true, _) => self.times.stuck = 0,
            (false, true) => self.times.stuck = reactor.now_ms(),
            (false, false) => {}
        }
        Ok(())
    }

    /// Adds the PUBACK of a publish that is on disk.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) {
        packet::put_puback(&mut self.out, packet_id);
        self.unacked = self.unacked.saturating_sub(1);
    }

    /// Writes the PUBACKs of this round from the reactor's own task; what the socket does not take is left to
    /// the connection's.
    pub(crate) fn flush_acks(&mut self, cx: &mut Context<'_>, reactor: &Reactor) {
        self.touched = false;
        match self.flush(cx, reactor) {
            Err(reason) => self.session.handle.close(reason),
            Ok(()) => {
                let left = !self.out.is_empty() || self.unflushed;
                let waiting = matches!(self.blocked, Blocked::InFlight) || self.subscriber.is_some();
                if left || waiting || reactor.is_draining() {
                    self.session.handle.wake();
                }
            }
        }
    }

    /// Looks at the clock: ends a connection that has been silent, slow or stuck for too long.
    pub(crate) fn check(&mut self, reactor: &Reactor, now_ms: u64) {
        let limits = &reactor.shared.limits;
        let since = |start: u64, limit: Duration| start != 0 && now_ms.saturating_sub(start) > millis(limit);
        if since(self.times.stuck, limits.write_timeout) {
            return self.session.handle.close(CloseReason::WriteTimeout);
        }
        if !matches!(self.blocked, Blocked::No) {
            // It is we who do not read.
            self.times.read = now_ms;
            return;
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

    /// Says whether the credential is still good, and ends the connection if not.
    pub(crate) fn check_access(&self, reactor: &Reactor) {
        if !reactor.shared.access.still_valid(&self.session.principal) {
            self.session.handle.close(CloseReason::Revoked);
        }
    }

    /// Leaves the subscription table; returns the will if it is due.
    pub(crate) fn end(&mut self, reactor: &Reactor, reason: CloseReason) -> Option<(Principal, Box<Will>)> {
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.leave(&*reactor.shared.fanout);
        }
        if let Stream::Tls(_) = self.stream {
            // Says goodbye if that can be done at once.
            let _ =
                Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(std::task::Waker::noop()));
        }
        let due = !matches!(reason, CloseReason::Disconnect | CloseReason::Revoked | CloseReason::Shutdown);
        let will = self.will.take().filter(|_| due)?;
        Some((self.session.principal.clone(), will))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
