//! Street lights and their cabinets.
//!
//! A lamp burns from civil dusk to civil dawn, dimmed late at night, brighter for a while when something moves. Its
//! power follows the dim level: `P(d) = P_standby + (P_rated − P_standby)·d`.
use crate::{
    clock::{DAY_MS, HOUR_MS},
    scenario::FaultKind,
    values::Values,
    world::Context,
};

/// Power of a controller whose lamp is dark, W.
const STANDBY_W: f64 = 0.7;
/// Each lamp's clock or photocell is off by up to this.
const SWITCH_SPREAD_MS: f64 = 75_000.0;
/// Share of lamps with a motion sensor, how often one sees something in a minute at night, and for how long.
const MOTION_SHARE: f64 = 0.35;
const MOTION_CHANCE: f64 = 0.12;
const MOTION_MS: i64 = 60_000;
/// Registers are told with every so manyth report only.
const REGISTER_EVERY: u64 = 10;
/// Registers began to count at this instant (2024-01-01), with what a lamp burns on average.
const INSTALLED_MS: i64 = 1_704_067_200_000;
const MEAN_HOURS_PER_DAY: f64 = 11.4;
const MEAN_LEVEL: f64 = 0.76;
/// Nominal supply, V; a cabinet's own consumption, W.
const NOMINAL_V: f64 = 228.0;
const CABINET_W: f64 = 45.0;

/// A street light with its controller.
#[derive(Debug)]
pub(crate) struct Luminaire {
    rated_w: f64,
    has_motion: bool,
    switch_offset_ms: i64,
    hours: f64,
    energy_kwh: f64,
    counted_ms: i64,
    reports: u64,
}

impl Luminaire {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let rated_w = at.it().label("rated_power").and_then(|text| text.parse().ok()).unwrap_or(100.0);
        let days = (at.now_ms - INSTALLED_MS) as f64 / DAY_MS as f64;
        let age_hours = at.dice("age").range(0.0, 9000.0);
        let hours = age_hours + days.max(0.0) * MEAN_HOURS_PER_DAY;
        Self {
            rated_w,
            has_motion: at.dice("has motion").chance(MOTION_SHARE),
            switch_offset_ms: at.dice("switch").range(-SWITCH_SPREAD_MS, SWITCH_SPREAD_MS) as i64,
            hours,
            energy_kwh: hours * rated_w * MEAN_LEVEL / 1000.0,
            counted_ms: at.now_ms,
            reports: at.dice("registers").below(REGISTER_EVERY as usize) as u64,
        }
    }

    /// Returns the dim level that the schedule asks for, 0 to 1.
    pub(crate) fn commanded(&self, at: Context<'_>) -> f64 {
        if !at.world.sun.wants_light(at.now_ms + self.switch_offset_ms) {
            return 0.0;
        }
        let level = match at.hour() {
            hour if hour < 4.5 => 0.5,
            hour if hour < 12.0 => 0.7,
            hour if hour < 22.0 => 1.0,
            _ => 0.7,
        };
        let moves = || at.dice("motion").of((at.now_ms / MOTION_MS) as u64).chance(MOTION_CHANCE);
        if level < 1.0 && self.has_motion && moves() { 1.0 } else { level }
    }

    /// Returns the level that the lamp really burns at.
    fn actual(&self, at: Context<'_>) -> f64 {
        let commanded = self.commanded(at);
        if at.fault(FaultKind::LampFailure).is_some() {
            return 0.0;
        }
        if commanded == 0.0 && at.fault(FaultKind::DayBurner).is_some() { 1.0 } else { commanded }
    }

    /// Returns the active power in watts, 0 without supply.
    pub(crate) fn power_w(&self, at: Context<'_>) -> f64 {
        if !at.world.is_fed(at.device) {
            return 0.0;
        }
        let level = self.actual(at);
        let noise =
            if level > 0.0 { 1.0 + 0.008 * at.noise("power") } else { 1.0 + 0.05 * at.noise("power") };
        (STANDBY_W + (self.rated_w - STANDBY_W) * level) * noise
    }

    fn count(&mut self, level: f64, power_w: f64, now_ms: i64) {
        let hours = (now_ms - self.counted_ms).max(0) as f64 / HOUR_MS as f64;
        self.counted_ms = now_ms;
        self.energy_kwh += power_w * hours / 1000.0;
        if level > 0.0 {
            self.hours += hours;
        }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, out: &mut Values) {
        let (level, power_w) = (self.actual(at), self.power_w(at));
        self.count(level, power_w, at.now_ms);
        let drop_v = 1.5 + 2.5 * level + 0.4 * at.noise("voltage");
        let power_factor =
            if level > 0.0 { 0.87 + 0.09 * level } else { 0.62 } + 0.005 * at.noise("power factor");
        out.number("illuminance_level", self.commanded(at), 2);
        out.number("active_power", power_w.max(0.0), 1);
        out.number("supply_voltage", (supply_v(at) - drop_v).max(0.0), 1);
        out.number("power_factor", power_factor.clamp(0.0, 1.0), 3);
        out.flag("lamp_failure", at.fault(FaultKind::LampFailure).is_some());
        self.reports += 1;
        if self.reports.is_multiple_of(REGISTER_EVERY) {
            let gear_c =
                at.world.weather.temperature_c(at.now_ms) + 3.0 + 22.0 * level + 0.3 * at.noise("gear");
            out.number("control_gear_temperature", gear_c, 1);
            out.number("operating_hours", self.hours, 2);
            out.flag("override", false);
            out.number("active_energy", self.energy_kwh, 3);
        }
    }
}

