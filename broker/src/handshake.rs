//! From an accepted socket to a session: TLS, CONNECT, authentication, takeover.
use crate::{
    Principal, Refusal, acl,
    admission::ConnectionPermit,
    allowance::{Allowance, Rates},
    connect::{self, Connect, ConnectError, Will},
    hand_over::Accepted,
    handle::Handle,
    login_throttle,
    meters::{CloseReason, add},
    packet::{self, Malformed},
    refused::{Refused, RejectedConnection},
    session::Crowded,
    shared::Shared,
    stream::Stream,
};
use ioc_model::presence::PresenceCause;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// Largest CONNECT. Anybody can send one, so it is smaller than what a known client may send.
const CONNECT_BYTES_MAX: usize = 16 * 1024;
/// Bytes asked for at once while waiting for CONNECT.
const CHUNK_BYTES: usize = 1024;
/// Highest QoS that anything is published with.
const QOS_MAX: u8 = 1;
/// How long, and how many bytes of, what a refused client still sends is read, so that our closing does not
/// reset the connection before it has seen why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// The entry of a client in the session table; it leaves when dropped.
pub(crate) struct Session {
    pub(crate) principal: Principal,
    pub(crate) handle: Arc<Handle>,
    /// What its credential has sent, and how fast it may.
    pub(crate) allowance: Arc<Allowance>,
    pub(crate) rates: Rates,
    /// The cause that is reported when it goes offline.
    pub(crate) cause: PresenceCause,
    pub(crate) connected_at: Instant,
    client_id: Box<str>,
    shared: Arc<Shared>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.sessions.leave(&self.principal, &self.client_id, &self.handle, self.cause);
        self.handle.set_gone();
    }
}

/// A client that may now be served; CONNACK is still to be sent.
pub(crate) struct Established {
    pub(crate) stream: Stream,
    pub(crate) session: Session,
    /// The client's connection before this one: what it sent there comes first, and its will.
    pub(crate) previous: Option<Arc<Handle>>,
    pub(crate) keep_alive_s: u16,
    pub(crate) will: Option<Will>,
    /// What the client sent right behind CONNECT.
    pub(crate) rest: Vec<u8>,
}

/// Either the end that the connection was told, or why it has none to offer.
enum Failure {
    Close(CloseReason),
    Refuse(Refused),
}

impl From<CloseReason> for Failure {
    fn from(reason: CloseReason) -> Self {
        Self::Close(reason)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refuse(refused)
    }
}

/// Runs `future` unless the connection is told to end.
async fn unless_closed<F: Future>(handle: &Handle, future: F) -> Result<F::Output, CloseReason> {
    let mut future = pin!(future);
    poll_fn(|cx| match handle.poll_closing(cx) {
        Poll::Ready(reason) => Poll::Ready(Err(reason)),
        Poll::Pending => future.as_mut().poll(cx).map(Ok),
    })
    .await
}

/// Brings an accepted socket to a session.
///
/// Errors: why there is none; a refused CONNECT has been answered and counted by then.
pub(crate) async fn establish(
    shared: &Arc<Shared>,
    accepted: Accepted,
) -> Result<(Established, ConnectionPermit), CloseReason> {
    let Accepted { stream, tls, handle, permit } = accepted;
    let limit = shared.limits.connect_timeout;
    let greeting = timeout(limit, greet(stream, tls, shared.limits.packet_bytes_max));
    let (mut stream, first, rest) = unless_closed(&handle, greeting)
        .await?
        .unwrap_or_else(|_elapsed| Err(RejectedConnection::late(limit)))
        .map_err(|rejected| rejected.log(shared, permit.address()))?;
    let admitted = match first {
        Ok(_) if !shared.is_open.load(Ordering::Acquire) => Err(Failure::Refuse(Refused::starting())),
        Ok(connect) => admit(shared, &connect, &permit, &handle).await.map(|joined| (joined, connect)),
        Err(refused) => Err(Failure::Refuse(refused)),
    };
    match admitted {
        Ok(((session, previous), connect)) => {
            let Connect { keep_alive_s, will, .. } = connect;
            Ok((Established { stream, session, previous, keep_alive_s, will, rest }, permit))
        }
        Err(Failure::Close(reason)) => Err(reason),
        Err(Failure::Refuse(refused)) => {
            shared.meters.refused(refused.reason);
            refused.log(shared, permit.address());
            unless_closed(&handle, farewell(&mut stream, &refused.answer)).await?;
            Err(CloseReason::Refused)
        }
    }
}

type Greeting = (Stream, Result<Connect, Refused>, Vec<u8>);

