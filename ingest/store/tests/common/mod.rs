//! History as it should be, in a map, and the comparison with the store.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by several test programs, each using a part")]
pub(crate) mod life;

use ioc_model::{
    DeviceIndex, Observation, PropertyId, Quality,
    catalogue::Averaging,
    time::{SeriesOrder, SetBack},
};
use ioc_store::{
    Aggregate, ApplyOutcome, ApplyOutcomes, Batch, Bucket, GroupBucket, Last, Point, Series, SharedHistory,
    StoreConfig, TimeRange,
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Level, Metadata, Subscriber, field::Field, span};

pub(crate) const NO_LIMIT: usize = usize::MAX;

/// One second of event time in a segment, and a head of 40 readings: everything happens soon.
pub(crate) fn small(dir: &Path) -> StoreConfig {
    let mut config = StoreConfig::new(dir);
    config.segment_span = Duration::from_secs(1);
    config.seal_delay = Duration::ZERO;
    config.head_readings_max = 40;
    config
}

pub(crate) fn series(device: u32, property: u16) -> Series {
    Series { device: DeviceIndex(device), property: PropertyId(property) }
}

pub(crate) fn observation(property: u16, ts_ms: i64, value: f64) -> Observation {
    Observation { property: PropertyId(property), ts_ms, value, quality: Quality::GOOD }
}

/// Applies one reading.
pub(crate) fn put(
    store: &SharedHistory,
    offset: u64,
    device: u32,
    property: u16,
    ts_ms: i64,
    value: f64,
) -> ApplyOutcome {
    let outcomes = apply(store, offset, device, ts_ms, &[observation(property, ts_ms, value)]);
    assert_eq!(outcomes.len(), 1);
    outcomes[0]
}

/// Applies one record.
pub(crate) fn apply(
    store: &SharedHistory,
    offset: u64,
    device: u32,
    arrival_ms: i64,
    observations: &[Observation],
) -> Vec<ApplyOutcome> {
    apply_set_back(store, offset, device, arrival_ms, observations, None)
}

/// Applies one record, which may show that its device's clock was set back.
pub(crate) fn apply_set_back(
    store: &SharedHistory,
    offset: u64,
    device: u32,
    arrival_ms: i64,
    observations: &[Observation],
    set_back_ms: Option<i64>,
) -> Vec<ApplyOutcome> {
    let (mut batch, mut outcomes) = (Batch::default(), ApplyOutcomes::default());
    batch.push(offset, DeviceIndex(device), arrival_ms, observations.iter().copied());
    set_back_ms.into_iter().for_each(|by_ms| batch.set_back(by_ms));
    store.apply(&batch, &mut outcomes);
    outcomes.records().flatten().copied().collect()
}

/// Every reading that was accepted last.
#[derive(Debug, Default, Clone)]
pub(crate) struct Oracle {
    pub(crate) readings: BTreeMap<Series, BTreeMap<i64, Point>>,
    /// What came last, and how far the device's clock was set back since.
    lasts: BTreeMap<Series, (Point, SetBack)>,
}

impl Oracle {
    pub(crate) fn apply(
        &mut self,
        device: u32,
        arrival_ms: i64,
        observations: &[Observation],
    ) -> Vec<ApplyOutcome> {
        observations.iter().map(|o| self.apply_one(device, arrival_ms, o)).collect()
    }

    fn apply_one(&mut self, device: u32, arrival_ms: i64, o: &Observation) -> ApplyOutcome {
        let delay_ms = arrival_ms.saturating_sub(o.ts_ms);
        let point = Point { ts_ms: o.ts_ms, value: o.value, quality: o.quality, delay_ms };
        let outcome = self.keep(series(device, o.property.0), point);
        self.keep_last(series(device, o.property.0), point);
        outcome
    }

    /// Follows a device's clock that was set back.
    pub(crate) fn set_back(&mut self, device: u32, by_ms: i64) {
        let of_device = self.lasts.iter_mut().filter(|(series, _)| series.device.0 == device);
        of_device.for_each(|(_, (_, set_back))| *set_back = set_back.and(by_ms));
    }

