//! Devices that a scenario brings along, with their kinds, and how their values behave: all of it data.
use super::check::{Problem, not_negative, positive};
use crate::{
    city::{Position, wards},
    fleet::SimDevice,
    kind::{Kind, OwnKind},
};
use ioc_model::{DeviceId, Domain};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Devices of one kind of the scenario's own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnFleet {
    /// Their kind.
    pub kind: Kind,
    /// The devices.
    pub devices: Vec<SimDevice>,
    /// How each property behaves, in the order of the kind's properties.
    pub courses: Vec<Course>,
}

/// How a value behaves: around a base, up and down within a day, slowly by chance, with noise.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Its form on the wire.
    pub form: Form,
    /// Where it starts.
    pub base: f64,
    /// How far it rises above the base, and falls below it, within a day.
    pub daily: f64,
    /// Local hour at which it is highest.
    pub peak_hour: f64,
    /// How far it drifts from that by chance.
    pub walk: f64,
    /// Within about how long, in seconds.
    pub walk_s: f64,
    /// Standard deviation of the sensor's noise.
    pub noise: f64,
    /// Never below.
    pub min: f64,
    /// Never above.
    pub max: f64,
    /// From when on the base is another, in order of time.
    pub steps: Vec<Step>,
}

/// The form of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number with so many decimals.
    Number(u8),
    /// Yes, from one half on.
    Flag,
    /// The code of a list of names.
    Code,
}

/// Another base from a time on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Seconds from the start.
    pub at_s: f64,
    /// The base from then on.
    pub base: f64,
    /// Only of these devices; empty = all.
    #[serde(default)]
    pub devices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetEntry {
    kind: Spanned<String>,
    domain: Spanned<Domain>,
    period_s: Spanned<u32>,
    device: Vec<Spanned<DeviceEntry>>,
    value: BTreeMap<Spanned<String>, CourseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceEntry {
    id: Spanned<String>,
    lat: f64,
    lon: f64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CourseEntry {
    #[serde(default, rename = "as")]
    form: FormEntry,
    #[serde(default = "two")]
    decimals: u8,
    base: f64,
    #[serde(default)]
    daily: f64,
    #[serde(default)]
    peak_hour: f64,
    #[serde(default)]
    walk: f64,
    walk_s: Option<Spanned<f64>>,
    noise: Option<Spanned<f64>>,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(default)]
    step: Vec<Spanned<Step>>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum FormEntry {
    #[default]
    Number,
    Flag,
    Code,
}

const fn two() -> u8 {
    2
}

/// Checks a fleet.
pub(super) fn fleet(entry: FleetEntry) -> Result<OwnFleet, Problem> {
    let name = entry.kind.get_ref();
    if name.parse::<Kind>().is_ok() {
        return Err((entry.kind.span(), format!("{name} is built in; give the kind another name")));
    }
    if *entry.period_s.get_ref() == 0 {
        return Err((entry.period_s.span(), "period_s must be at least 1".into()));
    }
    let mut values: Vec<_> = entry.value.into_iter().collect();
    values.sort_by_key(|(name, _)| name.span().start);
    let properties = values.iter().map(|(name, _)| name.get_ref().clone()).collect();
    let period_s = entry.period_s.into_inner();
    let kind = Kind::Own(OwnKind::new(name.clone(), entry.domain.into_inner(), properties, period_s));
    let devices = entry.device.into_iter().map(|item| device(item, kind)).collect::<Result<_, _>>()?;
    let courses = values.into_iter().map(|(_, value)| course(value)).collect::<Result<_, _>>()?;
    Ok(OwnFleet { kind, devices, courses })
}

fn device(item: Spanned<DeviceEntry>, kind: Kind) -> Result<SimDevice, Problem> {
    let span = item.span();
    let DeviceEntry { id, lat, lon, labels } = item.into_inner();
    if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
        return Err((span, format!("latitude {lat}, longitude {lon} is not a place")));
    }
    let name: DeviceId = id.get_ref().parse().map_err(|error| (id.span(), format!("{error}")))?;
    let near_ward = wards::nearest(Position::new(lat, lon)).code;
    Ok(SimDevice { id: name, domain: kind.domain(), kind, lat, lon, parent: None, labels, near_ward })
}

fn course(entry: CourseEntry) -> Result<Course, Problem> {
    let mut steps: Vec<Step> = Vec::with_capacity(entry.step.len());
    for item in entry.step {
        if steps.last().is_some_and(|last| item.get_ref().at_s < last.at_s) {
            return Err((item.span(), "steps must stand in order of at_s".into()));
        }
        steps.push(item.into_inner());
    }
    Ok(Course {
        form: match entry.form {
            FormEntry::Number => Form::Number(entry.decimals),
            FormEntry::Flag => Form::Flag,
            FormEntry::Code => Form::Code,
        },
        base: entry.base,
        daily: entry.daily,
        peak_hour: entry.peak_hour,
        walk: entry.walk,
        walk_s: entry.walk_s.as_ref().map_or(Ok(600.0), |s| positive(s, "walk_s"))?,
        noise: entry.noise.as_ref().map_or(Ok(0.0), |noise| not_negative(noise, "noise"))?,
        min: entry.min.unwrap_or(f64::NEG_INFINITY),
        max: entry.max.unwrap_or(f64::INFINITY),
        steps,
    })
}
