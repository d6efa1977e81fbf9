//! The city, its areas and its indicators.
use super::{auth::Actor, dto::Page, problem::ProblemBody, state::ApiState};
use crate::kpis::KpiDto;
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

/// Returns name, place, language and the wall's trend.
#[utoipa::path(get, path = "/api/v1/city", operation_id = "getCity", tag = "city",
    responses((status = 200, description = "Facts of the city as in its configuration, and `build`", body = serde_json::Value), (status = 401, body = ProblemBody)))]
pub async fn city(State(state): State<ApiState>, _actor: Actor) -> Response {
    let mut facts = serde_json::to_value(&state.city.city).unwrap_or_default();
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("build".into(), env!("CARGO_PKG_VERSION").into());
    }
    Json(facts).into_response()
}

/// Returns wards, outline and named areas as GeoJSON.
#[utoipa::path(get, path = "/api/v1/areas", operation_id = "getAreas", tag = "city",
    responses((status = 200, description = "GeoJSON FeatureCollection; property `layer` says what a feature is", body = serde_json::Value), (status = 401, body = ProblemBody)))]
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
