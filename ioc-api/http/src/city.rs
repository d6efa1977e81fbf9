//! The city, its areas and its indicators.
use super::{areas::Areas, auth::Actor, dto::Page, problem::ProblemBody, state::ApiState};
use crate::clock::now_ms;
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use ioc_ingest::City;
use ioc_services::indicators::KpiDto;
use serde::Serialize;
use utoipa::ToSchema;

/// Returns name, place, language and the wall's trend.
#[utoipa::path(get, path = "/api/v1/city", operation_id = "getCity", tag = "city",
    responses((status = 200, description = "Facts of the city as in its configuration, and `build`", body = CityInfo), (status = 401, body = ProblemBody)))]
pub async fn city(State(state): State<ApiState>, _actor: Actor) -> Response {
    Json(CityInfo { city: &state.city.city, build: env!("CARGO_PKG_VERSION") }).into_response()
}

/// The city as in its configuration, and the version of the server.
#[derive(Serialize, ToSchema)]
pub struct CityInfo<'a> {
    /// Name, place and the wall's trend.
    #[serde(flatten)]
    city: &'a City,
    /// Version of the server.
    build: &'a str,
}

/// What is known about the clocks of this server and of devices.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClockDto {
    /// This server's clock, milliseconds since the epoch.
    pub now: i64,
    /// Whether the system synchronizes it; null when the system does not say.
    #[schema(required)]
    pub synchronized: Option<bool>,
    /// How far this server's clock is ahead, in milliseconds, when most devices agree on another time; else null.
    #[schema(required)]
    pub ahead_ms: Option<i64>,
    /// Devices that agree on it.
    pub devices_agreeing: usize,
    /// Devices whose clock was compared with this one.
    pub devices_measured: usize,
    /// Of these, more than 15 minutes behind or 5 ahead.
    pub devices_wrong: usize,
    /// Jumps of this server's clock since its start.
    pub jumps: u64,
}

/// Returns how far clocks can be believed: the server's own, and those of devices.
#[utoipa::path(get, path = "/api/v1/clock", operation_id = "getClock", tag = "city",
    responses((status = 200, body = ClockDto), (status = 401, body = ProblemBody)))]
pub async fn clock(State(state): State<ApiState>, _actor: Actor) -> Json<ClockDto> {
    let own = state.own_clock.state();
    Json(ClockDto {
        now: now_ms(),
        synchronized: own.synchronized,
        ahead_ms: own.agreed.map(|agreed| agreed.offset_ms),
        devices_agreeing: own.agreed.map_or(0, |agreed| agreed.agreeing),
        devices_measured: own.measured,
        devices_wrong: own.wrong,
        jumps: own.jumps,
    })
}

/// Returns wards, outline and named areas as GeoJSON.
#[utoipa::path(get, path = "/api/v1/areas", operation_id = "getAreas", tag = "city",
    responses((status = 200, description = "GeoJSON FeatureCollection; property `layer` says what a feature is", body = Areas), (status = 401, body = ProblemBody)))]
pub async fn areas(State(state): State<ApiState>, _actor: Actor) -> Response {
    let cache = (header::CACHE_CONTROL, "private, max-age=300");
    ([(header::CONTENT_TYPE, "application/geo+json"), cache], state.areas.clone()).into_response()
}

/// Returns the indicators of the caller's domains with their newest values.
#[utoipa::path(get, path = "/api/v1/kpis", operation_id = "listKpis", tag = "city",
    responses((status = 200, body = Page<KpiDto>), (status = 401, body = ProblemBody)))]
pub async fn kpis(State(state): State<ApiState>, actor: Actor) -> Json<Page<KpiDto>> {
    let mut items = state.kpis.list();
    items.retain(|kpi| actor.may_see_all_of(Some(kpi.domain)));
    Json(Page { items, next: None })
}
