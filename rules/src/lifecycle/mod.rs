//! The life of an alert, as a state machine of one rule and one set of labels: inactive, pending, firing, cleared.
//!
//! | From | What is seen | To |
//! |---|---|---|
//! | inactive | true, and it may start | pending; firing at once when the rule has no `for` |
//! | pending | true for as long as `for` | firing; about silence not while that may be our own outage |
//! | pending | false or silent | inactive (withdrawn) |
//! | firing | true | firing; a calm that had begun is forgotten |
//! | firing | false (with a recovery expression: and that is true), for as long as `keep_firing_for` | cleared |
//! | firing | silent | firing, marked `no_data`; cleared when the rule says `no_data: clear` |
//!
//! What comes and goes too often ([`flapping`]) is told less often: an alert is firing as soon as it is true, and stays so
//! until its device has a share left to clear it; a pending one is told once there is a share, or when it fires.
//!
//! Durations run on monotonic time. Pure: knows nothing of devices, queues and clocks. [`record`] makes of a step
//! what the alert thread writes down.
pub(crate) mod flapping;
pub(crate) mod record;

use crate::eval::outcome::Outcome;

/// Terms of a rule for the life of its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) for_ms: i64,
    pub(crate) keep_firing_ms: i64,
    /// `no_data: clear`.
    pub(crate) silence_clears: bool,
}

/// What was seen at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observed {
    /// Outcome of the condition.
    pub(crate) condition: Outcome,
    /// Outcome of the recovery expression, if the rule has one.
    pub(crate) recovery: Option<Outcome>,
    /// A new alert may start: late data must not raise any.
    pub(crate) may_start: bool,
    /// An alert may start or go on to fire: one about silence must not while the silence may be our own outage.
    pub(crate) may_fire: bool,
    /// Silence counts: after our own outage it does not until devices had a chance to speak.
    pub(crate) silence_counts: bool,
    /// Its alerts have not come and gone too often: one may clear, or be told as pending.
    pub(crate) has_share: bool,
    /// Monotonic time in milliseconds.
    pub(crate) monotonic_ms: i64,
}

/// Where an alert stands; without one, it is inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// True since, by monotonic time, and whether that was told.
    Pending { since_ms: i64, is_told: bool },
    /// No longer true since, by monotonic time, and whether its series are silent.
    Firing { calm_since_ms: Option<i64>, no_data: bool },
}

/// An alert that has just begun to fire.
const FIRING: Phase = Phase::Firing { calm_since_ms: None, no_data: false };

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing to tell.
    Stay,
    /// Nothing to tell: it is over and goes on firing, because it came and went too often.
    Held,
    /// An alert began, as far as anyone is told, in the phase that is now set.
    Began,
    /// It went from pending to firing.
    Fired,
    /// It was pending, as was told, and is no more.
    Withdrawn,
    /// It was firing and is no more.
    Cleared,
    /// It is firing as before; its `no_data` changed.
    NoDataChanged,
}

/// Moves an alert on by one sight.
pub(crate) fn step(phase: &mut Option<Phase>, terms: Terms, observed: Observed) -> Step {
    match *phase {
        None => begin(phase, terms, observed),
        Some(Phase::Pending { since_ms, is_told }) => wait(phase, (since_ms, is_told), terms, observed),
        Some(Phase::Firing { calm_since_ms, no_data }) => {
            go_on(phase, (calm_since_ms, no_data), terms, observed)
        }
    }
}

fn begin(phase: &mut Option<Phase>, terms: Terms, observed: Observed) -> Step {
    if !(observed.may_start && observed.may_fire) || observed.condition.value().is_none() {
        return Step::Stay;
    }
    if terms.for_ms == 0 {
        *phase = Some(FIRING);
        return Step::Began;
    }
    *phase = Some(Phase::Pending { since_ms: observed.monotonic_ms, is_told: observed.has_share });
    if observed.has_share { Step::Began } else { Step::Stay }
}

/// Moves a pending alert on.
fn wait(
    phase: &mut Option<Phase>,
    (since_ms, is_told): (i64, bool),
    terms: Terms,
    observed: Observed,
) -> Step {
    match observed.condition {
        Outcome::Value(_) if observed.may_fire && observed.monotonic_ms - since_ms >= terms.for_ms => {
            *phase = Some(FIRING);
            if is_told { Step::Fired } else { Step::Began }
        }
        Outcome::Value(_) if !is_told && observed.has_share => {
            *phase = Some(Phase::Pending { since_ms, is_told: true });
            Step::Began
        }
        Outcome::Value(_) => Step::Stay,
        Outcome::Silent if !observed.silence_counts => Step::Stay,
        Outcome::Nothing | Outcome::Silent => {
            *phase = None;
            if is_told { Step::Withdrawn } else { Step::Stay }
        }
    }
}

/// Moves a firing alert on.
fn go_on(
    phase: &mut Option<Phase>,
    (calm_since_ms, no_data): (Option<i64>, bool),
    terms: Terms,
    observed: Observed,
) -> Step {
    let (is_over, is_silent) = match calm(terms, observed) {
        Calm::Not => (false, false),
        Calm::Unknown => (false, observed.silence_counts || no_data),
        Calm::Yes => (true, false),
    };
    let calm_since_ms = match calm_since_ms {
        Some(since_ms) if is_over || is_silent => Some(since_ms),
        _ if is_over => Some(observed.monotonic_ms),
        _ => None,
    };
    let has_been_calm =
        calm_since_ms.is_some_and(|since_ms| observed.monotonic_ms - since_ms >= terms.keep_firing_ms);
    if is_over && has_been_calm && observed.has_share {
        *phase = None;
        return Step::Cleared;
    }
    *phase = Some(Phase::Firing { calm_since_ms, no_data: is_silent });
    if is_silent != no_data {
        Step::NoDataChanged
    } else if is_over && has_been_calm {
        Step::Held
    } else {
        Step::Stay
    }
}

/// Whether a firing alert's condition is over.
enum Calm {
    Not,
    Unknown,
    Yes,
}

fn calm(terms: Terms, observed: Observed) -> Calm {
    match (observed.condition, observed.recovery) {
        (Outcome::Value(_), _) => Calm::Not,
        (Outcome::Silent, _) if terms.silence_clears && observed.silence_counts => Calm::Yes,
        (Outcome::Nothing, None) | (_, Some(Outcome::Value(_))) => Calm::Yes,
        (Outcome::Silent, None | Some(Outcome::Silent)) => Calm::Unknown,
        (Outcome::Silent | Outcome::Nothing, Some(_)) => Calm::Not,
    }
}

impl Step {
    /// Reports whether nobody is told of anything.
    pub(crate) fn is_silent(self) -> bool {
        matches!(self, Self::Stay | Self::Held)
    }
}

impl Phase {
    /// Reports whether time alone can move it on: a `for` or a `keep_firing_for` is running.
    pub(crate) fn is_timed(self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Firing { calm_since_ms: Some(_), .. })
    }
}

#[cfg(test)]
mod tests;
