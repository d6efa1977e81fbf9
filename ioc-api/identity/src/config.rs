//! How long a sign-in lasts. Its key stands in the section `[http]` of the configuration.
use ioc_model::{settings::SettingChecks, units::Span};
use serde::{Deserialize, Serialize};

/// Shortest life of a session, in milliseconds.
const SESSION_TTL_MIN_MS: i64 = 60_000;

/// Settings of sign-ins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// How long a sign-in lasts.
    pub session_ttl: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self { session_ttl: Span::from_secs(12 * 3600) }
    }
}

impl Config {
    /// Adds every value that cannot work to `wrong`.
    pub fn validate(&self, wrong: &mut SettingChecks) {
        if self.session_ttl.as_ms() < SESSION_TTL_MIN_MS {
            let message = format!("http.session_ttl is {}", self.session_ttl);
            wrong.add("http.session_ttl", message, "it must be at least 1m");
        }
    }
}
