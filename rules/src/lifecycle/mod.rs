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
//! Durations run on monotonic time. Pure: knows nothing of devices, queues and clocks. [`record`] makes of a step
//! what the alert book keeps.
pub(crate) mod record;

use crate::eval::outcome::Outcome;

/// What a rule says about how its alerts live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) for_ms: i64,
    pub(crate) keep_firing_ms: i64,
    /// `no_data: clear`.
    pub(crate) silence_clears: bool,
}

/// What was seen at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sight {
    /// Of the condition.
    pub(crate) condition: Outcome,
    /// Of the recovery expression, if the rule has one.
    pub(crate) recovery: Option<Outcome>,
    /// A new alert may start: late data must not raise any.
    pub(crate) may_start: bool,
    /// An alert may start or go on to fire: one about silence must not while the silence may be our own outage.
    pub(crate) may_fire: bool,
    /// Silence counts: after our own outage it does not until devices had a chance to speak.
    pub(crate) silence_counts: bool,
    /// Monotonic time in milliseconds.
    pub(crate) monotonic_ms: i64,
}

/// Where an alert stands; without one, it is inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// True since, by monotonic time.
    Pending { since_ms: i64 },
    /// No longer true since, by monotonic time, and whether its series are silent.
    Firing { calm_since_ms: Option<i64>, no_data: bool },
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing to tell.
    Stay,
    /// An alert began, in the phase that is now set.
    Began,
    /// It went from pending to firing.
    Fired,
    /// It was pending and is no more.
    Withdrawn,
    /// It was firing and is no more.
    Cleared,
    /// It is firing as before; its `no_data` changed.
    NoDataChanged,
}

/// Moves an alert on by one sight.
pub(crate) fn step(phase: &mut Option<Phase>, terms: Terms, sight: Sight) -> Step {
    match phase {
        None => begin(phase, terms, sight),
        Some(Phase::Pending { since_ms }) => match sight.condition {
            Outcome::Value(_) if sight.may_fire && sight.monotonic_ms - *since_ms >= terms.for_ms => {
                *phase = Some(Phase::Firing { calm_since_ms: None, no_data: false });
                Step::Fired
            }
            Outcome::Value(_) => Step::Stay,
            Outcome::Silent if !sight.silence_counts => Step::Stay,
            Outcome::Nothing | Outcome::Silent => {
                *phase = None;
                Step::Withdrawn
            }
        },
        Some(Phase::Firing { calm_since_ms, no_data }) => {
            let (over, silent) = match calm(terms, sight) {
                Calm::Not => (false, false),
                Calm::Unknown if sight.silence_counts => (false, true),
                Calm::Unknown => (false, *no_data),
                Calm::Yes => (true, false),
            };
            let since = if over { *calm_since_ms.get_or_insert(sight.monotonic_ms) } else { i64::MAX };
            if over && sight.monotonic_ms - since >= terms.keep_firing_ms {
                *phase = None;
                return Step::Cleared;
            }
            if !over && !silent {
                *calm_since_ms = None;
            }
            if silent == *no_data {
                return Step::Stay;
            }
            *no_data = silent;
            Step::NoDataChanged
        }
    }
}

fn begin(phase: &mut Option<Phase>, terms: Terms, sight: Sight) -> Step {
    if !(sight.may_start && sight.may_fire) || sight.condition.value().is_none() {
        return Step::Stay;
    }
    *phase = Some(match terms.for_ms {
        0 => Phase::Firing { calm_since_ms: None, no_data: false },
        _ => Phase::Pending { since_ms: sight.monotonic_ms },
    });
    Step::Began
}

/// Whether a firing alert's condition is over.
enum Calm {
    Not,
    Unknown,
    Yes,
}

fn calm(terms: Terms, sight: Sight) -> Calm {
    match (sight.condition, sight.recovery) {
        (Outcome::Value(_), _) => Calm::Not,
        (Outcome::Silent, _) if terms.silence_clears && sight.silence_counts => Calm::Yes,
        (Outcome::Nothing, None) | (_, Some(Outcome::Value(_))) => Calm::Yes,
        (Outcome::Silent, None | Some(Outcome::Silent)) => Calm::Unknown,
        (Outcome::Silent | Outcome::Nothing, Some(_)) => Calm::Not,
    }
}

impl Phase {
    /// Says whether time alone can move it on: a `for` or a `keep_firing_for` is running.
    pub(crate) fn is_timed(self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Firing { calm_since_ms: Some(_), .. })
    }
}

#[cfg(test)]
mod tests;
