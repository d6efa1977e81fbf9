//! The registry and history as the rule engine sees them.
use crate::{ClockProperties, Ready};
use ioc_ingest::{Device, Latest, LiveState, Registry};
use ioc_model::{
    DeviceIndex, PropertyId,
    time::{AHEAD_MAX_MS, ClockOffset, ahead_ms},
};
use ioc_rules::{
    DeviceLabels, Directory, PastReading, PastSample, PastSamples, PastSummary, as_it_came, summarized,
};
use ioc_store::{Point, QueryError, Series, SharedHistory, Summary, TimeRange};
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
    pub store: SharedHistory,
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
    fn ahead_ms(&self, device: DeviceIndex) -> i64 {
        ahead_ms(self.clocks.and_then(|clocks| clocks.usable_ms(&self.live, device)))
    }

    fn is_past(&self, device: DeviceIndex, property: PropertyId, ts_ms: i64) -> bool {
        self.ready.get() || !self.replayed.contains(device, property, ts_ms)
    }
}

fn unfilled(device: DeviceIndex, property: PropertyId, error: &QueryError) {
    tracing::warn!(device = device.0, property = property.0, %error, "a rule's window cannot be filled from history; it fills with time");
}

fn reading(point: Point) -> PastReading {
    let Point { ts_ms: event_ms, value, quality, .. } = point;
    PastReading { event_ms, arrival_ms: point.arrival_ms(), value, quality }
}

/// Returns an interval as it was placed: its clock was ahead by `ahead_ms`.
fn past_summary(summary: &Summary, ahead_ms: i64) -> PastSummary {
    let Summary { count, sum, min, max, first_ms, last, last_ms, .. } = *summary;
    let (first_ms, last_ms) = (first_ms.saturating_sub(ahead_ms), last_ms.saturating_sub(ahead_ms));
    PastSummary { count, sum, min, max, first_ms, last_ms, last }
}

impl PastSamples for StoreSamples {
    fn samples(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<PastSample> {
        // Nothing stands behind its event time, or before it by more than a clock may be ahead, or is while ours is wrong.
        let ahead_ms = self.ahead_ms(device).max(AHEAD_MAX_MS);
        let range = TimeRange { from_ms, to_ms: to_ms.saturating_add(ahead_ms) };
        match self.store.raw(Series { device, property }, range, SAMPLES_MAX) {
            Ok(mut points) => {
                points.retain(|point| self.is_past(device, property, point.ts_ms));
                let mut samples = as_it_came(points.into_iter().map(reading).collect());
                samples.retain(|sample| (from_ms..to_ms).contains(&sample.placed_ms));
                samples
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
        let ahead_ms = self.ahead_ms(device);
        let (first_ms, end_ms) = (from_ms.saturating_add(ahead_ms), to_ms.saturating_add(ahead_ms));
        let range = TimeRange { from_ms: first_ms, to_ms: end_ms };
        // What comes again must not stand in it already; then each sample counts.
        if !self.ready.get() && self.replayed.any_within(device, property, range) {
            return summarized(&self.samples(device, property, from_ms, to_ms), step_ms);
        }
        match self.store.summaries(Series { device, property }, range, step_ms) {
            Ok(summaries) => summaries.iter().map(|summary| past_summary(summary, ahead_ms)).collect(),
            Err(error) => {
                unfilled(device, property, &error);
                Vec::new()
            }
        }
    }

    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<PastSample> {
        let Latest { ts_ms: event_ms, arrival_ms, value, quality } = self.live.get(device, property)?;
        let is_past = self.is_past(device, property, event_ms);
        is_past.then(|| PastSample::alone(&PastReading { event_ms, arrival_ms, value, quality }))
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
    use ioc_model::{Observation, Quality};
    use ioc_store::{ApplyOutcomes, Batch, StoreConfig};

    const NOW: i64 = 1_761_523_200_000;
    const SECOND: i64 = 1000;
    const DEVICE: DeviceIndex = DeviceIndex(3);
    const LEVEL: PropertyId = PropertyId(1);
    const OFFSET: PropertyId = PropertyId(92);

    /// Intervals of history are asked for, and stand, where the clock of the device had them.
    #[test]
    fn what_history_says_of_intervals_stands_where_its_samples_do() {
        for ahead_s in [0, 12, 60, 290] {
            let dir = tempfile::tempdir().unwrap();
            let (store, live) =
                (ioc_store::open(StoreConfig::new(dir.path())).unwrap(), Arc::<LiveState>::default());
            for n in 0..600 {
                let arrival_ms = NOW + n * SECOND;
                let (ts_ms, value) = (arrival_ms + ahead_s * SECOND, n as f64);
                let level = Observation { property: LEVEL, ts_ms, value, quality: Quality::GOOD };
                let (mut batch, mut outcomes) = (Batch::default(), ApplyOutcomes::default());
                batch.push(n as u64 + 1, DEVICE, arrival_ms, [level].into_iter());
                store.apply(&batch, &mut outcomes);
            }
            let value = -ahead_s as f64;
            live.apply(
                DEVICE,
                [Observation { property: OFFSET, ts_ms: NOW, value, quality: Quality::DERIVED }],
                NOW,
            );
            let (replayed, ready) = (Replayed::default(), Ready::default());
            let past = StoreSamples {
                store,
                live,
                replayed,
                ready,
                clocks: Some(ClockProperties { offset: OFFSET, wrong: None }),
            };
            let (from_ms, to_ms) = (NOW + 100 * SECOND, NOW + 500 * SECOND);
            let samples = past.samples(DEVICE, LEVEL, from_ms, to_ms);
            let expected: Vec<_> = (100..500).map(|n| (NOW + n * SECOND, n as f64)).collect();
            let found: Vec<_> = samples.iter().map(|sample| (sample.placed_ms, sample.value)).collect();
            assert_eq!(found, expected, "{ahead_s} s ahead");
            assert!(samples.iter().all(|sample| sample.fresh_ms == sample.placed_ms), "{ahead_s} s ahead");
            let summaries = past.summaries(DEVICE, LEVEL, (from_ms, to_ms), 10 * SECOND);
            let ends =
                |summaries: &[PastSummary]| (summaries[0].first_ms, summaries[summaries.len() - 1].last_ms);
            assert_eq!(ends(&summaries), (from_ms, to_ms - SECOND), "{ahead_s} s ahead");
            assert_eq!(summaries.iter().map(|summary| summary.count).sum::<u64>(), 400, "{ahead_s} s ahead");
        }
    }
}
