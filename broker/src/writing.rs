//! How a connection writes.
use crate::{
    connection::{Blocked, Connection, OUT_BYTES_MAX},
    meters::add,
    packet,
    thread_context::ThreadContext,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;

/// A buffer that was larger is given back when it is empty.
const KEPT_BYTES_MAX: usize = 512;

impl Connection {
    /// Writes what waits for the client, as much as the socket takes.
    pub(crate) fn write_turn(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) {
        let fanout = &*thread.shared.fanout;
        while !self.is_output_closed {
            let delivered = match &mut self.subscriber {
                Some(subscriber) => subscriber.deliver(fanout, &mut self.out, OUT_BYTES_MAX),
                None => 0,
            };
            add(&thread.shared.meters.delivered, delivered);
            self.flush(cx, thread);
            if matches!(self.blocked, Blocked::Output) && self.out.len() < OUT_BYTES_MAX {
                cx.waker().wake_by_ref();
            }
            if delivered == 0 || !self.out.is_empty() {
                return;
            }
        }
    }

    /// The client takes nothing any more; what it has sent counts all the same.
    pub(crate) fn lose_client(&mut self) {
        self.is_output_closed = true;
        self.out = Vec::new();
        self.unflushed = false;
        self.times.stuck = 0;
    }

    fn flush(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) {
        let mut written = 0;
        let mut stream = Pin::new(&mut self.stream);
        while written < self.out.len() {
            match stream.as_mut().poll_write(cx, &self.out[written..]) {
                Poll::Ready(Ok(count)) if count > 0 => written += count,
                Poll::Ready(_) => return self.lose_client(),
                Poll::Pending => break,
            }
        }
        if written > 0 || self.unflushed {
            self.unflushed = match stream.poll_flush(cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(_)) => return self.lose_client(),
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
            (false, true) => self.times.stuck = thread.now_ms(),
            (false, false) => {}
        }
    }

    /// Adds the PUBACK of a publish that is on disk.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) {
        self.unacked = self.unacked.saturating_sub(1);
        if !self.is_output_closed {
            packet::put_puback(&mut self.out, packet_id);
        }
    }

    /// Writes the PUBACKs of this round from the reactor's own task; what the socket does not take is left to
    /// the connection's.
    pub(crate) fn flush_acks(&mut self, cx: &mut Context<'_>, thread: &ThreadContext) {
        self.touched = false;
        self.flush(cx, thread);
        let left = !self.out.is_empty() || self.unflushed || self.is_output_closed || self.has_ended;
        let waiting = matches!(self.blocked, Blocked::InFlight) || self.subscriber.is_some();
        if left || waiting || thread.is_draining() {
            self.session.handle.wake();
        }
    }
}
