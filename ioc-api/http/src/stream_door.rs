//! The door of the live stream.
use super::{
    auth::Actor,
    client::Client,
    origin,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::stream::{Meters, session};
use axum::{
    extract::{Extension, State, ws::WebSocketUpgrade},
    http::HeaderMap,
    response::Response,
};
use ioc_model::share::Full;

/// Largest message that is read at all. What the session calls too large is less, so that it can say so.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Opens the live stream (WebSocket). Cookie, bearer token, or a display token in `?token=`.
#[utoipa::path(get, path = "/api/v1/stream", operation_id = "openStream", tag = "stream",
    responses((status = 101, description = "WebSocket; the messages are the schemas ClientMessage and ServerMessage"),
        (status = 401, body = ProblemBody), (status = 403, body = ProblemBody)))]
pub(crate) async fn upgrade(
    State(state): State<ApiState>,
    actor: Actor,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    if !origin::is_own(&headers, &client.asked) {
        return Err(origin::refusal(&headers));
    }
    let seat = state.seats.take(&actor.caller.name)?;
    if !actor.keeps_place {
        return Err(Problem::too_many("you have too many connections; close some", 10));
    }
    let scope = actor.caller.clone();
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let threads = state.seats.threads.clone();
        let serving = async move {
            let (feeds, _seat) = (state.feeds.clone(), seat);
            let _counted = Meters::session(&feeds);
            let end =
                session::serve(socket, feeds.clone(), scope, || actor.still_valid(&state.identity)).await;
            feeds.meters.ended(end);
        };
        threads.spawn(serving);
    }))
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        match full {
            Full::Caller => Self::too_many("you have too many live streams open; close some", 10),
            Full::All => Self::unavailable("too many clients are on the live stream"),
        }
    }
}
