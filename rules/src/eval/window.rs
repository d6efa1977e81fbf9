//! The recent samples of one series.
//!
//! They stand in chunks of about [`CHUNK`] samples, in order. A reading that comes late moves the samples of its chunk
//! alone, and what the others come to is known: a flood of back-fill costs a bounded amount per reading, however long
//! the window. A chunk may be *folded*: after a start, what history says of an interval stands for its samples.
use super::summary::Summary;
use crate::past::PastSummary;
use std::{cell::Cell, collections::VecDeque, ops::Range as Span};

/// Most samples kept of one series: 24 hours at one each 5 seconds. Beyond it the oldest go first, which is
/// counted; windows of such a series are shorter than they say.
pub(crate) const SERIES_SAMPLES_MAX: usize = 17_280;

/// Samples of a chunk that was filled in order; one that is filled out of order has at most twice as many.
const CHUNK: usize = 64;

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
    /// A new sample, for which the oldest had to go although it was still wanted; or one that belongs where history
    /// was folded, which stays as it was.
    Crowded,
}

/// Neighbouring samples.
#[derive(Debug, Clone)]
struct Chunk {
    /// When the first of them was, also of a folded chunk.
    first_ms: i64,
    /// In order, never empty; of a folded chunk the newest alone.
    samples: Vec<Sample>,
    /// What they come to, once it was asked for.
    summary: Cell<Option<Summary>>,
    /// How many samples a folded chunk stands for.
    folded: Option<usize>,
}

impl Chunk {
    fn of(sample: Sample) -> Self {
        Self { first_ms: sample.ts, samples: vec![sample], summary: Cell::new(None), folded: None }
    }

    /// Appends the newest sample. What the others come to stays known: the chunk is not summed up for each reading.
    fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
        if let Some(summary) = self.summary.get_mut() {
            summary.add(sample.value);
        }
    }

    fn count(&self, span: &Span<usize>) -> usize {
        span.len() * self.folded.unwrap_or(1)
    }

    fn last(&self) -> Option<Sample> {
        self.samples.last().copied()
    }

    /// Returns how many of the samples are not after an instant.
    fn through(&self, ts: i64) -> usize {
        self.samples.partition_point(|known| known.ts <= ts)
    }

    fn changed(&mut self) {
        self.summary.set(None);
        self.first_ms = self.samples.first().map_or(self.first_ms, |first| first.ts);
    }

    /// Returns what some of the samples come to.
    fn summary(&self, span: Span<usize>) -> Summary {
        if span.len() < self.samples.len() {
            return self.samples[span].iter().map(|sample| sample.value).collect();
        }
        let known = self.summary.get();
        known.unwrap_or_else(|| {
            let summary = self.samples.iter().map(|sample| sample.value).collect();
            self.summary.set(Some(summary));
            summary
        })
    }
}

/// The samples of the last `keep_ms`, ordered by event time, one per instant. Some older ones may still be there.
///
/// The newest sample stays however old it gets: a series that went silent differs from one that never was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    chunks: VecDeque<Chunk>,
    /// Samples in all chunks.
    len: usize,
    /// The newest of them, and from when on it counts as the present value, so that a sample that comes in order needs
    /// no look at the chunks.
    newest: Option<(Sample, i64)>,
    keep_ms: i64,
}

/// A place between samples: number of a chunk, and position in it.
type Position = (usize, usize);

impl Window {
    /// Builds an empty window.
    pub(crate) fn new(keep_ms: i64) -> Self {
        Self { keep_ms, ..Self::default() }
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
        self.newest.map(|(newest, _)| newest)
    }

