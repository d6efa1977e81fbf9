//! History: one device's property raw or in buckets, wards in windows, the top N.
use super::{
    auth::Actor,
    dto::{BucketDto, BucketHistory, DamagedDto, GroupDto, GroupHistory, GroupPoint, TopDto, TopHistory},
    params,
    problem::{Answer, Problem, ProblemBody},
    state::ApiState,
};
use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use ioc_ingest::Device;
use ioc_model::{DeviceIndex, Property, PropertyId};
use ioc_store::{Aggregate, Point, QueryError, Series, TimeRange};
use serde::Deserialize;
use std::{collections::BTreeMap, convert::Infallible, fmt::Write as _, sync::Arc};
use utoipa::IntoParams;

/// Most raw points of one answer; more is refused, never cut.
const RAW_MAX: usize = 100_000;
/// Most buckets of one answer.
const BUCKETS_MAX: usize = 10_000;
/// Most windows times groups of one answer.
const GROUP_POINTS_MAX: i64 = 1_000_000;
/// Most devices ranked in one answer.
const TOP_MAX: usize = 1000;
/// Raw points written into one chunk of the body.
const CHUNK_POINTS: usize = 2_000;

/// One property of one device.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Device id.
    device: String,
    /// Property name.
    property: String,
    /// From here on, inclusive; milliseconds since the epoch or RFC 3339.
    from: String,
    /// Up to here, exclusive.
    to: String,
    /// Number of equal buckets, 1 to 10,000; absent for raw points.
    #[serde(default, deserialize_with = "params::whole")]
    buckets: Option<usize>,
}

/// Windows of groups of devices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GroupQuery {
    /// Property name.
    property: String,
    /// Only devices of this domain.
    domain: Option<String>,
    /// `ward` (default) or `kind`.
    group_by: Option<String>,
    /// Length of a window in seconds.
    #[serde(deserialize_with = "params::needed")]
    interval: i64,
    /// From here on, inclusive.
    from: String,
    /// Up to here, exclusive.
    to: String,
    /// `mean` (default), `min`, `max`, `last` or `count`.
    agg: Option<String>,
}

/// Devices ranked by one property.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopQuery {
    /// Property name.
    property: String,
    /// Only devices of this domain.
    domain: Option<String>,
    /// From here on, inclusive.
    from: String,
    /// Up to here, exclusive.
    to: String,
    /// Ranked by `max` (default), `min`, `mean`, `last` or `count`.
    agg: Option<String>,
    /// How many, 1 to 1000; 20 when absent.
    #[serde(default, deserialize_with = "params::whole")]
    n: Option<usize>,
}

fn range(from: &str, to: &str) -> Answer<TimeRange> {
    let (from_ms, to_ms) = (params::time("from", from)?, params::time("to", to)?);
    match from_ms < to_ms {
        true => Ok(TimeRange { from_ms, to_ms }),
        false => Err(Problem::bad_request(format!("from={from} must be before to={to}"))),
    }
}

fn property<'s>(state: &'s ApiState, name: &str) -> Answer<&'s Property> {
    let unknown =
        || Problem::bad_request(format!("no property is called {name:?}; GET /api/v1/catalogue lists them"));
    state.catalogue.property(name).ok_or_else(unknown)
}

fn aggregate(text: Option<&str>, default: Aggregate, property: &Property) -> Answer<Aggregate> {
    match text {
        None => Ok(default),
        Some("mean") => Ok(Aggregate::Mean(property.averaging)),
        Some("min") => Ok(Aggregate::Min),
        Some("max") => Ok(Aggregate::Max),
        Some("last") => Ok(Aggregate::Last),
        Some("count") => Ok(Aggregate::Count),
        Some(other) => {
            Err(Problem::bad_request(format!("agg={other}; expected mean, min, max, last or count")))
        }
    }
}

