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
    /// How many requests had arrived when it was last read.
    requests: u64,
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
            requests: 0,
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
        // A request may have come and been answered since the last read.
        let requests = self.place.requests();
        if requests != self.requests {
            (self.requests, self.waiting, self.head) = (requests, None, None);
        }
        match self.place.phase() {
            Phase::Busy | Phase::Upgraded => None,
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

#[cfg(test)]
mod tests {
    use super::{
        super::{Limits, place::Places, table::Table},
        *,
    };
    use ioc_model::share::Rate;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const DEADLINES: Deadlines = Deadlines {
        head: Duration::from_secs(10),
        body: Duration::from_secs(20),
        body_rate: 1000,
        answer: Duration::from_secs(30),
        idle: Duration::from_secs(75),
        grace: Duration::from_secs(5),
    };

    fn pair() -> (DuplexStream, Timed<DuplexStream>, Arc<Place>) {
        let limits = Limits {
            connections: 10,
            reserved: 5,
            per_network: 5,
            per_caller: 5,
            rate: Rate::UNLIMITED,
            ipv6_prefix: 64,
            proxies: Arc::new([]),
        };
        let (place, _) = Places::new(Table::new(limits)).admit(Ipv4Addr::LOCALHOST.into(), false).unwrap();
        let (client, server) = duplex(1024);
        (client, Timed::new(server, Arc::clone(&place), DEADLINES, Arc::default()), place)
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_lives_on() {
        let (mut client, mut server, place) = pair();
        let mut byte = [0];
        for _ in 0..20 {
            after(8).await;
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut byte).await.unwrap();
            place.begin();
            place.finish();
        }
        after(74).await;
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_must_arrive_and_silence_ends() {
        let (mut client, mut server, _place) = pair();
        let mut byte = [0];
        for _ in 0..4 {
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut byte).await.unwrap();
            after(3).await;
        }
        client.write_all(b"x").await.unwrap();
        let error = server.read_exact(&mut byte).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut said = vec![0; 12];
        client.read_exact(&mut said).await.unwrap();
        assert_eq!(said, b"HTTP/1.1 408");

        let (_client, mut server, place) = pair();
        place.begin();
        place.finish();
        let begin = Instant::now();
        assert!(server.read_exact(&mut byte).await.is_err());
        assert_eq!(begin.elapsed().as_secs(), DEADLINES.idle.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_nothing_is_cut_off_and_whoever_takes_some_is_not() {
        let (mut client, mut server, place) = pair();
        place.begin();
        let reading = tokio::spawn(async move {
            for _ in 0..10 {
                after(20).await;
                client.read_exact(&mut [0; 512]).await.unwrap();
            }
            client
        });
        let error = server.write_all(&[7; 100_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(reading.is_finished(), "while it took some, it was waited for");
        drop(reading.await.unwrap());
    }
}
