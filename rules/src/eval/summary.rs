//! What windows say about many samples at once, so that a day's mean is not added up anew with each reading.
use super::sum::Sum;
use crate::past::PastSummary;

/// Sum and extremes of some values; a number wins against NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) sum: Sum,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Sums nothing up.
    pub(crate) fn new() -> Self {
        Self { sum: Sum::default(), min: f64::NAN, max: f64::NAN }
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, value: f64) {
        self.sum.add(value);
        self.stretch(value, value);
    }

    /// Adds the values behind another summary.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum.merge(other.sum);
        self.stretch(other.min, other.max);
    }

    fn stretch(&mut self, min: f64, max: f64) {
        if min < self.min || self.min.is_nan() {
            self.min = min;
        }
        if max > self.max || self.max.is_nan() {
            self.max = max;
        }
    }
}

impl From<&PastSummary> for Summary {
    fn from(past: &PastSummary) -> Self {
        Self { sum: Sum::of([past.sum]), min: past.min, max: past.max }
    }
}

impl FromIterator<f64> for Summary {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut summary = Self::new();
        values.into_iter().for_each(|value| summary.add(value));
        summary
    }
}
