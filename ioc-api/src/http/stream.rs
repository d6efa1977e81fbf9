//! The door of the live stream.
use super::{
    auth::Actor,
    origin,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::stream::{Meters, session};
use axum::{
    extract::{State, ws::WebSocketUpgrade},
    http::HeaderMap,
    response::Response,
};

/// Largest message a client may send.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Opens the live stream (WebSocket). Cookie, bearer token or `?token=`.
#[utoipa::path(get, path = "/api/v1/stream", operation_id = "openStream", tag = "stream",
    responses((status = 101, description = "WebSocket; the messages are the schemas ClientMessage and ServerMessage"),
        (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub async fn upgrade(
    State(state): State<ApiState>,
    actor: Actor,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    if !origin::is_own(&headers) {
        return Err(Problem::forbidden("the live stream is not for pages of other sites"));
    }
    let clients = state.feeds.meters.snapshot()[0];
    if clients >= state.stream_clients_max {
        return Err(Problem::unavailable(format!("{clients} clients listen already; that is the limit")));
    }
    let scope = actor.caller.clone();
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let feeds = state.feeds.clone();
        let _counted = Meters::session(&feeds);
        let end = session::serve(socket, feeds.clone(), scope, || actor.still_valid(&state.identity)).await;
        feeds.meters.ended(end);
    }))
}