    /// Returns when the oldest sample was.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.chunks.front().map(|chunk| chunk.first_ms)
    }

    /// Inserts a sample that counts as the present value from its event time on; see [`Window::insert_fresh`].
    #[cfg(test)]
    pub(crate) fn insert(&mut self, sample: Sample) -> Inserted {
        self.insert_fresh(sample, sample.ts)
    }

    /// Inserts a sample; one with the same event time is corrected. As long as it is the newest, it counts as the present
    /// value from `fresh_ms` on: when it arrived, not when a clock says it was.
    pub(crate) fn insert_fresh(&mut self, sample: Sample, fresh_ms: i64) -> Inserted {
        match self.newest {
            Some((newest, _)) if sample.ts < newest.ts => return self.insert_late(sample, newest.ts),
            Some((newest, since_ms)) if sample.ts == newest.ts => {
                self.newest = Some((sample, since_ms.max(fresh_ms)));
                return self.correct(self.position_through(sample.ts), sample);
            }
            _ => self.newest = Some((sample, fresh_ms)),
        }
        match self.chunks.back_mut() {
            Some(chunk) if chunk.folded.is_none() && chunk.samples.len() < CHUNK => chunk.push(sample),
            _ => self.chunks.push_back(Chunk::of(sample)),
        }
        self.len += 1;
        self.trim()
    }

    /// Notes from when on the newest sample counts as the present value.
    pub(crate) fn refresh(&mut self, ts: i64, fresh_ms: i64) {
        if let Some((newest, since_ms)) = &mut self.newest
            && newest.ts == ts
        {
            *since_ms = fresh_ms.max(*since_ms);
        }
    }

    fn insert_late(&mut self, sample: Sample, newest_ms: i64) -> Inserted {
        if sample.ts <= newest_ms.saturating_sub(self.keep_ms) {
            return Inserted::Unchanged;
        }
        let place = self.position_through(sample.ts);
        let (number, at) = place;
        if at > 0 && self.chunks[number].samples[at - 1].ts == sample.ts {
            return self.correct(place, sample);
        }
        let chunk = &mut self.chunks[number];
        match chunk.folded {
            Some(_) if sample.ts >= chunk.first_ms && at == 0 => return Inserted::Crowded,
            Some(_) => self.chunks.insert(number + usize::from(at > 0), Chunk::of(sample)),
            None => {
                chunk.samples.insert(at, sample);
                chunk.changed();
                if chunk.samples.len() > 2 * CHUNK {
                    self.split(number);
                }
            }
        }
        self.len += 1;
        self.trim()
    }

    fn correct(&mut self, (number, at): Position, sample: Sample) -> Inserted {
        let chunk = &mut self.chunks[number];
        if chunk.folded.is_some() {
            return Inserted::Crowded;
        }
        let known = &mut chunk.samples[at - 1];
        let is_same = known.value.to_bits() == sample.value.to_bits();
        *known = sample;
        chunk.changed();
        if is_same { Inserted::Unchanged } else { Inserted::Changed }
    }

    fn split(&mut self, number: usize) {
        let samples = self.chunks[number].samples.split_off(CHUNK);
        self.chunks[number].changed();
        let first_ms = samples.first().map_or(0, |first| first.ts);
        let later = Chunk { first_ms, samples, summary: Cell::new(None), folded: None };
        self.chunks.insert(number + 1, later);
    }

    /// Puts folded intervals, oldest first, in front of everything else. Those that are not before it are left out.
    pub(crate) fn fold_in(&mut self, intervals: &[PastSummary]) {
        for interval in intervals.iter().rev() {
            let last = Sample { ts: interval.last_ms, value: interval.last };
            if interval.count == 0 || self.oldest_ms().is_some_and(|oldest_ms| last.ts >= oldest_ms) {
                continue;
            }
            self.newest.get_or_insert((last, last.ts));
            self.chunks.push_front(Chunk {
                first_ms: interval.first_ms,
                samples: vec![last],
                summary: Cell::new(Some(interval.into())),
                folded: Some(usize::try_from(interval.count).unwrap_or(usize::MAX)),
            });
            self.len += 1;
        }
    }

    /// Reports whether history stands for some of the samples.
    pub(crate) fn is_folded(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.folded.is_some())
    }

    /// Forgets everything up to the last folded interval.
    pub(crate) fn drop_folded(&mut self) {
        while self.is_folded()
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.len -= chunk.samples.len();
        }
        if self.chunks.is_empty() {
            self.newest = None;
        }
    }

    /// Moves all samples back in time, and when they count as the present value with them.
    pub(crate) fn put_back(&mut self, by_ms: i64) {
        self.move_back(by_ms);
        if let Some((_, since_ms)) = &mut self.newest {
            *since_ms = since_ms.saturating_sub(by_ms);
        }
    }

    /// Moves the samples back in time that came before their device's clock was set back, to where it would have had them as
    /// it goes now. They are present as long as they were. `later` came since, each counting from a time of its own: it
    /// stands where it is, and may already be among the samples.
    pub(crate) fn set_back(&mut self, by_ms: i64, later: &[(Sample, i64)]) {
        later.iter().for_each(|(sample, _)| self.remove(sample.ts));
        self.move_back(by_ms);
        for (sample, fresh_ms) in later {
            self.insert_fresh(*sample, *fresh_ms);
        }
    }

    fn move_back(&mut self, by_ms: i64) {
        for chunk in &mut self.chunks {
            chunk.first_ms = chunk.first_ms.saturating_sub(by_ms);
            chunk.samples.iter_mut().for_each(|sample| sample.ts = sample.ts.saturating_sub(by_ms));
        }
        if let Some((newest, _)) = &mut self.newest {
            newest.ts = newest.ts.saturating_sub(by_ms);
        }
    }

    /// Takes a sample out, unless history stands for it.
    fn remove(&mut self, ts: i64) {
        let (number, at) = self.position_through(ts);
        let Some(chunk) = self.chunks.get_mut(number).filter(|_| at > 0) else { return };
        if chunk.folded.is_some() || chunk.samples[at - 1].ts != ts {
            return;
        }
        chunk.samples.remove(at - 1);
        chunk.changed();
        self.len -= 1;
        if chunk.samples.is_empty() {
            self.chunks.remove(number);
        }
        if self.newest.is_some_and(|(newest, _)| newest.ts == ts) {
            self.newest = self.chunks.back().and_then(Chunk::last).map(|last| (last, last.ts));
        }
    }

    /// Drops chunks that are out of reach, and a sample when there are too many.
    fn trim(&mut self) -> Inserted {
        let Some((newest, _)) = self.newest else { return Inserted::Changed };
        let limit_ms = newest.ts.saturating_sub(self.keep_ms);
        while self.chunks.len() > 1
            && self.chunks.front().and_then(Chunk::last).is_some_and(|last| last.ts <= limit_ms)
        {
            self.len -= self.chunks.pop_front().map_or(0, |chunk| chunk.samples.len());
        }
        if self.len <= SERIES_SAMPLES_MAX {
            return Inserted::Changed;
        }
        match self.drop_oldest() {
            Some(oldest_ms) if oldest_ms > limit_ms => Inserted::Crowded,
            _ => Inserted::Changed,
        }
    }

    /// Drops the oldest sample, or folded chunk; returns when it was.
    fn drop_oldest(&mut self) -> Option<i64> {
        let chunk = self.chunks.front_mut()?;
        let oldest_ms = chunk.samples.first()?.ts;
        if chunk.samples.len() == 1 {
            self.chunks.pop_front();
        } else {
            chunk.samples.remove(0);
            chunk.changed();
        }
        self.len -= 1;
        Some(oldest_ms)
    }

    /// Returns the place behind the last sample that is not after an instant.
    fn position_through(&self, ts: i64) -> Position {
        let behind = self.chunks.partition_point(|chunk| chunk.first_ms <= ts);
        let Some(number) = behind.checked_sub(1) else { return (0, 0) };
        (number, self.chunks[number].through(ts))
    }

    /// Returns the newest sample that is not after `at` if it counts as the present value: it became one less than
    /// `back_ms` ago.
    pub(crate) fn latest(&self, at: i64, back_ms: i64) -> Option<Sample> {
        let (newest, _) = self.newest?;
        let sample = match newest.ts <= at {
            true => newest,
            false => self.range(at, i64::MAX).last()?,
        };
        (self.fresh_since(sample) > at.saturating_sub(back_ms)).then_some(sample)
    }

    /// Returns from when on a sample counts as the present value: for the newest when it arrived, for others when they
    /// were.
    pub(crate) fn fresh_since(&self, sample: Sample) -> i64 {
        match self.newest {
            Some((newest, since_ms)) if newest.ts == sample.ts => since_ms,
            _ => sample.ts,
        }
    }

    /// Returns the samples with `at - back_ms < ts <= at`, oldest first.
    pub(crate) fn range(&self, at: i64, back_ms: i64) -> Range<'_> {
        let from_ms = at.saturating_sub(back_ms);
        let start = match self.oldest_ms() {
            Some(oldest_ms) if oldest_ms <= from_ms => self.position_through(from_ms),
            _ => (0, 0),
        };
        let end = match self.newest {
            Some((newest, _)) if newest.ts > at => self.position_through(at),
            _ => (
                self.chunks.len().saturating_sub(1),
                self.chunks.back().map_or(0, |chunk| chunk.samples.len()),
            ),
        };
        Range { window: self, start: start.min(end), end }
    }

    /// Returns the instant after `at` at which a sample that is ahead of it comes into view.
    pub(crate) fn next_after(&self, at: i64) -> Option<i64> {
        if self.newest()?.ts <= at {
            return None;
        }
        let (number, place) = self.position_through(at);
        let next = self.chunks[number].samples.get(place);
        next.or_else(|| self.chunks.get(number + 1)?.samples.first()).map(|sample| sample.ts)
    }
}

