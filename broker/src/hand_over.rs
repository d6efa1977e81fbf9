//! Sockets on their way from the acceptor to a reactor.
use crate::{admission::ConnectionPermit, handle::Handle};
use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Sockets on their way to one reactor; when it is full the acceptor waits.
pub(crate) const HAND_OVER_MAX: usize = 256;

/// A socket on its way to a reactor.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) handle: Arc<Handle>,
    pub(crate) permit: ConnectionPermit,
}

/// A reactor as the acceptor sees it.
pub(crate) struct ReactorRemote {
    pub(crate) load: Arc<AtomicUsize>,
    pub(crate) sockets: mpsc::Sender<Accepted>,
}

impl ReactorRemote {
    /// Returns the number of connections it serves or is about to.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Relaxed)
    }

    /// Gives it a socket; waits while it has too many to take.
    pub(crate) async fn hand(&self, accepted: Accepted) {
        self.load.fetch_add(1, Relaxed);
        if self.sockets.send(accepted).await.is_err() {
            // It has stopped; the socket was dropped with the message.
            self.load.fetch_sub(1, Relaxed);
        }
    }
}
