//! Properties: what is observed, in which unit, within which range.
use crate::{PropertyId, alert::Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What values a property takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
