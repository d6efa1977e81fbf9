//! Signing in and out.
use super::{
    auth::{self, Actor},
    client::Client,
    dto::{SessionInfo, SessionUser, SignIn},
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::{
    clock::now_ms,
    identity::{Caller, SignInError},
};
use axum::{
    Json,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Signs in; sets the session cookie.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "signIn", tag = "session", request_body = SignIn,
    responses((status = 200, body = SessionInfo), (status = 401, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn sign_in(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    Json(body): Json<SignIn>,
) -> Answer<Response> {
    let opened = state
        .blocking(move |state| {
            state.identity.sign_in(&body.username, &body.password, client.address, now_ms())
        })
        .await?;
    client.peer.identified(&opened.caller.name);
    let user = user(&opened.caller);
    let expires_at = Some(opened.expires_ms);
    let max_age_s = (opened.expires_ms - now_ms()).max(0) / 1000;
    let cookie = cookie(&opened.secret, max_age_s, client.https);
    Ok(([(header::SET_COOKIE, cookie)], Json(SessionInfo { user, expires_at })).into_response())
}

fn cookie(value: &str, max_age_s: i64, https: bool) -> String {
    let (name, secure) = (auth::cookie_name(https), if https { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}")
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::unauthorized(error),
            SignInError::Throttled { wait } => Self::too_many(&error, wait.as_secs().clamp(1, 86_400) as u32),
            SignInError::Failed(source) => source.into(),
        }
    }
}

/// Says who is signed in.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "currentSession", tag = "session",
    responses((status = 200, body = SessionInfo), (status = 401, body = ProblemBody)))]
pub async fn current(State(state): State<ApiState>, actor: Actor) -> Json<SessionInfo> {
    Json(SessionInfo { user: user(&actor.caller), expires_at: actor.expires_ms(&state.identity) })
}

fn user(caller: &Caller) -> SessionUser {
    SessionUser { name: caller.name.to_string(), role: caller.role.to_string() }
}

/// Signs out; nothing happens when nobody is signed in.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "signOut", tag = "session", responses((status = 204, description = "signed out")))]
pub async fn sign_out(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Answer<Response> {
    if let Some(secret) = auth::cookie(&headers, client.https) {
        state.blocking(move |state| state.identity.sign_out(&secret, now_ms())).await?;
    }
    let gone = cookie("", 0, client.https);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}
