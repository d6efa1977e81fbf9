//! What is wrong with settings beyond what their types say. Each crate checks its own section of the configuration.

/// A value that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    /// Its key from the root of the configuration, as in `records.audit_keep`.
    pub key: &'static str,
    /// What it is.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Collects every setting that cannot work.
#[derive(Debug, Default)]
pub struct SettingChecks(Vec<InvalidSetting>);

impl SettingChecks {
    /// Adds a value that cannot work.
    pub fn add(&mut self, key: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(InvalidSetting { key, message: message.into(), help: help.into() });
    }

    /// Adds `key` unless its value is at least `min`.
    pub fn at_least(&mut self, key: &'static str, value: u64, min: u64) {
        if value < min {
            self.add(key, format!("{key} is {value}"), format!("it must be at least {min}"));
        }
    }

    /// Returns what was found, in the order of the checks.
    pub fn into_found(self) -> Vec<InvalidSetting> {
        self.0
    }
}
