//! What was read and what came out, for the evidence of a transition.
use super::{
    device::{View, look_back_ms},
    fleet::City,
    outcome::Outcome,
    partial::Partial,
    plan::{DevicePlan, FleetKind, FleetNode, FleetPlan, Selectors},
    time::EvalTime,
    window::Sample,
};
use crate::{
    labels::{self, DeviceLabels, Labels},
    lang::{
        ast::{Expr, Node, Span},
        query::Query,
    },
    limits::{EVIDENCE_TEXT_BYTES_MAX, cut},
    rule::Rule,
};
use ioc_model::{
    DeviceId, Evidence,
    alert::{EVIDENCE_SAMPLES_MAX, EvidencePart, EvidenceSample, Hops},
};

/// Values behind a transition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EvalResult {
    pub(crate) value: Option<f64>,
    /// Event time of the newest sample that was read.
    pub(crate) event_ms: i64,
    pub(crate) evidence: Evidence,
}

/// Most sub-expressions whose values are kept with a transition.
pub(crate) const EVIDENCE_PARTS_MAX: usize = 32;

/// Stands for the sub-expressions that there is no room for.
const MORE_PARTS: &str = "… (further sub-expressions are left out)";

/// Returns the event time of the newest sample that a view reads.
pub(crate) fn newest_event(view: &View<'_>) -> Option<i64> {
    let slots = 0..view.selectors.0.len() as u8;
    slots.filter_map(|slot| samples(view, slot).next()).map(|sample| sample.ts).max()
}

/// Returns what a selector reads at the instant, newest first.
fn samples<'v>(view: &'v View<'_>, slot: u8) -> impl Iterator<Item = Sample> + use<'v> {
    let silence = view.is_silence(slot).then(|| {
        let value = (view.at - view.last_heard_ms).max(0) as f64 / 1e3;
        Sample { ts: view.at, value }
    });
    let series = view.series_of(slot);
    let window_ms = view.selectors.0.get(usize::from(slot)).map_or(0, |plan| plan.window_ms);
    let at = view.at;
    let latest = series
        .filter(|_| window_ms == 0)
        .and_then(|series| series.window.latest(at, look_back_ms(series.property, view.period_ms)));
    let range = series.filter(|_| window_ms > 0).map(|series| view.range(series, window_ms).iter().rev());
    silence.into_iter().chain(latest).chain(range.into_iter().flatten())
}

/// Returns what a transition of one device's alert says about the values behind it.
pub(crate) fn of_device(
    view: &View<'_>,
    rule: &Rule,
    plan: &DevicePlan,
    device: &DeviceLabels,
    condition: Outcome,
    now: EvalTime,
) -> EvalResult {
    let count = plan.selectors.0.len().max(1);
    let mut found = Vec::new();
    for slot in 0..plan.selectors.0.len() as u8 {
        let name = &plan.selectors.0[usize::from(slot)].selector.name;
        let most = (EVIDENCE_SAMPLES_MAX / count).max(1);
        found.extend(samples(view, slot).take(most).map(|sample| EvidenceSample {
            series: series_text(name, &device.id),
            ts: sample.ts,
            value: sample.value,
        }));
    }
    found.retain(|sample| sample.value.is_finite());
    found.sort_by_key(|sample| std::cmp::Reverse(sample.ts));
    found.truncate(EVIDENCE_SAMPLES_MAX);
    let event_ms = found.first().map(|sample| sample.ts);
    let mut parts = Vec::new();
    for query in std::iter::once(&rule.query).chain(&rule.clear) {
        device_parts(view, query, &plan.selectors, &mut parts);
    }
    let value = condition.value();
    EvalResult {
        value,
        event_ms: now.event_ms(event_ms),
        evidence: evidence(rule, found, parts, event_ms, now),
    }
}

/// Names a series: what is read of a device.
fn series_text(name: &str, device: &DeviceId) -> String {
    format!("{}{{device=\"{device}\"}}", cut(name, EVIDENCE_TEXT_BYTES_MAX))
}

/// Adds the value of a sub-expression; the last one that there is room for says that there are more.
fn add_part(parts: &mut Vec<EvidencePart>, text: &str, value: Option<f64>) {
    let value = value.filter(|value| value.is_finite());
    parts.push(match parts.len() + 1 < EVIDENCE_PARTS_MAX {
        true => EvidencePart { expr: cut(text, EVIDENCE_TEXT_BYTES_MAX), value },
        false => EvidencePart { expr: MORE_PARTS.to_owned(), value: None },
    });
}

