//! The hourly index of every station, published as the derived property `vn_aqi`.
//!
//! The decree computes it from whole hours. A wall that waits up to an hour for the next number is not
//! live, so the hours run with the data: at each report, c1 is the mean of the sixty minutes up to the
//! report, c2 of the sixty before, and so on. At the full hour this is the decree's own index. Hours are
//! stamped by their end and kept in steps of five minutes; a reading on a boundary belongs to the hour that
//! ends there.
//!
//! Late readings fill their hour; a report older than the newest reading of its station publishes nothing. A report whose
//! time lies ahead goes into the step of its arrival, and what the same message kept from before as far before it as it was
//! made.
//! A new station has no index before its second hour is nearly full, unless it sends what its logger kept or
//! history seeds it: NowCast wants two of the newest three hours, and we do not invent one.
//! Readings while calibrating or at fault are left out. A repeated reading counts once and a corrected one as corrected,
//! as long as it is among the newest [`RECENT_MAX`] of its pollutant that came in since our start.
//!
//! An index of hours need not move a hundred times a second: it is computed at most every [`CHECK_MS`] of arrival, and for
//! reports at the end of a step, and published when it changed, or after [`REFRESH_MS`] so that it stays current. Time comes with the data, so a replay
//! derives the same.
mod ring;

use super::{Hours, Pollutant, hourly, nowcast::HOURS};
use ioc_model::{
    Catalogue, DeviceIndex, Observation, PropertyId, Quality,
    time::{Placing, SeriesOrder, age_ms, placed_ms},
};
use ring::Ring;
use std::sync::Arc;

/// Length of a step, in milliseconds; ask history for means of this length to seed a station.
pub const STEP_MS: i64 = 300_000;
/// How far back the index looks, in milliseconds; seed from there.
pub const LOOK_BACK_MS: i64 = STEP_MS * STEPS as i64;

/// Readings per station and pollutant that are told apart from repetitions: two hours at one each 30 s.
const RECENT_MAX: usize = 256;
const STEPS_PER_HOUR: usize = 12;
const STEPS: usize = HOURS * STEPS_PER_HOUR;
/// Shortest time between two computations for a station, by arrival, in milliseconds.
const CHECK_MS: i64 = 5_000;
/// Time after which an unchanged index is published again, by arrival, in milliseconds: the reporting period of stations.
const REFRESH_MS: i64 = 30_000;

/// How the index is derived.
#[derive(Debug, Clone, PartialEq)]
pub struct AqiSettings {
    /// Share of an hour's five-minute steps that must hold a reading; 0 to 1.
    pub completeness: f64,
}

impl Default for AqiSettings {
    /// Three quarters of an hour.
    fn default() -> Self {
        Self { completeness: 0.75 }
    }
}

