//! What a city is made of, as data: its domains, properties with their unit and physical range, kinds of devices with what
//! is expected of them, indicators and panels of the wall.
//!
//! A catalogue is read from files that lie over each other: the built-in ones, then the city's own.
mod build;
mod city_domain;
mod entries;
mod indicator;
mod kind;
mod merge;
mod problem;
mod property;
#[cfg(test)]
mod tests;

pub use city_domain::{CityDomain, Panel, UnknownDomain};
pub use indicator::{Aggregate, Indicator, IndicatorDisplay, Measure};
pub use kind::DeviceKind;
pub use problem::{CatalogueFile, CatalogueProblem, Owner};
pub use property::{Averaging, Property, ValueKind};

use crate::{Domain, PropertyId};
use std::collections::{BTreeMap, HashMap};

/// Everything that a city is made of.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    domains: Vec<CityDomain>,
    properties: Vec<Property>,
    by_name: HashMap<String, usize>,
    by_id: Vec<Option<u16>>,
    kinds: BTreeMap<String, DeviceKind>,
    indicators: Vec<Indicator>,
    panels: Vec<Panel>,
}

impl Catalogue {
    /// Returns every domain of the city, in the order of the files.
    pub fn domains(&self) -> &[CityDomain] {
        &self.domains
    }

    /// Finds a domain of the city.
    ///
    /// Errors: [`UnknownDomain`] lists those that there are.
    pub fn city_domain(&self, name: Domain) -> Result<&CityDomain, UnknownDomain> {
        let expected = || {
            let names: Vec<_> = self.domains.iter().map(|domain| domain.name.as_str()).collect();
            names.join(", ")
        };
        let found = self.domains.iter().find(|domain| domain.name == name);
        found.ok_or_else(|| UnknownDomain { name: name.to_string(), expected: expected() })
    }

    /// Returns `name` when the city has such a domain.
    ///
    /// Errors: as [`Catalogue::city_domain`].
    pub fn known_domain(&self, name: Domain) -> Result<Domain, UnknownDomain> {
        self.city_domain(name).map(|domain| domain.name)
    }

    /// Checks that the city has all of `names`.
    ///
    /// Errors: the first [`UnknownDomain`].
    pub fn known_domains(&self, names: &[Domain]) -> Result<(), UnknownDomain> {
        names.iter().try_for_each(|name| self.known_domain(*name).map(drop))
    }

    /// Finds a property by name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.by_name.get(name).map(|slot| &self.properties[*slot])
    }

    /// Finds a property by its stable number.
    pub fn property_by_id(&self, id: PropertyId) -> Option<&Property> {
        let slot = self.by_id.get(usize::from(id.0)).copied().flatten()?;
        self.properties.get(usize::from(slot))
    }

    /// Returns every property.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// Finds a kind by name.
    pub fn kind(&self, name: &str) -> Option<&DeviceKind> {
        self.kinds.get(name)
    }

    /// Returns every kind, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &DeviceKind> {
        self.kinds.values()
    }

    /// Finds an indicator by its id.
    pub fn indicator(&self, id: &str) -> Option<&Indicator> {
        self.indicators.iter().find(|indicator| indicator.id == id)
    }

    /// Returns every indicator, in the order of the files.
    pub fn indicators(&self) -> &[Indicator] {
        &self.indicators
    }

    /// Returns every panel of the wall, from the top.
    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }
}