    fn keep_last(&mut self, series: Series, point: Point) {
        let order = |point: Point| SeriesOrder::new(point.ts_ms, point.arrival_ms());
        let (last, set_back) = self.lasts.entry(series).or_insert((point, SetBack::default()));
        if order(point).follows(set_back.of(order(*last))) {
            (*last, *set_back) = (point, SetBack::default());
        }
    }

    fn keep(&mut self, series: Series, point: Point) -> ApplyOutcome {
        let readings = self.readings.entry(series).or_default();
        match readings.get_mut(&point.ts_ms) {
            Some(known) if known.value == point.value => ApplyOutcome::Duplicate,
            Some(known) => {
                *known = point;
                ApplyOutcome::Corrected
            }
            None => {
                readings.insert(point.ts_ms, point);
                ApplyOutcome::Stored
            }
        }
    }

    pub(crate) fn raw(&self, series: Series, range: TimeRange) -> Vec<Point> {
        let readings = self.readings.get(&series).into_iter().flatten();
        readings.map(|(_, point)| *point).filter(|point| range.contains(point.ts_ms)).collect()
    }

    fn last(&self) -> Vec<(Series, Last)> {
        let last = |(point, set_back): &(Point, SetBack)| Last { point: *point, set_back: *set_back };
        self.lasts.iter().map(|(series, known)| (*series, last(known))).collect()
    }

    /// Combines the readings of devices by interval.
    fn cells(
        &self,
        devices: &[u32],
        property: u16,
        range: TimeRange,
        width: i64,
        averaging: Averaging,
    ) -> Vec<Bucket> {
        let mut by_start: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
        for device in devices {
            for point in self.raw(series(*device, property), range) {
                let start = range.from_ms + (point.ts_ms - range.from_ms) / width * width;
                by_start.entry(start).or_default().push(point);
            }
        }
        by_start.into_iter().map(|(start_ms, points)| combine(start_ms, &points, averaging)).collect()
    }
}

fn combine(start_ms: i64, points: &[Point], averaging: Averaging) -> Bucket {
    let values = || points.iter().map(|point| point.value);
    let count = points.len() as f64;
    let mean = match averaging {
        Averaging::Linear => values().sum::<f64>() / count,
        Averaging::Energy => 10.0 * (values().map(|v| 10f64.powf(v / 10.0)).sum::<f64>() / count).log10(),
    };
    // The last of equal keys: the device of the highest index.
    let last = points.iter().max_by_key(|point| point.ts_ms).unwrap().value;
    let (min, max) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    Bucket { start_ms, min, max, mean, last, count: points.len() as u64 }
}

fn assert_near(found: &Bucket, expected: &Bucket) {
    let near = (found.mean - expected.mean).abs() <= 1e-9 * expected.mean.abs().max(1.0);
    assert!(near, "{found:?} is not {expected:?}");
    assert_eq!(&Bucket { mean: expected.mean, ..*found }, expected);
}

/// Asks every kind of question about `range` and compares.
pub(crate) fn compare(
    store: &SharedHistory,
    oracle: &Oracle,
    devices: &[u32],
    properties: u16,
    range: TimeRange,
    n: usize,
) {
    assert_eq!(store.last(), oracle.last());
    for property in 0..properties {
        let averaging = if property == 0 { Averaging::Energy } else { Averaging::Linear };
        for device in devices {
            let series = series(*device, property);
            assert_eq!(store.raw(series, range, NO_LIMIT).unwrap(), oracle.raw(series, range), "{series:?}");
            let width = ((range.to_ms - range.from_ms) as usize).div_ceil(n).max(1) as i64;
            let found = store.buckets(series, range, n, averaging).unwrap();
            let expected = oracle.cells(&[*device], property, range, width, averaging);
            assert_eq!(found.len(), expected.len());
            found.iter().zip(&expected).for_each(|(found, expected)| assert_near(found, expected));
        }
        for device in devices {
            compare_summaries(store, oracle, series(*device, property), range, 700);
            compare_summaries(store, oracle, series(*device, property), range, 5_000);
        }
        compare_groups(store, oracle, devices, property, range, averaging);
        compare_top(store, oracle, devices, property, range);
    }
}

