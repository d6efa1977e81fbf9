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
use ioc_ingest::{Device, Wards};
use ioc_model::{
    Catalogue, DeviceKind, Domain, Parent, Property, ValueKind, catalogue::CityDomain, text::fold,
};
use ioc_services::bbox::Bbox;
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

/// How a device stands, as a filter.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum DeviceStatus {
    /// Heard, and without alerts.
    Normal,
    /// Not heard.
    Offline,
    /// With open alerts.
    Alarm,
}

struct Wanted {
    domains: Vec<Domain>,
    wards: Vec<String>,
    kinds: Vec<String>,
    status: Option<String>,
    bbox: Option<Bbox>,
    words: Vec<String>,
}

/// Longest search, in bytes; each word is looked for in every device.
const SEARCH_LEN_MAX: usize = 256;

impl Wanted {
    fn parse(query: &DeviceQuery, catalogue: &Catalogue, city: &Wards) -> Answer<Self> {
        let status = query.status.clone();
        if let Some(status) = status.as_deref().filter(|s| !["normal", "offline", "alarm"].contains(s)) {
            return Err(Problem::bad_request(format!("status={status}; expected normal, offline or alarm")));
        }
        let search = query.q.as_deref().unwrap_or("");
        if search.len() > SEARCH_LEN_MAX {
            return Err(Problem::bad_request(format!("q is too long; at most {SEARCH_LEN_MAX} bytes")));
        }
        let (wards, kinds) = (params::texts(query.ward.as_deref()), params::texts(query.kind.as_deref()));
        if let Some(ward) = wards.iter().find(|ward| city.get(ward).is_none()) {
            let text = format!("the city has no ward {ward:?}; GET /api/v1/areas lists their codes");
            return Err(Problem::bad_request(text));
        }
        if let Some(kind) = kinds.iter().find(|kind| catalogue.kind(kind).is_none()) {
            let text = format!("no kind is called {kind:?}; GET /api/v1/catalogue lists them");
            return Err(Problem::bad_request(text));
        }
        Ok(Self {
            domains: params::domains(query.domain.as_deref(), catalogue)?,
            wards,
            kinds,
            status,
            bbox: query.bbox.as_deref().map(str::parse).transpose().map_err(Problem::bad_request)?,
            words: fold(search).split_whitespace().map(str::to_owned).collect(),
        })
    }

    fn admits(&self, device: &Device, state: u8, wards: &Wards) -> bool {
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
            && self.mentions(device, wards)
    }

    fn mentions(&self, device: &Device, wards: &Wards) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let ward = device.ward.as_deref().and_then(|code| wards.get(code)).map(|ward| &*ward.name);
        let labels = device.labels.values().map(String::as_str);
        let texts: Vec<String> =
            [device.id.as_str()].into_iter().chain(labels).chain(ward).map(fold).collect();
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
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
    let wanted = Wanted::parse(&query, &state.catalogue, &state.city.wards)?;
    let limit = params::limit(query.limit)?;
    let bad = |_| Problem::bad_request("cursor is not one of ours; start without it");
    let after = query.cursor.as_deref().map(|cursor| cursor.parse::<u32>().map_err(bad)).transpose()?;
    // A search looks at the texts of every device: not on a thread that others wait for.
    let page = state.blocking(move |state| Ok::<_, Problem>(page(state, &actor, &wanted, after, limit)));
    Ok(Json(page.await?))
}

fn page(
    state: &ApiState,
    actor: &Actor,
    wanted: &Wanted,
    after: Option<u32>,
    limit: usize,
) -> Page<DeviceDto> {
    let devices = state.registry.devices();
    let behind = |device: &Device| after.is_none_or(|after| device.index.0 > after);
    let mut items: Vec<DeviceDto> = devices
        .iter()
        .filter(|device| {
            !device.retired && behind(device) && actor.may_see(device.domain, device.ward.as_deref())
        })
        .filter(|device| {
            wanted.admits(device, state.feeds.board.look(device.index.0).state, &state.city.wards)
        })
        .take(limit + 1)
        .map(|device| dto(state, device))
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.index.to_string());
    Page { items, next }
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::{DeviceIndex, text::nfd};
    use std::collections::BTreeMap;

    fn lamp(street: &str) -> Device {
        Device {
            index: DeviceIndex(0),
            id: "LUM-017".parse().unwrap(),
            domain: Domain::from_static("lighting"),
            kind: "luminaire".into(),
            lat: 16.46,
            lon: 107.59,
            ward: Some("19774".into()),
            parent: None,
            labels: BTreeMap::from([("street".to_owned(), street.to_owned())]),
            reporting_period_s: 60,
            retired: false,
            created_ms: 0,
        }
    }

    fn wards() -> Wards {
        let areas = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
            "properties":{"layer":"ward","code":"19774","name":"Vỹ Dạ","name_en":"Vy Da"},
            "geometry":{"type":"Polygon","coordinates":[[[107,16],[108,16],[108,17],[107,17],[107,16]]]}}]}"#;
        Wards::from_geojson(areas).unwrap()
    }

    #[test]
    fn lists_are_of_wards_and_kinds_that_there_are() {
        let catalogue = crate::admin::catalogue().unwrap();
        let parse = |ward: Option<&str>, kind: Option<&str>| {
            let (ward, kind) = (ward.map(str::to_owned), kind.map(str::to_owned));
            let query = DeviceQuery { ward, kind, ..DeviceQuery::default() };
            let parsed = Wanted::parse(&query, &catalogue, &wards());
            parsed.map(|wanted| wanted.admits(&lamp("x"), 0, &wards())).ok()
        };
        for (ward, kind, expected) in [
            (None, None, Some(true)),
            (Some(""), Some(","), Some(true)),
            (Some("19774"), None, Some(true)),
            (Some(" 19774 ,"), Some("air-station, luminaire"), Some(true)),
            (None, Some("air-station"), Some(false)),
            (Some("x, 19774"), None, None),
            (Some("19774,x"), None, None),
            (None, Some("Luminaire"), None),
            (None, Some("luminaire,lamp"), None),
        ] {
            assert_eq!(parse(ward, kind), expected, "{ward:?} {kind:?}");
        }
    }

    #[test]
    fn a_search_needs_neither_marks_nor_capitals_nor_a_form() {
        let (wards, catalogue) = (wards(), crate::admin::catalogue().unwrap());
        let composed = lamp("Điện Biên Phủ");
        let decomposed = lamp(&nfd("Điện Biên Phủ"));
        let table = [
            ("dien bien phu", true),
            ("Điện Biên Phủ", true),
            (&*nfd("Điện Biên Phủ"), true),
            ("ĐIỆN", true),
            ("phu dien", true),
            ("ＬＵＭ－０１７", true),
            ("lum bien", true),
            ("vy da", true),
            ("  ", true),
            ("", true),
            ("dien bien hue", false),
            ("lum-018", false),
        ];
        for (search, expected) in table {
            let query = DeviceQuery { q: Some(search.to_owned()), ..DeviceQuery::default() };
            let wanted = Wanted::parse(&query, &catalogue, &wards).unwrap_or_else(|_| panic!("{search}"));
            for device in [&composed, &decomposed] {
                assert_eq!(wanted.admits(device, 0, &wards), expected, "{search:?} {:?}", device.labels);
            }
        }
        let endless = DeviceQuery { q: Some("x ".repeat(1000)), ..DeviceQuery::default() };
        assert!(Wanted::parse(&endless, &catalogue, &wards).is_err());
    }
}
