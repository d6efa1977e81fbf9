//! The typed queries, over [`Inner::fold`].
use crate::{
    Aggregate, Bucket, DAMAGED_MAX, Damage, GroupBucket, History, HistoryHealth, Last, Point, QueryError,
    Series, Summary, TimeRange,
    history::BUCKETS_MAX,
    inner::{Inner, read},
    lanes::{group_of, series_at},
    sealed::lock,
    store::Store,
};
use ioc_model::{DeviceIndex, PropertyId, catalogue::Averaging};
use std::{cmp::Ordering, collections::BTreeSet, f64::consts::LOG2_10, ops::ControlFlow, sync::Arc};

impl History for Store {
    fn raw(&self, series: Series, range: TimeRange, limit: usize) -> Result<Vec<Point>, QueryError> {
        check(range)?;
        let mut points = Vec::new();
        let flow = self.inner().scan_group(series.property, &[series.device], range, &mut |_, more| {
            points.extend_from_slice(&more[..more.len().min(limit.saturating_add(1) - points.len())]);
            if points.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match flow {
            ControlFlow::Continue(()) => Ok(points),
            ControlFlow::Break(()) => Err(QueryError::TooManyPoints { limit }),
        }
    }

    fn buckets(
        &self,
        series: Series,
        range: TimeRange,
        n: usize,
        averaging: Averaging,
    ) -> Result<Vec<Bucket>, QueryError> {
        check(range)?;
        if n == 0 || n > BUCKETS_MAX {
            return Err(QueryError::Buckets { buckets: n as u128 });
        }
        let width_ms = width(range).div_ceil(n as u128).max(1);
        let grid = Grid::new(range, width_ms)?;
        let cells = fold_cells(self.inner(), &[(series.device, 0)], series.property, &grid, averaging);
        Ok(cells
            .into_iter()
            .enumerate()
            .filter_map(|(at, cell)| cell.bucket(grid.start(at), averaging))
            .collect())
    }

    fn groups(
        &self,
        members: &[(DeviceIndex, u32)],
        property: PropertyId,
        range: TimeRange,
        interval_ms: i64,
        averaging: Averaging,
    ) -> Result<Vec<GroupBucket>, QueryError> {
        check(range)?;
        if interval_ms < 1 {
            return Err(QueryError::Interval { interval_ms });
        }
        let mut groups: Vec<u32> = members.iter().map(|(_, group)| *group).collect();
        groups.sort_unstable();
        groups.dedup();
        let grid = Grid::new(range, interval_ms as u128)?;
        let buckets = grid.len as u128 * groups.len() as u128;
        if buckets > BUCKETS_MAX as u128 {
            return Err(QueryError::Buckets { buckets });
        }
        // Groups by rank, so that a cell is found by arithmetic.
        let mut ranked: Vec<(DeviceIndex, u32)> = members
            .iter()
            .map(|(device, group)| (*device, groups.partition_point(|known| known < group) as u32))
            .collect();
        ranked.sort_unstable();
        ranked.dedup();
        let cells = fold_cells(self.inner(), &ranked, property, &grid, averaging);
        let bucket = |(at, cell): (usize, Cell)| {
            let (group, interval) = (groups[at / grid.len], at % grid.len);
            Some(GroupBucket { group, bucket: cell.bucket(grid.start(interval), averaging)? })
        };
        Ok(cells.into_iter().enumerate().filter_map(bucket).collect())
    }

    fn top(
        &self,
        devices: &[DeviceIndex],
        property: PropertyId,
        range: TimeRange,
        by: Aggregate,
        n: usize,
    ) -> Result<Vec<(DeviceIndex, f64)>, QueryError> {
        check(range)?;
        let averaging = if let Aggregate::Mean(averaging) = by { averaging } else { Averaging::Linear };
        let mut devices = devices.to_vec();
        devices.sort_unstable();
        devices.dedup();
        let parts = self.inner().fold(property, &devices, range, Vec::new, |cells, device, points| {
            let cell = match cells.binary_search_by_key(&device, |(known, _)| *known) {
                Ok(at) => &mut cells[at].1,
                Err(at) => {
                    cells.insert(at, (device, Cell::EMPTY));
                    &mut cells[at].1
                }
            };
            points.iter().for_each(|point| cell.add(point, averaging));
        });
        let rank = |(device, cell): (DeviceIndex, Cell)| Some((device, cell.aggregate(by)?));
        let mut ranked: Vec<(DeviceIndex, f64)> = parts.into_iter().flatten().filter_map(rank).collect();
        ranked.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0)));
        ranked.truncate(n);
        Ok(ranked)
    }

    fn damaged(&self, devices: &[DeviceIndex], property: PropertyId, range: TimeRange) -> Vec<TimeRange> {
        let groups: BTreeSet<u32> = devices.iter().map(|device| group_of(*device)).collect();
        let is_asked = |damage: &Damage| match damage.block {
            Some((of, first)) => of == property && groups.contains(&group_of(first)),
            None => true,
        };
        let damage = self.inner().sealed.damage().into_iter().filter(is_asked);
        let clipped = damage.map(|damage| TimeRange {
            from_ms: damage.range.from_ms.max(range.from_ms),
            to_ms: damage.range.to_ms.min(range.to_ms),
        });
        join(clipped.filter(|range| range.from_ms < range.to_ms).collect())
    }

    fn summaries(&self, series: Series, range: TimeRange, step_ms: i64) -> Result<Vec<Summary>, QueryError> {
        self.inner().summaries(series, range, step_ms)
    }

    fn last(&self) -> Vec<(Series, Last)> {
        let groups: Vec<_> =
            self.inner().groups().iter().map(|(number, group)| (*number, Arc::clone(group))).collect();
        let mut all = Vec::new();
        for (number, group) in groups {
            let of_group = |(lane, property, last)| (series_at(number, lane, property), last);
            all.extend(read(&group).last().map(of_group));
        }
        all.sort_unstable_by_key(|(series, _)| *series);
        all
    }

    fn damage(&self) -> Vec<Damage> {
        self.inner().sealed.damage()
    }

    fn health(&self) -> HistoryHealth {
        let inner = self.inner();
        HistoryHealth {
            damaged_places: inner.sealed.damage().len() as u64,
            is_writing_failed: lock(&inner.queue).failure.is_some(),
        }
    }
}

