//! Makes indicators of their entries.
use super::super::{
    Catalogue,
    entries::{DisplayEntry, IndicatorEntry, MeasureEntry},
    indicator::{Indicator, IndicatorDisplay, Measure},
    merge::Sourced,
    problem::{At, Problems},
    property::Averaging,
};
use std::fmt::Display;
use toml::Spanned;

/// Longest age of a value that an indicator may take for the present, in seconds: a week.
const FRESH_S_MAX: u32 = 7 * 86_400;
const FRESH_S_DEFAULT: u32 = 120;

/// Makes an indicator of its entry; adds what is wrong with it.
pub(super) fn make(
    sourced: Sourced<IndicatorEntry>,
    catalogue: &Catalogue,
    problems: &mut Problems<'_>,
) -> Option<Indicator> {
    let file = sourced.at.file;
    let mut check = Check { file, problems };
    let Sourced { name: id, entry, .. } = sourced;
    check.result(&entry.domain, catalogue.known_domain(*entry.domain.get_ref()));
    let display = display(entry.display, &mut check);
    let measure = measure(entry.measure, catalogue, &mut check)?;
    Some(Indicator { id, domain: entry.domain.into_inner(), display, measure })
}

struct Check<'p, 'f> {
    file: usize,
    problems: &'p mut Problems<'f>,
}

impl Check<'_, '_> {
    fn problem<T>(&mut self, of: &Spanned<T>, message: impl Into<String>) {
        self.problems.add(At::new(self.file, &of.span()), message);
    }

    fn result<T, U>(&mut self, of: &Spanned<T>, result: Result<U, impl Display>) -> Option<U> {
        result.map_err(|error| self.problem(of, error.to_string())).ok()
    }

    fn band(&mut self, band: &Spanned<[f64; 2]>) {
        let [low, high] = *band.get_ref();
        if !low.is_finite() || !high.is_finite() || low >= high {
            self.problem(band, format!("[{low}, {high}] is empty; expected [low, high], both finite"));
        }
    }

    fn finite(&mut self, name: &str, number: Option<&Spanned<f64>>) {
        if let Some(number) = number.filter(|number| !number.get_ref().is_finite()) {
            self.problem(number, format!("{name} is {}; expected a finite number", number.get_ref()));
        }
    }
}

fn display(entry: DisplayEntry, check: &mut Check<'_, '_>) -> IndicatorDisplay {
    check.band(&entry.normal);
    check.band(&entry.scale);
    entry.critical.iter().for_each(|band| check.band(band));
    check.finite("target", entry.target.as_ref());
    IndicatorDisplay {
        title: entry.title,
        unit: entry.unit,
        normal: entry.normal.into_inner(),
        critical: entry.critical.map(Spanned::into_inner),
        scale: entry.scale.into_inner(),
        target: entry.target.map(Spanned::into_inner),
        severity: entry.severity,
        decimals: entry.decimals,
    }
}

fn measure(entry: MeasureEntry, catalogue: &Catalogue, check: &mut Check<'_, '_>) -> Option<Measure> {
    let property = catalogue.property(entry.property.get_ref());
    if property.is_none() {
        let message = format!("unknown property {:?}; the catalogue has it not", entry.property.get_ref());
        check.problem(&entry.property, message);
    }
    if catalogue.kind(entry.kind.get_ref()).is_none() {
        let kinds: Vec<_> = catalogue.kinds().map(|kind| kind.name.as_str()).collect();
        let message =
            format!("unknown kind {:?}; expected one of {}", entry.kind.get_ref(), kinds.join(", "));
        check.problem(&entry.kind, message);
    }
    check_numbers(&entry, check);
    let property = property?;
    Some(Measure {
        kind: entry.kind.into_inner(),
        labels: entry.labels,
        property: property.id,
        energy: property.averaging == Averaging::Energy,
        aggregate: entry.aggregate.into_inner(),
        operand: entry.operand.map_or(0.0, Spanned::into_inner),
        factor: entry.factor.map_or(1.0, Spanned::into_inner),
        fresh_ms: i64::from(entry.fresh_s.map_or(FRESH_S_DEFAULT, Spanned::into_inner)) * 1000,
    })
}

fn check_numbers(entry: &MeasureEntry, check: &mut Check<'_, '_>) {
    check.finite("operand", entry.operand.as_ref());
    check.finite("factor", entry.factor.as_ref());
    if let Some(factor) = entry.factor.as_ref().filter(|factor| *factor.get_ref() == 0.0) {
        check.problem(factor, "factor is 0, so the indicator would always be 0; leave it out for 1");
    }
    if let Some(fresh_s) = entry.fresh_s.as_ref().filter(|s| !(1..=FRESH_S_MAX).contains(s.get_ref())) {
        let message = format!("fresh_s is {}; expected 1 to {FRESH_S_MAX} seconds", fresh_s.get_ref());
        check.problem(fresh_s, message);
    }
    if entry.aggregate.get_ref().needs_operand() && entry.operand.is_none() {
        check.problem(&entry.aggregate, "this aggregate compares; add `operand`");
    }
}
