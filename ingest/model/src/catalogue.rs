//! Domains of the city, properties with their unit and physical range, device kinds with what is expected of them.
use crate::{Domain, PropertyId, alert::Text, text::nfc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use toml::Spanned;

/// What values a property takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ValueKind {
    /// A number within a physical range, both ends included.
    Number {
        /// Smallest value that is physically possible.
        min: f64,
        /// Largest value that is physically possible.
        max: f64,
    },
    /// `false` or `true`, stored as 0 or 1.
    Bool,
    /// One of a list of names, stored as its code.
    Enum {
        /// Name to code.
        codes: BTreeMap<String, u16>,
        /// Name to what it means, for people.
        titles: BTreeMap<String, Text>,
    },
}

impl ValueKind {
    /// Returns the name of an enum's code; `None` for a value that is no code.
    pub fn code_name(&self, value: f64) -> Option<&str> {
        let Self::Enum { codes, .. } = self else { return None };
        codes.iter().find(|(_, code)| f64::from(**code) == value).map(|(name, _)| name.as_str())
    }

    /// Returns what an enum's code means, for people; `None` for a value that is no code.
    pub fn code_title(&self, value: f64) -> Option<&Text> {
        let Self::Enum { titles, .. } = self else { return None };
        titles.get(self.code_name(value)?)
    }
}

/// How windows and buckets combine values of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Averaging {
    /// The arithmetic mean.
    #[default]
    Linear,
    /// The mean of energies: decibels are never averaged linearly.
    Energy,
}

/// A property: unique city-wide.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Property {
    /// Stable number; history is keyed by it.
    #[cfg_attr(feature = "schema", schema(value_type = u16))]
    pub id: PropertyId,
    /// Attribute of the Smart Data Models in snake_case; the metric name in rules.
    pub name: String,
    /// Unit as shown: `m`, `µg/m³`, `dBA`; empty for shares and codes.
    pub unit: String,
    /// What values it takes.
    pub kind: ValueKind,
    /// How values are combined.
    pub averaging: Averaging,
    /// What it is, for people.
    pub title: Text,
}

/// A kind of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DeviceKind {
    /// As in `water-level`.
    pub name: String,
    /// Where it belongs.
    pub domain: Domain,
    /// How often it reports, in seconds; three of them are the look-back of rules.
    pub reporting_period_s: u32,
    /// What it is expected to report; never a reason to reject.
    pub properties: Vec<String>,
    /// What it is, for people.
    pub title: Text,
}

/// A field of the city.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CityDomain {
    /// As in `lighting`; a level of MQTT topics and a label of rules.
    pub name: Domain,
    /// What it is, for people.
    pub title: Text,
    /// The same where there is little room.
    pub short_title: Text,
}

/// A name that is no domain of the city.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a domain of the city; expected one of {expected}")]
pub struct UnknownDomain {
    name: String,
    expected: String,
}

