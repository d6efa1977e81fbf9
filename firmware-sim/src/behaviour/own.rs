//! Devices of a scenario's own: each value follows the course that the scenario gives it.
use crate::{
    scenario::{Course, Form},
    values::Values,
    world::Context,
};
use std::f64::consts::TAU;

/// Measures every property of the device's kind.
pub(crate) fn measure(at: Context<'_>, out: &mut Values) {
    let kind = at.it().kind;
    let courses = at.world.courses(kind);
    for (property, course) in kind.properties().iter().zip(courses) {
        let value = value(at, property, course);
        match course.form {
            Form::Number(decimals) => out.number(property, value, decimals),
            Form::Flag => out.flag(property, value >= 0.5),
            Form::Code => out.code(property, value.round().clamp(0.0, f64::from(u16::MAX)) as u16),
        }
    }
}

fn value(at: Context<'_>, property: &str, course: &Course) -> f64 {
    let of_day = course.daily * ((at.hour() - course.peak_hour) / 24.0 * TAU).cos();
    let walk = course.walk * at.wave(property, (course.walk_s * 1000.0) as i64);
    let noise = if course.noise == 0.0 { 0.0 } else { course.noise * at.noise(property) };
    (base(at, course) + of_day + walk + noise).max(course.min).min(course.max)
}

/// Returns the base of the last step that has come for this device.
fn base(at: Context<'_>, course: &Course) -> f64 {
    let passed_s = (at.now_ms - at.world.start_ms) as f64 / 1000.0;
    let id = at.it().id.as_str();
    let is_its = |devices: &[String]| devices.is_empty() || devices.iter().any(|device| device == id);
    let come = course.steps.iter().rev().find(|step| step.at_s <= passed_s && is_its(&step.devices));
    come.map_or(course.base, |step| step.base)
}
