//! Errors as RFC 9457 problem documents with a request id. The inner crates know nothing of HTTP; this is the one
//! place where their errors become status codes.
use super::{listener::BodyPace, problem_log};
use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ioc_alerts::CommandError;
use ioc_identity::{IdentityError, PasswordError};
use ioc_records::RecordsError;
use ioc_services::{ServiceError, alerting::ActionError};
use ioc_store::QueryError;
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// Content type of every error answer.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The body of every error answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong and what would be right.
    pub detail: String,
    /// Quote it when asking for help; the server's log has it. Of a flood of answers with the same status it has one
    /// each second, and how many were left out.
    pub request_id: String,
}

/// An error answer; the request id is added on the way out.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    /// What the log says in place of the detail.
    for_log: Option<String>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// 400: the request is wrong.
    pub fn bad_request(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 401: nobody is signed in.
    pub fn unauthorized(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: the user may not.
    pub fn forbidden(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 403: the current password, which a change of one's own takes, is wrong.
    pub fn wrong_password() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "wrong-password",
            "the current password is wrong; nothing was changed",
        )
    }

    /// 404: it is not there.
    pub fn not_found(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409: it does not fit what is there.
    pub fn conflict(detail: impl fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 429: too often.
    pub fn too_many(detail: impl fmt::Display, retry_after_s: u32) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        }
    }

    /// 503: not at the moment.
    pub fn unavailable(detail: impl fmt::Display) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) }
    }

    /// 500: our fault. The cause goes to the log, not to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let detail = "the server failed; its log has the cause under this request id";
        Self {
            for_log: Some(cause.to_string()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        }
    }

    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl fmt::Display) -> Self {
        Self { status, kind, detail: detail.to_string(), for_log: None, retry_after_s: None }
    }
}

/// Longest text of another layer that becomes a detail.
const FOREIGN_TEXT_MAX: usize = 4096;

/// Makes a problem document of error answers that are not ours: what the framework says of a query, a body or a
/// header that it cannot read. What it calls unprocessable is a wrong request like any other.
pub async fn complete(request: Request, next: Next) -> Response {
    let pace = request.extensions().get::<BodyPace>().cloned().unwrap_or_default();
    let response = next.run(request).await;
    let status = response.status();
    if pace.is_too_slow() {
        let detail = "the body of the request came too slowly; send it at once";
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response();
    }
    let is_ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_TYPE);
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), FOREIGN_TEXT_MAX).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&body).into_owned();
    // The text about a body that does not fit may repeat a piece of it, such as a password.
    let for_log = (status == StatusCode::UNPROCESSABLE_ENTITY)
        .then(|| "the body does not have the fields that it should; the answer says which".to_owned());
    let (status, kind) = match status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            (StatusCode::BAD_REQUEST, "bad-request")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (status, "too-large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (status, "unsupported-media-type"),
        _ => (status, "refused"),
    };
    Problem { for_log, ..Problem::new(status, kind, detail) }.into_response()
}

/// The answer of handlers.
pub type Answer<T> = Result<T, Problem>;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        problem_log::write(self.status, self.for_log.as_deref().unwrap_or(&self.detail));
        let request_id = super::request_id::current();
        let body = ProblemBody {
            kind: format!("urn:ioc:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            request_id,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Refused(refused) => refused.into(),
            ActionError::Unavailable(_) => Self::unavailable(error),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Self::not_found(error),
            CommandError::AlreadyAcknowledged { .. }
            | CommandError::AlreadyResolved
            | CommandError::Pending => Self::conflict(error),
            CommandError::NoteLength | CommandError::TooManyNotes => Self::bad_request(error),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::bad_request(error)
    }
}

impl From<RecordsError> for Problem {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Exists { .. } => Self::conflict(error),
            RecordsError::Missing { .. } => Self::not_found(error),
            other if other.is_of_the_disk() => Self {
                for_log: Some(format!("{other}: {:?}", std::error::Error::source(&other))),
                ..Self::unavailable(
                    "the disk takes nothing at the moment, so nothing was changed; free space on the data directory's disk and try again",
                )
            },
            other => Self::internal(format!("{other}: {:?}", std::error::Error::source(&other))),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Forbidden { .. } => Self::forbidden(error),
            ServiceError::NotFound(_) => Self::not_found(error),
            ServiceError::Records(source) => source.into(),
            ServiceError::Identity(source) => source.into(),
            ServiceError::SignIn(source) => source.into(),
            ServiceError::Random(_) => Self::internal(error),
            ServiceError::Lookalike { .. } => Self::conflict(error),
            ServiceError::Invalid(_)
            | ServiceError::Registry(_)
            | ServiceError::UnknownDevice(_)
            | ServiceError::UnknownDomain(_)
            | ServiceError::NotAGateway(_) => Self::bad_request(error),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Records(source) => source.into(),
            IdentityError::Password(PasswordError::Busy) => Self::unavailable(error),
            IdentityError::Password(PasswordError::Hash | PasswordError::Random(_)) => Self::internal(error),
            IdentityError::LastAdmin(_) | IdentityError::TooMany { .. } => Self::conflict(error),
            IdentityError::Weak(weakness) => Self::new(StatusCode::BAD_REQUEST, weakness.code(), weakness),
            IdentityError::Name(_)
            | IdentityError::PathStep(_)
            | IdentityError::Reserved(_)
            | IdentityError::UnknownWard(_)
            | IdentityError::UnknownDomain(_) => Self::bad_request(error),
            IdentityError::Random(_) => Self::internal(error),
        }
    }
}
