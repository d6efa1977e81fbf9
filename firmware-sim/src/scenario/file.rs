//! The TOML form of a scenario, and every check on it with its line.
use super::{
    Fault, FaultKind, Follows, Incident, Need, OwnFleet, RainPoint, Random, River, RiverPoint, Scenario,
    Selector, Source, Title,
    check::{Problem, not_negative, positive, within_one},
    own,
};
use crate::kind::{Kind, UnknownKind};
use serde::Deserialize;
use std::{collections::BTreeMap, ops::Range};
use toml::Spanned;

/// A scenario file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ScenarioError {
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: Title,
    length_s: Spanned<f64>,
    #[serde(default)]
    story_hours: Option<Spanned<f64>>,
    #[serde(default)]
    incident: Vec<Spanned<IncidentEntry>>,
    #[serde(default)]
    random: Option<RandomEntry>,
    #[serde(default)]
    river: Vec<Spanned<RiverEntry>>,
    #[serde(default)]
    rain: Vec<Spanned<RainPoint>>,
    #[serde(default)]
    fleet: Vec<own::FleetEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomEntry {
    from_s: f64,
    mean_gap_s: Spanned<f64>,
    incident: Vec<Spanned<IncidentEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentEntry {
    name: String,
    #[serde(default)]
    at_s: Option<Spanned<f64>>,
    #[serde(default)]
    every_s: Option<Spanned<f64>>,
    for_s: Spanned<f64>,
    #[serde(default)]
    for_s_max: Option<Spanned<f64>>,
    fault: Spanned<FaultKind>,
    devices: Spanned<SelectorEntry>,
    #[serde(default)]
    property: Option<Spanned<String>>,
    #[serde(default)]
    amount: Option<Spanned<f64>>,
    #[serde(default)]
    share: Option<Spanned<f64>>,
    #[serde(default)]
    backfill: Option<Spanned<bool>>,
    #[serde(default)]
    feeder: Option<Spanned<String>>,
    #[serde(default)]
    weight: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SelectorEntry {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    kind: Option<Spanned<String>>,
    #[serde(default)]
    ward: Vec<String>,
    #[serde(default)]
    label: BTreeMap<String, String>,
    #[serde(default)]
    count: Option<Spanned<usize>>,
    #[serde(default)]
    share: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RiverEntry {
    device: String,
    #[serde(default)]
    follows: Option<String>,
    #[serde(default)]
    gain: Option<f64>,
    #[serde(default)]
    lag_s: Option<f64>,
    #[serde(default)]
    point: Vec<Spanned<PointEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointEntry {
    at_s: f64,
    level_m: f64,
    source: Source,
    #[serde(default)]
    note: Option<String>,
}

pub(super) fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let place = |(span, message): Problem| {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        ScenarioError { file: file.to_owned(), line, column, message }
    };
    let entry: File = toml::from_str(text)
        .map_err(|error| place((error.span().unwrap_or(0..0), error.message().replace('\n', " "))))?;
    scenario(entry).map_err(place)
}

fn scenario(entry: File) -> Result<Scenario, Problem> {
    let length_s = positive(&entry.length_s, "length_s")?;
    let story_hours = entry.story_hours.as_ref().map(|h| positive(h, "story_hours")).transpose()?;
    let own = entry.fleet.into_iter().map(own::fleet).collect::<Result<Vec<OwnFleet>, _>>()?;
    let kinds: Vec<Kind> = Kind::ALL.into_iter().chain(own.iter().map(|own| own.kind)).collect();
    let mut incidents = Vec::with_capacity(entry.incident.len());
    for item in entry.incident {
        let span = item.span();
        let item = item.into_inner();
        match (&item.at_s, &item.weight) {
            (Some(_), None) => incidents.push(incident(item, &kinds)?),
            (_, Some(weight)) => {
                return Err((weight.span(), "weight is for [[random.incident]]; remove it".into()));
            }
            (None, _) => return Err((span, "at_s is missing: seconds after the start".into())),
        }
    }
    Ok(Scenario {
        name: entry.name,
        title: entry.title,
        length_s,
        story_hours: story_hours.unwrap_or(length_s / 3600.0),
        incidents,
        random: entry.random.map(|entry| random(entry, &kinds)).transpose()?,
        rivers: entry.river.into_iter().map(river).collect::<Result<_, _>>()?,
        rain: rain(entry.rain)?,
        own,
    })
}

fn random(entry: RandomEntry, kinds: &[Kind]) -> Result<Random, Problem> {
    let mean_gap_s = positive(&entry.mean_gap_s, "mean_gap_s")?;
    let mut incidents = Vec::with_capacity(entry.incident.len());
    for item in entry.incident {
        let item = item.into_inner();
        if let Some(at_s) = &item.at_s {
            return Err((
                at_s.span(),
                "a random incident has no at_s; remove it or move it to [[incident]]".into(),
            ));
        }
        incidents.push(incident(item, kinds)?);
    }
    Ok(Random { from_s: entry.from_s.max(0.0), mean_gap_s, incidents })
}

fn incident(entry: IncidentEntry, known: &[Kind]) -> Result<Incident, Problem> {
    let for_s = positive(&entry.for_s, "for_s")?;
    let for_s_max = match &entry.for_s_max {
        Some(max) if *max.get_ref() < for_s => {
            return Err((max.span(), format!("for_s_max must be at least for_s ({for_s})")));
        }
        max => max.as_ref().map_or(for_s, |max| *max.get_ref()),
    };
    let at_s = entry.at_s.as_ref().map_or(Ok(0.0), |at_s| not_negative(at_s, "at_s"))?;
    if let Some(every_s) = entry.every_s.as_ref().filter(|every_s| *every_s.get_ref() <= for_s_max) {
        return Err((
            every_s.span(),
            format!("every_s must be more than the incident takes ({for_s_max} s)"),
        ));
    }
    let weight = entry.weight.as_ref().map_or(Ok(1.0), |weight| positive(weight, "weight"))?;
    let fault = fault(&entry)?;
    let devices = selector(entry.devices, *entry.fault.get_ref(), known)?;
    if let Some(property) = &entry.property {
        let kinds = devices.kind.map_or(known.to_vec(), |kind| vec![kind]);
        if !kinds.iter().any(|kind| kind.properties().contains(&property.get_ref().as_str())) {
            let kinds = devices.kind.map_or("device", Kind::as_str);
            return Err((
                property.span(),
                format!("no {kinds} tells {}; take one of its properties", property.get_ref()),
            ));
        }
    }
    let every_s = entry.every_s.map(Spanned::into_inner);
    Ok(Incident { name: entry.name, at_s, every_s, for_s: (for_s, for_s_max), fault, devices, weight })
}

fn fault(entry: &IncidentEntry) -> Result<Fault, Problem> {
    let needs = entry.fault.get_ref().needs();
    let check = |need: Need, field: &str, found: Option<Range<usize>>| match (need, found) {
        (Need::Required, None) => Err((entry.fault.span(), format!("this fault needs the field {field}"))),
        (Need::Unused, Some(span)) => Err((span, format!("this fault has no field {field}; remove it"))),
        _ => Ok(()),
    };
    check(needs.property, "property", entry.property.as_ref().map(Spanned::span))?;
    check(needs.amount, "amount", entry.amount.as_ref().map(Spanned::span))?;
    check(needs.share, "share", entry.share.as_ref().map(Spanned::span))?;
    check(needs.backfill, "backfill", entry.backfill.as_ref().map(Spanned::span))?;
    check(needs.feeder, "feeder", entry.feeder.as_ref().map(Spanned::span))?;
    if let Some(amount) = entry.amount.as_ref().filter(|amount| !amount.get_ref().is_finite()) {
        return Err((amount.span(), "amount must be a finite number".into()));
    }
    Ok(Fault {
        kind: *entry.fault.get_ref(),
        property: entry.property.as_ref().map(|property| property.get_ref().clone()),
        amount: entry.amount.as_ref().map_or(0.0, |amount| *amount.get_ref()),
        share: entry.share.as_ref().map_or(Ok(0.0), |share| within_one(share, "share"))?,
        backfill: entry.backfill.as_ref().is_none_or(|backfill| *backfill.get_ref()),
        feeder: entry.feeder.as_ref().map(|feeder| feeder.get_ref().clone()),
    })
}

fn selector(entry: Spanned<SelectorEntry>, fault: FaultKind, known: &[Kind]) -> Result<Selector, Problem> {
    let span = entry.span();
    let entry = entry.into_inner();
    let parse = |kind: &Spanned<String>| {
        let found = known.iter().copied().find(|known| known.as_str() == kind.get_ref());
        found
            .map_or_else(|| kind.get_ref().parse(), Ok)
            .map_err(|e: UnknownKind| (kind.span(), e.to_string()))
    };
    let kind = entry.kind.as_ref().map(parse).transpose()?;
    if entry.ids.is_empty() && kind.is_none() && entry.ward.is_empty() && entry.label.is_empty() {
        return Err((span, "devices must say which: ids, kind, ward or label".into()));
    }
    if let (Some(kind), Some(kinds)) = (kind, fault.needs().kinds)
        && !kinds.contains(&kind)
    {
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        return Err((span, format!("this fault is one of {}, not of {kind}", kinds.join(", "))));
    }
    if let Some(count) = entry.count.as_ref().filter(|count| *count.get_ref() == 0) {
        return Err((count.span(), "count must be at least 1".into()));
    }
    Ok(Selector {
        ids: entry.ids,
        kind: kind.or(fault.needs().kinds.and_then(|kinds| kinds.first().copied())),
        wards: entry.ward,
        labels: entry.label,
        count: entry.count.map(Spanned::into_inner),
        share: entry.share.as_ref().map(|share| within_one(share, "share")).transpose()?,
    })
}

fn river(entry: Spanned<RiverEntry>) -> Result<River, Problem> {
    let span = entry.span();
    let RiverEntry { device, follows, gain, lag_s, point } = entry.into_inner();
    if follows.is_some() != point.is_empty() {
        return Err((span, format!("gauge {device}: give either points or follows")));
    }
    let mut points: Vec<RiverPoint> = Vec::with_capacity(point.len());
    for item in point {
        let at = item.span();
        let PointEntry { at_s, level_m, source, note } = item.into_inner();
        if points.last().is_some_and(|last| at_s <= last.at_s) {
            return Err((at, "points must stand in order of at_s".into()));
        }
        if source == Source::Bulletin && note.is_none() {
            return Err((at, "a bulletin's level needs a note: which bulletin".into()));
        }
        points.push(RiverPoint { at_s, level_m, source, note });
    }
    let follows =
        follows.map(|device| Follows { device, gain: gain.unwrap_or(1.0), lag_s: lag_s.unwrap_or(0.0) });
    Ok(River { device, points, follows })
}

fn rain(entries: Vec<Spanned<RainPoint>>) -> Result<Vec<RainPoint>, Problem> {
    let mut points: Vec<RainPoint> = Vec::with_capacity(entries.len());
    for item in entries {
        if points.last().is_some_and(|last| item.get_ref().at_s <= last.at_s) {
            return Err((item.span(), "points must stand in order of at_s".into()));
        }
        points.push(item.into_inner());
    }
    Ok(points)
}
