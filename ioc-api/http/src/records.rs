//! What was rejected, who did what, who may sign in.
use super::{
    auth::{self, Actor},
    client::Client,
    dto::{DisplayTokenDto, NewDisplayToken, NewUser, Page, UserPatch},
    params,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use crate::clock::now_ms;
use axum::{
    Json,
    extract::{Extension, Path, Query, State},
    http::{HeaderMap, StatusCode},
};
use ioc_identity::{NewUser as NewPerson, SignInError, SignInFrom, UserChange};
use ioc_model::RejectReason;
use ioc_records::{AuditEntry, AuditPage};
use ioc_services::{DisplayTokenView, QuarantineFilter as Wanted, QuarantineView, UserView, parse_reason};
use serde::Deserialize;
use utoipa::IntoParams;

/// Filters of the quarantine.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuarantineFilter {
    /// Device id.
    device: Option<String>,
    /// One reason.
    #[param(value_type = Option<RejectReason>)]
    reason: Option<String>,
    /// 1 to 1000; 200 when absent.
    #[serde(default, deserialize_with = "params::whole")]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists rejected messages, newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", operation_id = "listQuarantine", tag = "operations", params(QuarantineFilter),
    responses((status = 200, body = Page<QuarantineView>), (status = 403, body = ProblemBody)))]
pub async fn quarantine(
    State(state): State<ApiState>,
    actor: Actor,
    Query(filter): Query<QuarantineFilter>,
) -> Answer<Json<Page<QuarantineView>>> {
    let limit = params::limit(filter.limit)?;
    let reason = filter.reason.as_deref().map(parse_reason).transpose()?;
    let before = cursor(filter.cursor.as_deref())?;
    let wanted = Wanted { device: filter.device, reason, before };
    let page =
        state.blocking(move |state| state.services.quarantine.list(&actor.caller, wanted, limit)).await?;
    Ok(Json(Page { items: page.items, next: page.next.map(|next| next.to_string()) }))
}

fn cursor(text: Option<&str>) -> Answer<Option<u64>> {
    let bad = |_| Problem::bad_request("cursor is not one of ours; start without it");
    text.map(|text| text.parse().map_err(bad)).transpose()
}

/// Pages of the audit trail.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// 1 to 1000; 200 when absent.
    #[serde(default, deserialize_with = "params::whole")]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists changes and sign-ins, newest first: all of them, or those about the fields that one is admin of. A page may be
/// short; the last one has no `next`.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "operations", params(AuditQuery),
    responses((status = 200, body = Page<AuditEntry>), (status = 403, body = ProblemBody)))]
pub async fn audit(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<AuditQuery>,
) -> Answer<Json<Page<AuditEntry>>> {
    let limit = params::limit(query.limit)?;
    let before = cursor(query.cursor.as_deref())?;
    let page = state.blocking(move |state| state.services.audit.list(&actor.caller, before, limit));
    let AuditPage { items, next } = page.await?;
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// Lists users: those whom one may change, and oneself.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "listUsers", tag = "users",
    responses((status = 200, body = Page<UserView>), (status = 403, body = ProblemBody)))]
pub async fn users(State(state): State<ApiState>, actor: Actor) -> Answer<Json<Page<UserView>>> {
    Ok(Json(Page { items: state.services.people.list(&actor.caller)?, next: None }))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "addUser", tag = "users", request_body = NewUser,
    responses((status = 201, body = UserView), (status = 400, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn add_user(
    State(state): State<ApiState>,
    actor: Actor,
    Json(new): Json<NewUser>,
) -> Answer<(StatusCode, Json<UserView>)> {
    let role = new.role.parse().map_err(Problem::bad_request)?;
    let NewUser { name, password, domains, wards, .. } = new;
    let person = NewPerson { name, role, domains, wards, password };
    let user =
        state.blocking(move |state| state.services.people.add(&actor.caller, person, now_ms())).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Changes a user.
#[utoipa::path(patch, path = "/api/v1/users/{name}", operation_id = "changeUser", tag = "users", params(("name" = String, Path)), request_body = UserPatch,
    responses((status = 200, body = UserView), (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn patch_user(
    State(state): State<ApiState>,
    actor: Actor,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(patch): Json<UserPatch>,
) -> Answer<Json<UserView>> {
    let UserPatch { password, current_password, role, disabled } = patch;
    let role = role.map(|role| role.parse().map_err(Problem::bad_request)).transpose()?;
    let change = UserChange { role, disabled, password, ..UserChange::default() };
    let is_own_password = change.password.is_some() && change.role.is_none() && change.disabled.is_none();
    if is_own_password && state.services.people.is_oneself(&actor.caller, &name) {
        let from = SignInFrom { network: client.network, browser: auth::browser(&headers, &state.identity) };
        let new = change.password.unwrap_or_default();
        return change_own_password(&state, actor, from, current_password, new).await.map(Json);
    }
    let work = move |state: &ApiState| state.services.people.change(&actor.caller, &name, change, now_ms());
    Ok(Json(state.blocking(work).await?))
}

async fn change_own_password(
    state: &ApiState,
    actor: Actor,
    from: SignInFrom,
    current: Option<String>,
    new: String,
) -> Answer<UserView> {
    let current = current.ok_or_else(|| {
        Problem::bad_request(
            "current_password is missing; to change your own password give the one until now",
        )
    })?;
    let turn = state.services.people.try_own_password(&actor.caller, &current, &from).await?;
    let work = move |state: &ApiState| {
        let people = &state.services.people;
        let changed = people.change_own_password(turn, &current, new, actor.secret(), now_ms());
        changed.map_err(|error| match error {
            SignInError::Refused => Problem::wrong_password(),
            other => other.into(),
        })
    };
    state.blocking(work).await
}

/// Makes a read-only token for the machine behind a screen; it is shown once.
#[utoipa::path(post, path = "/api/v1/display-tokens", operation_id = "addDisplayToken", tag = "users", request_body = NewDisplayToken,
    responses((status = 201, body = DisplayTokenDto), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn add_display_token(
    State(state): State<ApiState>,
    actor: Actor,
    Json(new): Json<NewDisplayToken>,
) -> Answer<(StatusCode, Json<DisplayTokenDto>)> {
    let work =
        move |state: &ApiState| state.services.people.add_display_token(&actor.caller, &new.name, now_ms());
    let (name, token) = state.blocking(work).await?;
    Ok((StatusCode::CREATED, Json(DisplayTokenDto { name, token })))
}

/// Lists display tokens.
#[utoipa::path(get, path = "/api/v1/display-tokens", operation_id = "listDisplayTokens", tag = "users",
    responses((status = 200, body = Page<DisplayTokenView>), (status = 403, body = ProblemBody)))]
pub async fn display_tokens(
    State(state): State<ApiState>,
    actor: Actor,
) -> Answer<Json<Page<DisplayTokenView>>> {
    let items = state.blocking(move |state| state.services.people.display_tokens(&actor.caller)).await?;
    Ok(Json(Page { items, next: None }))
}

/// Removes a display token; screens that use it must sign in.
#[utoipa::path(delete, path = "/api/v1/display-tokens/{name}", operation_id = "removeDisplayToken", tag = "users", params(("name" = String, Path)),
    responses((status = 204, description = "removed"), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn remove_display_token(
    State(state): State<ApiState>,
    actor: Actor,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let work =
        move |state: &ApiState| state.services.people.remove_display_token(&actor.caller, &name, now_ms());
    state.blocking(work).await?;
    Ok(StatusCode::NO_CONTENT)
}
