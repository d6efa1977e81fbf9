//! What an indicator is: read from `kpis.toml`, checked against the catalogue.
use ioc_model::{Catalogue, Domain, PropertyId, Severity, alert::Text};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// How the values of many devices become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The mean; of energies for decibels.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The sum.
    Sum,
    /// How many devices have a fresh value.
    Count,
    /// How many are above `operand`.
    CountAbove,
    /// Share of those above `operand`.
    ShareAbove,
    /// Share of those below `operand`.
    ShareBelow,
    /// Share of those equal to `operand`.
    ShareEqual,
}

impl Aggregate {
    const fn needs_operand(self) -> bool {
        matches!(self, Self::CountAbove | Self::ShareAbove | Self::ShareBelow | Self::ShareEqual)
    }
}

/// One indicator.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Stable name.
    pub id: String,
    /// Where it belongs.
    pub domain: Domain,
    /// What it is, for people.
    pub title: Text,
    /// Unit as shown.
    pub unit: String,
    /// Kind of device.
    pub kind: String,
    /// Only devices with these labels.
    pub labels: BTreeMap<String, String>,
    /// Property of the catalogue.
    pub property: PropertyId,
    /// Means are of energies.
    pub energy: bool,
    /// How values become one.
    pub aggregate: Aggregate,
    /// Compared with, for shares and counts.
    pub operand: f64,
    /// The result is multiplied by this, as in 100 for percent.
    pub factor: f64,
    /// Older values do not count, in milliseconds.
    pub fresh_ms: i64,
    /// Nobody is needed inside.
    pub normal: [f64; 2],
    /// Ends of the gauge.
    pub scale: [f64; 2],
    /// How much it matters outside `normal`.
    pub severity: Severity,
    /// Outside of this it is critical.
    pub critical: Option<[f64; 2]>,
    /// Digits behind the decimal point.
    pub decimals: u8,
}

/// A problem of the file, with line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct KpiError {
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
    kpi: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    domain: Spanned<Domain>,
    title: Text,
    #[serde(default)]
    unit: String,
    kind: Spanned<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    property: Spanned<String>,
    aggregate: Spanned<Aggregate>,
    operand: Option<f64>,
    #[serde(default = "one")]
    factor: f64,
    #[serde(default = "two_minutes")]
    fresh_s: u32,
    normal: Spanned<[f64; 2]>,
    scale: Spanned<[f64; 2]>,
    severity: Severity,
    critical: Option<Spanned<[f64; 2]>>,
    #[serde(default)]
    decimals: u8,
}

const fn one() -> f64 {
    1.0
}

/// Longest age of a value that an indicator may take for the present, in seconds: a week.
const FRESH_S_MAX: u32 = 7 * 86_400;

const fn two_minutes() -> u32 {
    120
}

/// Reads indicators.
///
/// Errors: every problem, with its place.
pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Vec<Definition>, Vec<KpiError>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![place(text, at, error.message().to_owned())]
    })?;
    let mut errors = Vec::new();
    let mut definitions: Vec<Definition> = Vec::new();
    for entry in file.kpi {
        let mut problem = |at: usize, message: String| errors.push(place(text, at, message));
        if definitions.iter().any(|known| known.id == *entry.id.get_ref()) {
            problem(entry.id.span().start, format!("id {:?} stands twice", entry.id.get_ref()));
        }
        definitions.extend(define(entry, catalogue, &mut problem));
    }
    if errors.is_empty() { Ok(definitions) } else { Err(errors) }
}

