//! One connection, from its first byte to its last.
use super::{
    Deadlines, HeadLimits,
    accept::stop,
    body::{BodyPace, Paced},
    io::Timed,
    meters::{Meters, count},
    place::{Peer, Phase, Place},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tower::{Service, ServiceExt};

/// Everything that connections share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) deadlines: Deadlines,
    pub(super) head: HeadLimits,
    pub(super) meters: Arc<Meters>,
}

/// Answers requests until the connection ends, `stopping` becomes true, or its place is lost.
pub(super) async fn serve<S, B, I>(
    io: I,
    (address, tls): (SocketAddr, bool),
    place: Arc<Place>,
    shared: Arc<Shared<S>>,
    mut stopping: watch::Receiver<bool>,
) where
    S: Service<Request<Paced<Incoming>>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let deadlines = shared.deadlines.of(&place);
    let io = Timed::new(io, Arc::clone(&place), deadlines, Arc::clone(&shared.meters));
    let service = service_fn(|mut request: Request<Incoming>| {
        let (place, shared) = (Arc::clone(&place), Arc::clone(&shared));
        place.begin();
        request.extensions_mut().insert(Peer::new(address, tls, Arc::clone(&place)));
        async move { Ok::<_, Infallible>(answer(request, place, &shared).await) }
    });
    let mut builder = http1::Builder::new();
    // The socket has deadlines of its own.
    builder.header_read_timeout(None).max_buf_size(shared.head.bytes).max_headers(shared.head.headers);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service).with_upgrades());
    let mut stops = false;
    loop {
        tokio::select! {
            biased;
            // How it ended is counted where the deadline is; else it is the client's affair.
            _ = connection.as_mut() => return,
            () = place.wake.notified() => return,
            () = stop(&mut stopping), if !stops => {
                stops = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer<S, B>(
    request: Request<Incoming>,
    place: Arc<Place>,
    shared: &Shared<S>,
) -> Response<Counted<B>>
where
    S: Service<Request<Paced<Incoming>>, Response = Response<B>, Error = Infallible> + Clone,
{
    let pace = BodyPace::default();
    let Deadlines { body, body_rate, .. } = shared.deadlines;
    let mut request = request.map(|inner| Paced::new(inner, body, body_rate, pace.clone()));
    request.extensions_mut().insert(pace.clone());
    let Ok(mut response) = shared.service.clone().oneshot(request).await;
    if pace.is_too_slow() {
        count(&shared.meters.slow_body);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        place.set_phase(Phase::Upgraded);
    } else if place.is_over_rate() {
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            count(&shared.meters.refused_rate);
        }
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|inner| Counted { inner, place })
}

/// The body of an answer; when it is gone, the connection waits for the next request.
struct Counted<B> {
    inner: B,
    place: Arc<Place>,
}

impl<B> Drop for Counted<B> {
    fn drop(&mut self) {
        self.place.finish();
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
