//! One rule of the whole city: its alerts, and what an evaluation makes of them.
use super::{
    EngineConfig,
    compile::CompiledRule,
    meters::{AlertState, alert_state},
    report::Arrived,
    restore::PendingRestore,
};
use crate::{
    eval::{
        fleet::{City, FleetError, Vector},
        outcome::Outcome,
        plan::{FleetPlan, Plan},
        time::{EvalTime, InputRef},
        trace,
    },
    labels::{Labels, no_labels},
    lifecycle::{
        Observed, Phase, Step,
        flapping::FlapShare,
        record::{Active, alert_labels, fingerprint},
        step,
    },
    transition::RuleTransition,
};
use ioc_model::Fingerprint;
use std::collections::{BTreeMap, BTreeSet};

/// One rule of the whole city.
#[derive(Default)]
pub(crate) struct FleetRule {
    alerts: BTreeMap<Fingerprint, Kept>,
    /// What those that came and went have left of their share, where it is not whole.
    flapping: BTreeMap<Fingerprint, FlapShare>,
    /// Inputs up to these offsets were decided before a start.
    decided_through: BTreeMap<Fingerprint, u64>,
    /// A partial changed since the last evaluation.
    changed: bool,
    /// Since the last timely observation a late one came in.
    late: bool,
    /// The last input that touched it, since our start.
    last_input: Option<InputRef>,
    /// It was evaluated when our own outage could not be the reason of silence.
    settled: bool,
}

struct Kept {
    active: Box<Active>,
    /// Its labels were in a result since our start.
    seen: bool,
}

/// What one evaluation needs to know.
pub(crate) struct EvalContext<'s> {
    pub(crate) compiled: &'s CompiledRule,
    pub(crate) plan: &'s FleetPlan,
    pub(crate) city: &'s City<'s>,
    pub(crate) now: EvalTime,
    pub(crate) in_grace: bool,
    pub(crate) config: &'s EngineConfig,
}

/// Results of a rule, by identity of the alert.
pub(crate) struct Seen {
    conditions: BTreeMap<Fingerprint, (Labels, Outcome)>,
    /// `None` when the rule has no recovery expression.
    recoveries: Option<Recoveries>,
}

enum Recoveries {
    /// A result of time alone, the same for all.
    ForAll(Outcome),
    Each(BTreeMap<Fingerprint, (Labels, Outcome)>),
}

fn by_fingerprint(
    compiled: &CompiledRule,
    vector: Vector,
) -> Result<BTreeMap<Fingerprint, (Labels, Outcome)>, FleetError> {
    let mut found = BTreeMap::new();
    for (labels, outcome) in vector {
        let identity = fingerprint(&compiled.rule.name, &alert_labels(&compiled.rule, &labels));
        if let Some((other, _)) = found.insert(identity, (labels, outcome)) {
            return Err(FleetError::SameLabels(crate::eval::fleet::text(&other)));
        }
    }
    Ok(found)
}

impl FleetRule {
    /// Builds a rule without alerts, to be evaluated with the next round.
    pub(crate) fn new() -> Self {
        Self { changed: true, ..Self::default() }
    }

    /// Builds a rule at our start. Of what the past says, nobody knows whether it came late: only something new may
    /// start an alert, unless the rule asks for silence or reads nothing.
    pub(crate) fn at_start(compiled: &CompiledRule) -> Self {
        Self { late: !compiled.of_silence && !compiled.leaves.is_empty(), ..Self::new() }
    }

    /// Notes what came in, and whether it changed partial results.
    pub(crate) fn note_arrival(&mut self, arrived: Arrived, is_changed: bool) {
        let was_late = self.late;
        self.late = !arrived.timely && (self.late || arrived.late);
        // What late data alone could not start, a timely confirmation can.
        self.changed |= is_changed || was_late && !self.late;
        self.last_input = self.last_input.max(arrived.last_input);
    }

    /// Fills in the last input that touched it, when time alone decides.
    pub(crate) fn after_input(&self, now: EvalTime) -> EvalTime {
        now.after(self.last_input)
    }

    /// Notes that the rule set around it changed: partial results are gathered anew.
    pub(crate) fn carried_over(&mut self) {
        self.changed = true;
    }

    /// Notes that it was evaluated, in the time after an outage of ours or later.
    pub(crate) fn evaluated(&mut self, in_grace: bool) {
        self.changed = false;
        self.settled = !in_grace;
    }

    /// Ends all alerts.
    pub(crate) fn end(self, compiled: &CompiledRule, now: EvalTime) -> Vec<RuleTransition> {
        let end = |kept: Kept| {
            compiled.meter.moved(alert_state(Some(&kept.active)), AlertState::Inactive);
            kept.active.end(now)
        };
        self.alerts.into_values().filter_map(end).collect()
    }

    /// Takes up an alert from before a start.
    pub(crate) fn take_up(&mut self, returning: &PendingRestore, compiled: &CompiledRule) {
        let restored = &returning.restored;
        self.decided_through.insert(restored.alert.fingerprint, restored.cause);
        if let Some(active) = Active::restore(restored) {
            compiled.meter.moved(AlertState::Inactive, alert_state(Some(&active)));
            self.alerts.insert(active.alert.fingerprint, Kept { active, seen: false });
        }
    }

