//! From a step of the state machine to the transition that the alert thread writes down.
use super::{Phase, Step};
use crate::{
    eval::{time::EvalTime, trace::EvalResult},
    labels::{self, Labels},
    rule::Rule,
    transition::{RestoredAlert, RuleTransition},
};
use ioc_model::{
    Alert, AlertId, Condition, DeviceId, Domain, Evidence, Fingerprint, TransitionKind, alert::Text,
};
use std::collections::BTreeMap;

/// A pending or firing alert.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) phase: Option<Phase>,
    pub(crate) alert: Alert,
}

/// Identity of an alert across activations: the same on every machine and in every version.
///
/// Source: FNV-1a with 64 bits, each text followed by a byte that no text has.
pub(crate) fn fingerprint(rule: &str, labels: &BTreeMap<String, String>) -> Fingerprint {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let texts =
        std::iter::once(rule).chain(labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    Fingerprint(bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
}

/// Returns the labels of an alert: those of the series, and over them those of the rule and its group.
pub(crate) fn alert_labels(rule: &Rule, series: &Labels) -> BTreeMap<String, String> {
    let series = series.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    series.chain(rule.labels.iter().map(|(name, value)| (name.to_string(), value.to_string()))).collect()
}

impl Active {
    /// Begins an alert in a phase.
    pub(crate) fn begin(rule: &Rule, series: &Labels, phase: Phase, id: AlertId, now: EvalTime) -> Box<Self> {
        let labels = alert_labels(rule, series);
        let text = |name: &str| labels::value(series, name);
        let alert = Alert {
            id,
            fingerprint: fingerprint(&rule.name, &labels),
            rule: rule.name.to_string(),
            severity: rule.severity,
            state: Condition::Pending,
            domain: text("domain").and_then(|domain| domain.parse::<Domain>().ok()).or(rule.domain),
            device: text("device").and_then(|device| device.parse::<DeviceId>().ok()),
            ward: text("ward").map(str::to_owned),
            labels,
            value: None,
            summary: Text::default(),
            event_time: now.at_ms,
            arrival_time: now.at_ms,
            decision_time: now.at_ms,
            active_since: now.at_ms,
            firing_since: None,
            cleared_at: None,
            acknowledged_by: None,
            acknowledged_at: None,
            resolved_by: None,
            resolved_at: None,
            notes: Vec::new(),
            no_data: false,
            evidence: Evidence::default(),
        };
        Box::new(Self { phase: Some(phase), alert })
    }

    /// Takes up an alert that was known before a start; `None` when it was cleared.
    ///
    /// The monotonic clock of this process starts where the wall clock stood, so `for` that was running goes on.
    pub(crate) fn restore(restored: &RestoredAlert) -> Option<Box<Self>> {
        let alert = restored.alert.clone();
        let phase = match alert.state {
            Condition::Pending => Phase::Pending { since_ms: alert.active_since, is_told: true },
            Condition::Firing => Phase::Firing { calm_since_ms: None, no_data: alert.no_data },
            Condition::Cleared => return None,
        };
        Some(Box::new(Self { phase: Some(phase), alert }))
    }

    /// Brings the alert up to a step, and returns what to tell; `None` when nothing is.
    ///
    /// The value and the texts stay those of the last time it was true: `{{ $value }}` of a cleared alert says
    /// what it was about.
    pub(crate) fn record(
        &mut self,
        rule: &Rule,
        step: Step,
        now: EvalTime,
        result: EvalResult,
    ) -> Option<RuleTransition> {
        let kind = match (step, self.phase) {
            (Step::Stay | Step::Held, _) => return None,
            (Step::Began, Some(Phase::Pending { .. })) => TransitionKind::Pending,
            (Step::Withdrawn | Step::Cleared, _) => TransitionKind::Cleared,
            (Step::Began | Step::Fired | Step::NoDataChanged, _) => TransitionKind::Firing,
        };
        let decided = now.at_ms.max(now.committed_ms);
        let alert = &mut self.alert;
        alert.decision_time = decided;
        alert.event_time = result.event_ms;
        alert.arrival_time = if now.arrival_ms == 0 { now.at_ms } else { now.arrival_ms };
        alert.no_data = matches!(self.phase, Some(Phase::Firing { no_data: true, .. }));
        alert.evidence = result.evidence;
        alert.evidence.hops.decided = decided;
        match kind {
            TransitionKind::Cleared => {
                alert.state = Condition::Cleared;
                alert.cleared_at = Some(now.at_ms);
            }
            TransitionKind::Pending => alert.state = Condition::Pending,
            _ => {
                alert.state = Condition::Firing;
                alert.firing_since.get_or_insert(now.at_ms);
            }
        }
        if matches!(step, Step::Began | Step::Fired) {
            alert.value = result.value.filter(|value| value.is_finite());
            alert.summary = summary(rule, result.value, &alert.labels);
        }
        Some(RuleTransition {
            kind,
            at_ms: now.at_ms,
            cause: now.offset,
            begins: step == Step::Began,
            withdrawn_pending: step == Step::Withdrawn,
            alert: alert.clone(),
        })
    }

    /// Ends an alert whose rule, device or group is no more; its evidence stays that of its last transition. Returns `None`
    /// for one that nobody was told of.
    pub(crate) fn end(mut self, now: EvalTime) -> Option<RuleTransition> {
        if matches!(self.phase, Some(Phase::Pending { is_told: false, .. })) {
            return None;
        }
        let withdrawn_pending = self.alert.state == Condition::Pending;
        self.alert.state = Condition::Cleared;
        self.alert.cleared_at = Some(now.at_ms);
        self.alert.decision_time = now.at_ms.max(now.committed_ms);
        let kind = TransitionKind::Cleared;
        Some(RuleTransition {
            kind,
            at_ms: now.at_ms,
            cause: now.offset,
            alert: self.alert,
            begins: false,
            withdrawn_pending,
        })
    }
}

fn summary(rule: &Rule, value: Option<f64>, labels: &BTreeMap<String, String>) -> Text {
    let label = |name: &str| labels.get(name).map(String::as_str);
    Text { vi: rule.summary.vi.expand(value, ',', label), en: rule.summary.en.expand(value, '.', label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_the_same_for_ever() {
        let labels = BTreeMap::from([("device".to_owned(), "A".to_owned())]);
        // FNV-1a of `R ff device ff A ff`, computed apart.
        assert_eq!(fingerprint("R", &labels).to_string(), expected(b"R\xffdevice\xffA\xff"));
        assert_ne!(
            fingerprint("Rd", &BTreeMap::new()),
            fingerprint("R", &BTreeMap::from([("d".into(), String::new())]))
        );
    }

    fn expected(bytes: &[u8]) -> String {
        let mut hash: u128 = 14_695_981_039_346_656_037;
        for byte in bytes {
            hash = ((hash ^ u128::from(*byte)) * 1_099_511_628_211) % (1 << 64);
        }
        format!("{hash:016x}")
    }
}