/// Neighbouring samples of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'w> {
    window: &'w Window,
    start: Position,
    end: Position,
}

impl<'w> Range<'w> {
    /// Returns the chunks that it touches, and which of their samples belong to it.
    fn pieces(self) -> impl DoubleEndedIterator<Item = (&'w Chunk, Span<usize>)> + use<'w> {
        let Self { window, start, end } = self;
        (start.0..window.chunks.len().min(end.0 + 1)).map(move |number| {
            let chunk = &window.chunks[number];
            let from = if number == start.0 { start.1 } else { 0 };
            let to = if number == end.0 { end.1 } else { chunk.samples.len() };
            (chunk, from..to)
        })
    }

    /// Returns how many there are.
    pub(crate) fn len(self) -> usize {
        self.pieces().map(|(chunk, span)| chunk.count(&span)).sum()
    }

    /// Reports whether there are at least so many that are not folded.
    pub(crate) fn has(self, least: usize) -> bool {
        self.iter().take(least).count() == least
    }

    /// Returns the oldest.
    pub(crate) fn first(self) -> Option<Sample> {
        self.iter().next()
    }

    /// Returns the newest.
    pub(crate) fn last(self) -> Option<Sample> {
        self.iter().next_back()
    }

    /// Returns them, oldest first; of folded chunks the newest.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Sample> + use<'w> {
        self.pieces().flat_map(|(chunk, span)| chunk.samples[span].iter().copied())
    }

