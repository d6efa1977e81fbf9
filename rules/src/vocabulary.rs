//! Which names rules may use: the metrics of the catalogue.
use ioc_model::{Catalogue, PropertyId};

/// `device_online`: 1 while the device's connection stands, else 0; made by the broker for every device.
pub const DEVICE_ONLINE: PropertyId = PropertyId(90);
/// `device_silent_seconds`: seconds since the device's last message; computed by the engine, never stored.
pub const DEVICE_SILENT_SECONDS: PropertyId = PropertyId(91);

/// Resolves the metric names of rules.
pub trait Vocabulary {
    /// Returns the property that a metric name stands for.
    fn property(&self, name: &str) -> Option<PropertyId>;
    /// Returns every metric name, for suggestions.
    fn names(&self) -> Vec<&str>;
}

const BUILT_IN: [(&str, PropertyId); 2] =
    [("device_online", DEVICE_ONLINE), ("device_silent_seconds", DEVICE_SILENT_SECONDS)];

impl Vocabulary for Catalogue {
    fn property(&self, name: &str) -> Option<PropertyId> {
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
        Catalogue::property(self, name).map(|property| property.id).or_else(built_in)
    }

    fn names(&self) -> Vec<&str> {
        let own = self.properties().iter().map(|property| property.name.as_str());
        let missing =
            BUILT_IN.iter().map(|(name, _)| *name).filter(|name| Catalogue::property(self, name).is_none());
        own.chain(missing).collect()
    }
}
