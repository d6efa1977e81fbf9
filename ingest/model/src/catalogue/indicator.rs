//! Indicators: what is shown of one, and how it is measured.
use crate::{Domain, PropertyId, Severity, alert::Text};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How the values of many devices become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The mean; of energies for decibels.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The sum.
    Sum,
    /// How many devices have a fresh value.
    Count,
    /// How many are above `operand`.
    CountAbove,
    /// Share of those above `operand`.
    ShareAbove,
    /// Share of those below `operand`.
    ShareBelow,
    /// Share of those equal to `operand`.
    ShareEqual,
}

impl Aggregate {
    /// Reports whether it compares with `operand`.
    pub(super) const fn needs_operand(self) -> bool {
        matches!(self, Self::CountAbove | Self::ShareAbove | Self::ShareBelow | Self::ShareEqual)
    }
}

/// An indicator of the city.
#[derive(Debug, Clone, PartialEq)]
pub struct Indicator {
    /// Stable name.
    pub id: String,
    /// Where it belongs.
    pub domain: Domain,
    /// What is shown.
    pub display: IndicatorDisplay,
    /// Where its value comes from.
    pub measure: Measure,
}

/// How an indicator is shown, wherever its value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorDisplay {
    /// What it is, for people.
    pub title: Text,
    /// Unit as shown.
    pub unit: String,
    /// Nobody is needed inside.
    pub normal: [f64; 2],
    /// Outside of this it is critical.
    pub critical: Option<[f64; 2]>,
    /// Ends of the gauge.
    pub scale: [f64; 2],
    /// What the city aims at.
    pub target: Option<f64>,
    /// How much it matters outside `normal`.
    pub severity: Severity,
    /// Digits behind the decimal point.
    pub decimals: u8,
}

/// How an indicator is measured from the last values of devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Kind of device.
    pub kind: String,
    /// Only devices with these labels.
    pub labels: BTreeMap<String, String>,
    /// Property of the catalogue.
    pub property: PropertyId,
    /// Means are of energies.
    pub energy: bool,
    /// How values become one.
    pub aggregate: Aggregate,
    /// Compared with, for shares and counts.
    pub operand: f64,
    /// The result is multiplied by this, as in 100 for percent.
    pub factor: f64,
    /// Older values do not count, in milliseconds.
    pub fresh_ms: i64,
}
