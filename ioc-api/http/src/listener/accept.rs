//! The accept loop.
use super::{
    Deadlines, HeadLimits, Limits,
    body::Paced,
    connection::{self, Shared},
    meters::{Meters, Snapshot, count},
    place::{Place, Places},
    socket,
    table::{Refused, Table},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tower::Service;

/// How long accepting pauses when the system has no more files.
const PAUSE: Duration = Duration::from_millis(50);
const REFUSED_RATE: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const REFUSED_FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";

/// The places of all connections, whichever socket they came through.
#[derive(Clone)]
pub struct Listener {
    places: Arc<Places>,
    deadlines: Deadlines,
    head: HeadLimits,
    meters: Arc<Meters>,
}

impl Listener {
    /// Returns a listener without connections.
    pub fn new(limits: Limits, deadlines: Deadlines, head: HeadLimits) -> Self {
        Self { places: Places::new(Table::new(limits)), deadlines, head, meters: Arc::default() }
    }

    /// Returns what is counted.
    pub fn meters(&self) -> Snapshot {
        self.meters.snapshot(self.places.counts())
    }

    /// Finds a place for a connection, or tells it that there is none.
    fn admit(&self, address: SocketAddr, tls: bool, stream: &TcpStream) -> Option<Arc<Place>> {
        self.meters.accepted.fetch_add(1, Relaxed);
        match self.places.admit(address.ip(), tls) {
            Ok((place, evicted)) => {
                self.meters.evicted.fetch_add(evicted as u64, Relaxed);
                Some(place)
            }
            Err(refused) => {
                self.refuse(refused, stream);
                None
            }
        }
    }

    fn refuse(&self, refused: Refused, stream: &TcpStream) {
        let (counter, words) = match refused {
            Refused::Rate => (&self.meters.refused_rate, REFUSED_RATE),
            Refused::Full => (&self.meters.refused_full, REFUSED_FULL),
        };
        count(counter);
        let _ = stream.try_write(words);
    }
}

/// Serves `socket`, over TLS when there is a configuration of it, until `stopping` becomes true, then lets requests end.
///
/// Errors: the socket cannot be used.
pub async fn serve<S, B>(
    listener: Listener,
    socket: std::net::TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: S,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()>
where
    S: Service<Request<Paced<Incoming>>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let socket = TcpListener::from_std(socket)?;
    let Deadlines { grace, .. } = listener.deadlines;
    let shared = Arc::new(Shared {
        service,
        deadlines: listener.deadlines,
        head: listener.head,
        meters: Arc::clone(&listener.meters),
    });
    // Each connection holds a receiver: the sender is closed when the last one is gone.
    let (open, held) = watch::channel(());
    let stopped = stopping.clone();
    loop {
        let (stream, address) = tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    count(&listener.meters.errors);
                    pause(&error).await;
                    continue;
                }
            },
            () = stop(&mut stopping) => break,
        };
        let Some(place) = listener.admit(address, tls.is_some(), &stream) else { continue };
        socket::tune(&stream);
        let acceptor = tls.clone().map(TlsAcceptor::from);
        let (shared, stopped, held) = (Arc::clone(&shared), stopped.clone(), held.clone());
        tokio::spawn(async move {
            match acceptor {
                None => connection::serve(stream, (address, false), place, shared, stopped).await,
                Some(acceptor) => {
                    if let Some(stream) = handshake(&acceptor, stream, &place, &shared).await {
                        connection::serve(stream, (address, true), place, shared, stopped).await;
                    }
                }
            }
            drop(held);
        });
    }
    drop((socket, held));
    // Whoever is not done by then is cut off.
    let _ = timeout(grace, open.closed()).await;
    Ok(())
}

/// Agrees on keys, in the time that the head of a request has. `None` when that came to nothing.
async fn handshake<S>(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    place: &Place,
    shared: &Shared<S>,
) -> Option<TlsStream<TcpStream>> {
    let deadline = shared.deadlines.of(place).head;
    let agreed = tokio::select! {
        agreed = timeout(deadline, acceptor.accept(stream)) => agreed.ok().and_then(Result::ok),
        // Counted where it lost its place.
        () = place.wake.notified() => return None,
    };
    if agreed.is_none() {
        count(&shared.meters.handshake);
    }
    agreed
}

/// Waits until `stopping` becomes true; that its sender is gone means the same.
pub(super) async fn stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Waits when the system lacks something; a client that is gone already is no reason to.
async fn pause(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "a web connection cannot be accepted");
        sleep(PAUSE).await;
    }
}