/// A catalogue without what the index needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue has no property {0}; add it, the air quality index needs it")]
pub struct MissingProperty(pub &'static str);

/// Running hours of every station. Not shared: one follower of the journal owns it.
#[derive(Debug)]
pub struct AqiDeriver {
    /// By device index, which is dense.
    stations: Vec<Option<Box<Station>>>,
    inputs: [Option<PropertyId>; Pollutant::ALL.len()],
    output: PropertyId,
    settings: AqiSettings,
    /// Those of the message in hand; empty in between.
    pollutants: Vec<(usize, Observation)>,
}

#[derive(Debug, Default)]
struct Station {
    rings: [Option<Box<Ring>>; Pollutant::ALL.len()],
    newest: Option<SeriesOrder>,
    /// Arrival of the message for which the index was last computed.
    checked_ms: Option<i64>,
    /// What was published last, and the arrival of its message.
    published: Option<(f64, i64)>,
}

impl AqiDeriver {
    /// Makes a deriver; pollutants that the catalogue does not have are left out.
    ///
    /// Errors: [`MissingProperty`] when there is no `vn_aqi`, or neither `pm25` nor `pm10`.
    pub fn new(catalogue: &Arc<Catalogue>, settings: AqiSettings) -> Result<Self, MissingProperty> {
        let id = |name: &str| catalogue.property(name).map(|property| property.id);
        let inputs = Pollutant::ALL.map(|pollutant| id(pollutant.property()));
        let output = id(super::PROPERTY).ok_or(MissingProperty(super::PROPERTY))?;
        let has_particles = inputs[Pollutant::Pm25 as usize].or(inputs[Pollutant::Pm10 as usize]);
        has_particles.ok_or(MissingProperty(Pollutant::Pm25.property()))?;
        Ok(Self { stations: Vec::new(), inputs, output, settings, pollutants: Vec::new() })
    }

    /// Takes what history has for the five minutes from `start_ms`: `count` readings with this mean.
    ///
    /// To be called at start for every station and pollutant over the last [`LOOK_BACK_MS`].
    pub fn seed(&mut self, device: DeviceIndex, property: PropertyId, start_ms: i64, mean: f64, count: u64) {
        if let Some(slot) = self.slot(property)
            && count > 0
            && mean.is_finite()
        {
            // The middle of the step is in it, whichever of its ends history counts in.
            let weight = u32::try_from(count).unwrap_or(u32::MAX);
            self.station(device).ring(slot).add(start_ms.saturating_add(STEP_MS / 2), mean, weight);
        }
    }

    /// Takes a reading that history has, where it stood when it came; see [`ioc_model::time::Placing`]. For stations whose
    /// clocks are ahead, instead of [`AqiDeriver::seed`].
    pub fn seed_reading(&mut self, device: DeviceIndex, property: PropertyId, placed_ms: i64, value: f64) {
        if let Some(slot) = self.slot(property)
            && value.is_finite()
        {
            self.station(device).ring(slot).add(placed_ms, value, 1);
        }
    }

    /// Follows a clock that was set back by `by_ms`: reports are ordered anew. The readings before stay in the hours that they
    /// were made in.
    pub fn set_back(&mut self, device: DeviceIndex, by_ms: i64) {
        let known = self.stations.get_mut(device.0 as usize).and_then(Option::as_mut);
        if let Some(station) = known {
            station.newest = station.newest.map(|newest| newest.put_back(by_ms));
        }
    }

    /// Takes the accepted observations of one message; returns the index at the newest of them, if there is
    /// one to publish.
    ///
    /// Shape: anything but pollutants is passed over. The result has the event time of the newest reading, whether that
    /// was late or ahead, and the flag [`Quality::DERIVED`].
    pub fn observe(
        &mut self,
        device: DeviceIndex,
        observations: impl IntoIterator<Item = Observation>,
        arrival_ms: i64,
    ) -> Option<Observation> {
        let mut pollutants = std::mem::take(&mut self.pollutants);
        pollutants.clear();
        let measuring = observations.into_iter().filter(|observation| observation.quality.is_measuring());
        pollutants.extend(measuring.filter_map(|one| Some((self.slot(one.property)?, one))));
        let order = |one: &Observation| SeriesOrder::new(one.ts_ms, arrival_ms);
        let newest = pollutants.iter().map(|(_, one)| (order(one), *one)).max_by_key(|(order, _)| *order);
        let newest_ms = newest.map_or(arrival_ms, |(_, newest)| newest.ts_ms);
        let placing = Placing::alone(newest_ms, arrival_ms);
        for (slot, Observation { ts_ms, value, .. }) in pollutants.drain(..) {
            self.station(device).ring(slot).take(ts_ms, placing.place(ts_ms), value);
        }
        self.pollutants = pollutants;
        let (order, Observation { ts_ms, quality, .. }) = newest?;
        let completeness = self.settings.completeness;
        let value =
            self.station(device).index_due(order, placed_ms(ts_ms, arrival_ms), arrival_ms, completeness)?;
        let quality = Quality::DERIVED | quality.of_time();
        Some(Observation { property: self.output, ts_ms, value, quality })
    }

    fn station(&mut self, device: DeviceIndex) -> &mut Station {
        let index = device.0 as usize;
        if self.stations.len() <= index {
            self.stations.resize_with(index + 1, || None);
        }
        self.stations[index].get_or_insert_default()
    }

    fn slot(&self, property: PropertyId) -> Option<usize> {
        self.inputs.iter().position(|input| *input == Some(property))
    }
}

impl Station {
    fn ring(&mut self, slot: usize) -> &mut Ring {
        self.rings[slot].get_or_insert_default()
    }

    /// Returns the index at `placed_ms` if this report is the newest, and the index is due and worth publishing.
    fn index_due(
        &mut self,
        order: SeriesOrder,
        placed_ms: i64,
        arrival_ms: i64,
        completeness: f64,
    ) -> Option<f64> {
        if self.newest.is_some_and(|newest| !order.follows(newest)) {
            return None;
        }
        self.newest = Some(order);
        // A report at the end of a step may close an hour: then the index is the decree's own, and is not skipped.
        let closes = placed_ms % STEP_MS == 0;
        if !closes && self.checked_ms.is_some_and(|checked_ms| apart_ms(checked_ms, arrival_ms) < CHECK_MS) {
            return None;
        }
        self.checked_ms = Some(arrival_ms);
        let value = f64::from(hourly(&self.hours(placed_ms, completeness))?.value);
        let is_known = |(known, at_ms)| known == value && apart_ms(at_ms, arrival_ms) < REFRESH_MS;
        if self.published.is_some_and(is_known) {
            return None;
        }
        self.published = Some((value, arrival_ms));
        Some(value)
    }

    fn hours(&self, at_ms: i64, completeness: f64) -> Hours {
        let ring = |pollutant: Pollutant| self.rings[pollutant as usize].as_deref();
        let all = |pollutant| {
            std::array::from_fn(|hours_ago| ring(pollutant)?.hour(at_ms, hours_ago, completeness))
        };
        let newest = |pollutant| ring(pollutant)?.hour(at_ms, 0, completeness);
        Hours {
            pm25: all(Pollutant::Pm25),
            pm10: all(Pollutant::Pm10),
            no2: newest(Pollutant::No2),
            so2: newest(Pollutant::So2),
            o3: newest(Pollutant::O3),
            co: newest(Pollutant::Co),
        }
    }
}

/// Returns the time between two readings of our clock, which may have been set back in between.
fn apart_ms(one_ms: i64, other_ms: i64) -> i64 {
    age_ms(one_ms, other_ms).max(age_ms(other_ms, one_ms))
}

#[cfg(test)]
mod tests;
