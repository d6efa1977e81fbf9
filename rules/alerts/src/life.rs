//! How one event changes one alert. Every state that comes out of here is legal, whatever order the log has events in:
//!
//! | From | Event | To |
//! |---|---|---|
//! | nothing | pending | pending |
//! | nothing, pending | firing | firing |
//! | pending, firing | cleared | cleared |
//! | firing | no data changed | firing |
//! | firing, cleared | acknowledged, once and before it is resolved | the same, acknowledged |
//! | firing, cleared | resolved, once | the same, resolved |
//! | any | noted | the same, with a note |
//! | nothing | recalled | as it was |
//! | any | imported, restated | as the event says |
//!
//! An event that does not fit is ignored. Acknowledging and resolving stand beside the condition, not instead of it: a rule
//! goes on whatever people do, and what people did stays whatever a rule decides.
use crate::{
    command::{AlertCommand, add_note, bound_notes, check},
    event::{
        AlertEvent, Cleared, Decision, EventBody, Fired, Noted, Opened, Recalled, RecalledNotes, Restated,
        Shown, Subject, Taken,
    },
};
use ioc_model::{Alert, AlertId, Condition, Evidence, Transition, TransitionKind};

/// Why an event changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The fold has it already.
    #[error("it was folded before")]
    Repeated,
    /// The alert that it is about is not known.
    #[error("no alert has this id")]
    UnknownAlert,
    /// The alert is in no state for it.
    #[error("the alert is in no state for it")]
    OutOfTurn,
}

/// What an event makes of an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Next {
    /// The alert after it.
    pub(crate) alert: Alert,
    /// Journal offset of the input that decided, for what rules decide.
    pub(crate) cause: Option<u64>,
    /// What is told of it; `None` when nothing is.
    pub(crate) told: Option<TransitionKind>,
}

impl Next {
    /// Returns what is told of it.
    pub(crate) fn transition(&self, event: &AlertEvent) -> Option<Transition> {
        let (transition, at, cause) = (self.told?, event.at, self.cause);
        let by = event.by().map(str::to_owned);
        Some(Transition { transition, at, by, cause, alert: self.alert.clone() })
    }
}

/// Returns what `event` makes of the alert that it is about, which is `known`.
///
/// Errors: [`Ignored`] says why it changes nothing.
pub(crate) fn after(known: Option<&Alert>, event: &AlertEvent) -> Result<Next, Ignored> {
    match &event.body {
        EventBody::Imported(transition) => Ok(imported(transition)),
        EventBody::Recalled(recalled) => recall(known, event, recalled),
        EventBody::RecalledNotes(recalled) => recall_notes(known, event, recalled),
        EventBody::Pending(opened) => pending(known, event, opened),
        EventBody::Firing(fired) => firing(known, event, fired),
        EventBody::Cleared(cleared) => clear(known, cleared),
        EventBody::NoDataChanged(decision) => {
            let alert = alert_in(known, &[Condition::Firing])?;
            Ok(decided(alert, decision, TransitionKind::Firing))
        }
        EventBody::Restated(restated) => Ok(restate(known, event, restated)),
        EventBody::Acknowledged(Taken { by, why }) => {
            commanded(known, event, &AlertCommand::Acknowledge { why: why.clone() }, by)
        }
        EventBody::Noted(Noted { by, text }) => {
            commanded(known, event, &AlertCommand::Note { text: text.clone() }, by)
        }
        EventBody::Resolved(Taken { by, why }) => {
            commanded(known, event, &AlertCommand::Resolve { why: why.clone() }, by)
        }
    }
}

fn recall(known: Option<&Alert>, event: &AlertEvent, recalled: &Recalled) -> Result<Next, Ignored> {
    match known {
        None => Ok(quiet(legal(event.alert, recalled.alert.clone(), event.at), Some(recalled.cause))),
        Some(_) => Err(Ignored::OutOfTurn),
    }
}

fn recall_notes(
    known: Option<&Alert>,
    event: &AlertEvent,
    recalled: &RecalledNotes,
) -> Result<Next, Ignored> {
    let mut alert = known.ok_or(Ignored::UnknownAlert)?.clone();
    match recalled.add_to(&mut alert.notes) {
        true => Ok(quiet(legal(event.alert, alert, event.at), None)),
        false => Err(Ignored::OutOfTurn),
    }
}

fn clear(known: Option<&Alert>, cleared: &Cleared) -> Result<Next, Ignored> {
    let alert = alert_in(known, &[Condition::Pending, Condition::Firing])?;
    let alert = Alert { state: Condition::Cleared, cleared_at: Some(cleared.since), ..alert };
    Ok(decided(alert, &cleared.decision, TransitionKind::Cleared))
}

fn imported(transition: &Transition) -> Next {
    let Transition { transition: kind, at, by: _, cause, alert } = transition;
    Next { alert: legal(alert.id, alert.clone(), *at), cause: *cause, told: Some(*kind) }
}

fn quiet(alert: Alert, cause: Option<u64>) -> Next {
    Next { alert, cause, told: None }
}

fn pending(known: Option<&Alert>, event: &AlertEvent, opened: &Opened) -> Result<Next, Ignored> {
    match known {
        Some(_) => Err(Ignored::OutOfTurn),
        None => {
            let alert = opened_alert(event.alert, &opened.subject, &opened.shown);
            Ok(decided(alert, &opened.decision, TransitionKind::Pending))
        }
    }
}

