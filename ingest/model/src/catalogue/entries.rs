//! What stands in a file of a catalogue, as TOML has it.
use super::{indicator::Aggregate, property::Averaging};
use crate::{Domain, Severity, alert::Text};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Tables by name, with the places of names and tables.
pub(super) type Table<T> = BTreeMap<Spanned<String>, T>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Entries {
    pub(super) domain: Table<DomainEntry>,
    pub(super) property: Table<PropertyEntry>,
    pub(super) kind: Table<KindEntry>,
    pub(super) kpi: Table<IndicatorEntry>,
    pub(super) panel: Table<PanelEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DomainEntry {
    #[serde(default)]
    pub(super) replace: bool,
    pub(super) title: Text,
    pub(super) short_title: Option<Text>,
    pub(super) icon: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PropertyEntry {
    #[serde(default)]
    pub(super) replace: bool,
    pub(super) id: Spanned<u16>,
    #[serde(rename = "type", default)]
    pub(super) value_type: ValueType,
    #[serde(default)]
    pub(super) unit: String,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    #[serde(default)]
    pub(super) codes: BTreeMap<String, u16>,
    #[serde(default)]
    pub(super) code_titles: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) averaging: Averaging,
    pub(super) title: Text,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueType {
    #[default]
    Number,
    Bool,
    Enum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindEntry {
    #[serde(default)]
    pub(super) replace: bool,
    pub(super) domain: Spanned<Domain>,
    pub(super) reporting_period_s: Spanned<u32>,
    pub(super) properties: Vec<Spanned<String>>,
    pub(super) title: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndicatorEntry {
    #[serde(default)]
    pub(super) replace: bool,
    pub(super) domain: Spanned<Domain>,
    pub(super) display: DisplayEntry,
    pub(super) measure: MeasureEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisplayEntry {
    pub(super) title: Text,
    #[serde(default)]
    pub(super) unit: String,
    pub(super) normal: Spanned<[f64; 2]>,
    pub(super) critical: Option<Spanned<[f64; 2]>>,
    pub(super) scale: Spanned<[f64; 2]>,
    pub(super) target: Option<Spanned<f64>>,
    pub(super) severity: Severity,
    #[serde(default)]
    pub(super) decimals: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureEntry {
    pub(super) kind: Spanned<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) property: Spanned<String>,
    pub(super) aggregate: Spanned<Aggregate>,
    pub(super) operand: Option<Spanned<f64>>,
    pub(super) factor: Option<Spanned<f64>>,
    pub(super) fresh_s: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PanelEntry {
    #[serde(default)]
    pub(super) replace: bool,
    pub(super) domain: Spanned<Domain>,
    pub(super) indicators: Spanned<Vec<Spanned<String>>>,
    pub(super) title: Option<Text>,
    pub(super) short_title: Option<Text>,
}