fn define(
    entry: Entry,
    catalogue: &Catalogue,
    problem: &mut impl FnMut(usize, String),
) -> Option<Definition> {
    if let Err(error) = catalogue.known_domain(*entry.domain.get_ref()) {
        problem(entry.domain.span().start, error.to_string());
    }
    let property = catalogue.property(entry.property.get_ref());
    if property.is_none() {
        problem(
            entry.property.span().start,
            format!("unknown property {:?}; the catalogue has it not", entry.property.get_ref()),
        );
    }
    if catalogue.kind(entry.kind.get_ref()).is_none() {
        let kinds: Vec<_> = catalogue.kinds().map(|kind| kind.name.as_str()).collect();
        problem(
            entry.kind.span().start,
            format!("unknown kind {:?}; expected one of {}", entry.kind.get_ref(), kinds.join(", ")),
        );
    }
    let bands = [Some(&entry.normal), Some(&entry.scale), entry.critical.as_ref()];
    for band in bands.into_iter().flatten() {
        let [low, high] = *band.get_ref();
        if !low.is_finite() || !high.is_finite() || low >= high {
            problem(
                band.span().start,
                format!("[{low}, {high}] is empty; expected [low, high], both finite"),
            );
        }
    }
    for (name, number) in [("operand", entry.operand.unwrap_or(0.0)), ("factor", entry.factor)] {
        if !number.is_finite() {
            problem(entry.id.span().start, format!("{name} is {number}; expected a finite number"));
        }
    }
    if entry.factor == 0.0 {
        problem(
            entry.id.span().start,
            "factor is 0, so the indicator would always be 0; leave it out for 1".to_owned(),
        );
    }
    if !(1..=FRESH_S_MAX).contains(&entry.fresh_s) {
        let message = format!("fresh_s is {}; expected 1 to {FRESH_S_MAX} seconds", entry.fresh_s);
        problem(entry.id.span().start, message);
    }
    if entry.aggregate.get_ref().needs_operand() && entry.operand.is_none() {
        problem(entry.aggregate.span().start, "this aggregate compares; add `operand`".to_owned());
    }
    let property = property?;
    Some(Definition {
        id: entry.id.into_inner(),
        domain: entry.domain.into_inner(),
        title: entry.title,
        unit: entry.unit,
        kind: entry.kind.into_inner(),
        labels: entry.labels,
        property: property.id,
        energy: property.averaging == ioc_model::catalogue::Averaging::Energy,
        aggregate: entry.aggregate.into_inner(),
        operand: entry.operand.unwrap_or(0.0),
        factor: entry.factor,
        fresh_ms: i64::from(entry.fresh_s) * 1000,
        normal: entry.normal.into_inner(),
        scale: entry.scale.into_inner(),
        severity: entry.severity,
        critical: entry.critical.map(Spanned::into_inner),
        decimals: entry.decimals,
    })
}

fn place(text: &str, at: usize, message: String) -> KpiError {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    KpiError { line, column: before[line_start..].chars().count() + 1, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KPIS: &str = include_str!("../../../../configs/kpis.toml");

    fn catalogue() -> Catalogue {
        Catalogue::from_toml(include_str!("../../../../configs/catalogue/catalogue.toml")).unwrap()
    }

    #[test]
    fn the_shipped_indicators_load_and_cover_every_domain() {
        let definitions = parse(KPIS, &catalogue()).unwrap();
        for domain in catalogue().domains() {
            let count = definitions.iter().filter(|definition| definition.domain == domain.name).count();
            assert_eq!(count, 3, "{}", domain.name);
        }
    }

    #[test]
    fn what_could_never_say_anything_is_refused() {
        let cases = [
            ("factor = 100.0", "factor = 0.0", "factor is 0"),
            ("decimals = 2", "decimals = 2\nfresh_s = 0", "fresh_s is 0; expected 1 to 604800 seconds"),
            ("decimals = 2", "decimals = 2\nfresh_s = 604801", "expected 1 to 604800 seconds"),
        ];
        for (right, wrong, expected) in cases {
            let errors = parse(&KPIS.replacen(right, wrong, 1), &catalogue()).unwrap_err();
            assert!(errors.len() == 1 && errors[0].message.contains(expected), "{errors:?}");
        }
    }

    #[test]
    fn problems_name_their_place() {
        let cases = [
            ("property = \"water_level\"", "property = \"watter_level\"", "unknown property"),
            (
                "kind = \"water-level\"",
                "kind = \"river\"",
                "unknown kind \"river\"; expected one of air-station",
            ),
            ("domain = \"traffic\"", "domain = \"roads\"", "\"roads\" is not a domain of the city"),
            ("decimals = 2", "decimal = 2", "unknown field `decimal`"),
            ("normal = [", "normal = [nan, 1.0] # [", "[NaN, 1] is empty; expected [low, high], both finite"),
            ("scale = [", "scale = [0.0, inf] # [", "[0, inf] is empty"),
        ];
        for (right, wrong, expected) in cases {
            let text = KPIS.replacen(right, wrong, 1);
            let errors = parse(&text, &catalogue()).unwrap_err();
            let line = text.lines().position(|line| line.contains(wrong)).unwrap() + 1;
            assert_eq!(errors[0].line, line, "{errors:?}");
            assert!(errors[0].message.contains(expected), "{errors:?}");
        }
    }
}
