//! The registry and history as the rule engine sees them.
use crate::{clock_watch::ClockProperties, http::state::Ready};
use ioc_ingest::{Device, LiveState, Registry};
use ioc_model::{
    DeviceIndex, PropertyId, Quality,
    time::{ClockOffset, placed_ms},
};
use ioc_rules::{DeviceLabels, Directory, PastSamples, PastSummary, engine::summarized};
use ioc_store::{History, Point, QueryError, Series, Store, Summary, TimeRange};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Most samples read for one window.
const SAMPLES_MAX: usize = 1_000_000;

/// Devices with their labels.
pub struct RegistryDirectory(pub Registry);

fn labels(device: &Device) -> Arc<DeviceLabels> {
    let own = device.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Arc::new(DeviceLabels::new(
        device.index,
        device.id.clone(),
        device.domain,
        &device.kind,
        device.ward.as_deref(),
        own,
        i64::from(device.reporting_period_s) * 1000,
    ))
}

impl Directory for RegistryDirectory {
    fn device(&self, index: DeviceIndex) -> Option<Arc<DeviceLabels>> {
        let devices = self.0.devices();
        devices.by_index(index).filter(|device| !device.retired).map(|device| labels(device))
    }

    fn devices(&self) -> Vec<Arc<DeviceLabels>> {
        self.0.devices().iter().filter(|device| !device.retired).map(|device| labels(device)).collect()
    }
}

/// Past samples from the store.
pub struct StoreSamples {
    /// History.
    pub store: Store,
    /// Last values.
    pub live: Arc<LiveState>,
    /// What the rules are given again after the start. It is in history already and yet not past: in a window
    /// before its turn it would hide what came before it, a short alarm right before a crash for one.
    pub replayed: Replayed,
    /// Once it is set, the replay is over and all of history is past.
    pub ready: Ready,
    /// What says how far a device's clock is behind.
    pub clocks: Option<ClockProperties>,
}

/// Event times of readings, by device and property.
#[derive(Debug, Default)]
pub struct Replayed {
    times: HashMap<(DeviceIndex, PropertyId), BTreeSet<i64>>,
    len: usize,
}

impl Replayed {
    /// Adds a reading, unless there are `most` of them.
    pub fn insert(&mut self, device: DeviceIndex, property: PropertyId, ts_ms: i64, most: usize) {
        if self.len < most && self.times.entry((device, property)).or_default().insert(ts_ms) {
            self.len += 1;
        }
    }

    /// Reports whether a reading is among them.
    pub fn contains(&self, device: DeviceIndex, property: PropertyId, ts_ms: i64) -> bool {
        self.times.get(&(device, property)).is_some_and(|times| times.contains(&ts_ms))
    }

    fn any_within(&self, device: DeviceIndex, property: PropertyId, range: TimeRange) -> bool {
        let of_series = self.times.get(&(device, property));
        of_series
            .is_some_and(|times| times.range(range.from_ms..range.to_ms.max(range.from_ms)).next().is_some())
    }
}

impl StoreSamples {
    fn is_past(&self, device: DeviceIndex, property: PropertyId, ts_ms: i64) -> bool {
        self.ready.get() || !self.replayed.contains(device, property, ts_ms)
    }
}

fn unfilled(device: DeviceIndex, property: PropertyId, error: &QueryError) {
    tracing::warn!(device = device.0, property = property.0, %error, "a rule's window cannot be filled from history; it fills with time");
}

/// Returns samples where rules had them when they came: at their arrival when they were ahead, and earlier when their device's
/// clock was set back since, as [`ClockOffset`] finds it from these samples alone. The points are in order of their times.
fn as_it_came(mut points: Vec<Point>) -> Vec<(i64, f64)> {
    let placed = |point: &Point| (placed_ms(point.ts_ms, point.arrival_ms()), point.value);
    if points.is_sorted_by_key(Point::arrival_ms) {
        return points.iter().map(placed).collect();
    }
    points.sort_by_key(Point::arrival_ms);
    let (mut samples, mut since) = (Vec::with_capacity(points.len()), Vec::new());
    let mut clock = ClockOffset::default();
    for point in &points {
        let before = clock.clone();
        if let Some(by_ms) = clock.observe(point.ts_ms, point.arrival_ms()) {
            let times = before.since(by_ms, point.ts_ms);
            samples.extend(since.extract_if(.., |(ts_ms, _)| !times.contains(ts_ms)));
            samples.iter_mut().for_each(|(ts_ms, _): &mut (i64, f64)| *ts_ms = ts_ms.saturating_sub(by_ms));
        }
        if clock.is_behind() {
            since.push(placed(point));
        } else {
            samples.append(&mut since);
            samples.push(placed(point));
        }
    }
    samples.append(&mut since);
    samples.sort_by_key(|(ts_ms, _)| *ts_ms);
    samples
}

