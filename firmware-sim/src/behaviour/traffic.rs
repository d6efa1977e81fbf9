//! Signal controllers and traffic detectors.
use crate::{
    clock::{DayCurve, HOUR_MS, is_weekend},
    kind::Kind,
    scenario::FaultKind,
    values::Values,
    world::Context,
};

/// Codes of `signal_mode`.
const NORMAL: u16 = 0;
const FLASH_BY_PLAN: u16 = 1;
const FLASH_FAULT: u16 = 2;
const DARK: u16 = 4;
const STARTUP: u16 = 5;
/// How long a controller starts up after a fault.
const STARTUP_MS: i64 = 8_000;
/// Pattern number of flashing.
const FLASH_PLAN: u8 = 255;
/// Shares of the cycle of the four phases.
const SPLITS: [f64; 4] = [0.36, 0.14, 0.34, 0.16];
/// Flow over the day, share of the busiest hour; motorcycles to work and school, home at five.
const FLOW: DayCurve = DayCurve([
    0.05, 0.03, 0.02, 0.02, 0.05, 0.22, 0.70, 1.0, 0.80, 0.62, 0.60, 0.72, 0.58, 0.55, 0.60, 0.66, 0.85, 1.0,
    0.86, 0.66, 0.52, 0.38, 0.22, 0.10,
]);
/// Vehicles in the busiest reporting period of a mean approach.
const BUSIEST_COUNT: f64 = 12.0;
const FREE_SPEED_KMH: f64 = 37.0;
/// How long one vehicle covers the detector at 30 km/h, as a share of the period.
const COVER_SHARE: f64 = 0.018;

/// A signal controller.
#[derive(Debug)]
pub(crate) struct Signal {
    flashes_at_night: bool,
    offset_s: f64,
    drift_s_per_h: f64,
    starts_until_ms: i64,
    was_faulty: bool,
}

impl Signal {
    pub(crate) fn new(at: Context<'_>) -> Self {
        Self {
            flashes_at_night: at.dice("night").chance(0.5),
            offset_s: at.dice("offset").range(0.0, 90.0),
            drift_s_per_h: at.dice("drift").range(-0.03, 0.03),
            starts_until_ms: 0,
            was_faulty: false,
        }
    }

    fn mode(&mut self, at: Context<'_>) -> u16 {
        let fault = match () {
            () if at.fault(FaultKind::SignalDark).is_some() => Some(DARK),
            () if at.fault(FaultKind::SignalFlash).is_some() => Some(FLASH_FAULT),
            () => None,
        };
        if self.was_faulty && fault.is_none() {
            self.starts_until_ms = at.now_ms + STARTUP_MS;
        }
        self.was_faulty = fault.is_some();
        let hour = at.hour();
        let by_plan = self.flashes_at_night && !(5.0..23.0).contains(&hour);
        match fault {
            Some(mode) => mode,
            None if at.now_ms < self.starts_until_ms => STARTUP,
            None if by_plan => FLASH_BY_PLAN,
            None => NORMAL,
        }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let mode = self.mode(at);
        let (plan, cycle_s) = plan(at.hour(), is_weekend(at.now_ms));
        let runs = mode == NORMAL;
        let (plan, cycle_s) = if runs { (plan, cycle_s) } else { (FLASH_PLAN, 0.0) };
        out.code("signal_mode", mode);
        out.number("signal_plan", f64::from(plan), 0);
        out.number("cycle_length", cycle_s, 0);
        out.number("phase", if runs { f64::from(self.phase(at.now_ms, cycle_s)) } else { 0.0 }, 0);
        out.number("clock_drift", self.clock_drift_s(at), 2);
        out.flag("lamp_fault", at.fault(FaultKind::SignalLampFault).is_some());
        out.flag("green_conflict", false);
    }

    fn phase(&self, now_ms: i64, cycle_s: f64) -> u8 {
        let share = (now_ms as f64 / 1000.0 + self.offset_s).rem_euclid(cycle_s) / cycle_s;
        let mut end = 0.0;
        for (number, split) in (1..).zip(SPLITS) {
            end += split;
            if share < end {
                return number;
            }
        }
        SPLITS.len() as u8
    }