fn device_parts(view: &View<'_>, query: &Query, selectors: &Selectors, parts: &mut Vec<EvidencePart>) {
    let mut selectors = selectors.clone();
    query.expr.walk(&mut |expr: &Expr| {
        if parts.len() == EVIDENCE_PARTS_MAX || matches!(expr.node, Node::Number(_)) {
            return;
        }
        if let Ok(node) = selectors.node(expr) {
            add_part(parts, query.text_of(expr), view.eval(&node).value());
        }
    });
}

/// Returns what a transition of one of the city's alerts says about the values behind it.
pub(crate) fn of_city(
    city: &City<'_>,
    rule: &Rule,
    plan: &FleetPlan,
    labels: &Labels,
    condition: Outcome,
    now: EvalTime,
) -> EvalResult {
    let mut found = Vec::new();
    for (number, leaf) in plan.leaves.iter().enumerate() {
        let query = if leaf.of_clear { rule.clear.as_ref() } else { Some(&rule.query) };
        let name = query.map_or("", |query| text_at(query, leaf.span));
        for partial in city.partials.get(city.first_leaf + number).into_iter().flatten().flatten() {
            found.extend(contributions(partial, labels).map(|(device, ts, value)| EvidenceSample {
                series: series_text(name, device),
                ts,
                value,
            }));
        }
    }
    found.retain(|sample| sample.value.is_finite());
    found.sort_by_key(|sample| std::cmp::Reverse(sample.ts));
    found.truncate(EVIDENCE_SAMPLES_MAX);
    let event_ms = found.first().map(|sample| sample.ts);
    let mut parts = Vec::new();
    city_parts(city, &plan.expr, &rule.query, labels, &mut parts);
    if let (Some(clear), Some(query)) = (&plan.clear, &rule.clear) {
        city_parts(city, clear, query, labels, &mut parts);
    }
    let value = condition.value();
    EvalResult {
        value,
        event_ms: now.event_ms(event_ms),
        evidence: evidence(rule, found, parts, event_ms, now),
    }
}

/// Devices of a partial result that stand behind a result with these labels.
fn contributions<'p>(
    partial: &'p Partial,
    of: &Labels,
) -> impl Iterator<Item = (&'p DeviceId, i64, f64)> + use<'p> {
    let consistent = |labels: &Labels| {
        labels.iter().all(|(name, value)| labels::value(of, name).is_none_or(|own| own == &**value))
    };
    let found: Vec<_> = match partial {
        Partial::Each(each) => {
            let behind = each.iter().filter(|one| consistent(&one.labels));
            behind.filter_map(|one| Some((&one.device, one.event_ms, one.outcome.value()?))).collect()
        }
        Partial::Groups(groups) => {
            let behind =
                groups.iter().filter(|group| consistent(&group.labels)).flat_map(|group| &group.samples);
            behind.map(|(device, ts, value)| (device, *ts, *value)).collect()
        }
    };
    found.into_iter().take(EVIDENCE_SAMPLES_MAX)
}

fn city_parts(
    city: &City<'_>,
    node: &FleetNode,
    query: &Query,
    labels: &Labels,
    parts: &mut Vec<EvidencePart>,
) {
    if parts.len() == EVIDENCE_PARTS_MAX || matches!(node.kind, FleetKind::Number(_)) {
        return;
    }
    let vector = city.eval(node).unwrap_or_default();
    let only = || vector.values().next().filter(|_| vector.len() == 1);
    let value = vector.get(labels).or_else(only).and_then(|outcome| outcome.value());
    add_part(parts, text_at(query, node.span), value);
    node.children().into_iter().for_each(|child| city_parts(city, child, query, labels, parts));
}

fn text_at(query: &Query, span: Span) -> &str {
    query.text.get(span.start..span.end).unwrap_or("")
}

/// Puts the evidence of a transition together.
pub(crate) fn evidence(
    rule: &Rule,
    samples: Vec<EvidenceSample>,
    parts: Vec<EvidencePart>,
    event_ms: Option<i64>,
    now: EvalTime,
) -> Evidence {
    let hops = Hops {
        event: event_ms.filter(|_| now.arrival_ms != 0).map_or(0, |event| now.event_ms(Some(event))),
        arrival: now.arrival_ms,
        committed: now.committed_ms,
        decided: now.at_ms.max(now.committed_ms),
    };
    Evidence { rule_hash: rule.hash.to_string(), expr: rule.query.text.to_string(), samples, parts, hops }
}