/// All domains, properties and kinds of a city.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    domains: Vec<CityDomain>,
    properties: Vec<Property>,
    by_name: HashMap<String, usize>,
    by_id: Vec<Option<u16>>,
    kinds: BTreeMap<String, DeviceKind>,
}

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML, or not of the catalogue's shape; the text names line and column.
    #[error("{0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// A name or number stands twice.
    #[error("property {name} (id {id}): its name or id is used twice; both must be unique and never reused")]
    Duplicate {
        /// The second one's name.
        name: String,
        /// The second one's id.
        id: u16,
    },
    /// A number property needs a range that holds something.
    #[error("property {name}: min {min} must be less than max {max}, and both must be finite")]
    EmptyRange {
        /// The property.
        name: String,
        /// As written.
        min: f64,
        /// As written.
        max: f64,
    },
    /// A code that nobody could read, or words for one that is not there.
    #[error(
        "property {name}: codes and code_titles must have the same names, and {code} is only in one of them"
    )]
    CodeTitles {
        /// The property.
        name: String,
        /// The code's name.
        code: String,
    },
    /// A kind of a domain that is not there.
    #[error("kind {kind}: {source}")]
    UnknownDomain {
        /// The kind.
        kind: String,
        /// The domain.
        source: UnknownDomain,
    },
    /// A kind expects a property that is not there.
    #[error("kind {kind}: unknown property {property}; add it to [property.{property}] or remove it here")]
    UnknownProperty {
        /// The kind.
        kind: String,
        /// The property.
        property: String,
    },
    /// A kind that never reports.
    #[error("kind {0}: reporting_period_s must be at least 1")]
    ZeroPeriod(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    domain: BTreeMap<Domain, Spanned<DomainEntry>>,
    #[serde(default)]
    property: BTreeMap<String, PropertyEntry>,
    #[serde(default)]
    kind: BTreeMap<String, KindEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DomainEntry {
    title: Text,
    short_title: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyEntry {
    id: u16,
    #[serde(rename = "type", default)]
    value_type: ValueType,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    codes: BTreeMap<String, u16>,
    #[serde(default)]
    code_titles: BTreeMap<String, Text>,
    #[serde(default)]
    averaging: Averaging,
    title: Text,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum ValueType {
    #[default]
    Number,
    Bool,
    Enum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindEntry {
    domain: Domain,
    reporting_period_s: u32,
    properties: Vec<String>,
    title: Text,
}

impl Catalogue {
    /// Parses a catalogue file: tables `[domain.NAME]`, `[property.NAME]` and `[kind.NAME]`.
    ///
    /// Errors: [`CatalogueError`] names what is wrong and what would be right.
    pub fn from_toml(text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text).map_err(Box::new)?;
        let mut catalogue = Self::default();
        catalogue.set_domains(file.domain);
        for (name, entry) in file.property {
            catalogue.add_property(name, entry)?;
        }
        for (name, entry) in file.kind {
            catalogue.add_kind(name, entry)?;
        }
        Ok(catalogue)
    }

    /// Takes over domains in the order in which they stand in the file.
    fn set_domains(&mut self, entries: BTreeMap<Domain, Spanned<DomainEntry>>) {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.span().start);
        self.domains.extend(entries.into_iter().map(|(name, entry)| {
            let DomainEntry { title, short_title } = entry.into_inner();
            let short_title = short_title.unwrap_or_else(|| title.clone());
            CityDomain { name, title, short_title }
        }));
    }

    fn add_property(&mut self, name: String, entry: PropertyEntry) -> Result<(), CatalogueError> {
        let name = nfc(&name).into_owned();
        let kind = match entry.value_type {
            ValueType::Number => {
                let (min, max) = (entry.min.unwrap_or(-1e12), entry.max.unwrap_or(1e12));
                if !min.is_finite() || !max.is_finite() || min >= max {
                    return Err(CatalogueError::EmptyRange { name, min, max });
                }
                ValueKind::Number { min, max }
            }
            ValueType::Bool => ValueKind::Bool,
            ValueType::Enum => {
                let (codes, titles) = (entry.codes, entry.code_titles);
                let lonely = codes.keys().find(|code| !titles.contains_key(*code));
                if let Some(code) = lonely.or_else(|| titles.keys().find(|code| !codes.contains_key(*code))) {
                    return Err(CatalogueError::CodeTitles { name, code: code.clone() });
                }
                ValueKind::Enum { codes, titles }
            }
        };
        let slot = usize::from(entry.id);
        if self.by_id.len() <= slot {
            self.by_id.resize(slot + 1, None);
        }
        if self.by_id[slot].is_some() || self.by_name.contains_key(&name) {
            return Err(CatalogueError::Duplicate { name, id: entry.id });
        }
        self.by_id[slot] = Some(self.properties.len() as u16);
        self.by_name.insert(name.clone(), self.properties.len());
        let (id, unit, averaging, title) = (PropertyId(entry.id), entry.unit, entry.averaging, entry.title);
        self.properties.push(Property { id, name, unit, kind, averaging, title });
        Ok(())
    }

    fn add_kind(&mut self, name: String, entry: KindEntry) -> Result<(), CatalogueError> {
        if let Err(source) = self.known_domain(entry.domain) {
            return Err(CatalogueError::UnknownDomain { kind: name, source });
        }
        if let Some(property) = entry.properties.iter().find(|p| !self.by_name.contains_key(*p)) {
            return Err(CatalogueError::UnknownProperty { kind: name, property: property.clone() });
        }
        if entry.reporting_period_s == 0 {
            return Err(CatalogueError::ZeroPeriod(name));
        }
        let KindEntry { domain, reporting_period_s, properties, title } = entry;
        self.kinds.insert(name.clone(), DeviceKind { name, domain, reporting_period_s, properties, title });
        Ok(())
    }

    /// Returns every domain of the city, in the catalogue's order.
    pub fn domains(&self) -> &[CityDomain] {
        &self.domains
    }

    /// Returns `name` when the city has such a domain.
    ///
    /// Errors: [`UnknownDomain`] lists those that there are.
    pub fn known_domain(&self, name: Domain) -> Result<Domain, UnknownDomain> {
        if self.domains.iter().any(|domain| domain.name == name) {
            return Ok(name);
        }
        let expected: Vec<_> = self.domains.iter().map(|domain| domain.name.as_str()).collect();
        Err(UnknownDomain { name: name.to_string(), expected: expected.join(", ") })
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [domain.lighting]
        title = { vi = "Chiếu sáng", en = "Street lighting" }
        [domain.environment]
        title = { vi = "Ngập lụt · Môi trường", en = "Flood · Environment" }
        short_title = { vi = "Môi trường", en = "Environment" }
        [property.water_level]
        id = 1
        unit = "m"
        min = -5.0
        max = 15.0
        title = { vi = "Mực nước", en = "Water level" }
        [kind.water-level]
        domain = "environment"
        reporting_period_s = 30
        properties = ["water_level"]
        title = { vi = "Trạm mực nước", en = "Water level station" }
    "#;

    #[test]
    fn finds_properties_by_name_and_number() {
        let catalogue = Catalogue::from_toml(GOOD).unwrap();
        let property = catalogue.property("water_level").unwrap();
        assert_eq!(catalogue.property_by_id(PropertyId(1)), Some(property));
        assert_eq!(catalogue.property_by_id(PropertyId(2)), None);
        assert_eq!(catalogue.kind("water-level").unwrap().reporting_period_s, 30);
    }

    #[test]
    fn domains_keep_the_order_of_the_file() {
        let catalogue = Catalogue::from_toml(GOOD).unwrap();
        let names: Vec<_> = catalogue.domains().iter().map(|domain| domain.name.to_string()).collect();
        assert_eq!(names, ["lighting", "environment"]);
        let short: Vec<_> = catalogue.domains().iter().map(|domain| &*domain.short_title.en).collect();
        assert_eq!(short, ["Street lighting", "Environment"]);
    }

    #[test]
    fn numbers_stay_when_properties_are_added() {
        let more = |name: &str, id: u16| {
            format!("[property.{name}]\nid = {id}\ntitle = {{ vi = \"a\", en = \"b\" }}\n{GOOD}")
        };
        for (name, id) in [("a_first", 7), ("z_last", 0)] {
            let catalogue = Catalogue::from_toml(&more(name, id)).unwrap();
            assert_eq!(catalogue.property("water_level").map(|property| property.id), Some(PropertyId(1)));
            assert_eq!(catalogue.property_by_id(PropertyId(id)).map(|property| &*property.name), Some(name));
        }
        let reused = Catalogue::from_toml(&more("other", 1)).unwrap_err().to_string();
        assert!(reused.contains("both must be unique and never reused"), "{reused}");
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (
                GOOD.replace("max = 15.0", "max = -15.0"),
                "property water_level: min -5 must be less than max -15, and both must be finite",
            ),
            (
                GOOD.replace("max = 15.0", "max = inf"),
                "property water_level: min -5 must be less than max inf, and both must be finite",
            ),
            (
                GOOD.replace("min = -5.0", "min = nan"),
                "property water_level: min NaN must be less than max 15, and both must be finite",
            ),
            (
                GOOD.replace("[\"water_level\"]", "[\"level\"]"),
                "kind water-level: unknown property level; add it to [property.level] or remove it here",
            ),
            (GOOD.replace("= 30", "= 0"), "kind water-level: reporting_period_s must be at least 1"),
            (
                GOOD.replace("domain = \"environment\"", "domain = \"river\""),
                "kind water-level: \"river\" is not a domain of the city; expected one of lighting, environment",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Catalogue::from_toml(&text).unwrap_err().to_string(), expected);
        }
        let mode = |codes: &str, titles: &str| {
            format!(
                "{GOOD}\n[property.mode]\nid = 2\ntype = \"enum\"\ncodes = {{ {codes} }}\ncode_titles = {{ {titles} }}\ntitle = {{ vi = \"Chế độ\", en = \"Mode\" }}"
            )
        };
        let dark = "dark = { vi = \"Tắt\", en = \"Dark\" }";
        for (codes, titles) in [("dark = 4", ""), ("", dark)] {
            let error = Catalogue::from_toml(&mode(codes, titles)).unwrap_err().to_string();
            assert!(error.starts_with("property mode: ") && error.contains("dark is only in one"), "{error}");
        }
        let known = Catalogue::from_toml(&mode("dark = 4", dark)).unwrap();
        let kind = &known.property("mode").unwrap().kind;
        assert_eq!((kind.code_name(4.0), kind.code_name(5.0)), (Some("dark"), None));
        assert_eq!(kind.code_title(4.0).map(|title| title.vi.as_str()), Some("Tắt"));
        let typo = Catalogue::from_toml(&GOOD.replace("unit", "unti")).unwrap_err().to_string();
        assert!(typo.contains("line 9") && typo.contains("unti"), "{typo}");
    }
}
