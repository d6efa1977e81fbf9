//! Devices: facts of the registry, how they look, their last values.
use super::{
    auth::Actor,
    dto::{DeviceDto, LatestDto, LatestList, Page, ParentDto},
    params::{self, Bbox},
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use ioc_ingest::{Device, Parent, ParentKind};
use ioc_model::{DeviceKind, Domain, Property, ValueKind, catalogue::Catalogue};
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
    /// `normal`, `offline` or `alarm`.
    status: Option<String>,
    /// west,south,east,north in degrees.
    bbox: Option<String>,
    /// Part of an id or of a label's value.
    q: Option<String>,
    /// 1 to 1000; 200 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

struct Wanted {
    domains: Vec<Domain>,
    wards: Vec<String>,
    kinds: Vec<String>,
    status: Option<String>,
    bbox: Option<Bbox>,
    text: String,
}

impl Wanted {
    fn parse(query: &DeviceQuery) -> Answer<Self> {
        let status = query.status.clone();
        if let Some(status) = status.as_deref().filter(|s| !["normal", "offline", "alarm"].contains(s)) {
            return Err(Problem::bad_request(format!("status={status}; expected normal, offline or alarm")));
        }
        Ok(Self {
            domains: params::words(query.domain.as_deref())?,
            wards: params::texts(query.ward.as_deref()),
            kinds: params::texts(query.kind.as_deref()),
            status,
            bbox: query.bbox.as_deref().map(Bbox::parse).transpose()?,
            text: query.q.as_deref().unwrap_or("").to_lowercase(),
        })
    }

    fn admits(&self, device: &Device, state: u8) -> bool {
        let ward = device.ward.as_deref();
        let status = match self.status.as_deref() {
            Some("normal") => state == 0,
            Some("offline") => state == 1,
            Some(_) => state > 1,
            None => true,
        };
        (self.domains.is_empty() || self.domains.contains(&device.domain))
            && (self.wards.is_empty() || self.wards.iter().any(|wanted| Some(&**wanted) == ward))
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| **wanted == *device.kind))
            && self.bbox.is_none_or(|bbox| bbox.contains(device.lon, device.lat))
            && status
            && self.mentions(device)
    }

    fn mentions(&self, device: &Device) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        self.text.is_empty() || has(device.id.as_str()) || device.labels.values().any(|value| has(value))
    }
}

/// Lists devices in the order of their registration; retired ones only by id.
#[utoipa::path(get, path = "/api/v1/devices", operation_id = "listDevices", tag = "devices", params(DeviceQuery),
    responses((status = 200, body = Page<DeviceDto>), (status = 400, body = ProblemBody), (status = 401, body = ProblemBody)))]
pub async fn list(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<DeviceQuery>,
) -> Answer<Json<Page<DeviceDto>>> {
    let wanted = Wanted::parse(&query)?;
    let limit = params::limit(query.limit)?;
    let bad = |_| Problem::bad_request("cursor is not one of ours; start without it");
    let after = query.cursor.as_deref().map(|cursor| cursor.parse::<u32>().map_err(bad)).transpose()?;
    let devices = state.registry.devices();
    let behind = |device: &Device| after.is_none_or(|after| device.index.0 > after);
    let mut items: Vec<DeviceDto> = devices
        .iter()
        .filter(|device| {
            !device.retired && behind(device) && actor.may_see(device.domain, device.ward.as_deref())
        })
        .filter(|device| wanted.admits(device, state.feeds.board.look(device.index.0).state))
        .take(limit + 1)
        .map(|device| dto(&state, device))
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.index.to_string());
    Ok(Json(Page { items, next }))
}

/// Returns one device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", operation_id = "getDevice", tag = "devices", params(("id" = String, Path)),
    responses((status = 200, body = DeviceDto), (status = 404, body = ProblemBody)))]
pub async fn get(
    State(state): State<ApiState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<DeviceDto>> {
    let device = state.device(&id)?;
    actor.must_see(&device)?;
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
    let device = state.device(&id)?;
    actor.must_see(&device)?;
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
    let kind = match parent.kind {
        ParentKind::Gateway => "gateway",
        ParentKind::Cabinet => "cabinet",
        ParentKind::Feeder => "feeder",
    };
    ParentDto { kind: kind.to_owned(), id: parent.id.to_string() }
}

/// Properties and kinds of the city.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CatalogueDto {
    /// Every property.
    pub properties: Vec<Property>,
    /// Every kind of device.
    pub kinds: Vec<DeviceKind>,
}

/// Returns the catalogue.
#[utoipa::path(get, path = "/api/v1/catalogue", operation_id = "getCatalogue", tag = "devices",
    responses((status = 200, body = CatalogueDto), (status = 401, body = ProblemBody)))]
pub async fn catalogue(State(state): State<ApiState>, _actor: Actor) -> Json<CatalogueDto> {
    let catalogue: &Catalogue = &state.catalogue;
    Json(CatalogueDto {
        properties: catalogue.properties().to_vec(),
        kinds: catalogue.kinds().cloned().collect(),
    })
}