    /// Reports whether an evaluation could come to anything else than the last one.
    pub(crate) fn needs_evaluation(&self, compiled: &CompiledRule) -> bool {
        let clocked = matches!(&compiled.plan, Some(Plan::Fleet(plan)) if plan.clocked);
        let waiting = !self.alerts.is_empty() || !self.decided_through.is_empty();
        self.changed || clocked || waiting || !self.settled
    }

    /// Evaluates the rule.
    pub(crate) fn compute(
        &self,
        compiled: &CompiledRule,
        plan: &FleetPlan,
        city: &City<'_>,
    ) -> Result<Seen, FleetError> {
        let conditions = by_fingerprint(compiled, city.eval(&plan.expr)?)?;
        let firing = self.alerts.values().any(|kept| matches!(kept.active.phase, Some(Phase::Firing { .. })));
        let recoveries = match &plan.clear {
            None => None,
            Some(_) if !firing => Some(Recoveries::ForAll(Outcome::Nothing)),
            Some(clear) if plan.clears_by_clock => {
                let any = city.eval(clear)?.into_values().fold(Outcome::Nothing, Outcome::or);
                Some(Recoveries::ForAll(any))
            }
            Some(clear) => Some(Recoveries::Each(by_fingerprint(compiled, city.eval(clear)?)?)),
        };
        Ok(Seen { conditions, recoveries })
    }

    /// Moves all alerts on by what was seen. Returns what is to be told, and how many alerts are held because they came and
    /// went too often.
    pub(crate) fn decide(&mut self, seen: &Seen, context: &EvalContext<'_>) -> (Vec<RuleTransition>, u64) {
        let offset = context.now.offset;
        let of_values = seen.conditions.iter().filter(|(_, (_, outcome))| outcome.value().is_some());
        let concerned: BTreeSet<_> =
            of_values.map(|(identity, _)| *identity).chain(self.alerts.keys().copied()).collect();
        let (mut transitions, mut held) = (Vec::new(), 0);
        for identity in concerned {
            let (step, transition) = self.decide_one(identity, seen, context);
            held += u64::from(step == Step::Held);
            transitions.extend(transition);
        }
        self.decided_through.retain(|_, through| offset <= *through);
        self.flapping.retain(|_, share| !share.is_whole(context.now.monotonic_ms));
        (transitions, held)
    }

    fn decide_one(
        &mut self,
        identity: Fingerprint,
        seen: &Seen,
        context: &EvalContext<'_>,
    ) -> (Step, Option<RuleTransition>) {
        let EvalContext { compiled, now, in_grace, config, .. } = *context;
        if self.decided_through.get(&identity).is_some_and(|through| now.offset <= *through) {
            return (Step::Stay, None);
        }
        let found = seen.conditions.get(&identity);
        let recovery = seen.recoveries.as_ref().map(|recoveries| match recoveries {
            Recoveries::ForAll(outcome) => *outcome,
            Recoveries::Each(each) => each.get(&identity).map_or(Outcome::Nothing, |(_, outcome)| *outcome),
        });
        let known = self.alerts.remove(&identity);
        let was_seen = found.is_some() || known.as_ref().is_none_or(|kept| kept.seen);
        let condition = match found {
            Some((_, outcome)) => *outcome,
            // Until its devices had a chance to speak, a group that is not there yet is silent.
            None if !was_seen && in_grace => Outcome::Silent,
            None => Outcome::Nothing,
        };
        let mut share = self.flapping.get(&identity).copied().unwrap_or_default();
        let observed = Observed {
            condition,
            recovery,
            may_start: !self.late,
            may_fire: !(in_grace && compiled.of_silence),
            silence_counts: !in_grace,
            has_share: share.is_left(config.flapping, now.monotonic_ms),
            monotonic_ms: now.monotonic_ms,
        };
        let before = alert_state(known.as_ref().map(|kept| &*kept.active));
        let mut phase = known.as_ref().and_then(|kept| kept.active.phase);
        let step = step(&mut phase, compiled.terms, observed);
        share.pay(config.flapping, now.monotonic_ms, step, phase);
        if share != FlapShare::default() {
            self.flapping.insert(identity, share);
        }
        let labels = found.map_or_else(no_labels, |(labels, _)| labels.clone());
        let mut active = match (known, phase) {
            (Some(kept), _) => kept.active,
            (None, Some(phase)) => {
                Active::begin(&compiled.rule, &labels, phase, (config.new_id)(now.at_ms), now)
            }
            (None, None) => return (step, None),
        };
        active.phase = phase;
        let transition = (!step.is_silent()).then(|| {
            let result = trace::of_city(context.city, &compiled.rule, context.plan, &labels, condition, now);
            active.record(&compiled.rule, step, now, result)
        });
        compiled.meter.moved(before, alert_state(Some(&active)));
        if active.phase.is_some() {
            self.alerts.insert(identity, Kept { active, seen: was_seen });
        }
        (step, transition.flatten())
    }
}
