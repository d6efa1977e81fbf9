//! Alerts, their transitions, and the evidence that each transition carries from the first day.
use crate::{AlertId, DeviceId, Domain, Fingerprint, Severity, string_enum::string_enum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

string_enum! {
    /// What the rule says about the world; acknowledging stands beside it, not instead of it.
    Condition, "condition", "pending, firing, cleared" {
        /// True, but not yet for as long as `for` asks.
        Pending = "pending",
        /// True.
        Firing = "firing",
        /// No longer true.
        Cleared = "cleared",
    }
}

string_enum! {
    /// What happened to an alert.
    TransitionKind, "transition", "pending, firing, acknowledged, assigned, shelved, escalated, cleared, resolved, noted" {
        /// The condition became true.
        Pending = "pending",
        /// The condition held for as long as `for` asks.
        Firing = "firing",
        /// Someone took it.
        Acknowledged = "acknowledged",
        /// It was given to someone.
        Assigned = "assigned",
        /// It was put aside for a limited time.
        Shelved = "shelved",
        /// It was raised to more people.
        Escalated = "escalated",
        /// The condition is no longer true.
        Cleared = "cleared",
        /// An operator closed it.
        Resolved = "resolved",
        /// An operator wrote a note.
        Noted = "noted",
    }
}

/// The same text in both languages of the city.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Text {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// What an operator wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Note {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// User name.
    pub by: String,
    /// The text.
    pub text: String,
}

/// One activation of one rule for one set of labels. All times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Alert {
    /// This activation.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub id: AlertId,
    /// Rule and labels: the same for every activation.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub fingerprint: Fingerprint,
    /// Name of the rule.
    pub rule: String,
    /// From the rule's label `severity`.
    pub severity: Severity,
    /// What the rule says.
    pub state: Condition,
    /// Of the device, or the rule's label `domain`.
    #[cfg_attr(feature = "schema", schema(required))]
    pub domain: Option<Domain>,
    /// `None` for aggregates.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, required))]
    pub device: Option<DeviceId>,
    /// Code of the ward, `None` for aggregates over several.
    #[cfg_attr(feature = "schema", schema(required))]
    pub ward: Option<String>,
    /// The labels of the alert, those of the rule included.
    pub labels: BTreeMap<String, String>,
    /// Value of the expression; `None` when it has none (absence).
    #[cfg_attr(feature = "schema", schema(required))]
    pub value: Option<f64>,
    /// Expanded annotations `summary_vi` and `summary_en`.
    pub summary: Text,
    /// Event time of the newest sample that decided.
    pub event_time: i64,
    /// When that sample reached us.
    pub arrival_time: i64,
    /// When the rule decided.
    pub decision_time: i64,
    /// When the condition became true.
    pub active_since: i64,
    /// When it became firing.
    #[cfg_attr(feature = "schema", schema(required))]
    pub firing_since: Option<i64>,
    /// When it cleared.
    #[cfg_attr(feature = "schema", schema(required))]
    pub cleared_at: Option<i64>,
    /// User name.
    #[cfg_attr(feature = "schema", schema(required))]
    pub acknowledged_by: Option<String>,
    /// When.
    #[cfg_attr(feature = "schema", schema(required))]
    pub acknowledged_at: Option<i64>,
    /// User name.
    #[cfg_attr(feature = "schema", schema(required))]
    pub resolved_by: Option<String>,
    /// When.
    #[cfg_attr(feature = "schema", schema(required))]
    pub resolved_at: Option<i64>,
    /// Oldest first.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub notes: Vec<Note>,
    /// The series behind it went silent while it was firing.
    pub no_data: bool,
    /// Why the last condition change was decided.
    pub evidence: Evidence,
}

impl Alert {
    /// Reports whether it belongs on the wall: firing, and no operator has closed it.
    pub fn is_open(&self) -> bool {
        self.state == Condition::Firing && self.resolved_at.is_none()
    }
}

/// Why a transition was decided; it cannot be filled in later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Evidence {
    /// Hash of the rule's definition.
    pub rule_hash: String,
    /// The expression as written.
    pub expr: String,
    /// The samples that were read, newest first, at most [`EVIDENCE_SAMPLES_MAX`].
    pub samples: Vec<EvidenceSample>,
    /// The value of each sub-expression, outermost first.
    pub parts: Vec<EvidencePart>,
    /// When the deciding observation passed each station.
    pub hops: Hops,
}

/// Most samples kept with a transition.
pub const EVIDENCE_SAMPLES_MAX: usize = 32;

/// One sample that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EvidenceSample {
    /// The series, as in `water_level{device="KL-01"}`.
    pub series: String,
    /// Event time.
    pub ts: i64,
    /// In the property's unit.
    pub value: f64,
}

/// One sub-expression and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EvidencePart {
    /// As written.
    pub expr: String,
    /// `None` when it had no value.
    #[cfg_attr(feature = "schema", schema(required))]
    pub value: Option<f64>,
}

/// Milliseconds since the epoch at each station of the deciding observation; 0 where it passed none (timers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Hops {
    /// Event time, by the device's clock.
    pub event: i64,
    /// Arrival at the broker.
    pub arrival: i64,
    /// Handed to the disk by the journal, which rules do not wait for: nobody is told before it is done.
    pub committed: i64,
    /// The rule decided.
    pub decided: i64,
}

/// One thing that happened to an alert, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Transition {
    /// What happened.
    pub transition: TransitionKind,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// User name, for what people do.
    #[cfg_attr(feature = "schema", schema(required))]
    pub by: Option<String>,
    /// Journal offset of the record that decided, for what rules do: replaying up to it changes nothing.
    #[cfg_attr(feature = "schema", schema(required))]
    pub cause: Option<u64>,
    /// The alert after it.
    pub alert: Alert,
}
