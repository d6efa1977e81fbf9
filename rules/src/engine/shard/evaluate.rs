//! Evaluation of one instance, and what follows from it.
use super::{
    Address, OutputClosed, Shard,
    device::{Device, Instance, NEVER},
};
use crate::{
    engine::{
        EngineConfig,
        compile::{CompiledRule, GRACE_PERIODS},
        meters::{RuleMeter, alert_state, count},
    },
    eval::{
        clock::Clock,
        device::View,
        outcome::Outcome,
        plan::{DevicePlan, Plan},
        time::EvalTime,
        trace,
    },
    lifecycle::{Observed, Phase, Step, record::Active, step},
    transition::RuleTransition,
};
use std::{
    cell::Cell,
    cmp::Reverse,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What an instance yields at an instant, and until when.
struct Seen {
    condition: Outcome,
    recovery: Option<Outcome>,
    wake_ms: i64,
}

pub(super) fn view<'v>(
    device: &'v Device,
    selectors: &'v crate::eval::plan::Selectors,
    selector_mask: u64,
    clock: &'v Clock,
    at: i64,
) -> View<'v> {
    View {
        series: &device.series,
        selectors,
        selector_mask,
        period_ms: device.labels.period_ms,
        last_heard_ms: device.last_heard_ms,
        behind_ms: device.behind_ms,
        clock,
        at,
        wake: Cell::new(NEVER),
    }
}

fn compute(device: &Device, instance: &Instance, plan: &DevicePlan, clock: &Clock, at: i64) -> Seen {
    let view = view(device, &plan.selectors, instance.selector_mask, clock, at);
    let condition = view.eval(&plan.expr);
    let firing =
        instance.active.as_ref().is_some_and(|active| matches!(active.phase, Some(Phase::Firing { .. })));
    let recovery = plan.clear.as_ref().filter(|_| firing).map(|clear| view.eval(clear));
    Seen { condition, recovery, wake_ms: view.wake.get() }
}

impl Shard {
    /// Evaluates an instance and moves its alert on. `arrived` says that something it reads has just come in.
    pub(super) fn evaluate(
        &mut self,
        address: Address,
        now: EvalTime,
        arrived: bool,
    ) -> Result<(), OutputClosed> {
        let (slot, place) = (address.0 as usize, address.1 as usize);
        let Some(device) = self.devices.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        let Some(instance) = device.instances.get(place) else { return Ok(()) };
        let Some(compiled) = self.rule_set.rules.get(instance.rule as usize) else { return Ok(()) };
        let Some(Plan::Device(plan)) = &compiled.plan else { return Ok(()) };
        self.evaluations += 1;
        let (clock, config) = (&self.clock, &self.shared.config);
        // A rule that panics must not end the rules beside it. Nothing is changed while it looks.
        let Ok(mut seen) =
            catch_unwind(AssertUnwindSafe(|| compute(device, instance, plan, clock, now.at_ms)))
        else {
            failed(compiled, &device.labels.id.to_string());
            return Ok(());
        };
        let grace_end = now.grace_from_ms.saturating_add(GRACE_PERIODS * device.labels.period_ms);
        let in_grace = now.at_ms < grace_end;
        if in_grace {
            seen.wake_ms = seen.wake_ms.min(grace_end);
        }
        let instance = &mut device.instances[place];
        if arrived {
            instance.last_input = now.input_ref();
        }
        let now = now.after(instance.last_input);
        let was_timed = instance.is_timed();
        let (may_start, may_fire) = (instance.may_start(arrived), !(in_grace && compiled.of_silence));
        let may_begin = may_start && may_fire && seen.condition.value().is_some();
        let idle = instance.active.is_none() && !may_begin;
        let transition = if now.offset < instance.undecided_from {
            seen.wake_ms = seen.wake_ms.min(now.at_ms + 1);
            None
        } else if idle {
            None
        } else {
            let observed = Observed {
                condition: seen.condition,
                recovery: seen.recovery,
                may_start,
                may_fire,
                silence_counts: !in_grace,
                has_share: device.flapping.is_left(config.flapping, now.monotonic_ms),
                monotonic_ms: now.monotonic_ms,
            };
            let (step, transition) = advance(device, place, compiled, plan, clock, observed, now, config);
            count(&self.shared.meters.held, u64::from(step == Step::Held));
            transition
        };
        let instance = &mut device.instances[place];
        if !plan.moves && seen.wake_ms < instance.due_ms {
            instance.due_ms = seen.wake_ms;
            self.timetable.push(Reverse((seen.wake_ms, address)));
        }
        match (was_timed, instance.is_timed()) {
            (false, true) => _ = self.timed.insert(address),
            (true, false) => _ = self.timed.remove(&address),
            _ => {}
        }
        transition.map_or(Ok(()), |transition| self.emit(transition))
    }

