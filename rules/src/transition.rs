//! What a rule decides about an alert, and what is known of an alert from before a start.
use ioc_model::{Alert, TransitionKind};

/// A rule decided something.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTransition {
    /// `Pending`, `Firing` or `Cleared`. A `Firing` of an alert that was firing says that its `no_data` changed.
    pub kind: TransitionKind,
    /// When the rule decided, milliseconds since the epoch.
    pub at_ms: i64,
    /// Journal offset of the last input that was known when the rule decided: replaying up to it repeats nothing.
    pub cause: u64,
    /// The alert after it.
    pub alert: Alert,
    /// The first of its activation: nobody has heard of its id before.
    pub begins: bool,
    /// `Cleared` from pending: it never fired.
    pub withdrawn_pending: bool,
}

/// An alert that was known before a start.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredAlert {
    /// As its last transition by a rule left it; cleared ones too, so that replay does not raise them again.
    pub alert: Alert,
    /// Journal offset of the input that decided that transition. Inputs up to it change nothing about the alert.
    pub cause: u64,
}
