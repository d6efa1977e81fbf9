//! Readings in memory: per series, sorted by time, in groups of 64 devices.
//!
//! A group has an active part, which the applying thread fills, and frozen parts, which are being sealed. Both are
//! under the group's lock, so a reader that copies them sees every reading; it loads the sealed segments after,
//! and sealing publishes a segment before it drops the frozen part. So a reading may be seen twice, never not.
//!
//! Each part keeps corrections apart: readings that replace one of an earlier part or of the segments. They are
//! sealed into other segments, see [`crate::sealed`].
use crate::{ApplyOutcome, Point, TimeRange, lanes::LANES, last::Last, run::Run};
use ioc_model::{Observation, PropertyId};
use std::{collections::BTreeMap, sync::Arc};

/// The runs of one property of a group.
pub(crate) type Runs = Box<[Run; LANES]>;

/// Readings of one property of a group.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) property: PropertyId,
    /// Readings at times that nothing before this part has.
    pub(crate) fresh: Option<Runs>,
    /// Readings that replace earlier ones.
    pub(crate) corrections: Option<Runs>,
}

impl Part {
    fn both(&self, lane: usize) -> impl Iterator<Item = &Run> {
        [&self.fresh, &self.corrections].into_iter().flatten().map(move |runs| &runs[lane])
    }

    fn value_at(&self, lane: usize, ts_ms: i64) -> Option<f64> {
        self.both(lane).find_map(|run| run.value_at(ts_ms))
    }
}

/// A frozen part of a group: no longer changes.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// By property, ascending.
    pub(crate) parts: Vec<Part>,
}

impl Chunk {
    fn part(&self, property: PropertyId) -> Option<&Part> {
        let at = self.parts.binary_search_by_key(&property, |part| part.property).ok()?;
        Some(&self.parts[at])
    }
}

/// One property of a group: the newest point of each series ever, and the active part.
#[derive(Debug)]
struct Column {
    newest: Box<[Option<Point>; LANES]>,
    active: Part,
}

/// 64 devices with neighbouring indices.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// By property, ascending.
    columns: Vec<Column>,
    /// Oldest first.
    frozen: Vec<Arc<Chunk>>,
    /// The last point by property and lane where it is not the newest: usually nowhere.
    lasts: BTreeMap<(PropertyId, usize), Last>,
}

/// What a first look at an observation says.
pub(crate) enum Placed {
    /// It is in, or known.
    Done(ApplyOutcome),
    /// Only the sealed segments can say whether it is new.
    AskSealed,
}

impl Group {
    /// Takes a reading in, unless the sealed segments must be asked first.
    pub(crate) fn place(&mut self, lane: usize, observation: &Observation, arrival_ms: i64) -> Placed {
        let at = self.column_at(observation.property);
        let newest = self.columns[at].newest[lane];
        let point = point(observation, arrival_ms);
        // The usual case: newer than everything of the series, so nothing needs to be looked up.
        if newest.is_none_or(|newest| point.ts_ms > newest.ts_ms) {
            return Placed::Done(self.put(at, lane, point, ApplyOutcome::Stored));
        }
        if let Some(value) = self.active_value(at, lane, point.ts_ms) {
            let is_known = value == point.value;
            return Placed::Done(if is_known {
                self.repeat(at, lane, point)
            } else {
                self.replace(at, lane, point)
            });
        }
        match self.frozen_value(observation.property, lane, point.ts_ms) {
            Some(value) => Placed::Done(self.settle(at, lane, point, Some(value))),
            None => Placed::AskSealed,
        }
    }

    /// Takes a reading in that memory does not have; `sealed` is the value that the segments have for it.
    pub(crate) fn place_asked(
        &mut self,
        lane: usize,
        observation: &Observation,
        arrival_ms: i64,
        sealed: Option<f64>,
    ) -> ApplyOutcome {
        let at = self.column_at(observation.property);
        self.settle(at, lane, point(observation, arrival_ms), sealed)
    }

