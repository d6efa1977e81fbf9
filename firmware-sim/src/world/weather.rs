//! Rain, rivers, temperature and humidity of the city.
use crate::{
    clock::{DAY_MS, DayCurve, HOUR_MS, local_day, local_hour},
    dice::Dice,
    scenario::{River, RiverPoint, Scenario},
};
use std::collections::HashMap;

/// Mean temperature of each month in Huế, °C, January first.
const MONTH_C: [f64; 12] = [20.0, 21.0, 23.2, 26.3, 28.4, 29.4, 29.3, 28.9, 27.2, 25.2, 23.0, 20.6];
/// Deviation of the temperature over the day, °C.
const DAY_C: DayCurve = DayCurve([
    -2.2, -2.5, -2.8, -3.0, -3.2, -3.3, -2.8, -1.6, -0.2, 1.2, 2.3, 3.1, 3.6, 3.8, 3.7, 3.2, 2.4, 1.4, 0.4,
    -0.3, -0.8, -1.2, -1.6, -1.9,
]);
/// Samples over the window of the rain of an hour.
const RAIN_SAMPLES: i64 = 6;
/// Window over which a gauge derives its rate of rise, within these bounds.
const RATE_WINDOW_MS: (i64, i64) = (30_000, 600_000);

/// The weather of a run.
#[derive(Debug)]
pub(crate) struct Weather {
    dice: Dice,
    start_ms: i64,
    /// Hours of the story per hour of the run.
    pub(crate) compression: f64,
    rain: Vec<(f64, f64)>,
    rivers: HashMap<String, River>,
}

impl Weather {
    pub(crate) fn new(scenario: &Scenario, dice: Dice, start_ms: i64) -> Self {
        Self {
            dice: dice.named("weather"),
            start_ms,
            compression: scenario.story_hours * 3600.0 / scenario.length_s,
            rain: scenario.rain.iter().map(|point| (point.at_s, point.mm_per_h)).collect(),
            rivers: scenario.rivers.iter().map(|river| (river.device.clone(), river.clone())).collect(),
        }
    }

    fn since_start_s(&self, now_ms: i64) -> f64 {
        (now_ms - self.start_ms) as f64 / 1000.0
    }

    /// Returns the rain over the city in mm/h.
    pub(crate) fn rain_mm_per_h(&self, now_ms: i64) -> f64 {
        interpolate(&self.rain, self.since_start_s(now_ms)).unwrap_or(0.0).max(0.0)
    }

    /// Returns what falls in the last hour of the story, in mm, given the intensity at a time.
    pub(crate) fn rain_1h_mm(&self, now_ms: i64, intensity: impl Fn(i64) -> f64) -> f64 {
        let window_ms = (HOUR_MS as f64 / self.compression) as i64;
        let samples = (0..RAIN_SAMPLES).map(|i| intensity(now_ms - window_ms * i / RAIN_SAMPLES));
        samples.sum::<f64>() / RAIN_SAMPLES as f64
    }

    /// Returns the level of a gauge that has a course in the scenario, in metres.
    pub(crate) fn course_m(&self, gauge: &str, now_ms: i64) -> Option<f64> {
        let river = self.rivers.get(gauge)?;
        let level = |river: &River, at_s: f64| interpolate_points(&river.points, at_s);
        let Some(follows) = &river.follows else { return level(river, self.since_start_s(now_ms)) };
        let led_by = self.rivers.get(&follows.device)?;
        let first = led_by.points.first()?.level_m;
        let now = level(led_by, self.since_start_s(now_ms) - follows.lag_s)?;
        Some((now - first) * follows.gain)
    }

    /// Reports whether the scenario gives a gauge the course of another one, so that levels are rises.
    pub(crate) fn is_led(&self, gauge: &str) -> bool {
        self.rivers.get(gauge).is_some_and(|river| river.follows.is_some())
    }

    /// Returns over how long a rate of rise is taken, in milliseconds of the run.
    pub(crate) fn rate_window_ms(&self) -> i64 {
        ((HOUR_MS as f64 / self.compression) as i64).clamp(RATE_WINDOW_MS.0, RATE_WINDOW_MS.1)
    }

    /// Returns the air temperature in °C.
    pub(crate) fn temperature_c(&self, now_ms: i64) -> f64 {
        let month = (local_day(now_ms).rem_euclid(1461) as f64 % 365.25) / 30.4375 - 0.5;
        let (from, share) = (month.floor(), month - month.floor());
        let mean = |month: f64| MONTH_C[month.rem_euclid(12.0) as usize % 12];
        let season = mean(from) * (1.0 - share) + mean(from + 1.0) * share;
        let wet = (self.rain_mm_per_h(now_ms) / 20.0).min(1.0);
        let swing = DAY_C.at(local_hour(now_ms)) * (1.0 - 0.7 * wet);
        season + swing + 1.5 * self.dice.named("temperature").wave(now_ms, DAY_MS) - 1.5 * wet
    }

    /// Returns the relative humidity as a share.
    pub(crate) fn relative_humidity(&self, now_ms: i64) -> f64 {
        let wet = (self.rain_mm_per_h(now_ms) / 10.0).min(1.0);
        let dry = 0.83 - 0.03 * DAY_C.at(local_hour(now_ms))
            + 0.04 * self.dice.named("humidity").wave(now_ms, DAY_MS);
        (dry + (0.97 - dry) * wet).clamp(0.4, 0.99)
    }
}

/// Returns the value at `x` on straight lines through points in order; the ends go on level; `None` without points.
fn interpolate(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = points.partition_point(|(at, _)| *at <= x);
    let (first, last) = (points.first()?, points.last()?);
    if after == 0 {
        return Some(first.1);
    }
    let Some((to_x, to_y)) = points.get(after) else { return Some(last.1) };
    let (from_x, from_y) = points[after - 1];
    Some(from_y + (to_y - from_y) * (x - from_x) / (to_x - from_x))
}

fn interpolate_points(points: &[RiverPoint], at_s: f64) -> Option<f64> {
    let pairs: Vec<_> = points.iter().map(|point| (point.at_s, point.level_m)).collect();
    interpolate(&pairs, at_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_join_points_and_go_on_level() {
        let points = [(0.0, 1.0), (10.0, 3.0), (20.0, 2.0)];
        let at = |x| interpolate(&points, x).unwrap();
        assert_eq!(
            [at(-5.0), at(0.0), at(5.0), at(10.0), at(15.0), at(99.0)],
            [1.0, 1.0, 2.0, 3.0, 2.5, 2.0]
        );
        assert_eq!(interpolate(&[], 1.0), None);
    }
}
