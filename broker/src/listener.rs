//! Listening sockets and the thread that accepts: caps first, then the reactor with the fewest connections.
use crate::{
    StartError,
    hand_over::{Accepted, ReactorRemote},
    handle::Handle,
    meters::{CloseReason, add},
    shared::Shared,
};
use ioc_model::share::Network;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::TlsAcceptor;

/// Connections the kernel holds for us while we are busy.
const BACKLOG: i32 = 4_096;
/// Finds peers that vanished without a word even when the client wants no keep-alive.
const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const TCP_KEEPALIVE_RETRIES: u32 = 4;
/// Rest after accept(2) failed for want of something. There is nothing to await: whoever frees a file
/// descriptor, perhaps in another part of the process, tells nobody.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// One bound socket.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Binds a listening socket; `[::]` takes IPv4 too and falls back to `0.0.0.0` on a host without IPv6.
///
/// Errors: [`StartError::Bind`] with what the system said.
pub(crate) fn bind(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let unspecified = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let bound = match listen(addr) {
        Err(error) if addr.ip() == unspecified && is_no_ipv6(&error) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()))
        }
        other => other,
    };
    bound.map_err(|source| StartError::Bind { addr, source })
}

fn is_no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Linux: address family not supported by protocol.
const EAFNOSUPPORT: i32 = 97;

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Lets a restarted server have its port while old connections linger; a port in use is still refused.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts on one listener until its task is dropped.
///
/// Errors: only when the socket cannot be registered with the runtime.
pub(crate) async fn accept_loop(
    listener: Listener,
    shared: Arc<Shared>,
    reactors: Arc<[ReactorRemote]>,
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(listener.socket)?;
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => hand_over(stream, peer, &listener.tls, &shared, &reactors).await,
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => {
                add(&shared.meters.accept_errors, 1);
                if let Some(suppressed) = shared.log_limiters.accept.pass() {
                    tracing::error!(%error, suppressed, "cannot accept MQTT connections; trying again");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn hand_over(
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    tls: &Option<TlsAcceptor>,
    shared: &Arc<Shared>,
    reactors: &[ReactorRemote],
) {
    add(&shared.meters.accepted, 1);
    let handle = Arc::new(Handle::new());
    let permit = match shared.admission.admit(Network::of(peer.ip(), shared.limits.ipv6_prefix), &handle) {
        Ok(permit) => permit,
        Err(reason) => return turn_away(shared, peer, reason),
    };
    let stream = match prepare(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%peer, %error, "a connection was gone before it was served");
            shared.meters.closed(CloseReason::PeerClosed);
            return;
        }
    };
    let Some(reactor) = reactors.iter().min_by_key(|reactor| reactor.load()) else { return };
    // A full hand-over queue leaves the next ones in the kernel's backlog.
    reactor.hand(Accepted { stream, tls: tls.clone(), handle, permit }).await;
}

fn turn_away(shared: &Shared, peer: SocketAddr, reason: CloseReason) {
    shared.meters.closed(reason);
    let ip = peer.ip().to_canonical();
    if let Some(suppressed) = shared.log_limiters.closed[reason as usize].of(ip).pass() {
        tracing::warn!(%ip, reason = reason.as_str(), suppressed, "an MQTT connection was turned away");
    }
}

/// Takes the socket away from this thread's runtime and sets it up.
fn prepare(stream: tokio::net::TcpStream) -> io::Result<TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(TCP_KEEPALIVE_IDLE)
        .with_interval(TCP_KEEPALIVE_INTERVAL)
        .with_retries(TCP_KEEPALIVE_RETRIES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}
