//! The listening side: binds, serves, drains.
use super::connections::{Bounded, Peer};
use axum::Router;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::sync::watch;

const BACKLOG: i32 = 1024;
/// How long requests may take to end after a stop.
const GRACE: Duration = Duration::from_secs(5);

/// Binds an address; `[::]` takes IPv4 too and falls back to `0.0.0.0` on a host without IPv6, port 0 is a free port.
///
/// Errors: the address cannot be used.
pub fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    match listen(addr) {
        Err(error) if addr.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_no_ipv6(&error) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), addr.port()))
        }
        bound => bound,
    }
}

fn is_no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Connections inherit it. Without it an alert would wait in the kernel until the client has acknowledged the
    // frame before, which clients delay by up to 40 ms.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves at most `connections_max` at a time until `stopping` says so, then lets requests end.
///
/// Errors: the listener cannot be used.
pub async fn serve(
    listener: std::net::TcpListener,
    router: Router,
    connections_max: usize,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?, connections_max);
    let mut stopped = stopping.clone();
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stopping.wait_for(|stop| *stop).await;
    });
    let deadline = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving => result,
        () = deadline => Ok(()),
    }
}