/// Returns history of one property of one device: with `buckets` downsampled, else raw points `{"t", "v"}`.
#[utoipa::path(get, path = "/api/v1/history", operation_id = "getHistory", tag = "history", params(HistoryQuery),
    responses((status = 200, body = BucketHistory), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub async fn series(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<HistoryQuery>,
) -> Answer<Response> {
    let device = state.services.devices.find(&actor.caller, &query.device)?;
    let property = property(&state, &query.property)?.clone();
    let range = range(&query.from, &query.to)?;
    let series = Series { device: device.index, property: property.id };
    let device = [device.index];
    match query.buckets {
        None => {
            let (points, damaged) = state
                .blocking(move |state| {
                    let points = state.history.raw(series, range, RAW_MAX)?;
                    Ok::<_, QueryError>((points, damaged(state, &device, series.property, range)))
                })
                .await?;
            Ok(raw_answer(&property, points, &damaged))
        }
        Some(n @ 1..=BUCKETS_MAX) => {
            let averaging = property.averaging;
            let (buckets, damaged) = state
                .blocking(move |state| {
                    let buckets = state.history.buckets(series, range, n, averaging)?;
                    Ok::<_, QueryError>((buckets, damaged(state, &device, series.property, range)))
                })
                .await?;
            let points = buckets.into_iter().map(|b| BucketDto {
                t: b.start_ms,
                min: b.min,
                max: b.max,
                mean: b.mean,
                last: b.last,
                count: b.count,
            });
            let (property, unit) = (property.name, property.unit);
            Ok(Json(BucketHistory { property, unit, points: points.collect(), damaged }).into_response())
        }
        Some(n) => Err(Problem::bad_request(format!("buckets={n}; expected 1 to {BUCKETS_MAX}"))),
    }
}

/// Returns the times that a query about these devices lacks, and counts the answer. To be asked after the query.
fn damaged(
    state: &ApiState,
    devices: &[DeviceIndex],
    property: PropertyId,
    range: TimeRange,
) -> Vec<DamagedDto> {
    let ranges = state.history.damaged(devices, property, range);
    if !ranges.is_empty() {
        metrics::counter!("ioc_history_incomplete_answers_total").increment(1);
    }
    ranges.into_iter().map(|range| DamagedDto { from: range.from_ms, to: range.to_ms }).collect()
}

/// Streams raw points, so that 100,000 of them are never one text in memory.
fn raw_answer(property: &Property, points: Vec<Point>, damaged: &[DamagedDto]) -> Response {
    let name = serde_json::Value::from(property.name.as_str());
    let unit = serde_json::Value::from(property.unit.as_str());
    let damaged = serde_json::json!(damaged);
    let head = format!(r#"{{"property":{name},"unit":{unit},"damaged":{damaged},"points":["#);
    let mut points = points.into_iter().peekable();
    let mut first = true;
    let body = std::iter::from_fn(move || {
        points.peek()?;
        let mut chunk = String::with_capacity(CHUNK_POINTS * 32);
        for point in points.by_ref().take(CHUNK_POINTS) {
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            // Writing into a String cannot fail.
            let _ = write!(chunk, r#"{comma}{{"t":{},"v":{}}}"#, point.ts_ms, point.value);
        }
        Some(chunk)
    });
    let parts = std::iter::once(head).chain(body).chain(std::iter::once("]}".to_owned()));
    let stream = futures_util::stream::iter(parts.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream)).into_response()
}

/// Returns windows per ward or kind over all devices that report a property.
#[utoipa::path(get, path = "/api/v1/history/groups", operation_id = "getHistoryGroups", tag = "history", params(GroupQuery),
    responses((status = 200, body = GroupHistory), (status = 400, body = ProblemBody)))]
