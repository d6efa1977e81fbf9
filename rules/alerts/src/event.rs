//! What can happen to an alert.
use ioc_model::{
    Alert, AlertId, DeviceId, Domain, Evidence, Fingerprint, Severity, Transition, TransitionKind,
    alert::{Note, Text},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that happened to one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEvent {
    /// Which alert.
    pub alert: AlertId,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// What happened.
    pub body: EventBody,
}

/// What happened. The journal knows each by a number that never changes, see [`EventBody::number`].
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// Takes over a whole state: a transition of an earlier version.
    Imported(Box<Transition>),
    /// Brings back an alert that the fold has let go, before something happens to it. Nobody is told.
    Recalled(Box<Recalled>),
    /// Brings back further notes of a recalled alert.
    RecalledNotes(RecalledNotes),
    /// The condition became true; it has to hold for a while.
    Pending(Box<Opened>),
    /// The condition holds.
    Firing(Box<Fired>),
    /// The condition holds no more.
    Cleared(Box<Cleared>),
    /// The series behind a firing alert went silent or came back.
    NoDataChanged(Box<Decision>),
    /// A rule decided what no event above can carry: the whole alert as the rule has it.
    Restated(Box<Restated>),
    /// A person took the alert.
    Acknowledged(Taken),
    /// A person wrote a note.
    Noted(Noted),
    /// A person closed the alert.
    Resolved(Taken),
}

impl EventBody {
    /// Returns the number of this kind of event. A number is never given to another kind.
    pub const fn number(&self) -> u32 {
        match self {
            Self::Imported(_) => 1,
            Self::Recalled(_) => 2,
            Self::RecalledNotes(_) => 3,
            Self::Pending(_) => 10,
            Self::Firing(_) => 11,
            Self::Cleared(_) => 12,
            Self::NoDataChanged(_) => 13,
            Self::Restated(_) => 14,
            Self::Acknowledged(_) => 20,
            Self::Noted(_) => 21,
            Self::Resolved(_) => 22,
        }
    }
}

impl AlertEvent {
    /// Wraps a transition of an earlier version, which carries the whole alert after it.
    pub fn imported(transition: Transition) -> Self {
        Self {
            alert: transition.alert.id,
            at: transition.at,
            body: EventBody::Imported(Box::new(transition)),
        }
    }

    /// Returns the user name of whoever did it; `None` for what rules decide.
    pub fn by(&self) -> Option<&str> {
        match &self.body {
            EventBody::Acknowledged(taken) | EventBody::Resolved(taken) => Some(&taken.by),
            EventBody::Noted(noted) => Some(&noted.by),
            EventBody::Imported(transition) => transition.by.as_deref(),
            _ => None,
        }
    }
}

/// Carries an alert that the fold had let go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// Newest journal offset that decided one of its transitions.
    pub cause: u64,
    /// As it was, with the first of its notes.
    pub alert: Alert,
}

/// Carries further notes of a recalled alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecalledNotes {
    /// How many notes come before these.
    pub from: usize,
    /// Oldest first.
    pub notes: Vec<Note>,
}

impl RecalledNotes {
    /// Adds the notes behind those that are there. Returns false, and adds none, when they do not follow these.
    pub(crate) fn add_to(&self, notes: &mut Vec<Note>) -> bool {
        let follows = self.from == notes.len();
        if follows {
            notes.extend_from_slice(&self.notes);
        }
        follows
    }
}

/// Carries what an alert is about. It stays the same for the whole activation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Rule and labels.
    pub fingerprint: Fingerprint,
    /// Name of the rule.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// Field of the city.
    pub domain: Option<Domain>,
    /// `None` for aggregates.
    pub device: Option<DeviceId>,
    /// Code of the ward.
    pub ward: Option<String>,
    /// Labels, those of the rule included.
    pub labels: BTreeMap<String, String>,
    /// When the condition became true, milliseconds since the epoch.
    pub active_since: i64,
}

impl Subject {
    /// Takes what `alert` is about.
    pub(crate) fn of(alert: &Alert) -> Self {
        Self {
            fingerprint: alert.fingerprint,
            rule: alert.rule.clone(),
            severity: alert.severity,
            domain: alert.domain,
            device: alert.device.clone(),
            ward: alert.ward.clone(),
            labels: alert.labels.clone(),
            active_since: alert.active_since,
        }
    }
}

/// Carries the value and the texts of an alert: those of the last time that its condition became true.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Shown {
    /// Value of the expression.
    pub value: Option<f64>,
    /// Expanded annotations.
    pub summary: Text,
}

/// Carries why and when a rule decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Journal offset of the last input that was known: replaying up to it changes nothing about the alert.
    pub cause: u64,
    /// Event time of the newest sample that decided, milliseconds since the epoch.
    pub event_time: i64,
    /// When that sample arrived, milliseconds since the epoch.
    pub arrival_time: i64,
    /// When the rule decided, milliseconds since the epoch.
    pub decision_time: i64,
    /// Whether the series behind the alert are silent.
    pub no_data: bool,
    /// What was read; `None` when it is that of the decision before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Begins an alert that has to hold for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// What it is about.
    pub subject: Subject,
    /// Value and texts.
    pub shown: Shown,
    /// Why and when.
    pub decision: Decision,
}

/// Begins a firing alert, or has a pending one fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// What it is about; `None` when the alert was pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Since when it fires, milliseconds since the epoch.
    pub since: i64,
    /// Value and texts.
    pub shown: Shown,
    /// Why and when.
    pub decision: Decision,
}

/// Ends the condition of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cleared {
    /// When it ended, milliseconds since the epoch.
    pub since: i64,
    /// Why and when.
    pub decision: Decision,
}

/// Carries an alert as its rule has it; what people did to it is not in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restated {
    /// What the rule decided.
    pub transition: TransitionKind,
    /// Journal offset of the last input that was known.
    pub cause: u64,
    /// The alert.
    pub alert: Alert,
}

/// Carries who took or closed an alert, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// User name.
    pub by: String,
    /// The reason, where one was given; it stands among the notes of the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Carries a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// User name.
    pub by: String,
    /// What was written.
    pub text: String,
}