fn compare_summaries(store: &SharedHistory, oracle: &Oracle, series: Series, range: TimeRange, step_ms: i64) {
    let mut by_start: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for point in oracle.raw(series, range).into_iter().filter(|point| point.quality.is_measuring()) {
        by_start.entry(point.ts_ms.div_euclid(step_ms) * step_ms).or_default().push(point);
    }
    let found = store.summaries(series, range, step_ms).unwrap();
    assert_eq!(found.len(), by_start.len(), "{series:?} {range:?} {step_ms}");
    for (found, (from_ms, points)) in found.iter().zip(by_start) {
        let expected = combine(from_ms, &points, Averaging::Linear);
        let (first, last) = (points.first().unwrap(), points.last().unwrap());
        assert_eq!((found.from_ms, found.to_ms, found.count), (from_ms, from_ms + step_ms, expected.count));
        assert_eq!((found.min, found.max), (expected.min, expected.max));
        assert_eq!((found.first, found.first_ms), (first.value, first.ts_ms));
        assert_eq!((found.last, found.last_ms), (last.value, last.ts_ms));
        let mean = found.sum / found.count as f64;
        assert!((mean - expected.mean).abs() <= 1e-9 * expected.mean.abs().max(1.0), "{found:?}");
    }
}

fn compare_groups(
    store: &SharedHistory,
    oracle: &Oracle,
    devices: &[u32],
    property: u16,
    range: TimeRange,
    averaging: Averaging,
) {
    // Device 0 is in two groups; group 5 has no members that report.
    let mut members: Vec<_> = devices.iter().map(|d| (DeviceIndex(*d), d % 3 * 10)).collect();
    members.extend([(DeviceIndex(0), 10), (DeviceIndex(9_999), 5)]);
    let found = store.groups(&members, PropertyId(property), range, 700, averaging).unwrap();
    let mut expected = Vec::new();
    for group in [0, 5, 10, 20] {
        let mut of_group: Vec<u32> = members.iter().filter(|(_, g)| *g == group).map(|(d, _)| d.0).collect();
        of_group.sort_unstable();
        let cells = oracle.cells(&of_group, property, range, 700, averaging);
        expected.extend(cells.into_iter().map(|bucket| GroupBucket { group, bucket }));
    }
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.group, expected.group);
        assert_near(&found.bucket, &expected.bucket);
    }
}

fn compare_top(store: &SharedHistory, oracle: &Oracle, devices: &[u32], property: u16, range: TimeRange) {
    let all: Vec<_> = devices.iter().rev().map(|d| DeviceIndex(*d)).collect();
    type Value = fn(&Bucket) -> f64;
    let aggregates: [(Aggregate, Value); 5] = [
        (Aggregate::Min, |b| b.min),
        (Aggregate::Max, |b| b.max),
        (Aggregate::Mean(Averaging::Linear), |b| b.mean),
        (Aggregate::Last, |b| b.last),
        (Aggregate::Count, |b| b.count as f64),
    ];
    for (by, value) in aggregates {
        let found = store.top(&all, PropertyId(property), range, by, 5).unwrap();
        let mut expected: Vec<(DeviceIndex, f64)> = devices
            .iter()
            .filter_map(|device| {
                let points = oracle.raw(series(*device, property), range);
                let bucket = (!points.is_empty()).then(|| combine(0, &points, Averaging::Linear))?;
                Some((DeviceIndex(*device), value(&bucket)))
            })
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        expected.truncate(5);
        assert_eq!(found, expected, "{by:?}");
    }
}

/// Runs `work` and returns what it warned of on this thread.
pub(crate) fn warnings(work: impl FnOnce()) -> Vec<String> {
    let caught = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Catch(Arc::clone(&caught)), work);
    std::mem::take(&mut caught.lock().unwrap())
}

struct Catch(Arc<Mutex<Vec<String>>>);

impl Subscriber for Catch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            write!(text, "{field}={value:?} ").unwrap();
        });
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Waits until `condition` holds; a minute later it is taken never to.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited a minute in vain: {what}");
        std::thread::yield_now();
    }
}
