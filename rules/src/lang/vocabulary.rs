//! Which names rules may use: the metrics of the catalogue.
use super::ast::Selector;
use ioc_model::{
    Catalogue, Domain, PropertyId,
    catalogue::{UnknownDomain, ValueKind},
};

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
    /// Returns `name` when the city has such a domain; any name where that is not known.
    ///
    /// Errors: [`UnknownDomain`] lists those that there are.
    fn domain(&self, name: Domain) -> Result<Domain, UnknownDomain> {
        Ok(name)
    }
    /// Returns the shortest reporting period, in milliseconds, of the kinds that a selector may read; `None` when that
    /// is not known.
    fn shortest_period_ms(&self, selector: &Selector) -> Option<i64> {
        let _ = selector;
        None
    }
    /// Returns the smallest and the largest value that a property can have; `None` when that is not known.
    fn range(&self, property: PropertyId) -> Option<(f64, f64)> {
        let _ = property;
        None
    }
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

    fn domain(&self, name: Domain) -> Result<Domain, UnknownDomain> {
        self.known_domain(name)
    }

    fn shortest_period_ms(&self, selector: &Selector) -> Option<i64> {
        let kinds = self.kinds().filter(|kind| selector.may_read(kind));
        kinds.map(|kind| i64::from(kind.reporting_period_s) * 1000).min()
    }

    fn range(&self, property: PropertyId) -> Option<(f64, f64)> {
        match property {
            DEVICE_ONLINE => return Some((0.0, 1.0)),
            DEVICE_SILENT_SECONDS => return Some((0.0, f64::INFINITY)),
            _ => {}
        }
        match &self.property_by_id(property)?.kind {
            ValueKind::Number { min, max } => Some((*min, *max)),
            ValueKind::Bool => Some((0.0, 1.0)),
            ValueKind::Enum { codes, .. } => {
                let codes = || codes.values().copied();
                Some((f64::from(codes().min()?), f64::from(codes().max()?)))
            }
        }
    }
}
