//! Is it alive, is it ready, what does it count.
use super::{
    problem::{Answer, Problem},
    state::ApiState,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ioc_model::time::AgreedOffset;
use ioc_services::{OwnClockState, judged_by};
use ioc_store::HistoryHealth;

/// Answers while the process can answer at all.
#[utoipa::path(get, path = "/health/live", operation_id = "isLive", tag = "health", responses((status = 200, description = "alive", body = String, content_type = "text/plain")))]
pub async fn live() -> &'static str {
    "ok\n"
}

/// Answers 200 once the journal is replayed into history, live state and rules, and as long as the journal takes
/// what devices send and everyone who follows it does their work.
#[utoipa::path(get, path = "/health/ready", operation_id = "isReady", tag = "health",
    responses((status = 200, description = "ready", body = String, content_type = "text/plain"),
        (status = 503, description = "not ready; the text says why", body = String, content_type = "text/plain")))]
pub async fn ready(State(state): State<ApiState>) -> Response {
    if let Some(name) = (state.troubles.failed_follower)() {
        let why = format!("{name} has failed, see the log; restart the server, it goes on where it was\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    }
    match (state.ready.get(), (state.troubles.journal_full_since_ms)()) {
        (true, None) => {
            let history = history_notice(state.history.health());
            format!("ready\n{history}{}", clock_notice(state.own_clock.state())).into_response()
        }
        (_, Some(since_ms)) => {
            let why = format!(
                "the journal takes nothing since {since_ms} ms: its disk is full, or its next segment cannot be made, \
                 see the log; devices wait, nothing is lost\n"
            );
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
        (false, None) => {
            (StatusCode::SERVICE_UNAVAILABLE, "starting: replaying the journal\n").into_response()
        }
    }
}

/// Returns what is wrong with history, for people; devices and alerts go on, so it is no reason not to be ready.
fn history_notice(health: HistoryHealth) -> String {
    let mut notice = String::new();
    if health.is_writing_failed {
        notice.push_str(
            "history cannot write its files, see the log: readings wait in memory and in the journal; make room on its disk\n",
        );
    }
    if health.damaged_places > 0 {
        let places = health.damaged_places;
        notice.push_str(&format!(
            "history has {places} unreadable places, see the log; answers that lack readings say so; ioc check --data lists \
             them\n",
        ));
    }
    notice
}

/// Returns what is wrong with our clock, for people; alerts go on, so it is no reason not to be ready.
fn clock_notice(own: OwnClockState) -> String {
    let mut notice = String::new();
    if own.synchronized == Some(false) {
        notice.push_str("the clock of this server is not synchronized; set up NTP\n");
    }
    if let Some(AgreedOffset { offset_ms, agreeing, devices }) = own.agreed {
        let direction = if offset_ms > 0 { "ahead" } else { "behind" };
        let seconds = offset_ms.saturating_abs() / 1000;
        notice.push_str(&format!(
            "the clock of this server seems to be {seconds} s {direction}: {agreeing} of {devices} devices say so; {}\n",
            match judged_by(offset_ms) {
                0 => "readings of right devices may count as late or be refused, set it",
                _ => "readings are judged by their time, alerts go on; set it",
            }
        ));
    }
    notice
}

/// Everything we count, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "health", responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub async fn metrics(State(state): State<ApiState>) -> Answer<Response> {
    let page = state.blocking(|state| Ok::<_, Problem>((state.metrics)())).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response())
}
