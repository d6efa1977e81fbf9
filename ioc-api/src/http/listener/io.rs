//! A socket whose other end may not take for ever.
use super::{
    Deadlines,
    meters::{Meters, count},
    place::{Phase, Place},
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Said to a connection that makes room for others before its first request was complete. It ends with the connection.
const MADE_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
Content-Type: application/problem+json\r\n\r\n{\"type\":\"urn:ioc:problem:unavailable\",\
\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections; try again in a second\"}";
/// Said to a connection whose request does not arrive.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\
Content-Type: application/problem+json\r\n\r\n{\"type\":\"urn:ioc:problem:timeout\",\
\"title\":\"Request Timeout\",\"status\":408,\"detail\":\"the head of the request came too slowly; send it at once\"}";

/// How long, and how much of, what a client still sends is read after the last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// The socket of a connection, its deadlines and its place.
pub(super) struct Timed<S> {
    stream: S,
    place: Arc<Place>,
    deadlines: Deadlines,
    meters: Arc<Meters>,
    /// Since when the connection waits for a request.
    waiting: Option<Instant>,
    /// When the first byte of the next request came.
    head: Option<Instant>,
    /// Since when the client takes nothing.
    blocked: Option<Instant>,
    /// What was read and thrown away since the last answer, and until when more is.
    linger: Option<(usize, Instant)>,
    read_end: Pin<Box<Sleep>>,
    write_end: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Timed<S> {
    pub(super) fn new(stream: S, place: Arc<Place>, deadlines: Deadlines, meters: Arc<Meters>) -> Self {
        let (read_end, write_end) = (Box::pin(sleep(deadlines.head)), Box::pin(sleep(deadlines.answer)));
        Self {
            stream,
            place,
            deadlines,
            meters,
            waiting: Some(Instant::now()),
            head: None,
            blocked: None,
            linger: None,
            read_end,
            write_end,
        }
    }

    /// Returns until when something must be received, if anything must.
    fn read_deadline(&mut self) -> Option<Instant> {
        match self.place.phase() {
            Phase::Busy | Phase::Upgraded => {
                (self.waiting, self.head) = (None, None);
                None
            }
            phase => {
                let since = *self.waiting.get_or_insert_with(Instant::now);
                let first = if phase == Phase::New { self.deadlines.head } else { self.deadlines.idle };
                Some(self.head.map_or(since + first, |head| head + self.deadlines.head))
            }
        }
    }

    /// Says something before the connection is closed, if the client takes it at once.
    fn last_words(&mut self, cx: &mut Context<'_>, words: &[u8]) {
        // Never into the middle of an answer.
        if self.place.phase() == Phase::New {
            let _ = Pin::new(&mut self.stream).poll_write(cx, words);
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
    }

    fn poll_read_deadline(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<io::Error> {
        if self.read_end.deadline() != deadline {
            self.read_end.as_mut().reset(deadline);
        }
        match self.read_end.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                if self.head.is_some() {
                    count(&self.meters.slow_head);
                    self.last_words(cx, TOO_SLOW);
                }
                Poll::Ready(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Reads what the client was still sending when it was answered: closing before would make its system throw the
    /// answer away. Ready when it has stopped, or has had its time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 8 * 1024];
        loop {
            let (thrown, until) = *self.linger.get_or_insert_with(|| (0, Instant::now() + LINGER));
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && thrown < LINGER_BYTES => {
                    self.linger = Some((thrown + buffer.filled().len(), until));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.read_end.as_mut().reset(until);
                    return self.read_end.as_mut().poll(cx);
                }
            }
        }
    }

    /// Bounds how long the client may take nothing.
    fn progress<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.blocked = None;
            return polled;
        }
        let deadline = *self.blocked.get_or_insert_with(Instant::now) + self.deadlines.answer;
        if self.write_end.deadline() != deadline {
            self.write_end.as_mut().reset(deadline);
        }
        match self.write_end.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                count(&self.meters.slow_reader);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.place.is_lost() {
            self.last_words(cx, MADE_ROOM);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let deadline = self.read_deadline();
        // A client that always has one more byte ready must not escape the deadline.
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= Instant::now())
            && let Poll::Ready(error) = self.poll_read_deadline(cx, deadline)
        {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match (polled, deadline) {
            (Poll::Pending, Some(deadline)) => self.poll_read_deadline(cx, deadline).map(Err),
            (Poll::Ready(Ok(())), Some(_)) => {
                if buffer.filled().len() > before {
                    self.head.get_or_insert_with(Instant::now);
                }
                Poll::Ready(Ok(()))
            }
            (polled, _) => polled,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.progress(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.progress(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.progress(cx, polled))?;
        }
        self.poll_linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.progress(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