/// Returns the voltage at the cabinet that feeds this lamp.
fn supply_v(at: Context<'_>) -> f64 {
    let cabinet = at.world.parent[at.device].unwrap_or(at.device);
    phase_v(at.world.at(cabinet, at.now_ms), "r")
}

/// Returns the voltage of one phase of a cabinet.
fn phase_v(at: Context<'_>, phase: &str) -> f64 {
    if at.fault(FaultKind::DeadCabinet).is_some() {
        return 0.0;
    }
    let noise = 0.35 * at.noise(phase);
    if let Some(active) = at.fault(FaultKind::Voltage) {
        return active.fault.amount + noise;
    }
    let evening = (1.0 - (at.hour() - 19.0).abs() / 4.0).max(0.0);
    NOMINAL_V + 3.5 * at.wave(phase, HOUR_MS) - 3.0 * evening + noise
}

/// A cabinet that feeds street lights.
#[derive(Debug)]
pub(crate) struct Cabinet {
    energy_kwh: f64,
    counted_ms: i64,
}

impl Cabinet {
    pub(crate) fn new(at: Context<'_>) -> Self {
        let days = (at.now_ms - INSTALLED_MS).max(0) as f64 / DAY_MS as f64;
        let lamps = at.world.members[at.device].len() as f64;
        let energy_kwh =
            days * MEAN_HOURS_PER_DAY * lamps * 0.1 * MEAN_LEVEL + at.dice("meter").range(0.0, 500.0);
        Self { energy_kwh, counted_ms: at.now_ms }
    }

    pub(crate) fn measure(&mut self, at: Context<'_>, load_w: f64, out: &mut Values) {
        let is_dead = at.fault(FaultKind::DeadCabinet).is_some();
        let total_w = if is_dead { 0.0 } else { load_w + CABINET_W };
        self.energy_kwh += total_w / 1000.0 * (at.now_ms - self.counted_ms).max(0) as f64 / HOUR_MS as f64;
        self.counted_ms = at.now_ms;
        out.number("phase_voltage_r", phase_v(at, "r").max(0.0), 1);
        out.number("phase_voltage_s", phase_v(at, "s").max(0.0), 1);
        out.number("phase_voltage_t", phase_v(at, "t").max(0.0), 1);
        out.number("total_active_power", total_w / 1000.0, 3);
        out.flag("door_open", at.fault(FaultKind::DoorOpen).is_some());
        out.flag("feeder_energized", !is_dead && at.fault(FaultKind::DeadFeeder).is_none());
        out.flag("leakage", at.fault(FaultKind::Leakage).is_some());
        out.number("energy_consumed", self.energy_kwh, 2);
    }
}
