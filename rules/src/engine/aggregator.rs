//! The aggregator: one thread that evaluates the rules of the whole city, over partial results of all shards.
//!
//! A round is complete when every shard has reported; rounds become complete in their order, as each shard reports
//! in its order. What a shard does not report has not changed since it last did.
use super::{
    Shared, TransitionSink,
    compile::{CompiledRule, CompiledRuleSet, GRACE_PERIODS},
    dispatch::Scope,
    fleet_rule::{EvalContext, FleetRule},
    meters::count,
    report::{Arrived, OutputClosed, Report, Reported, Update},
    restore::PendingRestore,
    sync::Receiver,
};
use crate::{
    eval::{
        clock::Clock,
        fleet::{City, Partials},
        plan::Plan,
        time::EvalTime,
    },
    lifecycle::record::Active,
    transition::RuleTransition,
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

#[derive(Default)]
struct Collecting {
    reports: Vec<Report>,
}

/// The aggregator.
pub(crate) struct Aggregator {
    shared: Arc<Shared>,
    rule_set: Arc<CompiledRuleSet>,
    clock: Clock,
    out: Arc<dyn TransitionSink>,
    partials: Partials,
    fleet_rules: Vec<FleetRule>,
    collecting: BTreeMap<u64, Collecting>,
    orphans: Vec<PendingRestore>,
}

impl Aggregator {
    pub(crate) fn new(
        shared: Arc<Shared>,
        rule_set: Arc<CompiledRuleSet>,
        returning: Vec<PendingRestore>,
        out: Arc<dyn TransitionSink>,
    ) -> Self {
        let clock = Clock::new(shared.config.place.clone());
        let partials = no_partials(&rule_set, shared.progress.shards());
        let mut fleet_rules: Vec<_> = rule_set.rules.iter().map(FleetRule::at_start).collect();
        let (known, orphans): (Vec<_>, Vec<_>) = returning.into_iter().partition(|one| one.rule.is_some());
        for returning in known {
            if let Some(rule) = returning.rule {
                fleet_rules[rule].take_up(&returning, &rule_set.rules[rule]);
            }
        }
        Self { shared, rule_set, clock, out, partials, fleet_rules, collecting: BTreeMap::new(), orphans }
    }

    /// Ends what has no rule any more, then evaluates rounds until all shards are gone.
    pub(crate) fn run(mut self, reports: &Receiver<Report>) {
        if self.end_orphans().is_err() {
            self.shared.progress.stop();
            return;
        }
        while let Ok(report) = reports.recv() {
            let (round, offset) = (report.round, report.now.offset);
            let collecting = self.collecting.entry(round).or_default();
            collecting.reports.push(report);
            if collecting.reports.len() < self.shared.progress.shards() {
                continue;
            }
            let complete = self.collecting.remove(&round).unwrap_or_default();
            if self.complete(complete.reports).is_err() {
                self.shared.progress.stop();
                return;
            }
            count(&self.shared.meters.rounds, 1);
            self.shared.progress.done(self.shared.progress.aggregator(), round, offset);
        }
    }

    fn end_orphans(&mut self) -> Result<(), OutputClosed> {
        let now_ms = self.shared.config.startup_ms;
        for orphan in std::mem::take(&mut self.orphans) {
            let (at_ms, offset) = (now_ms, orphan.restored.cause);
            let now = EvalTime {
                at_ms,
                monotonic_ms: now_ms,
                offset,
                committed_ms: 0,
                arrival_ms: 0,
                grace_from_ms: now_ms,
            };
            if let Some(active) = Active::restore(&orphan.restored) {
                tracing::info!(
                    rule = active.alert.rule,
                    "rule or device is gone or changed; its alert is cleared"
                );
                active.end(now).map_or(Ok(()), |transition| self.emit(transition))?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, reports: Vec<Report>) -> Result<(), OutputClosed> {
        let Some(now) = reports.first().map(|report| report.now) else { return Ok(()) };
        let (mut scope, mut rules) = (None, None);
        let mut change: BTreeMap<usize, (Arrived, bool)> = BTreeMap::new();
        for report in reports {
            match report.reported {
                Reported::Rules(rule_set) => rules = Some(rule_set),
                Reported::Round { scope: of, updates } => {
                    for update in updates {
                        let (arrived, is_changed) = change.entry(update.rule).or_default();
                        *arrived = arrived.merge(update.arrived);
                        *is_changed |= !update.partials.is_empty();
                        self.update(report.shard, update);
                    }
                    scope = Some(of);
                }
            }
        }
        for (rule, (arrived, is_changed)) in change {
            self.fleet_rules[rule].note_arrival(arrived, is_changed);
        }
        if let Some(rule_set) = rules {
            return self.replace_rules(rule_set, now);
        }
        let rule_set = Arc::clone(&self.rule_set);
        let rules = match &scope {
            Some(Scope::Touched(rules)) => &rules[..],
            Some(Scope::Tick) => &rule_set.fleet[..],
            None => &[],
        };
        for rule in rules {
            if self.fleet_rules[*rule].needs_evaluation(&rule_set.rules[*rule]) {
                self.evaluate(*rule, &rule_set.rules[*rule], now)?;
            }
        }
        Ok(())
    }

    fn update(&mut self, shard: usize, update: Update) {
        for (leaf, partial) in update.partials {
            self.partials[leaf][shard] = Some(partial);
        }
    }

    fn evaluate(&mut self, rule: usize, compiled: &CompiledRule, now: EvalTime) -> Result<(), OutputClosed> {
        let Some(Plan::Fleet(plan)) = &compiled.plan else { return Ok(()) };
        count(&self.shared.meters.evaluations, 1);
        let (partials, clock, at) = (&self.partials, &self.clock, now.at_ms);
        let city = City { partials, first_leaf: compiled.leaves.start, clock, at };
        let grace_end = now.grace_from_ms.saturating_add(GRACE_PERIODS * compiled.period_ms);
        let fleet_rule = &mut self.fleet_rules[rule];
        let now = fleet_rule.after_input(now);
        // A rule that panics must not end the rules beside it. Nothing is changed while it looks.
        let seen = catch_unwind(AssertUnwindSafe(|| fleet_rule.compute(compiled, plan, &city)));
        let in_grace = at < grace_end;
        fleet_rule.evaluated(in_grace);
        let seen = match seen {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                compiled.meter.failed(&error.to_string());
                return Ok(());
            }
            Err(_) => {
                compiled.meter.failed("evaluation panicked; this is a bug of the engine");
                tracing::error!(rule = %compiled.rule.name, "evaluation panicked");
                return Ok(());
            }
        };
        let context = EvalContext { compiled, plan, city: &city, now, in_grace, config: &self.shared.config };
        let (transitions, held) = fleet_rule.decide(&seen, &context);
        count(&self.shared.meters.held, held);
        transitions.into_iter().try_for_each(|transition| self.emit(transition))
    }

    /// Takes other rules: those that stay keep their alerts and are evaluated anew with the next tick.
    fn replace_rules(&mut self, rule_set: Arc<CompiledRuleSet>, now: EvalTime) -> Result<(), OutputClosed> {
        let before = std::mem::replace(&mut self.rule_set, Arc::clone(&rule_set));
        let old = std::mem::take(&mut self.fleet_rules);
        self.partials = no_partials(&rule_set, self.shared.progress.shards());
        self.fleet_rules = rule_set.rules.iter().map(|_| FleetRule::new()).collect();
        for (mut fleet_rule, compiled) in old.into_iter().zip(&before.rules) {
            match rule_set.number(&compiled.rule.name, compiled.rule.hash) {
                Some(number) => {
                    fleet_rule.carried_over();
                    self.fleet_rules[number] = fleet_rule;
                }
                None => {
                    let ended = fleet_rule.end(compiled, now);
                    ended.into_iter().try_for_each(|transition| self.emit(transition))?;
                }
            }
        }
        Ok(())
    }

    fn emit(&self, transition: RuleTransition) -> Result<(), OutputClosed> {
        count(&self.shared.meters.transitions, 1);
        self.out.emit(transition).then_some(()).ok_or(OutputClosed)
    }
}

fn no_partials(rule_set: &CompiledRuleSet, shards: usize) -> Partials {
    rule_set.leaves.iter().map(|_| vec![None; shards]).collect()
}