    /// Sums up their values.
    pub(crate) fn summary(self) -> Summary {
        let mut summary = Summary::new();
        self.pieces().filter(|(_, span)| !span.is_empty()).for_each(|(chunk, span)| {
            summary.merge(&chunk.summary(span));
        });
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::PastSample;
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
        assert_eq!(window.oldest_ms(), Some(1));
    }

    #[test]
    fn history_stands_for_what_is_folded() {
        let past = |n: i64| PastSample { placed_ms: n * 10, fresh_ms: n * 10, value: (n % 7) as f64 };
        let all: Vec<_> = (0..600).map(past).collect();
        let mut window = Window::new(6_000);
        window.insert(sample(6_000, 3.0));
        window.fold_in(&crate::past::summarized(&all, 600));
        let range = window.range(6_000, 6_000);
        // The sample at 0 has left; the interval that it is in counts until its last one has.
        assert_eq!(range.len(), 601);
        let expected: Summary = all.iter().map(|sample| sample.value).chain([3.0]).collect();
        assert_eq!(range.summary(), expected);
        assert_eq!((window.range(6_000, 5_411).len(), window.range(6_000, 5_410).len()), (601, 541));
        assert_eq!(
            window.insert(sample(605, 9.0)),
            Inserted::Crowded,
            "it is counted there already, or it is not"
        );
        assert_eq!(window.insert(sample(5_995, 9.0)), Inserted::Changed, "behind all intervals");
        assert_eq!(window.insert(sample(-5, 9.0)), Inserted::Unchanged);
        window.drop_folded();
        assert_eq!(window.range(6_000, 6_000).iter().map(|s| s.ts).collect::<Vec<_>>(), [5_995, 6_000]);
        assert!(!window.is_folded());
    }

