//! Signing in and out.
use super::{
    auth::{self, Actor, BROWSER_COOKIE},
    client::Client,
    dto::{SessionInfo, SessionUser, SignIn},
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::clock::now_ms;
use axum::{
    Json,
    extract::{Extension, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use ioc_identity::{Principal, SignInError, SignInFrom};

/// How long a browser keeps the secret by which it is known at the next sign-in: as long as browsers keep anything.
const BROWSER_KEEP_S: i64 = 400 * 86_400;

/// Signs in; sets the session cookie, and one by which this browser is known at the next sign-in. After wrong passwords
/// the answer takes a while.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "signIn", tag = "session", request_body = SignIn,
    responses((status = 200, body = SessionInfo), (status = 401, body = ProblemBody), (status = 429, body = ProblemBody), (status = 503, body = ProblemBody)))]
pub async fn sign_in(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Json(body): Json<SignIn>,
) -> Answer<Response> {
    let from = SignInFrom { network: client.network, browser: auth::browser(&headers, &state.identity) };
    let turn = state.identity.turn(&body.username, &body.password, &from).await?;
    let opened = state.blocking(move |state| state.identity.sign_in(turn, &body.password, now_ms())).await?;
    client.peer.identified(&opened.caller.name);
    let info = SessionInfo {
        user: user(&opened.caller),
        expires_at: Some(opened.expires_ms),
        durable: opened.durable,
    };
    let max_age_s = (opened.expires_ms - now_ms()).max(0) / 1000;
    let cookies = [
        session_cookie(&opened.secret, max_age_s, client.https),
        cookie(BROWSER_COOKIE, &opened.browser, "/api/v1", BROWSER_KEEP_S, client.https),
    ];
    Ok((AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie))), Json(info)).into_response())
}

fn session_cookie(value: &str, max_age_s: i64, https: bool) -> String {
    cookie(auth::cookie_name(https), value, "/", max_age_s, https)
}

fn cookie(name: &str, value: &str, path: &str, max_age_s: i64, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}")
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::unauthorized(error),
            SignInError::Throttled { wait } => {
                Self::too_many(&error, wait.as_secs_f64().ceil().clamp(1.0, 86_400.0) as u32)
            }
            SignInError::Failed(source) => source.into(),
        }
    }
}

/// Says who is signed in.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "currentSession", tag = "session",
    responses((status = 200, body = SessionInfo), (status = 401, body = ProblemBody)))]
pub async fn current(State(state): State<ApiState>, actor: Actor) -> Json<SessionInfo> {
    Json(SessionInfo {
        user: user(&actor.caller),
        expires_at: actor.expires_ms(&state.identity),
        durable: state.identity.is_session_durable(actor.secret()),
    })
}

fn user(caller: &Principal) -> SessionUser {
    SessionUser { name: caller.name.to_string(), role: caller.role }
}

/// Signs out; nothing happens when nobody is signed in.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "signOut", tag = "session", responses((status = 204, description = "signed out")))]
pub async fn sign_out(
    State(state): State<ApiState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Answer<Response> {
    let secrets = auth::session_cookies(&headers, client.https);
    if !secrets.is_empty() {
        let end = move |state: &ApiState| {
            secrets.iter().for_each(|secret| state.identity.sign_out(secret, now_ms()));
            Ok::<_, Problem>(())
        };
        state.blocking(end).await?;
    }
    let gone = session_cookie("", 0, client.https);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}
