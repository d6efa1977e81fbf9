//! What history has of a series, as it stood when it came.
use ioc_model::{
    DeviceIndex, PropertyId, Quality,
    time::{ClockOffset, Placer, placed_ms},
};

/// A reading of history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastReading {
    /// By its device's clock, milliseconds since the epoch.
    pub event_ms: i64,
    /// When it reached us.
    pub arrival_ms: i64,
    /// In the property's unit.
    pub value: f64,
    /// As it was accepted.
    pub quality: Quality,
}

/// A measuring sample of history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastSample {
    /// Where it stands, milliseconds since the epoch: see [`Placer`].
    pub placed_ms: i64,
    /// From when on it counted as the present value: since it arrived, if it did not come late.
    pub fresh_ms: i64,
    /// In the property's unit.
    pub value: f64,
}

impl PastSample {
    /// Returns a reading as it stands if nothing is known beside it.
    pub fn alone(reading: &PastReading) -> Self {
        Self::at(placed_ms(reading.event_ms, reading.arrival_ms), reading)
    }

    fn at(placed_ms: i64, reading: &PastReading) -> Self {
        let is_late = reading.quality.contains(Quality::LATE);
        let fresh_ms = if is_late { placed_ms } else { reading.arrival_ms.max(placed_ms) };
        Self { placed_ms, fresh_ms, value: reading.value }
    }
}

/// The measuring samples of an interval of one series, combined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastSummary {
    /// How many there are, at least 1.
    pub count: u64,
    /// Sum of their values.
    pub sum: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Where the first stands, milliseconds since the epoch.
    pub first_ms: i64,
    /// Where the last stands.
    pub last_ms: i64,
    /// Value of the last.
    pub last: f64,
}

/// History, for filling windows at start, when rules change and when devices are added.
pub trait PastSamples: Send + Sync {
    /// Returns measuring samples that were placed at `from_ms <= t < to_ms`, in this order, see [`super::as_it_came`].
    fn samples(&self, device: DeviceIndex, property: PropertyId, from_ms: i64, to_ms: i64)
    -> Vec<PastSample>;

    /// Returns what the samples that were placed at `from_ms <= t < to_ms` come to in intervals of `step_ms`; oldest first,
    /// those without samples left out. Long windows are filled with these, so that a start need not read each sample of a
    /// day.
    fn summaries(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        (from_ms, to_ms): (i64, i64),
        step_ms: i64,
    ) -> Vec<PastSummary> {
        summarized(&self.samples(device, property, from_ms, to_ms), step_ms)
    }

    /// Returns the newest sample, however old, as it stands by itself ([`PastSample::alone`]). It lets the engine tell a
    /// series that went silent before a start from one that never was; without it, only what stands in the windows is known.
    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<PastSample> {
        let _ = (device, property);
        None
    }

    /// Returns what its messages up to now say of a device's clock, if that is known.
    fn clock(&self, device: DeviceIndex) -> Option<ClockOffset> {
        let _ = device;
        None
    }

    /// Returns when the device was last heard of, in milliseconds since the epoch, if that is known: the base of
    /// `device_silent_seconds` after a start.
    fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        let _ = device;
        None
    }
}

/// Combines samples in order by intervals, for a history that has no summaries.
pub fn summarized(samples: &[PastSample], step_ms: i64) -> Vec<PastSummary> {
    let interval = |sample: &PastSample| sample.placed_ms.div_euclid(step_ms.max(1));
    let of_interval = samples.chunk_by(|one, next| interval(one) == interval(next));
    of_interval.filter_map(combined).collect()
}

fn combined(samples: &[PastSample]) -> Option<PastSummary> {
    let (first, last) = (samples.first()?, samples.last()?);
    let values = || samples.iter().map(|sample| sample.value);
    Some(PastSummary {
        count: samples.len() as u64,
        sum: values().sum(),
        min: values().fold(f64::NAN, f64::min),
        max: values().fold(f64::NAN, f64::max),
        first_ms: first.placed_ms,
        last_ms: last.placed_ms,
        last: last.value,
    })
}

/// Returns the measuring samples of a series where rules had them when they came: moved back as far as their clock was ahead,
/// and once more when it was set back since, as [`ClockOffset`] finds it from these readings alone.
///
/// `readings` are in order of their event times; samples are in the order that they stand in.
pub fn as_it_came(mut readings: Vec<PastReading>) -> Vec<PastSample> {
    readings.retain(|reading| reading.quality.is_measuring());
    let is_ahead = |reading: &PastReading| reading.event_ms > reading.arrival_ms;
    if readings.is_sorted_by_key(|reading| reading.arrival_ms) && !readings.iter().any(is_ahead) {
        return readings.iter().map(PastSample::alone).collect();
    }
    readings.sort_by_key(|reading| reading.arrival_ms);
    let mut coming = InOrderOfArrival::default();
    for message in readings.chunk_by(|one, next| one.arrival_ms == next.arrival_ms) {
        coming.take(message);
    }
    coming.end()
}