    /// Brings the members of a leaf up to date, and notes what is to be reported of them.
    pub(super) fn refresh_leaf(&mut self, number: usize, at: i64) {
        let Some(of) = self.rule_set.leaves.get(number) else { return };
        let leaf = &mut self.leaves[number];
        if !leaf.dirty && at < leaf.wake_ms {
            return;
        }
        leaf.dirty = false;
        leaf.wake_ms = NEVER;
        let compiled = &self.rule_set.rules[of.rule];
        for member in &mut leaf.members {
            if member.dirty || at >= member.wake_ms {
                let Some(device) = self.devices.get(member.slot as usize).and_then(Option::as_ref) else {
                    continue;
                };
                self.evaluations += 1;
                let view = view(device, &of.plan.selectors, member.selector_mask, &self.clock, at);
                match catch_unwind(AssertUnwindSafe(|| view.eval(&of.plan.node))) {
                    Ok(outcome) => {
                        let event_ms = trace::newest_event(&view).unwrap_or(at);
                        leaf.change = leaf.change.max(member.says(outcome, event_ms));
                    }
                    Err(_) => failed(compiled, &device.labels.id.to_string()),
                }
                member.wake_ms = view.wake.get();
                member.dirty = false;
            }
            leaf.wake_ms = leaf.wake_ms.min(member.wake_ms);
        }
    }
}

impl Instance {
    /// Reports whether a new alert may start: not on late data, and not by time alone while late data stand alone.
    fn may_start(&mut self, arrived: bool) -> bool {
        if arrived {
            self.late = !self.timely;
        }
        !self.late
    }

    fn is_timed(&self) -> bool {
        self.active.as_ref().and_then(|active| active.phase).is_some_and(Phase::is_timed)
    }
}

#[expect(clippy::too_many_arguments, reason = "parts of the shard and the device, borrowed one by one")]
fn advance(
    device: &mut Device,
    place: usize,
    compiled: &CompiledRule,
    plan: &DevicePlan,
    clock: &Clock,
    observed: Observed,
    now: EvalTime,
    config: &EngineConfig,
) -> (Step, Option<RuleTransition>) {
    let instance = &mut device.instances[place];
    let before = alert_state(instance.active.as_deref());
    let mut phase = instance.active.as_ref().and_then(|active| active.phase);
    let step = step(&mut phase, compiled.terms, observed);
    device.flapping.pay(config.flapping, now.monotonic_ms, step, phase);
    let mut active = match (instance.active.take(), phase) {
        (Some(active), _) => active,
        (None, Some(phase)) => {
            Active::begin(&compiled.rule, &device.labels.labels, phase, (config.new_id)(now.at_ms), now)
        }
        (None, None) => return (step, None),
    };
    active.phase = phase;
    let selector_mask = instance.selector_mask;
    let transition = (!step.is_silent()).then(|| {
        let view = view(device, &plan.selectors, selector_mask, clock, now.at_ms);
        let result = trace::of_device(&view, &compiled.rule, plan, &device.labels, observed.condition, now);
        active.record(&compiled.rule, step, now, result)
    });
    let instance = &mut device.instances[place];
    instance.active = phase.is_some().then_some(active);
    compiled.meter.moved(before, alert_state(instance.active.as_deref()));
    (step, transition.flatten())
}

fn failed(compiled: &CompiledRule, device: &str) {
    let meter: &Arc<RuleMeter> = &compiled.meter;
    meter.failed(&format!("evaluation for device {device} panicked; this is a bug of the engine"));
    tracing::error!(rule = %compiled.rule.name, device, "evaluation panicked");
}
