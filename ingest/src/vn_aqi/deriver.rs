//! The hourly index of every station, published as the derived property `vn_aqi`.
//!
//! The decree computes it from whole hours. A wall that waits up to an hour for the next number is not
//! live, so the hours run with the data: at each report, c1 is the mean of the sixty minutes up to the
//! report, c2 of the sixty before, and so on. At the full hour this is the decree's own index. Hours are
//! stamped by their end and kept in steps of five minutes; a reading on a boundary belongs to the hour that
//! ends there.
//!
//! Late readings fill their hour; a report older than the newest index of its station publishes nothing.
//! A new station has no index before its second hour is nearly full, unless it sends what its logger kept or
//! history seeds it: NowCast wants two of the newest three hours, and we do not invent one.
//! Readings while calibrating or at fault are left out. A repeated reading counts once and a corrected one as corrected,
//! as long as it is among the newest [`HEARD_MAX`] of its pollutant that came in since our start.
use super::{Hours, Pollutant, hourly, nowcast::HOURS};
use ioc_model::{Catalogue, DeviceIndex, Observation, PropertyId, Quality};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Length of a step, in milliseconds; ask history for means of this length to seed a station.
pub const STEP_MS: i64 = 300_000;
/// How far back the index looks, in milliseconds; seed from there.
pub const LOOK_BACK_MS: i64 = STEP_MS * STEPS as i64;

/// Readings per station and pollutant that are told apart from repetitions: two hours at one each 30 s.
const HEARD_MAX: usize = 256;
const STEPS_PER_HOUR: usize = 12;
const STEPS: usize = HOURS * STEPS_PER_HOUR;

/// How the index is derived.
#[derive(Debug, Clone, PartialEq)]
pub struct AqiSettings {
    /// Share of an hour's five-minute steps that must hold a reading; 0 to 1.
    pub completeness: f64,
    /// Age of a reading on arrival above which its index is flagged late, in milliseconds.
    pub late_after_ms: i64,
}

impl Default for AqiSettings {
    /// Three quarters of an hour, two minutes.
    fn default() -> Self {
        Self { completeness: 0.75, late_after_ms: 120_000 }
    }
}

/// A catalogue without what the index needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue has no property {0}; add it, the air quality index needs it")]
pub struct MissingProperty(pub &'static str);

/// Running hours of every station. Not shared: one follower of the journal owns it.
#[derive(Debug)]
pub struct AqiDeriver {
    stations: HashMap<DeviceIndex, Station>,
    inputs: [Option<PropertyId>; Pollutant::ALL.len()],
    output: PropertyId,
    settings: AqiSettings,
}

#[derive(Debug, Default)]
struct Station {
    rings: [Option<Box<Ring>>; Pollutant::ALL.len()],
    newest_ms: Option<i64>,
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
        Ok(Self { stations: HashMap::new(), inputs, output, settings })
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
            let station = self.stations.entry(device).or_default();
            let weight = u32::try_from(count).unwrap_or(u32::MAX);
            station.ring(slot).add(start_ms.saturating_add(STEP_MS / 2), mean, weight);
        }
    }

    /// Takes the accepted observations of one message; returns the index at the newest of them, if there is
    /// one to publish.
    ///
    /// Shape: anything but pollutants is passed over. The result has the event time of the newest reading
    /// and the flag [`Quality::DERIVED`].
    pub fn observe(
        &mut self,
        device: DeviceIndex,
        observations: impl IntoIterator<Item = Observation>,
        arrival_ms: i64,
    ) -> Option<Observation> {
        let mut newest_ms = None;
        for observation in observations {
            if let Some(slot) = self.slot(observation.property)
                && observation.quality.is_measuring()
            {
                let station = self.stations.entry(device).or_default();
                station.ring(slot).take(observation.ts_ms, observation.value);
                newest_ms = newest_ms.max(Some(observation.ts_ms));
            }
        }
        let ts_ms = newest_ms?;
        let station = self.stations.get_mut(&device)?;
        if station.newest_ms.is_some_and(|published| published > ts_ms) {
            return None;
        }
        let index = hourly(&station.hours(ts_ms, self.settings.completeness))?;
        station.newest_ms = Some(ts_ms);
        let quality = self.quality(ts_ms, arrival_ms);
        Some(Observation { property: self.output, ts_ms, value: f64::from(index.value), quality })
    }

    fn quality(&self, ts_ms: i64, arrival_ms: i64) -> Quality {
        let mut quality = Quality::DERIVED;
        if arrival_ms.saturating_sub(ts_ms) > self.settings.late_after_ms {
            quality |= Quality::LATE;
        }
        if ts_ms > arrival_ms {
            quality |= Quality::CLOCK_AHEAD;
        }
        quality
    }

    fn slot(&self, property: PropertyId) -> Option<usize> {
        self.inputs.iter().position(|input| *input == Some(property))
    }
}

