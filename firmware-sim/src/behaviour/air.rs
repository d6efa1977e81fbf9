//! Air quality stations.
use crate::{
    city::places::AIR,
    clock::{DayCurve, HOUR_MS},
    scenario::FaultKind,
    values::Values,
    world::Context,
};

/// Fine dust over the day beside its mean: cooking and traffic in the morning and evening, a low at noon.
const DUST: DayCurve = DayCurve([
    0.95, 0.92, 0.90, 0.90, 0.95, 1.08, 1.25, 1.32, 1.22, 1.05, 0.92, 0.85, 0.80, 0.78, 0.78, 0.82, 0.92,
    1.08, 1.22, 1.25, 1.18, 1.10, 1.03, 0.98,
]);
/// Exhaust over the day beside its mean.
const EXHAUST: DayCurve = DayCurve([
    0.45, 0.40, 0.38, 0.38, 0.45, 0.75, 1.35, 1.65, 1.40, 1.10, 1.0, 1.02, 0.95, 0.90, 0.95, 1.05, 1.35,
    1.65, 1.50, 1.25, 1.05, 0.85, 0.65, 0.52,
]);
/// Ozone over the day, µg/m³: the sun makes it.
const OZONE: DayCurve = DayCurve([
    22.0, 20.0, 18.0, 17.0, 16.0, 15.0, 16.0, 22.0, 34.0, 48.0, 60.0, 69.0, 75.0, 78.0, 77.0, 72.0, 63.0,
    52.0, 43.0, 37.0, 33.0, 30.0, 27.0, 24.0,
]);
const MEAN_PM25: f64 = 19.0;

/// An air quality station.
#[derive(Debug)]
pub(crate) struct AirStation {
    dirt: f64,
}

impl AirStation {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let name = at.it().label("name");
        Self { dirt: AIR.iter().find(|(place, ..)| Some(*place) == name).map_or(1.0, |(.., dirt)| *dirt) }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let hour = at.hour();
        let weather = &at.world.weather;
        let washed = 1.0 / (1.0 + weather.rain_mm_per_h(at.now_ms) / 25.0);
        let still = 1.0 + 0.22 * at.wave("air", 4 * HOUR_MS);
        let wobble = |purpose: &str| 1.0 + 0.03 * at.noise(purpose);
        let episode = at.fault(FaultKind::Pollution).map_or(0.0, |a| a.fault.amount * a.swell(at.now_ms));
        let pm25 = MEAN_PM25 * self.dirt * DUST.at(hour) * still * washed * wobble("pm25") + episode;
        let exhaust = self.dirt * EXHAUST.at(hour) * still;
        out.number("pm25", pm25.max(0.5), 1);
        out.number("pm10", (1.55 * pm25 + 6.0 * washed * wobble("pm10")).max(1.0), 1);
        out.number("no2", (19.0 * exhaust * wobble("no2") + 0.25 * episode).max(0.5), 1);
        out.number("so2", (5.5 * self.dirt * still * wobble("so2") + 0.1 * episode).max(0.2), 1);
        out.number("o3", (OZONE.at(hour) * wobble("o3") - 6.0 * exhaust).max(2.0), 1);
        out.number("co", (330.0 + 320.0 * exhaust * wobble("co") + 9.0 * episode).max(50.0), 0);
        out.number("temperature", weather.temperature_c(at.now_ms) + 0.15 * at.noise("temperature"), 1);
        let humidity = weather.relative_humidity(at.now_ms) + 0.006 * at.noise("humidity");
        out.number("relative_humidity", humidity.clamp(0.2, 1.0), 3);
    }
}