/// Sorts ranges, joins those that touch, and the last ones when there are too many.
fn join(mut ranges: Vec<TimeRange>) -> Vec<TimeRange> {
    ranges.sort_by_key(|range| range.from_ms);
    let mut joined: Vec<TimeRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.from_ms <= last.to_ms => last.to_ms = last.to_ms.max(range.to_ms),
            _ => joined.push(range),
        }
    }
    if let Some(to_ms) = joined.last().map(|last| last.to_ms) {
        joined.truncate(DAMAGED_MAX);
        joined.last_mut().into_iter().for_each(|last| last.to_ms = to_ms);
    }
    joined
}

fn check(range: TimeRange) -> Result<(), QueryError> {
    let TimeRange { from_ms, to_ms } = range;
    if from_ms > to_ms { Err(QueryError::Range { from_ms, to_ms }) } else { Ok(()) }
}

/// Milliseconds in a range that was checked.
fn width(range: TimeRange) -> u128 {
    (i128::from(range.to_ms) - i128::from(range.from_ms)) as u128
}

/// Intervals of one width from the start of a range.
struct Grid {
    range: TimeRange,
    width_ms: u128,
    len: usize,
}

impl Grid {
    fn new(range: TimeRange, width_ms: u128) -> Result<Self, QueryError> {
        let buckets = width(range).div_ceil(width_ms);
        match usize::try_from(buckets) {
            Ok(len) if len <= BUCKETS_MAX => Ok(Self { range, width_ms, len }),
            _ => Err(QueryError::Buckets { buckets }),
        }
    }

