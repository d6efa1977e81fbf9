//! Listening sockets.
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};
use tokio::net::TcpStream;

/// Connections that the kernel holds until they are accepted, which is at once.
const BACKLOG: i32 = 4096;
/// Bytes of an answer that the kernel holds beyond what is on its way: it wakes the writer when half of them are gone,
/// so that taking nothing for a while means a slow client and not a large buffer.
const UNSENT_MAX: u32 = 128 * 1024;
/// How long what was sent may stay unacknowledged: a screen that lost its power is gone after this.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// Binds an address; `[::]` takes IPv4 too and falls back to `0.0.0.0` on a host without IPv6, port 0 is a free port.
///
/// Errors: the address cannot be used.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
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

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
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

/// Sets what a connection may hold. A kernel that knows no such option serves without.
pub(super) fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}
