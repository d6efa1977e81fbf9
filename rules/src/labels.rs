//! Labels of series and alerts.
use ioc_model::{DeviceId, DeviceIndex, Domain};
use std::sync::Arc;

/// Names and values, sorted by name; the metric name is not among them.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// A device as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLabels {
    /// Its index.
    pub index: DeviceIndex,
    /// Its id.
    pub id: DeviceId,
    /// `device`, `domain`, `kind`, `ward` (code as text) and the registry's labels; see [`sorted`].
    pub labels: Labels,
    /// Reporting period of its kind, in milliseconds.
    pub period_ms: i64,
}

impl DeviceLabels {
    /// Builds the labels of a device. A registry label named like one of the four built-in ones is left out.
    ///
    /// Units: `period_ms` is the reporting period of the kind in milliseconds.
    pub fn new<'l>(
        index: DeviceIndex,
        id: DeviceId,
        domain: Domain,
        kind: &str,
        ward: Option<&str>,
        registry: impl IntoIterator<Item = (&'l str, &'l str)>,
        period_ms: i64,
    ) -> Self {
        let pair = |name: &str, value: &str| (Arc::from(name), Arc::from(value));
        let mut pairs =
            vec![pair("device", id.as_str()), pair("domain", domain.as_str()), pair("kind", kind)];
        pairs.extend(ward.map(|ward| pair("ward", ward)));
        pairs.extend(registry.into_iter().map(|(name, value)| pair(name, value)));
        let labels = sorted(pairs);
        Self { index, id, labels, period_ms }
    }

    /// Returns the text of a label, `""` when it is not there.
    pub fn label(&self, name: &str) -> &str {
        value(&self.labels, name).unwrap_or("")
    }
}

/// Sorts by name and keeps the first of each name: what [`DeviceLabels::labels`] needs.
pub fn sorted(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Labels {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|later, first| later.0 == first.0);
    pairs.into()
}

/// Returns the text of a label in sorted labels.
pub fn value<'l>(labels: &'l [(Arc<str>, Arc<str>)], name: &str) -> Option<&'l str> {
    let slot = labels.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
    labels.get(slot).map(|(_, value)| &**value)
}

/// Returns the labels of a result without any.
pub(crate) fn no_labels() -> Labels {
    Arc::from([])
}
