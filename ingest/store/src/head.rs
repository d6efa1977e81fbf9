//! Readings in memory: per series, sorted by time, in groups of 64 devices.
//!
//! A group has an active part, which the applying thread fills, and frozen parts, which are being sealed. Both are
//! under the group's lock, so a reader that copies them sees every reading; it loads the sealed segments after,
//! and sealing publishes a segment before it drops the frozen part. So a reading may be seen twice, never not.
use crate::{Outcome, Point, TimeRange};
use ioc_model::{Observation, PropertyId, Quality};
use std::{cmp::Ordering, ops::Range, sync::Arc};

/// Devices in a group.
pub(crate) const LANES: usize = 64;

/// The readings of one series, sorted by time, each time once.
#[derive(Debug, Default)]
pub(crate) struct Run {
    points: Vec<(i64, f64)>,
    /// As long as `points` if `has_quality`, else empty: all are good.
    quality: Vec<u8>,
    has_quality: bool,
}

impl Run {
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    pub(crate) fn point(&self, at: usize) -> Point {
        let (ts_ms, value) = self.points[at];
        Point { ts_ms, value, quality: Quality(self.quality.get(at).copied().unwrap_or(0)) }
    }

    pub(crate) fn ts(&self, at: usize) -> i64 {
        self.points[at].0
    }

    /// First position whose time is not less than `ts_ms`.
    pub(crate) fn position(&self, ts_ms: i64) -> usize {
        self.points.partition_point(|(ts, _)| *ts < ts_ms)
    }

    pub(crate) fn range(&self, range: TimeRange) -> Range<usize> {
        self.position(range.from_ms)..self.position(range.to_ms)
    }

    pub(crate) fn points(&self, range: Range<usize>) -> impl Iterator<Item = Point> + '_ {
        range.map(|at| self.point(at))
    }

    /// Positions of the points of one span, where `partition` tells the span of a time.
    pub(crate) fn within(&self, partition: impl Fn(i64) -> i64, wanted: i64) -> Range<usize> {
        let start = self.points.partition_point(|(ts, _)| partition(*ts) < wanted);
        let end = self.points.partition_point(|(ts, _)| partition(*ts) <= wanted);
        start..end
    }

    fn value_at(&self, ts_ms: i64) -> Option<f64> {
        self.points.binary_search_by_key(&ts_ms, |(ts, _)| *ts).ok().map(|at| self.points[at].1)
    }

    /// Adds a point that is newer than all others. Does not look at them: they have long left the processor's caches.
    fn append(&mut self, point: Point) {
        self.keep_quality_of(point);
        self.points.push((point.ts_ms, point.value));
        if self.has_quality {
            self.quality.push(point.quality.0);
        }
    }

    fn keep_quality_of(&mut self, point: Point) {
        if point.quality.0 != 0 && !self.has_quality {
            self.quality.resize(self.points.len(), 0);
            // From here on the column is kept, also beside a first point.
            self.has_quality = true;
        }
    }

    /// Puts a point in its place, replacing one of the same time.
    fn put(&mut self, point: Point) {
        let at = self.position(point.ts_ms);
        self.keep_quality_of(point);
        if self.points.get(at).is_some_and(|(ts, _)| *ts == point.ts_ms) {
            self.points[at].1 = point.value;
            if self.has_quality {
                self.quality[at] = point.quality.0;
            }
            return;
        }
        self.points.insert(at, (point.ts_ms, point.value));
        if self.has_quality {
            self.quality.insert(at, point.quality.0);
        }
    }
}

/// The runs of one property of a group.
pub(crate) type Runs = Box<[Run; LANES]>;

/// A frozen part of a group: no longer changes.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// By property, ascending.
    pub(crate) columns: Vec<(PropertyId, Runs)>,
}

impl Chunk {
    pub(crate) fn run(&self, property: PropertyId, lane: usize) -> Option<&Run> {
        let at = self.columns.binary_search_by_key(&property, |(id, _)| *id).ok()?;
        Some(&self.columns[at].1[lane])
    }
}

/// One property of a group: the newest point of each series ever, and the active runs.
#[derive(Debug)]
struct Column {
    property: PropertyId,
    newest: Box<[Option<Point>; LANES]>,
    runs: Option<Runs>,
}

/// 64 devices with neighbouring indices.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// By property, ascending.
    columns: Vec<Column>,
    /// Oldest first.
    frozen: Vec<Arc<Chunk>>,
}

/// What a first look at an observation says.
pub(crate) enum Placed {
    /// It is in; a series' run has this length now.
    Done(Outcome, usize),
    /// Only the sealed segments can say whether it is new.
    AskSealed,
}