    /// Reports whether it takes the segments to tell whether a reading is new.
    pub(crate) fn must_ask_sealed(&self, lane: usize, observation: &Observation) -> bool {
        let Ok(at) = self.find_column(observation.property) else { return false };
        let ts_ms = observation.ts_ms;
        self.columns[at].newest[lane].is_some_and(|newest| ts_ms <= newest.ts_ms)
            && self.active_value(at, lane, ts_ms).is_none()
            && self.frozen_value(observation.property, lane, ts_ms).is_none()
    }

    fn active_value(&self, at: usize, lane: usize, ts_ms: i64) -> Option<f64> {
        self.columns[at].active.value_at(lane, ts_ms)
    }

    fn frozen_value(&self, property: PropertyId, lane: usize, ts_ms: i64) -> Option<f64> {
        self.frozen.iter().rev().find_map(|chunk| chunk.part(property)?.value_at(lane, ts_ms))
    }

    /// Takes a reading in that the active part does not have; `known` is the value that an earlier one has.
    fn settle(&mut self, at: usize, lane: usize, point: Point, known: Option<f64>) -> ApplyOutcome {
        match known {
            Some(value) if value == point.value => self.repeat(at, lane, point),
            Some(_) => self.put(at, lane, point, ApplyOutcome::Corrected),
            None => self.put(at, lane, point, ApplyOutcome::Stored),
        }
    }

    /// Puts a reading where its outcome belongs.
    fn put(&mut self, at: usize, lane: usize, point: Point, outcome: ApplyOutcome) -> ApplyOutcome {
        let active = &mut self.columns[at].active;
        let is_correction = outcome == ApplyOutcome::Corrected;
        let runs = if is_correction { &mut active.corrections } else { &mut active.fresh };
        runs.get_or_insert_with(empty_runs)[lane].put(point);
        self.keep_newest(at, lane, point);
        outcome
    }

    /// Replaces a reading of the active part, where it is.
    fn replace(&mut self, at: usize, lane: usize, point: Point) -> ApplyOutcome {
        let Part { fresh, corrections, .. } = &mut self.columns[at].active;
        for runs in [fresh, corrections].into_iter().flatten() {
            if runs[lane].value_at(point.ts_ms).is_some() {
                runs[lane].put(point);
            }
        }
        self.keep_newest(at, lane, point);
        ApplyOutcome::Corrected
    }

    /// Takes a reading that is known: nothing changes, but it may be the last one, after its device's clock was set back.
    fn repeat(&mut self, at: usize, lane: usize, point: Point) -> ApplyOutcome {
        self.keep_last(at, lane, point, self.columns[at].newest[lane]);
        ApplyOutcome::Duplicate
    }

    fn keep_newest(&mut self, at: usize, lane: usize, point: Point) {
        let newest = &mut self.columns[at].newest[lane];
        let before = *newest;
        if newest.is_none_or(|newest| point.ts_ms >= newest.ts_ms) {
            *newest = Some(point);
        }
        self.keep_last(at, lane, point, before);
    }

    /// Notes what is last once `point` has come; `before` was the newest until then.
    fn keep_last(&mut self, at: usize, lane: usize, point: Point, before: Option<Point>) {
        let Column { newest, active } = &self.columns[at];
        let key = (active.property, lane);
        let known = self.lasts.get(&key).copied().or(before.map(Last::of));
        let last = known.map_or(Last::of(point), |known| known.followed_by(point));
        if !last.is_plain(newest[lane]) {
            self.lasts.insert(key, last);
        } else if !self.lasts.is_empty() {
            self.lasts.remove(&key);
        }
    }

    /// Follows a device's clock that was set back.
    pub(crate) fn set_back(&mut self, lane: usize, by_ms: i64) {
        for Column { newest, active } in &self.columns {
            if let Some(newest) = newest[lane] {
                self.lasts.entry((active.property, lane)).or_insert(Last::of(newest)).follow(by_ms);
            }
        }
    }

    fn find_column(&self, property: PropertyId) -> Result<usize, usize> {
        self.columns.binary_search_by_key(&property, |column| column.active.property)
    }

