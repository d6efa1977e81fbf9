//! The section `[records]` of the configuration: bounds of what is kept.
use ioc_model::{settings::SettingChecks, units::Span};
use serde::{Deserialize, Serialize};

const DAY_S: u64 = 86_400;

/// Bounds of what the records keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// How long closed alerts and their transitions are listed.
    pub alerts_keep: Span,
    /// Most rejected messages kept for inspection; the oldest go.
    pub quarantine_rows_max: u32,
    /// How long the audit trail is kept.
    pub audit_keep: Span,
    /// Most audit entries about people who are not signed in; the oldest go.
    pub audit_anonymous_rows_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alerts_keep: Span::from_secs(90 * DAY_S),
            quarantine_rows_max: 10_000,
            audit_keep: Span::from_secs(730 * DAY_S),
            audit_anonymous_rows_max: 10_000,
        }
    }
}

impl Config {
    /// Adds every value that cannot work to `wrong`.
    pub fn validate(&self, wrong: &mut SettingChecks) {
        wrong.at_least("records.quarantine_rows_max", self.quarantine_rows_max.into(), 1);
        wrong.at_least("records.audit_anonymous_rows_max", self.audit_anonymous_rows_max.into(), 1);
    }
}