impl Group {
    /// Takes an observation in, unless the sealed segments must be asked first.
    pub(crate) fn place(&mut self, lane: usize, observation: &Observation) -> Placed {
        let property = observation.property;
        let at = self.column_at(property);
        let newest = self.columns[at].newest[lane];
        // The usual case: newer than everything of the series, so nothing needs to be looked up.
        if newest.is_none_or(|newest| observation.ts_ms > newest.ts_ms) {
            return Placed::Done(Outcome::Stored, self.put(at, lane, observation));
        }
        let active = self.columns[at].runs.as_ref().and_then(|runs| runs[lane].value_at(observation.ts_ms));
        let known = active.or_else(|| {
            let newest_first = self.frozen.iter().rev();
            newest_first.filter_map(|chunk| chunk.run(property, lane)?.value_at(observation.ts_ms)).next()
        });
        match known {
            Some(value) => self.settle(at, lane, observation, Some(value)),
            None => Placed::AskSealed,
        }
    }

    /// Takes an observation in that memory does not have; `sealed` is the value that the segments have for it.
    pub(crate) fn place_asked(
        &mut self,
        lane: usize,
        observation: &Observation,
        sealed: Option<f64>,
    ) -> Placed {
        let at = self.column_at(observation.property);
        self.settle(at, lane, observation, sealed)
    }

    fn settle(&mut self, at: usize, lane: usize, observation: &Observation, known: Option<f64>) -> Placed {
        match known {
            Some(value) if value == observation.value => Placed::Done(Outcome::Duplicate, 0),
            Some(_) => Placed::Done(Outcome::Corrected, self.put(at, lane, observation)),
            None => Placed::Done(Outcome::Stored, self.put(at, lane, observation)),
        }
    }

    /// Stores a point. Returns the length of its run.
    fn put(&mut self, at: usize, lane: usize, observation: &Observation) -> usize {
        let Observation { ts_ms, value, quality, .. } = *observation;
        let point = Point { ts_ms, value, quality };
        let column = &mut self.columns[at];
        let run = &mut column.runs.get_or_insert_with(empty_runs)[lane];
        let newest = &mut column.newest[lane];
        match newest.map(|newest| ts_ms.cmp(&newest.ts_ms)) {
            None | Some(Ordering::Greater) => run.append(point),
            Some(Ordering::Equal | Ordering::Less) => run.put(point),
        }
        if newest.is_none_or(|newest| ts_ms >= newest.ts_ms) {
            *newest = Some(point);
        }
        run.len()
    }

    /// Position of the property's column, made if need be.
    fn column_at(&mut self, property: PropertyId) -> usize {
        match self.columns.binary_search_by_key(&property, |column| column.property) {
            Ok(at) => at,
            Err(at) => {
                let newest = Box::new([None; LANES]);
                self.columns.insert(at, Column { property, newest, runs: None });
                at
            }
        }
    }

    /// Sets the newest point of a series, as the sealed segments have it.
    pub(crate) fn set_newest(&mut self, lane: usize, property: PropertyId, point: Point) {
        let at = self.column_at(property);
        self.columns[at].newest[lane] = Some(point);
    }

    /// Returns the newest point of each series.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (usize, PropertyId, Point)> + '_ {
        self.columns.iter().flat_map(|column| {
            let lanes = column.newest.iter().enumerate();
            lanes.filter_map(|(lane, point)| Some((lane, column.property, (*point)?)))
        })
    }

    /// Moves the active part to the frozen ones. Only pointers move.
    pub(crate) fn freeze(&mut self) -> Option<Arc<Chunk>> {
        let columns: Vec<_> = self
            .columns
            .iter_mut()
            .filter_map(|column| Some((column.property, column.runs.take()?)))
            .collect();
        if columns.is_empty() {
            return None;
        }
        let chunk = Arc::new(Chunk { columns });
        self.frozen.push(Arc::clone(&chunk));
        Some(chunk)
    }

    /// Drops a frozen part whose readings are in published segments.
    pub(crate) fn drop_frozen(&mut self, sealed: &Arc<Chunk>) {
        self.frozen.retain(|chunk| !Arc::ptr_eq(chunk, sealed));
    }

    /// Copies the active readings of one property and returns the frozen parts.
    pub(crate) fn snapshot(&self, property: PropertyId, lanes: &[usize], range: TimeRange) -> HeadSnapshot {
        let runs = self
            .columns
            .binary_search_by_key(&property, |column| column.property)
            .ok()
            .and_then(|at| self.columns[at].runs.as_ref());
        let copy = |lane: &usize| {
            runs.map_or_else(Vec::new, |runs| {
                let run = &runs[*lane];
                run.points(run.range(range)).collect()
            })
        };
        HeadSnapshot { active: lanes.iter().map(copy).collect(), frozen: self.frozen.clone() }
    }
}

/// What memory holds of some series at one moment.
pub(crate) struct HeadSnapshot {
    /// In the order of the lanes asked for.
    pub(crate) active: Vec<Vec<Point>>,
    /// Oldest first.
    pub(crate) frozen: Vec<Arc<Chunk>>,
}

fn empty_runs() -> Runs {
    Box::new(std::array::from_fn(|_| Run::default()))
}
