//! The readings of one series in memory.
use crate::{Point, TimeRange};
use ioc_model::Quality;
use std::{collections::BTreeMap, iter::Peekable, ops::RangeInclusive};

/// The readings of one series, each time once. Those that came in order stand in a column; those that came late stand
/// in a tree, so that each costs the logarithm of what is there, in whatever order a device sends.
#[derive(Debug, Default)]
pub(crate) struct Run {
    ordered: Vec<Reading>,
    /// As long as `ordered` if `has_quality`, else empty: all are good.
    quality: Vec<u8>,
    has_quality: bool,
    /// Readings before the last of `ordered`.
    late: BTreeMap<i64, Point>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    ts_ms: i64,
    value: f64,
    delay_ms: i64,
}

impl Run {
    /// Returns the reading with the latest time.
    pub(crate) fn newest(&self) -> Option<Point> {
        self.ordered.len().checked_sub(1).map(|last| self.point(last))
    }

    pub(crate) fn value_at(&self, ts_ms: i64) -> Option<f64> {
        if self.ordered.last().is_none_or(|last| last.ts_ms < ts_ms) {
            return None;
        }
        match self.ordered.binary_search_by_key(&ts_ms, |reading| reading.ts_ms) {
            Ok(at) => Some(self.ordered[at].value),
            Err(_) => Some(self.late.get(&ts_ms)?.value),
        }
    }

    /// Takes a reading in, replacing one of the same time.
    pub(crate) fn put(&mut self, point: Point) {
        if self.ordered.last().is_none_or(|last| last.ts_ms < point.ts_ms) {
            return self.append(point);
        }
        match self.ordered.binary_search_by_key(&point.ts_ms, |reading| reading.ts_ms) {
            Ok(at) => self.replace(at, point),
            Err(_) => {
                self.late.insert(point.ts_ms, point);
            }
        }
    }

    fn append(&mut self, point: Point) {
        self.keep_quality_of(point);
        self.ordered.push(Reading::from(point));
        if self.has_quality {
            self.quality.push(point.quality.0);
        }
    }

    fn replace(&mut self, at: usize, point: Point) {
        self.keep_quality_of(point);
        self.ordered[at] = Reading::from(point);
        if self.has_quality {
            self.quality[at] = point.quality.0;
        }
    }

    fn keep_quality_of(&mut self, point: Point) {
        if point.quality.0 != 0 && !self.has_quality {
            self.quality.resize(self.ordered.len(), 0);
            // From here on the column is kept, also beside a first point.
            self.has_quality = true;
        }
    }

    fn point(&self, at: usize) -> Point {
        let Reading { ts_ms, value, delay_ms } = self.ordered[at];
        Point { ts_ms, value, delay_ms, quality: Quality(self.quality.get(at).copied().unwrap_or(0)) }
    }

    /// Returns the readings within `range`, in order of time.
    pub(crate) fn points(&self, range: TimeRange) -> impl Iterator<Item = Point> + '_ {
        let last_ms = range.to_ms.checked_sub(1).filter(|last_ms| range.from_ms <= *last_ms);
        last_ms.into_iter().flat_map(move |last_ms| self.through(range.from_ms..=last_ms))
    }

    /// Returns all readings, also one at the very last instant, which is behind every [`TimeRange`].
    pub(crate) fn all(&self) -> impl Iterator<Item = Point> + '_ {
        self.through(i64::MIN..=i64::MAX)
    }

    /// Returns the readings within `times`, which is not empty, in order of time.
    pub(crate) fn through(&self, times: RangeInclusive<i64>) -> impl Iterator<Item = Point> + '_ {
        let start = self.ordered.partition_point(|reading| reading.ts_ms < *times.start());
        let end = self.ordered.partition_point(|reading| reading.ts_ms <= *times.end());
        let ordered = (start..end).map(|at| self.point(at));
        let late = self.late.range(times);
        Merged { ordered: ordered.peekable(), late: late.map(|(_, point)| *point).peekable() }
    }
}

impl From<Point> for Reading {
    fn from(Point { ts_ms, value, delay_ms, .. }: Point) -> Self {
        Self { ts_ms, value, delay_ms }
    }
}

/// Two sequences in order of time as one.
struct Merged<A: Iterator<Item = Point>, B: Iterator<Item = Point>> {
    ordered: Peekable<A>,
    late: Peekable<B>,
}

impl<A: Iterator<Item = Point>, B: Iterator<Item = Point>> Iterator for Merged<A, B> {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        let Some(late) = self.late.peek() else { return self.ordered.next() };
        match self.ordered.peek() {
            Some(ordered) if ordered.ts_ms < late.ts_ms => self.ordered.next(),
            _ => self.late.next(),
        }
    }
}