    /// Position of the property's column, made if need be.
    fn column_at(&mut self, property: PropertyId) -> usize {
        self.find_column(property).unwrap_or_else(|at| {
            let active = Part { property, fresh: None, corrections: None };
            self.columns.insert(at, Column { newest: Box::new([None; LANES]), active });
            at
        })
    }

    /// Sets the newest point of a series, as the sealed segments have it.
    pub(crate) fn set_newest(&mut self, lane: usize, property: PropertyId, point: Point) {
        let at = self.column_at(property);
        self.columns[at].newest[lane] = Some(point);
    }

    /// Sets the last point of a series that is not the newest, as of the last sealing.
    pub(crate) fn set_last(&mut self, lane: usize, property: PropertyId, last: Last) {
        self.lasts.insert((property, lane), last);
    }

    /// Returns the last points that are not the newest ones.
    pub(crate) fn lasts(&self) -> impl Iterator<Item = (usize, PropertyId, Last)> + '_ {
        self.lasts.iter().map(|((property, lane), last)| (*lane, *property, *last))
    }

    /// Returns the last point of each series.
    pub(crate) fn last(&self) -> impl Iterator<Item = (usize, PropertyId, Last)> + '_ {
        self.columns.iter().flat_map(move |column| {
            let property = column.active.property;
            column.newest.iter().enumerate().filter_map(move |(lane, newest)| {
                let last = self.lasts.get(&(property, lane)).copied();
                Some((lane, property, last.or(newest.map(Last::of))?))
            })
        })
    }

    /// Moves the active part to the frozen ones. Only pointers move.
    pub(crate) fn freeze(&mut self) -> Option<Arc<Chunk>> {
        let actives = self.columns.iter_mut().map(|column| &mut column.active);
        let parts: Vec<Part> = actives
            .filter(|active| active.fresh.is_some() || active.corrections.is_some())
            .map(|active| Part {
                property: active.property,
                fresh: active.fresh.take(),
                corrections: active.corrections.take(),
            })
            .collect();
        if parts.is_empty() {
            return None;
        }
        let chunk = Arc::new(Chunk { parts });
        self.frozen.push(Arc::clone(&chunk));
        Some(chunk)
    }

    /// Drops a frozen part whose readings are in published segments.
    pub(crate) fn drop_frozen(&mut self, sealed: &Arc<Chunk>) {
        self.frozen.retain(|chunk| !Arc::ptr_eq(chunk, sealed));
    }

    /// Copies the active readings of one property and returns the frozen parts.
    pub(crate) fn snapshot(&self, property: PropertyId, lanes: &[usize], range: TimeRange) -> HeadSnapshot {
        let active = self.find_column(property).ok().map(|at| &self.columns[at].active);
        let copy = |lane: &usize| {
            let runs = active.into_iter().flat_map(|part| part.both(*lane));
            runs.flat_map(|run| run.points(range)).collect()
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

impl HeadSnapshot {
    /// Returns the readings by lane asked for, later parts behind earlier ones.
    pub(crate) fn into_points(
        self,
        property: PropertyId,
        lanes: &[usize],
        range: TimeRange,
    ) -> Vec<Vec<Point>> {
        let parts: Vec<&Part> = self.frozen.iter().filter_map(|chunk| chunk.part(property)).collect();
        let join = |(active, lane): (Vec<Point>, &usize)| {
            let frozen = parts.iter().flat_map(|part| part.both(*lane)).flat_map(|run| run.points(range));
            frozen.chain(active).collect()
        };
        self.active.into_iter().zip(lanes).map(join).collect()
    }
}

fn point(observation: &Observation, arrival_ms: i64) -> Point {
    let Observation { ts_ms, value, quality, .. } = *observation;
    Point { ts_ms, value, quality, delay_ms: arrival_ms.saturating_sub(ts_ms) }
}

fn empty_runs() -> Runs {
    Box::new(std::array::from_fn(|_| Run::default()))
}
