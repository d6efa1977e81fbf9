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
use ioc_identity::{Action, NewUser as NewPerson, Resource, Role, SignInError, SignInFrom, UserChange};
use ioc_model::{Domain, RejectReason};
use ioc_records::{
    AuditEntry, AuditPage, DisplayTokenRow, QuarantineQuery, QuarantineRow, Reach, RecordsError, UserRow,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

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

/// One rejected message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantineDto {
    /// Grows with time.
    pub seq: u64,
    /// When it arrived, milliseconds since the epoch.
    pub at: i64,
    /// Device id, when one could be told.
    #[schema(required)]
    pub device: Option<String>,
    /// Credential that sent it.
    pub credential: String,
    /// MQTT topic name.
    pub topic: String,
    /// What was wrong; at least one.
    pub items: Vec<RejectionDto>,
    /// The first bytes of the payload as text; what is not UTF-8 is replaced.
    pub payload: String,
    /// The same bytes, hexadecimal.
    pub payload_hex: String,
    /// Length of the whole payload.
    pub payload_len: u32,
}

/// One rejected observation, or the whole message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RejectionDto {
    /// Which kind of fault.
    pub reason: RejectReason,
    /// What was found and what would be right.
    pub detail: String,
}

/// Lists rejected messages, newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", operation_id = "listQuarantine", tag = "operations", params(QuarantineFilter),
    responses((status = 200, body = Page<QuarantineDto>), (status = 403, body = ProblemBody)))]
pub async fn quarantine(
    State(state): State<ApiState>,
    actor: Actor,
    Query(filter): Query<QuarantineFilter>,
) -> Answer<Json<Page<QuarantineDto>>> {
    actor.must(Action::ReadQuarantine, &Resource::City)?;
    let limit = params::limit(filter.limit)?;
    let reason = filter.reason.map(|reason| reason.parse().map_err(Problem::bad_request)).transpose()?;
    let before = cursor(filter.cursor.as_deref())?;
    let query = QuarantineQuery { device: filter.device, reason, before, limit };
    let (rows, more) = state.blocking(move |state| visible_rows(state, &actor, query)).await?;
    let next = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(Json(Page { items: rows.into_iter().map(quarantine_dto).collect(), next }))
}

/// Reads on until a page is full of what the caller may see, or nothing is left. Returns whether more may follow.
fn visible_rows(
    state: &ApiState,
    actor: &Actor,
    mut query: QuarantineQuery,
) -> Result<(Vec<QuarantineRow>, bool), RecordsError> {
    const AT_ONCE: usize = 1_000;
    let limit = std::mem::replace(&mut query.limit, AT_ONCE);
    let devices = state.registry.devices();
    let may_see = |row: &QuarantineRow| {
        let device = row.device.as_ref().and_then(|id| devices.by_id(id.as_str()));
        let domain = device.map(|device| device.domain);
        let ward = device.and_then(|device| device.ward.as_deref());
        actor.may(Action::ReadQuarantine, &Resource::Place { domain, ward })
    };
    let mut found = Vec::new();
    loop {
        let rows = state.records.quarantine(&query)?;
        let is_last = rows.len() < AT_ONCE;
        query.before = rows.last().map(|row| row.seq);
        for row in rows.into_iter().filter(may_see) {
            if found.len() == limit {
                return Ok((found, true));
            }
            found.push(row);
        }
        if is_last {
            return Ok((found, false));
        }
    }
}

fn cursor(text: Option<&str>) -> Answer<Option<u64>> {
    let bad = |_| Problem::bad_request("cursor is not one of ours; start without it");
    text.map(|text| text.parse().map_err(bad)).transpose()
}

fn quarantine_dto(row: QuarantineRow) -> QuarantineDto {
    let rejection = |item: ioc_model::Rejection| RejectionDto { reason: item.reason, detail: item.detail };
    QuarantineDto {
        seq: row.seq,
        at: row.at_ms,
        device: row.device.map(|device| device.to_string()),
        credential: row.credential,
        topic: row.topic,
        items: row.items.into_iter().map(rejection).collect(),
        payload: String::from_utf8_lossy(&row.bytes).into_owned(),
        payload_hex: row.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        payload_len: row.bytes_len,
    }
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
    actor.must(Action::ReadAudit, &Resource::City)?;
    let limit = params::limit(query.limit)?;
    let before = cursor(query.cursor.as_deref())?;
    let page = state.blocking(move |state| {
        let shows = |reach: &Reach| {
            let Reach { domains, wards } = reach;
            actor.may(Action::ReadAudit, &Resource::Reach { domains, wards })
        };
        state.records.audit(before, limit, &shows)
    });
    let AuditPage { items, next } = page.await?;
    Ok(Json(Page { items, next: next.map(|next| next.to_string()) }))
}

/// A user, without anything secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserDto {
    /// User name.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
    /// Empty is all.
    pub domains: Vec<Domain>,
    /// Empty is all.
    pub wards: Vec<String>,
    /// May not sign in.
    pub disabled: bool,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

fn user_dto(row: &UserRow) -> UserDto {
    let UserRow { name, role, domains, wards, disabled, created_ms, .. } = row.clone();
    UserDto { name, role, domains, wards, disabled, created_at: created_ms }
}

/// Lists users: those whom one may change, and oneself.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "listUsers", tag = "users",
    responses((status = 200, body = Page<UserDto>), (status = 403, body = ProblemBody)))]