/// Samples so far, as they came.
#[derive(Default)]
struct InOrderOfArrival {
    clock: ClockOffset,
    placer: Placer,
    samples: Vec<PastSample>,
    /// Those since the newest message: of a clock that was set back, or a back-fill.
    since: Vec<PastSample>,
}

impl InOrderOfArrival {
    /// Takes the readings of one message.
    fn take(&mut self, message: &[PastReading]) {
        let own = message.iter().filter(|reading| reading.quality.is_device_timed());
        let newest = own.max_by_key(|reading| reading.event_ms);
        let Some(PastReading { event_ms, arrival_ms, .. }) = newest.copied() else {
            return self.samples.extend(message.iter().map(PastSample::alone));
        };
        let before = self.clock.clone();
        if let Some(by_ms) = self.clock.observe(event_ms, arrival_ms) {
            self.set_back(by_ms, &before.since(by_ms, event_ms));
        }
        if !self.clock.is_behind() {
            self.samples.append(&mut self.since);
        }
        let placing = self.placer.take(event_ms, arrival_ms, self.clock.usable_ms());
        let samples = message.iter().map(|reading| match reading.quality.is_device_timed() {
            true => PastSample::at(placing.place(reading.event_ms), reading),
            false => PastSample::alone(reading),
        });
        if self.clock.is_behind() { self.since.extend(samples) } else { self.samples.extend(samples) }
    }

    fn set_back(&mut self, by_ms: i64, times: &std::ops::RangeInclusive<i64>) {
        let before = self.since.extract_if(.., |sample| !times.contains(&sample.placed_ms));
        self.samples.extend(before);
        for sample in &mut self.samples {
            sample.placed_ms = sample.placed_ms.saturating_sub(by_ms);
        }
        self.placer.put_back(by_ms);
        self.since.iter().for_each(|sample| self.placer.stands(sample.placed_ms));
    }

    fn end(mut self) -> Vec<PastSample> {
        self.samples.append(&mut self.since);
        self.samples.sort_by_key(|sample| sample.placed_ms);
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_761_523_200_000;
    const SECOND: i64 = 1000;

    /// Readings made each second, with how far the clock was behind in each of them.
    fn readings(behind_s: impl Iterator<Item = i64>) -> Vec<PastReading> {
        let reading = |(n, behind_s): (i64, i64)| {
            let arrival_ms = NOW + n * SECOND;
            let event_ms = arrival_ms - behind_s * SECOND;
            PastReading { event_ms, arrival_ms, value: n as f64, quality: Quality::GOOD }
        };
        let mut readings: Vec<_> = (0..).zip(behind_s).map(reading).collect();
        readings.sort_by_key(|reading| reading.event_ms);
        readings
    }

    #[test]
    fn windows_after_a_start_have_what_those_before_had() {
        let cases: [(&str, Vec<i64>); 5] = [
            ("a right clock", vec![0; 60]),
            ("set back by 20 s, and by 200", [[0; 20], [20; 20], [220; 20]].concat()),
            ("set back, and right again", [[0; 20], [15; 20], [0; 20]].concat()),
            ("ahead, then right", [vec![-90; 20], vec![0; 40]].concat()),
            ("right, then ahead", [vec![0; 20], vec![-90; 40]].concat()),
        ];
        for (what, behind_s) in cases {
            let samples = as_it_came(readings(behind_s.into_iter()));
            assert!(samples.iter().map(|sample| sample.value as i64).eq(0..60), "{what}");
            let arrivals = (0..60).map(|n| NOW + n * SECOND);
            assert!(samples.iter().map(|sample| sample.fresh_ms).eq(arrivals), "{what}");
        }
    }

    #[test]
    fn what_came_late_stands_where_it_was_made() {
        // Ten seconds of outage are sent at once, a minute after.
        let mut late = readings((0..60).map(|_| 0));
        for (n, reading) in late[20..30].iter_mut().enumerate() {
            reading.arrival_ms = NOW + 60 * SECOND + n as i64;
        }
        let expected: Vec<_> = late.iter().map(PastSample::alone).collect();
        assert_eq!(as_it_came(late), expected);
    }

    #[test]
    fn a_batch_of_a_clock_that_is_ahead_is_no_single_sample() {
        for ahead_s in [5, 12, 60, 290] {
            let mut readings = readings((0..50).map(|_| -ahead_s));
            for (n, reading) in readings.iter_mut().enumerate() {
                reading.arrival_ms = NOW + (n as i64 / 10 * 10 + 9) * SECOND;
            }
            let samples = as_it_came(readings);
            let places: Vec<_> = samples.iter().map(|sample| (sample.placed_ms - NOW) / SECOND).collect();
            assert_eq!(places, (0..50).collect::<Vec<_>>(), "{ahead_s} s");
        }
    }
}