fn firing(known: Option<&Alert>, event: &AlertEvent, fired: &Fired) -> Result<Next, Ignored> {
    let alert = match (known, &fired.subject) {
        (None, Some(subject)) => opened_alert(event.alert, subject, &fired.shown),
        (None, None) => return Err(Ignored::UnknownAlert),
        (Some(_), _) => alert_in(known, &[Condition::Pending])?,
    };
    let Shown { value, summary } = fired.shown.clone();
    let alert = Alert { state: Condition::Firing, firing_since: Some(fired.since), value, summary, ..alert };
    Ok(decided(alert, &fired.decision, TransitionKind::Firing))
}

/// Returns a copy of the alert when its condition is one of `states`.
fn alert_in(known: Option<&Alert>, states: &[Condition]) -> Result<Alert, Ignored> {
    let known = known.ok_or(Ignored::UnknownAlert)?;
    match states.contains(&known.state) {
        true => Ok(known.clone()),
        false => Err(Ignored::OutOfTurn),
    }
}

fn decided(alert: Alert, decision: &Decision, told: TransitionKind) -> Next {
    let Decision { cause, event_time, arrival_time, decision_time, no_data, ref evidence } = *decision;
    let evidence = evidence.clone().unwrap_or_else(|| alert.evidence.clone());
    let alert = Alert { event_time, arrival_time, decision_time, no_data, evidence, ..alert };
    Next { alert, cause: Some(cause), told: Some(told) }
}

fn restate(known: Option<&Alert>, event: &AlertEvent, restated: &Restated) -> Next {
    let Restated { transition, cause, alert } = restated;
    let alert = with_deeds_of(known, alert.clone());
    Next { alert: legal(event.alert, alert, event.at), cause: Some(*cause), told: Some(*transition) }
}

fn commanded(
    known: Option<&Alert>,
    event: &AlertEvent,
    command: &AlertCommand,
    by: &str,
) -> Result<Next, Ignored> {
    let mut alert = known.ok_or(Ignored::UnknownAlert)?.clone();
    check(&alert, command).map_err(|_| Ignored::OutOfTurn)?;
    if let Some(text) = command.text() {
        add_note(&mut alert.notes, text, by, event.at);
    }
    let told = match command {
        AlertCommand::Acknowledge { .. } => {
            (alert.acknowledged_by, alert.acknowledged_at) = (Some(by.to_owned()), Some(event.at));
            TransitionKind::Acknowledged
        }
        AlertCommand::Resolve { .. } => {
            (alert.resolved_by, alert.resolved_at) = (Some(by.to_owned()), Some(event.at));
            TransitionKind::Resolved
        }
        AlertCommand::Note { .. } => TransitionKind::Noted,
    };
    Ok(Next { alert, cause: None, told: Some(told) })
}

/// Returns `decided` with what people did to `known`.
pub(crate) fn with_deeds_of(known: Option<&Alert>, decided: Alert) -> Alert {
    let Some(known) = known else { return decided };
    Alert {
        acknowledged_by: known.acknowledged_by.clone(),
        acknowledged_at: known.acknowledged_at,
        resolved_by: known.resolved_by.clone(),
        resolved_at: known.resolved_at,
        notes: known.notes.clone(),
        ..decided
    }
}

/// Makes a pending alert about which nothing was decided yet.
fn opened_alert(id: AlertId, subject: &Subject, shown: &Shown) -> Alert {
    let Subject { fingerprint, rule, severity, domain, device, ward, labels, active_since } = subject.clone();
    let Shown { value, summary } = shown.clone();
    Alert {
        id,
        fingerprint,
        rule,
        severity,
        state: Condition::Pending,
        domain,
        device,
        ward,
        labels,
        value,
        summary,
        event_time: active_since,
        arrival_time: active_since,
        decision_time: active_since,
        active_since,
        firing_since: None,
        cleared_at: None,
        acknowledged_by: None,
        acknowledged_at: None,
        resolved_by: None,
        resolved_at: None,
        notes: Vec::new(),
        no_data: false,
        evidence: Evidence::default(),
    }
}

/// Returns a state that was taken over as one that events could have led to. Those that our own programs wrote stay as they
/// are.
fn legal(id: AlertId, mut alert: Alert, at: i64) -> Alert {
    alert.id = id;
    match alert.state {
        Condition::Pending => {
            (alert.firing_since, alert.cleared_at) = (None, None);
            (alert.acknowledged_by, alert.resolved_by) = (None, None);
        }
        Condition::Firing => {
            alert.firing_since.get_or_insert(at);
            alert.cleared_at = None;
        }
        Condition::Cleared => _ = alert.cleared_at.get_or_insert(at),
    }
    pair(&mut alert.acknowledged_by, &mut alert.acknowledged_at);
    pair(&mut alert.resolved_by, &mut alert.resolved_at);
    bound_notes(&mut alert.notes);
    alert
}

/// Has a person and a time both or neither.
fn pair(by: &mut Option<String>, at: &mut Option<i64>) {
    if by.is_none() || at.is_none() {
        (*by, *at) = (None, None);
    }
}