pub async fn users(State(state): State<ApiState>, actor: Actor) -> Answer<Json<Page<UserDto>>> {
    actor.must(Action::ManagePeople, &Resource::City)?;
    let is_shown = |row: &Arc<UserRow>| {
        let UserRow { name, domains, wards, .. } = &**row;
        name == actor.name() || actor.may(Action::ManagePeople, &Resource::Reach { domains, wards })
    };
    let users = state.identity.users();
    let items = users.iter().filter(|row| is_shown(row)).map(|row| user_dto(row)).collect();
    Ok(Json(Page { items, next: None }))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "addUser", tag = "users", request_body = NewUser,
    responses((status = 201, body = UserDto), (status = 400, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub async fn add_user(
    State(state): State<ApiState>,
    actor: Actor,
    Json(new): Json<NewUser>,
) -> Answer<(StatusCode, Json<UserDto>)> {
    actor.must(Action::ManagePeople, &Resource::Reach { domains: &new.domains, wards: &new.wards })?;
    let role = new.role.parse().map_err(Problem::bad_request)?;
    let NewUser { name, password, domains, wards, .. } = new;
    let person = NewPerson { name, role, domains, wards, password };
    let row = state.blocking(move |state| state.identity.add_user(person, actor.name(), now_ms())).await?;
    Ok((StatusCode::CREATED, Json(user_dto(&row))))
}

/// Changes a user.
#[utoipa::path(patch, path = "/api/v1/users/{name}", operation_id = "changeUser", tag = "users", params(("name" = String, Path)), request_body = UserPatch,
    responses((status = 200, body = UserDto), (status = 400, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub async fn patch_user(
    State(state): State<ApiState>,
    actor: Actor,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(patch): Json<UserPatch>,
) -> Answer<Json<UserDto>> {
    let only_password = patch.role.is_none() && patch.disabled.is_none();
    let action = if only_password { Action::ChangePassword } else { Action::ManagePeople };
    let person = state.identity.find(&name);
    let name = person.as_ref().map_or(name, |person| person.name.clone());
    actor.must(action, &Resource::Person(&name))?;
    let is_self = name == actor.name();
    if let Some(person) = person.filter(|_| !is_self) {
        actor.must(action, &Resource::Reach { domains: &person.domains, wards: &person.wards })?;
    }
    let UserPatch { password, current_password, role, disabled } = patch;
    let role = role.map(|role| role.parse().map_err(Problem::bad_request)).transpose()?;
    let change = UserChange { role, disabled, ..UserChange::default() };
    let row = match password {
        Some(_) if is_self && !only_password => {
            return Err(Problem::bad_request(
                "change your own password by itself, without role and disabled",
            ));
        }
        Some(new) if is_self => {
            let from =
                SignInFrom { network: client.network, browser: auth::browser(&headers, &state.identity) };
            change_own_password(&state, actor, from, current_password, new).await?
        }
        password => {
            let change = UserChange { password, ..change };
            let work =
                move |state: &ApiState| state.identity.change_user(&name, change, actor.name(), now_ms());
            state.blocking(work).await?
        }
    };
    Ok(Json(user_dto(&row)))
}

/// A stolen session must not become a stolen account, so that one's own password takes the current one.
async fn change_own_password(
    state: &ApiState,
    actor: Actor,
    from: SignInFrom,
    current: Option<String>,
    new: String,
) -> Answer<Arc<UserRow>> {
    let current = current.ok_or_else(|| {
        Problem::bad_request(
            "current_password is missing; to change your own password give the one until now",
        )
    })?;
    let turn = state.identity.turn(actor.name(), &current, &from).await?;
    let work = move |state: &ApiState| {
        let changed = state.identity.change_own_password(turn, &current, new, actor.secret(), now_ms());
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
    // A screen sees everything.
    actor.must(Action::ManageDisplays, &Resource::Reach { domains: &[], wards: &[] })?;
    let (name, token) = state
        .blocking(move |state| state.identity.add_display_token(&new.name, actor.name(), now_ms()))
        .await?;
    Ok((StatusCode::CREATED, Json(DisplayTokenDto { name, token })))
}

/// A display token, without the token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DisplayDto {
    /// Name of the screen.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When, milliseconds since the epoch.
    pub created_at: i64,
}

/// Lists display tokens.
#[utoipa::path(get, path = "/api/v1/display-tokens", operation_id = "listDisplayTokens", tag = "users",
    responses((status = 200, body = Page<DisplayDto>), (status = 403, body = ProblemBody)))]
pub async fn display_tokens(State(state): State<ApiState>, actor: Actor) -> Answer<Json<Page<DisplayDto>>> {
    actor.must(Action::ManageDisplays, &Resource::City)?;
    let rows = state.blocking(|state| state.identity.display_tokens()).await?;
    let dto = |row: DisplayTokenRow| DisplayDto {
        name: row.name,
        created_by: row.created_by,
        created_at: row.created_ms,
    };
    Ok(Json(Page { items: rows.into_iter().map(dto).collect(), next: None }))
}

/// Removes a display token; screens that use it must sign in.
#[utoipa::path(delete, path = "/api/v1/display-tokens/{name}", operation_id = "removeDisplayToken", tag = "users", params(("name" = String, Path)),
    responses((status = 204, description = "removed"), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn remove_display_token(
    State(state): State<ApiState>,
    actor: Actor,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    actor.must(Action::ManageDisplays, &Resource::Reach { domains: &[], wards: &[] })?;
    state.blocking(move |state| state.identity.remove_display_token(&name, actor.name(), now_ms())).await?;
    Ok(StatusCode::NO_CONTENT)
}