pub async fn groups(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<GroupQuery>,
) -> Answer<Json<GroupHistory>> {
    let property = property(&state, &query.property)?.clone();
    let range = range(&query.from, &query.to)?;
    let interval_ms = window(query.interval, range)?;
    let agg = aggregate(query.agg.as_deref(), Aggregate::Mean(property.averaging), &property)?;
    let group_of: fn(&Device) -> String = match query.group_by.as_deref() {
        None | Some("ward") => |device| device.ward.as_deref().unwrap_or("").to_owned(),
        Some("kind") => |device| device.kind.to_string(),
        Some(other) => return Err(Problem::bad_request(format!("group_by={other}; expected ward or kind"))),
    };
    let devices = visible(&state, &actor, query.domain.as_deref())?;
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    let mut members = Vec::with_capacity(devices.len());
    for device in &devices {
        let next = names.len() as u32;
        members.push((device.index, *names.entry(group_of(device)).or_insert(next)));
    }
    let (id, averaging) = (property.id, property.averaging);
    let (found, damaged) = state
        .blocking(move |state| {
            let found = state.history.groups(&members, id, range, interval_ms, averaging)?;
            let devices: Vec<_> = members.iter().map(|(device, _)| *device).collect();
            Ok::<_, QueryError>((found, damaged(state, &devices, id, range)))
        })
        .await?;
    let mut points: BTreeMap<u32, Vec<GroupPoint>> = BTreeMap::new();
    for entry in found {
        let b = entry.bucket;
        let value = match agg {
            Aggregate::Mean(_) => b.mean,
            Aggregate::Min => b.min,
            Aggregate::Max => b.max,
            Aggregate::Last => b.last,
            Aggregate::Count => b.count as f64,
        };
        points.entry(entry.group).or_default().push(GroupPoint { t: b.start_ms, value, count: b.count });
    }
    let groups = names
        .into_iter()
        .filter_map(|(group, number)| Some(GroupDto { group, points: points.remove(&number)? }));
    let groups = groups.collect();
    Ok(Json(GroupHistory { property: property.name, unit: property.unit, groups, damaged }))
}

fn window(interval_s: i64, range: TimeRange) -> Answer<i64> {
    let interval_ms = interval_s.saturating_mul(1000);
    if interval_ms <= 0 || (range.to_ms - range.from_ms) / interval_ms > GROUP_POINTS_MAX / 100 {
        let most = GROUP_POINTS_MAX / 100;
        return Err(Problem::bad_request(format!(
            "interval={interval_s}; expected seconds, at least 1, with at most {most} windows between from and to"
        )));
    }
    Ok(interval_ms)
}

/// Ranks devices by one property over a time.
#[utoipa::path(get, path = "/api/v1/history/top", operation_id = "getHistoryTop", tag = "history", params(TopQuery),
    responses((status = 200, body = TopHistory), (status = 400, body = ProblemBody)))]
pub async fn top(
    State(state): State<ApiState>,
    actor: Actor,
    Query(query): Query<TopQuery>,
) -> Answer<Json<TopHistory>> {
    let property = property(&state, &query.property)?;
    let id = property.id;
    let range = range(&query.from, &query.to)?;
    let agg = aggregate(query.agg.as_deref(), Aggregate::Max, property)?;
    let n = query.n.unwrap_or(20);
    if !(1..=TOP_MAX).contains(&n) {
        return Err(Problem::bad_request(format!("n={n}; expected 1 to {TOP_MAX}")));
    }
    let devices = visible(&state, &actor, query.domain.as_deref())?;
    let indices: Vec<DeviceIndex> = devices.iter().map(|device| device.index).collect();
    let (ranked, damaged) = state
        .blocking(move |state| {
            let ranked = state.history.top(&indices, id, range, agg, n)?;
            Ok::<_, QueryError>((ranked, damaged(state, &indices, id, range)))
        })
        .await?;
    let all = state.registry.devices();
    let items = ranked
        .into_iter()
        .filter_map(|(index, value)| Some(TopDto { device: all.by_index(index)?.id.to_string(), value }));
    Ok(Json(TopHistory { items: items.collect(), next: None, damaged }))
}

fn visible(state: &ApiState, actor: &Actor, domain: Option<&str>) -> Answer<Vec<Arc<Device>>> {
    let domains = params::domains(domain, &state.catalogue)?;
    let devices = state.registry.devices();
    let wanted = devices.iter().filter(|device| domains.is_empty() || domains.contains(&device.domain));
    let seen = wanted.filter(|device| actor.may_see(device.domain, device.ward.as_deref()));
    Ok(seen.cloned().collect())
}