fn past_summary(summary: &Summary) -> PastSummary {
    let Summary { count, sum, min, max, first_ms, last, last_ms, .. } = *summary;
    PastSummary { count, sum, min, max, first_ms, last_ms, last }
}

impl PastSamples for StoreSamples {
    fn samples(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<(i64, f64)> {
        let series = Series { device, property };
        match self.store.raw(series, TimeRange { from_ms, to_ms }, SAMPLES_MAX) {
            Ok(points) => {
                let measuring = points.into_iter().filter(|point| point.quality.is_measuring());
                let past = measuring.filter(|point| self.is_past(device, property, point.ts_ms));
                as_it_came(past.collect())
            }
            Err(error) => {
                unfilled(device, property, &error);
                Vec::new()
            }
        }
    }

    fn summaries(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        (from_ms, to_ms): (i64, i64),
        step_ms: i64,
    ) -> Vec<PastSummary> {
        let range = TimeRange { from_ms, to_ms };
        // What comes again must not stand in it already; then each sample counts.
        if !self.ready.get() && self.replayed.any_within(device, property, range) {
            return summarized(&self.samples(device, property, from_ms, to_ms), step_ms);
        }
        match self.store.summaries(Series { device, property }, range, step_ms) {
            Ok(summaries) => summaries.iter().map(past_summary).collect(),
            Err(error) => {
                unfilled(device, property, &error);
                Vec::new()
            }
        }
    }

    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<(i64, f64)> {
        let latest = self.live.get(device, property)?;
        self.is_past(device, property, latest.ts_ms).then_some((latest.ts_ms, latest.value))
    }

    fn arrived(&self, device: DeviceIndex, property: PropertyId) -> Option<i64> {
        let latest = self.live.get(device, property)?;
        let is_timely = !latest.quality.contains(Quality::LATE);
        (is_timely && self.is_past(device, property, latest.ts_ms)).then_some(latest.arrival_ms)
    }

    fn clock(&self, device: DeviceIndex) -> Option<ClockOffset> {
        let mut clock = ClockOffset::default();
        clock.resume(self.clocks?.usable_ms(&self.live, device)?);
        Some(clock)
    }

    fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        self.live.last_seen(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_761_523_200_000;
    const SECOND: i64 = 1000;

    /// Points made each second, with how far the clock was behind in each of them.
    fn points(behind_s: impl Iterator<Item = i64>) -> Vec<Point> {
        let point = |(n, behind_s): (i64, i64)| {
            let (arrival_ms, value) = (NOW + n * SECOND, n as f64);
            let ts_ms = arrival_ms - behind_s * SECOND;
            Point { ts_ms, value, quality: Quality::GOOD, delay_ms: arrival_ms - ts_ms }
        };
        let mut points: Vec<_> = (0..).zip(behind_s).map(point).collect();
        points.sort_by_key(|point| point.ts_ms);
        points
    }

    #[test]
    fn windows_after_a_start_have_what_those_before_had() {
        let values = |samples: Vec<(i64, f64)>| samples.into_iter().map(|(_, value)| value as i64);
        let cases: [(&str, Vec<i64>); 4] = [
            ("a right clock", vec![0; 60]),
            ("set back by 20 s, and by 200", [[0; 20], [20; 20], [220; 20]].concat()),
            ("set back, and right again", [[0; 20], [15; 20], [0; 20]].concat()),
            ("ahead, then right", [vec![-90; 20], vec![0; 40]].concat()),
        ];
        for (what, behind_s) in cases {
            let samples = as_it_came(points(behind_s.into_iter()));
            assert!(values(samples).eq(0..60), "{what}");
        }
    }

    #[test]
    fn what_came_late_stands_where_it_was_made() {
        // Ten seconds of outage are sent at once, a minute after.
        let mut late = points((0..60).map(|_| 0));
        for (n, point) in late[20..30].iter_mut().enumerate() {
            point.delay_ms = NOW + 60 * SECOND + n as i64 - point.ts_ms;
        }
        let expected: Vec<_> = late.iter().map(|point| (point.ts_ms, point.value)).collect();
        assert_eq!(as_it_came(late), expected);
    }
}
