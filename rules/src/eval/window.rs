//! The recent samples of one series.
use super::summary::{Blocks, Summary};
use std::collections::VecDeque;

/// Most samples kept of one series: 24 hours at one each 5 seconds. Beyond it the oldest go first, which is
/// counted; windows of such a series are shorter than they say.
pub(crate) const SERIES_SAMPLES_MAX: usize = 17_280;

/// One value at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Event time in milliseconds since the epoch.
    pub(crate) ts: i64,
    /// In the property's unit.
    pub(crate) value: f64,
}

/// What an insertion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// A new sample, or another value for an old one.
    Changed,
    /// Known already, or older than what is kept.
    Unchanged,
    /// A new sample, for which the oldest had to go although it was still wanted.
    Crowded,
}

/// The samples of the last `keep_ms`, ordered by event time, one per instant.
///
/// The newest sample stays however old it gets: a series that went silent differs from one that never was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    samples: VecDeque<Sample>,
    /// Oldest and newest of them, so that a sample that comes in order needs no look at those: with thousands of series
    /// they have long left the processor's caches.
    ends: Option<(Sample, Sample)>,
    blocks: Blocks,
    keep_ms: i64,
}

impl Window {
    /// Builds an empty window.
    pub(crate) fn new(keep_ms: i64) -> Self {
        Self { samples: VecDeque::new(), ends: None, blocks: Blocks::default(), keep_ms }
    }

    /// Returns how far back it reaches.
    pub(crate) fn keep_ms(&self) -> i64 {
        self.keep_ms
    }

    /// Changes how far back it reaches.
    pub(crate) fn set_keep_ms(&mut self, keep_ms: i64) {
        self.keep_ms = keep_ms;
    }

    /// Returns the newest sample.
    pub(crate) fn newest(&self) -> Option<Sample> {
        self.ends.map(|(_, newest)| newest)
    }

    /// Returns the oldest sample.
    pub(crate) fn oldest(&self) -> Option<Sample> {
        self.ends.map(|(oldest, _)| oldest)
    }

    /// Inserts a sample; one with the same event time is corrected.
    pub(crate) fn insert(&mut self, sample: Sample) -> Inserted {
        let Some((oldest, newest)) = self.ends else {
            self.samples.push_back(sample);
            self.ends = Some((sample, sample));
            return Inserted::Changed;
        };
        if sample.ts > newest.ts {
            self.samples.push_back(sample);
            self.ends = Some((oldest, sample));
            return self.trim();
        }
        if sample.ts <= newest.ts - self.keep_ms {
            return Inserted::Unchanged;
        }
        let at = self.samples.partition_point(|known| known.ts < sample.ts);
        if let Some(known) = self.samples.get_mut(at).filter(|known| known.ts == sample.ts) {
            let changed = known.value.to_bits() != sample.value.to_bits();
            known.value = sample.value;
            self.blocks.changed(at);
            self.find_ends();
            return if changed { Inserted::Changed } else { Inserted::Unchanged };
        }
        self.samples.insert(at, sample);
        self.blocks.changed(at);
        self.find_ends();
        self.trim()
    }

    /// Moves all samples back in time.
    pub(crate) fn put_back(&mut self, by_ms: i64) {
        self.samples.iter_mut().for_each(|sample| sample.ts = sample.ts.saturating_sub(by_ms));
        self.find_ends();
    }

    fn find_ends(&mut self) {
        self.ends = self.samples.front().copied().zip(self.samples.back().copied());
    }

    fn trim(&mut self) -> Inserted {
        while let Some((oldest, newest)) = self.ends
            && self.samples.len() > 1
            && oldest.ts <= newest.ts.saturating_sub(self.keep_ms)
        {
            self.pop();
        }
        let crowded = self.samples.len() > SERIES_SAMPLES_MAX;
        if crowded {
            self.pop();
        }
        let samples = &self.samples;
        self.blocks.catch_up(samples.len(), |at| samples.range(at).map(|sample| sample.value).collect());
        if crowded { Inserted::Crowded } else { Inserted::Changed }
    }

    fn pop(&mut self) {
        self.samples.pop_front();
        self.find_ends();
        self.blocks.popped();
    }

    /// Returns the newest sample with `at - back_ms < ts <= at`.
    pub(crate) fn latest(&self, at: i64, back_ms: i64) -> Option<Sample> {
        let newest = self.newest()?;
        let sample = if newest.ts <= at {
            newest
        } else {
            let behind = self.samples.partition_point(|known| known.ts <= at);
            *self.samples.get(behind.checked_sub(1)?)?
        };
        (sample.ts > at.saturating_sub(back_ms)).then_some(sample)
    }

