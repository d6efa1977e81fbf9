//! Sound level meters.
use crate::{
    clock::{DayCurve, HOUR_MS},
    scenario::FaultKind,
    values::Values,
    world::Context,
};

/// Equivalent level over the day in an ordinary zone (limits 70 by day, 55 from 21 to 6 h), dBA.
const ORDINARY: DayCurve = DayCurve([
    47.5, 46.5, 46.0, 46.0, 47.0, 48.5, 52.0, 64.0, 65.0, 64.0, 63.5, 64.0, 63.0, 62.5, 63.0, 64.0, 65.0,
    65.5, 64.5, 61.0, 56.0, 51.0, 50.0, 48.5,
]);
/// In a special zone: hospital, school, temple (limits 55 and 45), dBA.
const SPECIAL: DayCurve = DayCurve([
    38.0, 37.5, 37.0, 37.0, 38.0, 39.5, 41.5, 49.5, 50.5, 50.0, 50.0, 50.0, 48.5, 48.0, 49.5, 50.0, 50.5,
    50.5, 49.0, 47.0, 44.5, 41.5, 40.0, 39.0,
]);

/// A sound level meter.
#[derive(Debug)]
pub(crate) struct NoiseMeter {
    curve: DayCurve,
    offset_db: f64,
}

impl NoiseMeter {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let curve = if at.it().label("zone") == Some("special") { SPECIAL } else { ORDINARY };
        Self { curve, offset_db: at.dice("place").range(-1.5, 1.0) }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let rain = 3.0 * (at.world.weather.rain_mm_per_h(at.now_ms) / 60.0).min(1.0);
        let event = at.fault(FaultKind::Noise).map_or(0.0, |a| a.fault.amount * a.swell(at.now_ms));
        let level = self.curve.at(at.hour())
            + self.offset_db
            + at.wave("street", HOUR_MS / 6)
            + 0.7 * at.noise("level");
        let laeq = (level + rain.min((60.0 - level).max(0.0)) + event).clamp(30.0, 130.0);
        let peak = 5.0 + 7.0 * at.dice("peak").of(at.now_ms as u64).unit();
        out.number("laeq", laeq, 1);
        out.number("lamax", laeq + peak, 1);
    }
}
