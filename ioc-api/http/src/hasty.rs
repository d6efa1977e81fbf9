//! Whoever opens connections faster than an address may is told to slow down, before anything but the head of the request
//! is read. Health checks are answered all the same, and people and screens that are known: they may be behind the same
//! address.
use super::{
    auth::{self, Actor},
    client::Client,
    fair::is_sign_in,
    problem::Problem,
    state::ApiState,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Seconds after which a connection may be opened again; at once there are more of them.
const RETRY_AFTER_S: u32 = 1;

/// Lets through what may be answered on a connection beyond the rate.
pub(super) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let is_hasty = request.extensions().get::<Client>().is_some_and(|client| client.peer.is_over_rate());
    if !is_hasty || is_health_check(request.uri().path()) || signs_in_where_known(&state, &request) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match Actor::from_request_parts(&mut parts, &state).await {
        Ok(_) => next.run(Request::from_parts(parts, body)).await,
        Err(_) => Problem::too_many(
            "too many new connections from this address; keep connections open, and wait a second",
            RETRY_AFTER_S,
        )
        .into_response(),
    }
}

fn is_health_check(path: &str) -> bool {
    matches!(path, "/health/live" | "/health/ready")
}

/// Reports whether somebody signs in with a browser in which somebody has signed in before.
fn signs_in_where_known(state: &ApiState, request: &Request) -> bool {
    is_sign_in(request)
        && auth::browser(request.headers(), &state.identity)
            .is_some_and(|secret| state.identity.knows_browser(&secret))
}
