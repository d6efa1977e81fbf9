//! The event that carries a decision of a rule.
use crate::{
    event::{AlertEvent, Cleared, Decision, EventBody, Fired, Opened, Restated, Shown, Subject},
    life::{after, with_deeds_of},
};
use ioc_model::{Alert, Condition, TransitionKind};

/// A rule decided something about an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleDecision {
    /// Pending, firing or cleared; firing of an alert that was firing says that its `no_data` changed.
    pub kind: TransitionKind,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// Journal offset of the last input that was known.
    pub cause: u64,
    /// The alert after it, as the rule has it: without what people did.
    pub alert: Alert,
}

impl RuleDecision {
    /// Makes the event that carries it, for an alert that is `known` so far: what changed. A decision that no such event
    /// leads to is carried whole.
    pub(crate) fn into_event(self, known: Option<&Alert>) -> AlertEvent {
        let (alert, at) = (self.alert.id, self.at);
        if let Some(body) = self.change(known) {
            let event = AlertEvent { alert, at, body };
            if after(known, &event).is_ok_and(|next| self.is(known, &next.alert, next.told)) {
                return event;
            }
        }
        let Self { kind: transition, cause, alert: whole, .. } = self;
        AlertEvent {
            alert,
            at,
            body: EventBody::Restated(Box::new(Restated { transition, cause, alert: whole })),
        }
    }

    /// Reports whether this is what the rule decided.
    fn is(&self, known: Option<&Alert>, alert: &Alert, told: Option<TransitionKind>) -> bool {
        told == Some(self.kind) && *alert == with_deeds_of(known, self.alert.clone())
    }

    fn change(&self, known: Option<&Alert>) -> Option<EventBody> {
        let Alert { firing_since, cleared_at, .. } = self.alert;
        let decision = self.decision(known);
        Some(match (self.kind, known.map(|known| known.state)) {
            (TransitionKind::Pending, None) => {
                let subject = Subject::of(&self.alert);
                EventBody::Pending(Box::new(Opened { subject, shown: self.shown(), decision }))
            }
            (TransitionKind::Firing, None | Some(Condition::Pending)) => {
                let subject = known.is_none().then(|| Subject::of(&self.alert));
                let (since, shown) = (firing_since?, self.shown());
                EventBody::Firing(Box::new(Fired { subject, since, shown, decision }))
            }
            (TransitionKind::Firing, Some(Condition::Firing)) => EventBody::NoDataChanged(Box::new(decision)),
            (TransitionKind::Cleared, Some(_)) => {
                EventBody::Cleared(Box::new(Cleared { since: cleared_at?, decision }))
            }
            _ => return None,
        })
    }

    fn shown(&self) -> Shown {
        Shown { value: self.alert.value, summary: self.alert.summary.clone() }
    }

    fn decision(&self, known: Option<&Alert>) -> Decision {
        let Alert { event_time, arrival_time, decision_time, no_data, ref evidence, .. } = self.alert;
        let is_new = known.is_none_or(|known| known.evidence != *evidence);
        let evidence = is_new.then(|| evidence.clone());
        Decision { cause: self.cause, event_time, arrival_time, decision_time, no_data, evidence }
    }
}
