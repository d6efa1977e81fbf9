//! The council: one thread that evaluates the rules of the whole city, over partial results of all shards.
//!
//! A round is complete when every shard has reported; rounds become complete in their order, as each shard reports
//! in its order. What a shard does not report has not changed since it last did.
use super::{
    Outlet, Shared,
    affair::{Affair, Sitting},
    dispatch::Scope,
    meters::count,
    prepare::{GRACE_PERIODS, Prepared, Ready},
    report::{Deaf, Report, Reported, Touch, Update},
    restore::Returning,
};
use crate::{
    eval::{
        clock::Clock,
        fleet::{City, Partials},
        plan::Plan,
        time::Moment,
    },
    lifecycle::record::Active,
    transition::RuleTransition,
};
use crossbeam_channel::Receiver;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

#[derive(Default)]
struct Collecting {
    reports: Vec<Report>,
}

/// The council.
pub(crate) struct Council {
    shared: Arc<Shared>,
    prepared: Arc<Prepared>,
    clock: Clock,
    out: Arc<dyn Outlet>,
    partials: Partials,
    affairs: Vec<Affair>,
    collecting: BTreeMap<u64, Collecting>,
    orphans: Vec<Returning>,
}

impl Council {
    pub(crate) fn new(
        shared: Arc<Shared>,
        prepared: Arc<Prepared>,
        returning: Vec<Returning>,
        out: Arc<dyn Outlet>,
    ) -> Self {
        let clock = Clock::new(shared.config.place.clone());
        let partials = no_partials(&prepared, shared.progress.shards());
        let mut affairs: Vec<_> = prepared.rules.iter().map(Affair::at_start).collect();
        let (known, orphans): (Vec<_>, Vec<_>) = returning.into_iter().partition(|one| one.rule.is_some());
        for returning in known {
            if let Some(rule) = returning.rule {
                affairs[rule].take_up(&returning, &prepared.rules[rule]);
            }
        }
        Self { shared, prepared, clock, out, partials, affairs, collecting: BTreeMap::new(), orphans }
    }

    /// Ends what has no rule any more, then evaluates rounds until all shards are gone.
    pub(crate) fn run(mut self, reports: &Receiver<Report>) {
        if self.end_orphans().is_err() {
            self.shared.progress.stop();
            return;
        }
        while let Ok(report) = reports.recv() {
            let (round, offset) = (report.round, report.moment.offset);
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
            self.shared.progress.done(self.shared.progress.council(), round, offset);
        }
    }

    fn end_orphans(&mut self) -> Result<(), Deaf> {
        let now_ms = self.shared.config.startup_ms;
        for orphan in std::mem::take(&mut self.orphans) {
            let (at_ms, offset) = (now_ms, orphan.restored.cause);
            let moment = Moment {
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
                active.end(moment).map_or(Ok(()), |transition| self.tell(transition))?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, reports: Vec<Report>) -> Result<(), Deaf> {
        let Some(moment) = reports.first().map(|report| report.moment) else { return Ok(()) };
        let (mut scope, mut rules) = (None, None);
        let mut news: BTreeMap<usize, (Touch, bool)> = BTreeMap::new();
        for report in reports {
            match report.reported {
                Reported::Rules(prepared) => rules = Some(prepared),
                Reported::Round { scope: of, updates } => {
                    for update in updates {
                        let (touch, is_changed) = news.entry(update.rule).or_default();
                        *touch = touch.merge(update.touch);
                        *is_changed |= !update.partials.is_empty();
                        self.update(report.shard, update);
                    }
                    scope = Some(of);
                }
            }
        }
        for (rule, (touch, is_changed)) in news {
            self.affairs[rule].touched(touch, is_changed);
        }
        if let Some(prepared) = rules {
            return self.replace_rules(prepared, moment);
        }
        let prepared = Arc::clone(&self.prepared);
        let rules = match &scope {
            Some(Scope::Touched(rules)) => &rules[..],
            Some(Scope::Tick) => &prepared.fleet[..],
            None => &[],
        };
        for rule in rules {
            if self.affairs[*rule].needs_evaluation(&prepared.rules[*rule]) {
                self.judge(*rule, &prepared.rules[*rule], moment)?;
            }
        }
        Ok(())
    }

    fn update(&mut self, shard: usize, update: Update) {
        for (leaf, partial) in update.partials {
            self.partials[leaf][shard] = Some(partial);
        }
    }

    fn judge(&mut self, rule: usize, ready: &Ready, moment: Moment) -> Result<(), Deaf> {
        let Some(Plan::Fleet(plan)) = &ready.plan else { return Ok(()) };
        count(&self.shared.meters.evaluations, 1);
        let (partials, clock, at) = (&self.partials, &self.clock, moment.at_ms);
        let city = City { partials, first_leaf: ready.leaves.start, clock, at };
        let grace_end = moment.grace_from_ms.saturating_add(GRACE_PERIODS * ready.period_ms);
        let affair = &mut self.affairs[rule];
        let moment = affair.after_input(moment);
        // A rule that panics must not end the rules beside it. Nothing is changed while it looks.
        let seen = catch_unwind(AssertUnwindSafe(|| affair.look(ready, plan, &city)));
        let in_grace = at < grace_end;
        affair.evaluated(in_grace);
        let seen = match seen {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                ready.meter.failed(&error.to_string());
                return Ok(());
            }
            Err(_) => {
                ready.meter.failed("evaluation panicked; this is a bug of the engine");
                tracing::error!(rule = %ready.rule.name, "evaluation panicked");
                return Ok(());
            }
        };
        let sitting = Sitting { ready, plan, city: &city, moment, in_grace, config: &self.shared.config };
        let (transitions, held) = affair.decide(&seen, &sitting);
        count(&self.shared.meters.held, held);
        transitions.into_iter().try_for_each(|transition| self.tell(transition))
    }

    /// Takes other rules: those that stay keep their alerts and are evaluated anew with the next tick.
    fn replace_rules(&mut self, prepared: Arc<Prepared>, moment: Moment) -> Result<(), Deaf> {
        let before = std::mem::replace(&mut self.prepared, Arc::clone(&prepared));
        let old = std::mem::take(&mut self.affairs);
        self.partials = no_partials(&prepared, self.shared.progress.shards());
        self.affairs = prepared.rules.iter().map(|_| Affair::new()).collect();
        for (mut affair, ready) in old.into_iter().zip(&before.rules) {
            match prepared.number(&ready.rule.name, ready.rule.hash) {
                Some(number) => {
                    affair.carried_over();
                    self.affairs[number] = affair;
                }
                None => {
                    let ended = affair.end(ready, moment);
                    ended.into_iter().try_for_each(|transition| self.tell(transition))?;
                }
            }
        }
        Ok(())
    }

    fn tell(&self, transition: RuleTransition) -> Result<(), Deaf> {
        count(&self.shared.meters.transitions, 1);
        self.out.tell(transition).then_some(()).ok_or(Deaf)
    }
}

fn no_partials(prepared: &Prepared, shards: usize) -> Partials {
    prepared.leaves.iter().map(|_| vec![None; shards]).collect()
}