    /// The clock is set at every full sixth hour and drifts in between.
    fn clock_drift_s(&self, at: Context<'_>) -> f64 {
        let skew_s = at.fault(FaultKind::ClockSkew).map_or(0.0, |active| active.fault.amount);
        let hours = at.now_ms.rem_euclid(6 * HOUR_MS) as f64 / HOUR_MS as f64;
        skew_s + self.drift_s_per_h * hours + 0.02 * at.noise("clock")
    }
}

/// Returns the plan of an hour and its cycle length in seconds.
fn plan(hour: f64, weekend: bool) -> (u8, f64) {
    match hour {
        h if !(5.0..22.0).contains(&h) => (1, 60.0),
        h if (6.5..8.5).contains(&h) && !weekend => (2, 110.0),
        h if (16.5..18.5).contains(&h) => (4, 120.0),
        h if h >= 18.5 => (5, 80.0),
        _ => (3, 90.0),
    }
}

/// A vehicle detector.
#[derive(Debug)]
pub(crate) struct Detector {
    busy: f64,
}

impl Detector {
    pub(crate) fn new(at: Context<'_>) -> Self {
        Self { busy: at.dice("busy").range(0.45, 1.35) }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        if at.fault(FaultKind::DetectorStuckOn).is_some() {
            return put_report(out, 0, 1.0, None, 1);
        }
        if at.fault(FaultKind::DetectorStuckOff).is_some() {
            return put_report(out, 0, 0.0, None, 2);
        }
        if at.fault(FaultKind::DetectorErratic).is_some() {
            let count = 60 + at.dice("erratic").of(at.now_ms as u64).below(140) as u32;
            return put_report(out, count, 0.5 + 0.4 * at.wave("erratic", 7_000), None, 3);
        }
        let (speed_factor, flow_factor) = conditions(at);
        let weekend = if is_weekend(at.now_ms) { 0.8 } else { 1.0 };
        let load = FLOW.at(at.hour()) * self.busy * weekend * (1.0 + 0.15 * at.wave("flow", HOUR_MS / 4));
        let count = at.dice("count").of(at.now_ms as u64).poisson(BUSIEST_COUNT * load * flow_factor);
        let speed = (FREE_SPEED_KMH - 9.0 * load) * speed_factor + 1.8 * at.noise("speed");
        let speed = speed.clamp(3.0, 80.0);
        let occupancy = (f64::from(count) * COVER_SHARE * 30.0 / speed).clamp(0.0, 0.97);
        put_report(out, count, occupancy, (count > 0).then_some(speed), 0);
    }
}

/// Returns what speed and flow are multiplied by: jams, signals out of order, rain.
fn conditions(at: Context<'_>) -> (f64, f64) {
    let signals = at.world.parent[at.device].is_some_and(|controller| {
        debug_assert_eq!(at.world.fleet[controller].kind, Kind::SignalController);
        let fault = |kind| at.world.fault(controller, kind).is_some();
        fault(FaultKind::SignalFlash) || fault(FaultKind::SignalDark)
    });
    let (speed, flow) = if signals { (0.7, 0.9) } else { (1.0, 1.0) };
    let rain = 1.0 - 0.3 * (at.world.weather.rain_mm_per_h(at.now_ms) / 50.0).min(1.0);
    match at.fault(FaultKind::TrafficJam) {
        Some(active) => (speed * rain * active.fault.amount, flow * active.fault.share),
        None => (speed * rain, flow * (0.5 + 0.5 * rain)),
    }
}

fn put_report(out: &mut Values, count: u32, occupancy: f64, speed: Option<f64>, fault: u16) {
    out.number("vehicle_count", f64::from(count), 0);
    out.number("occupancy", occupancy, 3);
    if let Some(speed) = speed {
        out.number("average_vehicle_speed", speed, 1);
    }
    out.code("detector_fault", fault);
}
