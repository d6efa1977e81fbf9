//! What windows say about many samples at once, so that a day's mean is not added up anew with each reading.
use super::sum::Sum;
use std::collections::VecDeque;

/// Samples that are summed up together.
pub(crate) const BLOCK: usize = 64;
/// Blocks that are caught up with at once after samples came late.
const CATCH_UP: usize = 4;

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

impl FromIterator<f64> for Summary {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut summary = Self::new();
        values.into_iter().for_each(|value| summary.add(value));
        summary
    }
}

/// Summaries of a queue's values, in blocks of [`BLOCK`] counted from the first value that ever was in it: values that
/// leave at the front move no block. Blocks at the end may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    /// Place of the queue's front in its block, less than [`BLOCK`].
    offset: usize,
    /// Of whole blocks only. The first one may have lost values since, and is then not to be used.
    whole: VecDeque<Summary>,
}

impl Blocks {
    /// The value at the front left.
    pub(crate) fn popped(&mut self) {
        self.offset += 1;
        if self.offset == BLOCK {
            self.offset = 0;
            self.whole.pop_front();
        }
    }

    /// Values from position `at` on changed or moved.
    pub(crate) fn changed(&mut self, at: usize) {
        self.whole.truncate((self.offset + at) / BLOCK);
    }

    /// Sums up blocks that have become whole, a few at a time; `len` is the length of the queue, and `values` those at
    /// some of its positions.
    pub(crate) fn catch_up(&mut self, len: usize, values: impl Fn(std::ops::Range<usize>) -> Summary) {
        for _ in 0..CATCH_UP {
            let end = (self.whole.len() + 1) * BLOCK;
            if end > self.offset + len {
                return;
            }
            self.whole.push_back(values((end - BLOCK).saturating_sub(self.offset)..end - self.offset));
        }
    }

    /// Returns the blocks that lie wholly within positions `start..end`, and the positions that they cover.
    pub(crate) fn within(
        &self,
        start: usize,
        end: usize,
    ) -> (impl Iterator<Item = &Summary>, std::ops::Range<usize>) {
        let first = (self.offset + start).div_ceil(BLOCK);
        let last = ((self.offset + end) / BLOCK).min(self.whole.len()).max(first);
        let covered = match first < last {
            true => first * BLOCK - self.offset..last * BLOCK - self.offset,
            false => start..start,
        };
        (self.whole.iter().skip(first).take(last - first), covered)
    }
}
