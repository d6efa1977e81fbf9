//! Rain gauges and river gauges.
use crate::{city::places::GAUGES, clock::HOUR_MS, scenario::FaultKind, values::Values, world::Context};
use std::f64::consts::TAU;

/// The moon's tide comes twice in this time.
const TIDE_HOURS: f64 = 12.42;
/// Waves on the water and the sensor's own error, metres.
const LEVEL_NOISE_M: f64 = 0.002;
/// What the catalogue allows for a rate of rise, m/h.
const RATE_MAX: f64 = 9.9;

/// Measures rain at a gauge.
pub(crate) fn measure_rain(at: Context<'_>, out: &mut Values) {
    let local = 1.0 + 0.25 * at.wave("shower", HOUR_MS / 4);
    let gauge = at.world.active[at.device].iter().filter(|active| active.fault.kind == FaultKind::Rain);
    let own: Vec<_> = gauge.map(|active| (active.since_ms, active.until_ms, active.fault.amount)).collect();
    let intensity = |ms: i64| {
        let shower: f64 =
            own.iter().filter(|(from, to, _)| (*from..*to).contains(&ms)).map(|(.., mm)| mm).sum();
        (at.world.weather.rain_mm_per_h(ms) + shower) * local
    };
    out.number("rain_1h", at.world.weather.rain_1h_mm(at.now_ms, intensity).clamp(0.0, 300.0), 1);
    out.number("rain_intensity", intensity(at.now_ms).clamp(0.0, 500.0), 1);
}

/// A river gauge.
#[derive(Debug)]
pub(crate) struct Gauge {
    base_m: f64,
    tide_m: f64,
    phase: f64,
}

impl Gauge {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let place = GAUGES.iter().find(|gauge| gauge.id == at.it().id.as_str());
        let (base_m, tide_m) = place.map_or((0.5, 0.1), |gauge| (gauge.base_m, gauge.tide_m));
        Self { base_m, tide_m, phase: at.dice("tide").range(0.0, 0.15) }
    }

    /// Returns the true level: the scenario's course where it has one, else the tide on the river's base level.
    fn level_m(&self, at: Context<'_>, ms: i64) -> f64 {
        let id = at.it().id.as_str();
        let tide = || (TAU * (ms as f64 / (TIDE_HOURS * HOUR_MS as f64) + self.phase)).sin() * self.tide_m;
        match at.world.weather.course_m(id, ms) {
            Some(rise) if at.world.weather.is_led(id) => self.base_m + tide() + rise,
            Some(level) => level,
            None => self.base_m + tide(),
        }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let weather = &at.world.weather;
        let (level, window_ms) = (self.level_m(at, at.now_ms), weather.rate_window_ms());
        let hours = window_ms as f64 * weather.compression / HOUR_MS as f64;
        let rate = (level - self.level_m(at, at.now_ms - window_ms)) / hours + 0.002 * at.noise("rate");
        out.number("water_level", level + LEVEL_NOISE_M * at.noise("level"), 3);
        out.number("water_level_rate", rate.clamp(-RATE_MAX, RATE_MAX), 3);
    }
}