impl Station {
    fn ring(&mut self, slot: usize) -> &mut Ring {
        self.rings[slot].get_or_insert_default()
    }

    fn hours(&self, ts_ms: i64, completeness: f64) -> Hours {
        let ring = |pollutant: Pollutant| self.rings[pollutant as usize].as_deref();
        let all = |pollutant| {
            std::array::from_fn(|hours_ago| ring(pollutant)?.hour(ts_ms, hours_ago, completeness))
        };
        let newest = |pollutant| ring(pollutant)?.hour(ts_ms, 0, completeness);
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

/// The last twelve hours of one pollutant, in steps.
#[derive(Debug)]
struct Ring {
    steps: [Step; STEPS],
    /// Event times and values of the newest readings, in the order in which they came.
    heard: VecDeque<(i64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// Which step this is; a step of an earlier round counts as empty.
    number: i64,
    sum: f64,
    count: u32,
}

impl Default for Ring {
    fn default() -> Self {
        Self { steps: [Step { number: i64::MIN, sum: 0.0, count: 0 }; STEPS], heard: VecDeque::new() }
    }
}

impl Ring {
    /// Takes a reading, unless it is a repetition; another value for the same instant replaces the first.
    fn take(&mut self, ts_ms: i64, value: f64) {
        if let Some((_, known)) = self.heard.iter_mut().rev().find(|(known_ms, _)| *known_ms == ts_ms) {
            let change = value - std::mem::replace(known, value);
            return self.correct(ts_ms, change);
        }
        if self.heard.len() == HEARD_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back((ts_ms, value));
        self.add(ts_ms, value, 1);
    }

    fn correct(&mut self, ts_ms: i64, change: f64) {
        let number = step_number(ts_ms);
        let step = &mut self.steps[place(number)];
        if step.number == number {
            step.sum += change;
        }
    }

    fn add(&mut self, ts_ms: i64, value: f64, count: u32) {
        let number = step_number(ts_ms);
        let step = &mut self.steps[place(number)];
        if step.number < number {
            *step = Step { number, sum: 0.0, count: 0 };
        }
        // Older than the ring: its place holds a newer step by now.
        if step.number == number {
            step.sum += value * f64::from(count);
            step.count = step.count.saturating_add(count);
        }
    }

    /// Mean of the hour that ended `hours_ago` hours before `ts_ms`, if enough of it is there.
    fn hour(&self, ts_ms: i64, hours_ago: usize, completeness: f64) -> Option<f64> {
        let last = step_number(ts_ms) - (hours_ago * STEPS_PER_HOUR) as i64;
        let (mut sum, mut count, mut steps) = (0.0, 0.0, 0);
        for number in last - STEPS_PER_HOUR as i64 + 1..=last {
            let step = &self.steps[place(number)];
            if step.number == number && step.count > 0 {
                sum += step.sum;
                count += f64::from(step.count);
                steps += 1;
            }
        }
        let is_complete = steps > 0 && f64::from(steps) >= completeness * STEPS_PER_HOUR as f64;
        is_complete.then(|| sum / count)
    }
}

/// Steps are open at their start and closed at their end.
fn step_number(ts_ms: i64) -> i64 {
    ts_ms.saturating_sub(1).div_euclid(STEP_MS)
}

fn place(number: i64) -> usize {
    number.rem_euclid(STEPS as i64) as usize
}

#[cfg(test)]
mod tests;
