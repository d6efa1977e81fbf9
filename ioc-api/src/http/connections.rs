//! Bounds what connections to the web server may cost: how many there are, and how long one may be silent. Without it
//! whoever opens sockets and says nothing takes the open files that devices and the journal need.
use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// Longest silence in both directions. Live streams say something each second.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// A listener that accepts when there is a place; who comes too many waits in the kernel.
pub struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Bounded {
    /// Serves at most `places` connections of `listener` at the same time.
    pub fn new(listener: TcpListener, places: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places)) }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { continue };
            let (stream, addr) = Listener::accept(&mut self.listener).await;
            return (Connection::new(stream, place), addr);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that ends when it is silent for too long.
pub struct Connection {
    stream: TcpStream,
    active: Instant,
    look: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        Self { stream, active: Instant::now(), look: Box::pin(sleep(SILENCE_MAX)), _place: place }
    }

    /// Called when the other end says nothing; ready when that has lasted too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.look.as_mut().poll(cx).is_ready() {
            let end = self.active + SILENCE_MAX;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.look.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn noted<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        if polled.is_ready() {
            self.active = Instant::now();
        }
        polled
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match self.noted(polled) {
            Poll::Pending if self.poll_silence(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn pair(places: usize) -> (Bounded, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        (Bounded::new(listener, places), addr)
    }

    #[tokio::test]
    async fn a_connection_more_waits_for_a_place() {
        let (mut bounded, addr) = pair(1).await;
        let _first = TcpStream::connect(addr).await.unwrap();
        let _second = TcpStream::connect(addr).await.unwrap();
        let (held, _) = bounded.accept().await;
        assert!(tokio::time::timeout(Duration::from_millis(50), bounded.accept()).await.is_err());
        drop(held);
        bounded.accept().await;
    }

    #[tokio::test]
    async fn silence_ends_a_connection_and_words_in_either_direction_keep_it() {
        let (mut bounded, addr) = pair(1).await;
        let mut client = TcpStream::connect(addr).await.unwrap();
        let (mut held, _) = bounded.accept().await;
        tokio::time::pause();
        let mut bytes = [0; 4];
        for _ in 0..3 {
            tokio::time::advance(SILENCE_MAX - Duration::from_secs(5)).await;
            held.write_all(b"beat").await.unwrap();
        }
        client.read_exact(&mut bytes).await.unwrap();
        tokio::time::advance(SILENCE_MAX - Duration::from_secs(5)).await;
        client.write_all(b"word").await.unwrap();
        held.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"word");
        let error = held.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