    fn start(&self, at: usize) -> i64 {
        (i128::from(self.range.from_ms) + at as i128 * self.width_ms as i128) as i64
    }

    /// Interval of an instant in the range.
    fn at(&self, ts_ms: i64) -> usize {
        let since = ts_ms.abs_diff(self.range.from_ms);
        // Almost always both fit 64 bits, where division is many times faster.
        match u64::try_from(self.width_ms) {
            Ok(width_ms) => (since / width_ms) as usize,
            Err(_) => 0,
        }
    }
}

/// Combines the readings of devices by (group rank, interval): `len` cells per rank. `ranked` ascends.
fn fold_cells(
    inner: &Inner,
    ranked: &[(DeviceIndex, u32)],
    property: PropertyId,
    grid: &Grid,
    averaging: Averaging,
) -> Vec<Cell> {
    let ranks = ranked.iter().map(|(_, rank)| *rank as usize + 1).max().unwrap_or(0);
    let mut devices: Vec<DeviceIndex> = ranked.iter().map(|(device, _)| *device).collect();
    devices.dedup();
    let new = || vec![Cell::EMPTY; ranks * grid.len];
    let parts = inner.fold(property, &devices, grid.range, new, |cells, device, points| {
        let first = ranked.partition_point(|(known, _)| *known < device);
        for (_, rank) in ranked[first..].iter().take_while(|(known, _)| *known == device) {
            let cells = &mut cells[*rank as usize * grid.len..][..grid.len];
            points.iter().for_each(|point| cells[grid.at(point.ts_ms)].add(point, averaging));
        }
    });
    let mut parts = parts.into_iter();
    let mut cells = parts.next().unwrap_or_default();
    for part in parts {
        cells.iter_mut().zip(&part).for_each(|(cell, other)| cell.join(other));
    }
    cells
}

/// Readings combined so far.
#[derive(Debug, Clone, Copy)]
struct Cell {
    min: f64,
    max: f64,
    /// The sum of values, or of energies.
    sum: f64,
    last: f64,
    last_ms: i64,
    count: u64,
}

impl Cell {
    const EMPTY: Self =
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, last: 0.0, last_ms: i64::MIN, count: 0 };

    fn add(&mut self, point: &Point, averaging: Averaging) {
        self.min = self.min.min(point.value);
        self.max = self.max.max(point.value);
        self.sum += match averaging {
            Averaging::Linear => point.value,
            // 10^(L/10): decibels are ten times the logarithm of an energy.
            Averaging::Energy => (point.value * (LOG2_10 / 10.0)).exp2(),
        };
        if point.ts_ms >= self.last_ms {
            (self.last, self.last_ms) = (point.value, point.ts_ms);
        }
        self.count += 1;
    }

    /// Adds what devices of higher index contributed.
    fn join(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        if other.count > 0 && other.last_ms >= self.last_ms {
            (self.last, self.last_ms) = (other.last, other.last_ms);
        }
        self.count += other.count;
    }

    fn mean(&self, averaging: Averaging) -> f64 {
        let mean = self.sum / self.count as f64;
        match averaging {
            Averaging::Linear => mean,
            Averaging::Energy => 10.0 * mean.log10(),
        }
    }

    fn bucket(self, start_ms: i64, averaging: Averaging) -> Option<Bucket> {
        let Self { min, max, last, count, .. } = self;
        (count > 0).then(|| Bucket { start_ms, min, max, mean: self.mean(averaging), last, count })
    }

    fn aggregate(self, by: Aggregate) -> Option<f64> {
        (self.count > 0).then(|| match by {
            Aggregate::Min => self.min,
            Aggregate::Max => self.max,
            Aggregate::Mean(averaging) => self.mean(averaging),
            Aggregate::Last => self.last,
            Aggregate::Count => self.count as f64,
        })
    }
}
