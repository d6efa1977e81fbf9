//! The metrics page, read as Prometheus would.
use std::collections::BTreeMap;

/// One scrape: `name{labels}` and its value.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the text format.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| -> Option<(String, f64)> {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(entry).collect())
    }

    /// Returns a value; 0 when it is not there.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// Returns the value of a counter with one label `reason`.
    pub(crate) fn reason(&self, name: &str, reason: &str) -> f64 {
        self.get(&format!("{name}{{reason=\"{reason}\"}}"))
    }

    /// Returns the sum over all labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        self.0.iter().filter(|(key, _)| of_name(key)).map(|(_, value)| value).sum()
    }

    /// Returns observations received, stored, duplicate and rejected.
    pub(crate) fn ledger(&self) -> [f64; 4] {
        [
            self.get("ioc_observations_received_total"),
            self.get("ioc_observations_stored_total"),
            self.get("ioc_observations_duplicate_total"),
            self.sum("ioc_observations_rejected_total"),
        ]
    }
}
