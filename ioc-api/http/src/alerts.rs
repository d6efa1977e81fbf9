//! Alerts: lists, timelines, and what operators do to them.
use super::{
    auth::Actor,
    dto::{AlertDetail, NoteBody, Page, ResolveBody, TransitionDto},
    params,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::{clock::now_ms, stream::RECORDS_PATIENCE};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use ioc_alerts::AlertCommand;
use ioc_model::{Alert, AlertId, Transition, TransitionKind};
use ioc_records::{AlertQuery, Sequenced};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Filters of the alert list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertListQuery {
    /// Which; the open ones when absent.
    #[param(value_type = Option<AlertScope>)]
    state: Option<String>,
    /// Comma-separated severities.
    severity: Option<String>,
    /// Comma-separated domains.
    domain: Option<String>,
    /// Comma-separated ward codes.
    ward: Option<String>,
    /// Device id.
    device: Option<String>,
    /// Active at or after.
    from: Option<String>,
    /// Became active before.
    to: Option<String>,
    /// 1 to 1000; 200 when absent.
    #[serde(default, deserialize_with = "params::whole")]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Which alerts are listed.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum AlertScope {
    /// Firing and not resolved.
    Open,
    /// Closed ones, too.
    All,
}

fn parse_id(text: &str) -> Answer<AlertId> {
    text.parse().map_err(|error| Problem::not_found(format!("no alert has this id: {error}")))
}

/// Lists alerts, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "listAlerts", tag = "alerts", params(AlertListQuery),
    responses((status = 200, body = Page<Alert>), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody)))]
pub async fn list(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<AlertListQuery>,
) -> Answer<Json<Page<Alert>>> {
    let open = match query.state.as_deref() {
        None | Some("open") => true,
        Some("all") => false,
        Some(other) => return Err(Problem::bad_request(format!("state={other}; expected open or all"))),
    };
    let limit = params::limit(query.limit)?;
    let bad_cursor = |_| Problem::bad_request("cursor is not one of ours; start without it");
    let mut wanted = AlertQuery {
        open,
        severities: params::words(query.severity.as_deref())?,
        domains: params::domains(query.domain.as_deref(), &state.catalogue)?,
        wards: params::texts(query.ward.as_deref()),
        device: query.device,
        from_ms: query.from.as_deref().map(|from| params::time("from", from)).transpose()?,
        to_ms: query.to.as_deref().map(|to| params::time("to", to)).transpose()?,
        before: query.cursor.as_deref().map(|cursor| cursor.parse().map_err(bad_cursor)).transpose()?,
        limit: limit + 1,
    };
    actor.narrow(&mut wanted)?;
    let mut items = state.blocking(move |state| state.alert_records().alerts(&wanted)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Page { items, next }))
}

/// Returns one alert with its timeline.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", operation_id = "getAlert", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = AlertDetail), (status = 404, body = ProblemBody)))]
pub async fn get(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<AlertDetail>> {
    let id = parse_id(&id)?;
    let found =
        state.blocking(move |state| Ok::<_, Problem>((state.alert(id)?, state.records.transitions_of(id)?)));
    let (alert, transitions) = found.await?;
    actor.must_on(ioc_identity::Action::Read, &alert)?;
    let transitions = transitions.into_iter().map(timeline).collect();
    Ok(Json(AlertDetail { alert, transitions }))
}

fn timeline(Sequenced { seq, transition: happened }: Sequenced) -> TransitionDto {
    let Transition { transition, at, by, alert, .. } = Arc::unwrap_or_clone(happened);
    let wrote = matches!(transition, TransitionKind::Noted | TransitionKind::Resolved);
    let note = alert.notes.last().filter(|note| wrote && note.at == at).map(|note| note.text.clone());
    TransitionDto { seq, transition, at, by, note }
}

/// Takes an alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/ack", operation_id = "acknowledgeAlert", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = Alert), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn acknowledge(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Alert>> {
    act(state, actor, &id, AlertCommand::Acknowledge { why: None }).await
}

/// Closes an alert, with a last word if there is one.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/resolve", operation_id = "resolveAlert", tag = "alerts", params(("id" = String, Path)), request_body = ResolveBody,
    responses((status = 200, body = Alert), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn resolve(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
    body: Option<Json<ResolveBody>>,
) -> Answer<Json<Alert>> {
    let note = body.and_then(|Json(body)| body.note).filter(|note| !note.trim().is_empty());
    act(state, actor, &id, AlertCommand::Resolve { why: note }).await
}

/// Writes a note on an alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/note", operation_id = "noteAlert", tag = "alerts", params(("id" = String, Path)), request_body = NoteBody,
    responses((status = 200, body = Alert), (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn note(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<NoteBody>,
) -> Answer<Json<Alert>> {
    act(state, actor, &id, AlertCommand::Note { text: body.text }).await
}

async fn act(state: ApiState, actor: Actor, id: &str, command: AlertCommand) -> Answer<Json<Alert>> {
    let id = parse_id(id)?;
    let alert = state
        .blocking(move |state| {
            let known = state.alert(id)?;
            actor.must_on(ioc_identity::Action::ActOnAlert, &known)?;
            let (seq, alert) = state.alerts.act(id, command, actor.name(), now_ms())?;
            // The records have the alert and the audit entry then.
            state.feeds.hub.await_record(seq, RECORDS_PATIENCE);
            Ok::<_, Problem>(alert)
        })
        .await?;
    Ok(Json(alert))
}
