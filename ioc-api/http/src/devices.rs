//! Devices: facts of the registry, how they look, their last values.
use super::{
    auth::Actor,
    dto::{DeviceDto, LatestDto, LatestList, Page, ParentDto},
    params,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use ioc_ingest::Device;
use ioc_model::{
    Catalogue, DeviceIndex, DeviceKind, Parent, Property, ValueKind,
    catalogue::{CityDomain, Panel},
};
use ioc_services::{DeviceFilter, DeviceStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Filters of the device list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Comma-separated domains.
    domain: Option<String>,
    /// Comma-separated ward codes.
    ward: Option<String>,
    /// Comma-separated kinds.
    kind: Option<String>,
    /// How it stands.
    #[param(value_type = Option<DeviceStatus>)]
    status: Option<String>,
    /// west,south,east,north in degrees.
    bbox: Option<String>,
    /// Words, each of which must be somewhere in the id, a label's value or the ward's name; capitals and marks do not
    /// matter.
    q: Option<String>,
    /// 1 to 1000; 200 when absent.
    #[serde(default, deserialize_with = "params::whole")]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

fn filter(query: &DeviceQuery, state: &ApiState) -> Answer<DeviceFilter> {
    let filter = DeviceFilter {
        domains: params::domains(query.domain.as_deref(), &state.catalogue)?,
        wards: params::texts(query.ward.as_deref()),
        kinds: params::texts(query.kind.as_deref()),
        status: query.status.as_deref().map(str::parse).transpose()?,
        bbox: query.bbox.as_deref().map(str::parse).transpose().map_err(Problem::bad_request)?,
        ..DeviceFilter::default()
    };
    let filter = filter.searching(query.q.as_deref().unwrap_or(""))?;
    Ok(filter.checked(&state.catalogue, &state.city.wards)?)
}

/// Lists devices in the order of their registration; retired ones only by id.
#[utoipa::path(get, path = "/api/v1/devices", operation_id = "listDevices", tag = "devices", params(DeviceQuery),
    responses((status = 200, body = Page<DeviceDto>), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody)))]
pub async fn list(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<DeviceQuery>,
) -> Answer<Json<Page<DeviceDto>>> {
    let wanted = filter(&query, &state)?;
    let limit = params::limit(query.limit)?;
    let bad = |_| Problem::bad_request("cursor is not one of ours; start without it");
    let after =
        query.cursor.as_deref().map(|cursor| cursor.parse().map(DeviceIndex).map_err(bad)).transpose()?;
    // A search looks at the texts of every device: not on a thread that others wait for.
    let page = move |state: &ApiState| {
        let status = |device: &Device| status(state, device);
        let found = state.services.devices.page(&actor.caller, &wanted, after, limit, status);
        let next = found.next.map(|last| last.0.to_string());
        Ok::<_, Problem>(Page { items: found.items.iter().map(|device| dto(state, device)).collect(), next })
    };
    Ok(Json(state.blocking(page).await?))
}

fn status(state: &ApiState, device: &Device) -> DeviceStatus {
    match state.feeds.board.look(device.index.0).state {
        0 => DeviceStatus::Normal,
        1 => DeviceStatus::Offline,
        _ => DeviceStatus::Alarm,
    }
}

/// Returns one device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", operation_id = "getDevice", tag = "devices", params(("id" = String, Path)),
    responses((status = 200, body = DeviceDto), (status = 404, body = ProblemBody)))]
pub async fn get(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<DeviceDto>> {
    let device = state.services.devices.find(&actor.caller, &id)?;
    Ok(Json(dto(&state, &device)))
}

/// Returns the newest value of every property that the device has reported.
#[utoipa::path(get, path = "/api/v1/devices/{id}/latest", operation_id = "getLatest", tag = "devices", params(("id" = String, Path)),
    responses((status = 200, body = LatestList), (status = 404, body = ProblemBody)))]
pub async fn latest(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<LatestList>> {
    let device = state.services.devices.find(&actor.caller, &id)?;
    let latest = state.live.latest(device.index);
    let items = latest.into_iter().filter_map(|(id, latest)| {
        let property = state.catalogue.property_by_id(id)?;
        Some(LatestDto {
            property: property.name.clone(),
            title: property.title.clone(),
            unit: property.unit.clone(),
            t: latest.ts_ms,
            arrival: Some(latest.arrival_ms),
            value: latest.value,
            quality: latest.quality.names().map(str::to_owned).collect(),
            name: value_name(&property.kind, latest.value),
            label: property.kind.code_title(latest.value).cloned(),
        })
    });
    Ok(Json(LatestList { device: id, items: items.collect() }))
}

fn value_name(kind: &ValueKind, value: f64) -> Option<String> {
    let name = match kind {
        ValueKind::Bool => Some(if value == 0.0 { "false" } else { "true" }),
        kind => kind.code_name(value),
    };
    name.map(str::to_owned)
}

fn dto(state: &ApiState, device: &Device) -> DeviceDto {
    let look = state.feeds.board.look(device.index.0);
    let clock = state.clocks.get(device.index);
    DeviceDto {
        id: device.id.to_string(),
        index: device.index.0,
        domain: device.domain,
        kind: device.kind.to_string(),
        lat: device.lat,
        lon: device.lon,
        ward: device.ward.as_deref().map(str::to_owned),
        parent: device.parent.as_ref().map(parent_dto),
        labels: device.labels.clone(),
        online: state.live.connection(device.index).map(|connection| connection.online),
        last_seen: state.live.last_seen(device.index),
        clock_offset_ms: clock.offset_ms,
        clock_wrong: clock.is_wrong,
        state: look.state,
        flags: look.flags,
        reporting_period_s: device.reporting_period_s,
        retired: device.retired,
    }
}

fn parent_dto(parent: &Parent) -> ParentDto {
    ParentDto { kind: parent.kind, id: parent.id.to_string() }
}

/// Domains, properties and kinds of the city.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CatalogueDto {
    /// Every domain, in the order in which screens show them.
    pub domains: Vec<CityDomain>,
    /// Every property.
    pub properties: Vec<Property>,
    /// Every kind of device.
    pub kinds: Vec<DeviceKind>,
    /// Every panel of the wall, from the top.
    pub panels: Vec<Panel>,
}

/// Returns the catalogue.
#[utoipa::path(get, path = "/api/v1/catalogue", operation_id = "getCatalogue", tag = "devices",
    responses((status = 200, body = CatalogueDto), (status = 401, body = ProblemBody)))]
pub async fn catalogue(State(state): State<ApiState>, _actor: Actor) -> Json<CatalogueDto> {
    let catalogue: &Catalogue = &state.catalogue;
    Json(CatalogueDto {
        domains: catalogue.domains().to_vec(),
        properties: catalogue.properties().to_vec(),
        kinds: catalogue.kinds().cloned().collect(),
        panels: catalogue.panels().to_vec(),
    })
}
