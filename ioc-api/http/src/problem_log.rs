//! The log line of every error answer. The span of the request adds its id, method and path, without the query: that
//! may hold a token.
use super::log_limiter::LogLimiter;
use axum::http::StatusCode;
use std::{collections::BTreeMap, sync::LazyLock};

/// Characters of a text that are logged; some repeat what the client sent.
const LOGGED_CHARS_MAX: usize = 300;

/// One for each status, so that a flood of one does not hide another.
static LIMITERS: LazyLock<BTreeMap<u16, LogLimiter>> =
    LazyLock::new(|| (400..600).map(|status| (status, LogLimiter::new())).collect());

/// Writes the line. Our own faults are never left out; of everything else, which clients can cause, there is one line
/// per status and second.
pub(super) fn write(status: StatusCode, text: &str) {
    let code = status.as_u16();
    let text: String = text.chars().take(LOGGED_CHARS_MAX).collect();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(status = code, cause = ?text, "a request failed");
        return;
    }
    let Some(suppressed) = LIMITERS.get(&code).map_or(Some(0), LogLimiter::pass) else { return };
    match status.is_server_error() {
        true => tracing::warn!(status = code, detail = ?text, suppressed, "a request cannot be served now"),
        false => tracing::info!(status = code, detail = ?text, suppressed, "a request was refused"),
    }
}