    #[test]
    fn what_came_before_a_step_goes_back_and_what_came_since_stays() {
        let mut window = Window::new(100_000);
        for n in 0..200 {
            window.insert_fresh(sample(n * 1_000, n as f64), n * 1_000);
        }
        // The clock goes back by 50 s: two samples came already where others stand.
        let later = [(sample(150_000, 200.0), 200_000), (sample(151_500, 201.0), 201_000)];
        later.iter().for_each(|(sample, fresh_ms)| _ = window.insert_fresh(*sample, *fresh_ms));
        window.set_back(50_000, &later);
        let read: Vec<_> = window.range(160_000, 100_000).iter().map(|s| (s.ts, s.value)).collect();
        let before = (111..200).filter(|n| *n != 150).map(|n| (n * 1_000 - 50_000, n as f64));
        let expected: Vec<_> = before.chain(later.map(|(s, _)| (s.ts, s.value))).collect();
        assert_eq!(read, expected, "150 was replaced when nobody knew");
        assert_eq!(window.latest(203_000, 2_001), Some(later[1].0), "counts from its arrival");
        assert_eq!(window.latest(203_000, 2_000), None);
    }

    #[test]
    fn a_step_takes_no_value_away() {
        for by_ms in [1, 1_000, 60_000, i64::MAX] {
            let mut window = Window::new(10_000);
            window.insert_fresh(sample(5_000, 1.0), 7_000);
            window.set_back(by_ms, &[]);
            assert_eq!(window.latest(8_000, 1_001).map(|s| s.value), Some(1.0), "{by_ms} ms");
            assert_eq!(window.latest(8_000, 1_000), None);
        }
        let mut empty = Window::new(10);
        empty.set_back(5, &[(sample(3, 1.0), 4)]);
        assert_eq!((empty.newest(), empty.range(3, 10).len()), (Some(sample(3, 1.0)), 1));
        empty.set_back(5, &[(sample(3, 1.0), 4)]);
        assert_eq!((empty.newest(), empty.range(3, 10).len()), (Some(sample(3, 1.0)), 1));
    }

    proptest! {
        /// Whatever moved, samples stand in order, once for each time, as in a map.
        #[test]
        fn steps_agree_with_a_sorted_map(
            before in prop::collection::vec((0i64..500, 0u8..4), 1..200),
            by_ms in 1i64..300, since in prop::collection::vec((0i64..500, 4u8..8), 0..20),
        ) {
            let mut window = Window::new(10_000);
            let mut all = BTreeMap::new();
            let later: Vec<_> = since.iter().map(|(ts, value)| (sample(*ts, f64::from(*value)), *ts)).collect();
            for (ts, value) in before.iter().chain(&since) {
                window.insert(sample(*ts, f64::from(*value)));
                all.insert(*ts, f64::from(*value));
            }
            window.set_back(by_ms, &later);
            since.iter().for_each(|(ts, _)| _ = all.remove(ts));
            let mut all: BTreeMap<_, _> = all.into_iter().map(|(ts, value)| (ts - by_ms, value)).collect();
            all.extend(since.iter().map(|(ts, value)| (*ts, f64::from(*value))));
            let expected: Vec<_> = all.into_iter().map(|(ts, value)| sample(ts, value)).collect();
            prop_assert_eq!(window.range(10_000, i64::MAX).iter().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(window.newest(), expected.last().copied());
            prop_assert_eq!(window.range(10_000, i64::MAX).len(), expected.len());
        }

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