/// Finishes the TLS handshake and reads the first packet.
async fn greet(
    stream: std::net::TcpStream,
    tls: Option<TlsAcceptor>,
    packet_bytes_max: usize,
) -> Result<Greeting, RejectedConnection> {
    let stream = TcpStream::from_std(stream).map_err(|_| RejectedConnection::gone())?;
    let mut stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => {
            let accepted = tls.accept(stream).await.map_err(|error| RejectedConnection::tls(&error))?;
            Stream::Tls(Box::new(accepted))
        }
    };
    let bytes_max = CONNECT_BYTES_MAX.min(packet_bytes_max);
    let mut buffer = Vec::new();
    loop {
        match packet::frame(&buffer, bytes_max) {
            _ if buffer.first().is_some_and(|first| first >> 4 != packet::CONNECT) => {
                return Err(RejectedConnection::not_connect(&buffer));
            }
            Err(Malformed::TooLarge) => return Err(RejectedConnection::too_large(bytes_max)),
            Err(Malformed::Protocol | Malformed::Qos2) => return Err(RejectedConnection::malformed()),
            Ok(Some(frame)) => {
                let first = understand(connect::connect(&frame), frame.whole)?;
                let rest = buffer[frame.whole.len()..].to_vec();
                return Ok((stream, first, rest));
            }
            Ok(None) => {}
        }
        let mut chunk = [0; CHUNK_BYTES];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return Err(RejectedConnection::gone()),
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

fn understand(
    parsed: Result<Connect, ConnectError>,
    whole: &[u8],
) -> Result<Result<Connect, Refused>, RejectedConnection> {
    match parsed {
        Ok(connect) => Ok(Ok(connect)),
        Err(ConnectError::NotConnect) => Err(RejectedConnection::not_connect(whole)),
        Err(ConnectError::Malformed) => Err(RejectedConnection::malformed()),
        Err(ConnectError::Version { level, answer }) => Ok(Err(Refused::version(level, answer))),
    }
}

/// Decides about a CONNECT and enters the client into the session table.
async fn admit(
    shared: &Arc<Shared>,
    connect: &Connect,
    permit: &ConnectionPermit,
    handle: &Arc<Handle>,
) -> Result<(Session, Option<Arc<Handle>>), Failure> {
    let principal = authenticate(shared, connect, permit, handle).await?;
    permit.authenticated();
    let unique = permit.arrival();
    let client_id = acl::client_id(&principal, &connect.client_id, connect.clean_session, unique)
        .ok_or_else(|| Refused::client_id(&principal, &connect.client_id))?;
    if let Some(will) = &connect.will
        && !acl::may_publish(&*shared.access, &principal, &will.topic)
    {
        return Err(Refused::will(&principal, &will.topic).into());
    }
    if connect.will.as_ref().is_some_and(|will| will.qos > QOS_MAX) {
        return Err(Refused::will_qos(&principal).into());
    }
    pace(shared, &principal, handle).await?;
    let joined = shared
        .sessions
        .join(&principal, &client_id, handle)
        .map_err(|Crowded| Refused::crowded(&principal, shared.limits.connections_per_credential_max))?;
    let session = Session {
        rates: Rates::of(&shared.limits, shared.access.devices(&principal)),
        allowance: joined.allowance,
        principal,
        handle: Arc::clone(handle),
        cause: PresenceCause::Lost,
        connected_at: Instant::now(),
        client_id,
        shared: Arc::clone(shared),
    };
    add(&shared.meters.connected, 1);
    Ok((session, joined.previous))
}

async fn authenticate(
    shared: &Arc<Shared>,
    connect: &Connect,
    permit: &ConnectionPermit,
    handle: &Arc<Handle>,
) -> Result<Principal, Failure> {
    let Some(user_name) = &connect.user_name else {
        return Err(Refused::no_user_name().into());
    };
    let refusal = match shared.access.authenticate(user_name, &connect.password) {
        Ok(principal) => return Ok(principal),
        Err(refusal) => refusal,
    };
    if refusal != Refusal::BadCredentials {
        return Err(Refused::sign_in(refusal, user_name, &connect.password).into());
    }
    let wait = shared.login_throttle.failed(permit.address(), user_name, shared.now_ns());
    if !wait.is_zero() {
        // Not within the connect timeout: it is we who make it wait. The wait has its own bound.
        unless_closed(handle, tokio::time::sleep(wait.min(login_throttle::WAIT_MAX))).await?;
    }
    match wait > login_throttle::WAIT_MAX {
        true => Err(Refused::slowed_down(user_name).into()),
        false => Err(Refused::sign_in(refusal, user_name, &connect.password).into()),
    }
}

/// Waits until the credential may sign in once more.
async fn pace(shared: &Arc<Shared>, principal: &Principal, handle: &Arc<Handle>) -> Result<(), Failure> {
    let allowance = shared.sessions.allowance(&principal.credential);
    let begin = Instant::now();
    while let Err(wait) = allowance.take_sign_in(shared.sign_ins, shared.now_ns()) {
        if begin.elapsed() + wait > login_throttle::WAIT_MAX {
            return Err(Refused::too_often(principal).into());
        }
        unless_closed(handle, tokio::time::sleep(wait)).await?;
    }
    Ok(())
}

/// Sends the reason, and gives the client time to read it.
async fn farewell(stream: &mut Stream, answer: &[u8]) {
    let talk = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        let mut chunk = [0; CHUNK_BYTES];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            match stream.read(&mut chunk).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever goes wrong here, the connection ends.
    let _ = timeout(LINGER, talk).await;
}