    /// Returns the samples with `at - back_ms < ts <= at`, oldest first.
    pub(crate) fn range(&self, at: i64, back_ms: i64) -> Range<'_> {
        let from = at.saturating_sub(back_ms);
        let start = match self.oldest() {
            Some(oldest) if oldest.ts <= from => self.samples.partition_point(|known| known.ts <= from),
            _ => 0,
        };
        let end = match self.newest() {
            Some(newest) if newest.ts > at => self.samples.partition_point(|known| known.ts <= at),
            _ => self.samples.len(),
        };
        Range { window: self, start: start.min(end), end }
    }

    /// Returns the instant after `at` at which a sample that is ahead of it comes into view.
    pub(crate) fn next_after(&self, at: i64) -> Option<i64> {
        if self.newest()?.ts <= at {
            return None;
        }
        self.samples.get(self.samples.partition_point(|known| known.ts <= at)).map(|sample| sample.ts)
    }
}

/// Neighbouring samples of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'w> {
    window: &'w Window,
    start: usize,
    end: usize,
}

impl<'w> Range<'w> {
    /// Returns how many there are.
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    /// Returns the oldest.
    pub(crate) fn first(self) -> Option<Sample> {
        self.iter().next()
    }

    /// Returns the newest.
    pub(crate) fn last(self) -> Option<Sample> {
        self.iter().next_back()
    }

    /// Returns them, oldest first.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Sample> + use<'w> {
        self.window.samples.range(self.start..self.end).copied()
    }

    /// Sums up their values.
    pub(crate) fn summary(self) -> Summary {
        let values = |at: std::ops::Range<usize>| self.window.samples.range(at).map(|sample| sample.value);
        let (blocks, covered) = self.window.blocks.within(self.start, self.end);
        let mut summary: Summary = values(self.start..covered.start).collect();
        blocks.for_each(|block| summary.merge(block));
        values(covered.end..self.end).for_each(|value| summary.add(value));
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample(ts: i64, value: f64) -> Sample {
        Sample { ts, value }
    }

    #[test]
    fn windows_are_open_on_the_left_and_closed_on_the_right() {
        let mut window = Window::new(1_000);
        for ts in [100, 200, 300, 400] {
            window.insert(sample(ts, ts as f64));
        }
        let read: Vec<_> = window.range(300, 200).iter().map(|s| s.ts).collect();
        assert_eq!(read, [200, 300]);
        assert_eq!(window.latest(300, 1).map(|s| s.ts), Some(300));
        assert_eq!(window.latest(450, 50), None);
        assert_eq!(window.latest(450, 51).map(|s| s.ts), Some(400));
        assert_eq!(window.next_after(250), Some(300));
        assert_eq!(window.next_after(400), None);
    }

    #[test]
    fn the_newest_sample_outlives_the_window() {
        let mut window = Window::new(10);
        window.insert(sample(0, 1.0));
        assert_eq!(window.latest(1_000_000, 10), None);
        assert_eq!(window.newest(), Some(sample(0, 1.0)));
        assert_eq!(window.insert(sample(-10, 2.0)), Inserted::Unchanged);
    }

    #[test]
    fn a_crowded_series_loses_its_oldest_and_says_so() {
        let mut window = Window::new(i64::MAX / 4);
        for ts in 0..SERIES_SAMPLES_MAX as i64 {
            assert_eq!(window.insert(sample(ts, 0.0)), Inserted::Changed);
        }
        assert_eq!(window.insert(sample(1_000_000, 0.0)), Inserted::Crowded);
        assert_eq!(window.oldest().map(|s| s.ts), Some(1));
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(
            inserts in prop::collection::vec((0i64..200, 0u8..4), 1..80), back in 1i64..100, behind in -50i64..50,
        ) {
            // What is asked lies within what is kept, counted from the newest sample.
            let mut window = Window::new(back + behind.max(0));
            let mut all = BTreeMap::new();
            for (ts, value) in inserts {
                window.insert(sample(ts, f64::from(value)));
                all.insert(ts, f64::from(value));
            }
            let at = all.keys().next_back().unwrap() - behind;
            let expected: Vec<_> = all.iter().filter(|(ts, _)| **ts > at - back && **ts <= at).map(|(ts, v)| sample(*ts, *v)).collect();
            prop_assert_eq!(window.range(at, back).iter().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(window.latest(at, back), expected.last().copied());
        }

        #[test]
        fn sums_up_what_it_holds(
            inserts in prop::collection::vec((0i64..2_000, -100i32..100), 1..1_500), back in 1i64..1_500,
        ) {
            let mut window = Window::new(back);
            for (ts, value) in inserts {
                window.insert(sample(ts, f64::from(value)));
                let at = window.newest().unwrap().ts;
                let range = window.range(at, back);
                let expected: Summary = range.iter().map(|s| s.value).collect();
                // Whole numbers: sums are exact in any order.
                prop_assert_eq!(range.summary(), expected);
            }
        }
    }
}
