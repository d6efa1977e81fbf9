//! Makes a catalogue of its files.
mod city_domain;
mod indicator;
mod kind;
mod property;

use super::{
    Catalogue, CatalogueFile, CatalogueProblem, Owner, Property,
    entries::{DomainEntry, IndicatorEntry, KindEntry, PanelEntry, PropertyEntry},
    merge::{self, Sourced, merge},
    problem::Problems,
};
use city_domain::PANELS_MAX;
use std::collections::HashMap;

impl Catalogue {
    /// Reads files that lie over each other, each with tables `[domain.NAME]`, `[property.NAME]`, `[kind.NAME]`,
    /// `[kpi.NAME]` and `[panel.NAME]`.
    ///
    /// Errors: everything that is wrong, with file, line and column.
    pub fn from_files(files: &[CatalogueFile]) -> Result<Self, Vec<CatalogueProblem>> {
        let mut problems = Problems::new(files);
        let mut read = merge::read(files, &mut problems);
        let mut catalogue = Self::default();
        // In this order, because each names what stands before it.
        let domains = merge(&mut read, |file| &mut file.domain, &mut problems);
        catalogue.add_domains(domains, &mut problems);
        let properties = merge(&mut read, |file| &mut file.property, &mut problems);
        catalogue.add_properties(properties, &mut problems);
        let kinds = merge(&mut read, |file| &mut file.kind, &mut problems);
        catalogue.add_kinds(kinds, &mut problems);
        let indicators = merge(&mut read, |file| &mut file.kpi, &mut problems);
        catalogue.add_indicators(indicators, &mut problems);
        let panels = merge(&mut read, |file| &mut file.panel, &mut problems);
        catalogue.add_panels(panels, &mut problems);
        problems.into_result().map(|()| catalogue)
    }

    /// Reads one built-in file.
    ///
    /// Errors: as [`Catalogue::from_files`].
    pub fn from_toml(text: &str) -> Result<Self, Vec<CatalogueProblem>> {
        let (name, text) = ("catalogue.toml".to_owned(), text.to_owned());
        Self::from_files(&[CatalogueFile { name, text, owner: Owner::BuiltIn }])
    }

    fn add_domains(&mut self, entries: Vec<Sourced<DomainEntry>>, problems: &mut Problems<'_>) {
        self.domains.extend(entries.into_iter().filter_map(|entry| city_domain::make(entry, problems)));
    }

    fn add_properties(&mut self, entries: Vec<Sourced<PropertyEntry>>, problems: &mut Problems<'_>) {
        let mut places = HashMap::new();
        for sourced in entries {
            let (at, at_id) = (sourced.at, sourced.at(&sourced.entry.id.span()));
            let property = property::make(sourced, problems);
            let taken = self.property_by_id(property.id).or_else(|| self.property(&property.name));
            if let Some(known) = taken {
                let message = format!(
                    "property {}: its id {} or name is that of property {} at {}; both are unique and never used again",
                    property.name,
                    property.id.0,
                    known.name,
                    problems.line_of(places[&known.id])
                );
                problems.add(at_id, message);
                continue;
            }
            places.insert(property.id, at);
            self.push_property(property);
        }
    }

    fn push_property(&mut self, property: Property) {
        let slot = usize::from(property.id.0);
        if self.by_id.len() <= slot {
            self.by_id.resize(slot + 1, None);
        }
        self.by_id[slot] = Some(self.properties.len() as u16);
        self.by_name.insert(property.name.clone(), self.properties.len());
        self.properties.push(property);
    }

    fn add_kinds(&mut self, entries: Vec<Sourced<KindEntry>>, problems: &mut Problems<'_>) {
        for sourced in entries {
            let kind = kind::make(sourced, self, problems);
            self.kinds.insert(kind.name.clone(), kind);
        }
    }

    fn add_indicators(&mut self, entries: Vec<Sourced<IndicatorEntry>>, problems: &mut Problems<'_>) {
        for sourced in entries {
            self.indicators.extend(indicator::make(sourced, self, problems));
        }
    }

    fn add_panels(&mut self, entries: Vec<Sourced<PanelEntry>>, problems: &mut Problems<'_>) {
        for (number, sourced) in entries.into_iter().enumerate() {
            if number == PANELS_MAX {
                let message = format!("the wall has room for {PANELS_MAX} panels; take the place of another");
                problems.add(sourced.at, message);
            }
            self.panels.extend(city_domain::make_panel(sourced, self, problems));
        }
    }
}
