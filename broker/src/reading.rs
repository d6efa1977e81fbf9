//! How a connection reads: a turn at a time, and ahead while it has to wait.
use crate::{
    connection::{Blocked, Connection, OUT_BYTES_MAX, Stop},
    meters::CloseReason,
    packet::{self, Frame},
    thread_context::ThreadContext,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Reads of one connection before the others get their turn.
const READS_PER_TURN: usize = 4;

/// A packet that need not wait for those in front of it.
enum Early {
    Ping { bytes: usize },
    Acknowledged(u16),
    Waits,
}

impl Early {
    fn of(frame: &Frame<'_>) -> Self {
        match frame.kind() {
            packet::PINGREQ if packet::bare(frame).is_ok() => Self::Ping { bytes: frame.whole.len() },
            packet::PUBACK => packet::puback(frame).map_or(Self::Waits, Self::Acknowledged),
            _ => Self::Waits,
        }
    }
}

impl Connection {
    /// Handles what is there, if it may, else reads ahead; returns why the connection is to end, if it is.
    pub(crate) fn read_turn(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> Option<CloseReason> {
        if self.is_still_blocked(cx, thread) {
            self.read_ahead(cx, thread);
            return None;
        }
        self.blocked = Blocked::No;
        if !self.backlog.is_empty()
            && let Some(reason) = self.handle_backlog(cx, thread)
        {
            return Some(reason);
        }
        for _ in 0..READS_PER_TURN {
            if !matches!(self.blocked, Blocked::No) {
                break;
            }
            let mut scratch = thread.scratch();
            let read = self.receive(cx, &mut scratch)?;
            if let Some(reason) = self.handle_fresh(cx, thread, &scratch[..read]) {
                return Some(reason);
            }
        }
        match self.blocked {
            Blocked::No | Blocked::TurnEnded => cx.waker().wake_by_ref(),
            _ => self.read_ahead(cx, thread),
        }
        None
    }

    /// Handles what was received, when the edge stops; reads nothing more.
    pub(crate) fn drain_turn(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> Option<CloseReason> {
        self.is_unpaced = true;
        if matches!(self.blocked, Blocked::Throttled(_)) {
            self.blocked = Blocked::No;
        }
        if self.is_still_blocked(cx, thread) {
            return None;
        }
        self.blocked = Blocked::No;
        if self.backlog.is_empty() {
            return None;
        }
        let ended = self.handle_backlog(cx, thread);
        if matches!(self.blocked, Blocked::TurnEnded) {
            cx.waker().wake_by_ref();
        }
        ended
    }

    /// Reads once; returns how many bytes came. `None` when nothing is there, nothing more comes, or there is no room.
    fn receive(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Option<usize> {
        self.is_dry = false;
        if self.has_ended || !self.backlog.has_room() {
            return None;
        }
        let mut buffer = ReadBuf::new(scratch);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        self.is_dry = read.is_pending();
        match read {
            Poll::Ready(Ok(())) if count > 0 => {
                self.last_bytes += count;
                return Some(count);
            }
            Poll::Ready(Ok(())) => self.has_ended = true,
            Poll::Ready(Err(_)) => {
                self.has_ended = true;
                self.lose_client();
            }
            Poll::Pending => {}
        }
        None
    }

    /// Reads while the client has to wait for its turn, and answers what need not wait.
    fn read_ahead(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) {
        self.answer_early(thread);
        for _ in 0..READS_PER_TURN {
            // One that takes nothing is not read: there could be no answer.
            if self.out.len() >= OUT_BYTES_MAX {
                return;
            }
            let mut scratch = thread.scratch();
            let Some(read) = self.receive(cx, &mut scratch) else { return };
            self.backlog.push(&scratch[..read]);
            drop(scratch);
            self.answer_early(thread);
        }
        cx.waker().wake_by_ref();
    }

    /// Answers pings and notes acknowledgements in the backlog: the client must not give up, nor its own subscription
    /// stand still, because its publishes have to wait.
    fn answer_early(&mut self, thread: &ThreadContext) {
        let packet_bytes_max = thread.shared.limits.packet_bytes_max;
        while self.out.len() < OUT_BYTES_MAX
            && !self.session.allowance.owes_much(&self.session.rates, thread.shared.now_ns())
            && let Some(frame) = self.backlog.scan(packet_bytes_max)
        {
            match Early::of(&frame) {
                Early::Ping { bytes } => {
                    let now_ns = thread.shared.now_ns();
                    self.session.allowance.charge_message(&self.session.rates, bytes, now_ns);
                    if !self.is_output_closed {
                        packet::put_pingresp(&mut self.out);
                    }
                }
                Early::Acknowledged(packet_id) => {
                    if let Some(subscriber) = &mut self.subscriber {
                        subscriber.acknowledged(packet_id);
                    }
                }
                Early::Waits => {}
            }
        }
    }

    fn is_still_blocked(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> bool {
        match &mut self.blocked {
            Blocked::No | Blocked::TurnEnded | Blocked::Busy => false,
            Blocked::InFlight => self.unacked >= thread.shared.limits.inflight_max,
            Blocked::Output => self.out.len() >= OUT_BYTES_MAX,
            Blocked::Throttled(until) => until.as_mut().poll(cx).is_pending(),
            Blocked::Predecessor(gone) => gone.as_mut().poll(cx).is_pending(),
        }
    }

    /// Handles what was just read; without a rest from before it is not copied.
    fn handle_fresh(
        &mut self,
        cx: &mut Context<'_>,
        thread: &ThreadContext,
        bytes: &[u8],
    ) -> Option<CloseReason> {
        if !self.backlog.is_empty() {
            self.backlog.push(bytes);
            return self.handle_backlog(cx, thread);
        }
        let (used, stop) = self.handle_packets(thread, bytes, 0);
        if used < bytes.len() {
            self.backlog.push(&bytes[used..]);
        }
        self.after_packets(cx, thread, used, stop)
    }

    fn handle_backlog(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) -> Option<CloseReason> {
        let scanned = self.backlog.scanned();
        let (bytes, begin) = self.backlog.lend();
        let (used, stop) = self.handle_packets(thread, &bytes[begin..], scanned);
        self.backlog.put_back(bytes);
        self.backlog.consume(used);
        self.after_packets(cx, thread, used, stop)
    }

    fn after_packets(
        &mut self,
        cx: &mut Context<'_>,
        thread: &ThreadContext,
        used: usize,
        stop: Option<Stop>,
    ) -> Option<CloseReason> {
        let now = thread.now_ms();
        self.times.read = now;
        self.times.suspect = false;
        if self.backlog.is_empty() || stop.is_some() {
            self.times.packet_begun = 0;
        } else if used > 0 || self.times.packet_begun == 0 {
            self.times.packet_begun = now;
        }
        match stop {
            None => None,
            Some(Stop::Close(reason)) => Some(reason),
            Some(Stop::Block(mut blocked)) => {
                if matches!(blocked, Blocked::Busy) && !std::mem::replace(&mut self.parked, true) {
                    thread.park(self.key);
                }
                // Registers the timer with this task; should it be over already, the task comes again.
                if let Blocked::Throttled(until) = &mut blocked
                    && until.as_mut().poll(cx).is_ready()
                {
                    cx.waker().wake_by_ref();
                }
                self.blocked = blocked;
                None
            }
        }
    }
}
