//! Functions of time alone: the calendar in UTC and in the city, and the sun.
use crate::{
    lang::ast::{CalendarFunction, ClockFunction},
    place::Place,
};
use jiff::Timestamp;
use std::cell::Cell;

const SECONDS_PER_DAY: i64 = 86_400;
/// Clocks of the calendar can only change at these: every time zone's offset is a multiple of it.
const CALENDAR_STEP_MS: i64 = 15 * 60 * 1000;
/// The sun's elevation changes no faster: the earth turns by 15.04 degrees an hour.
const SUN_DEGREES_PER_HOUR: f64 = 15.1;
/// 1970-01-01 was a Thursday.
const EPOCH_DAY_OF_WEEK: i64 = 4;

/// The city's clock. It remembers the last second that it was asked for, as many devices ask in the same one.
#[derive(Debug)]
pub(crate) struct Clock {
    place: Place,
    offset: Cell<(i64, i64)>,
    sun: Cell<(i64, f64)>,
}

impl Clock {
    /// Builds the clock of a place.
    pub(crate) fn new(place: Place) -> Self {
        Self { place, offset: Cell::new((i64::MIN, 0)), sun: Cell::new((i64::MIN, 0.0)) }
    }

    /// Returns the value of a function at an instant, in milliseconds since the epoch.
    pub(crate) fn value(&self, function: ClockFunction, at: i64) -> f64 {
        let second = at.div_euclid(1000);
        match function {
            ClockFunction::Time => at as f64 / 1e3,
            ClockFunction::Hour => hour(second),
            ClockFunction::DayOfWeek => day_of_week(second),
            ClockFunction::LocalHour => hour(second + self.offset_at(second)),
            ClockFunction::LocalDayOfWeek => day_of_week(second + self.offset_at(second)),
            ClockFunction::SunElevation => self.sun_at(second),
        }
    }

    /// Seconds east of UTC.
    fn offset_at(&self, second: i64) -> i64 {
        let (known, offset) = self.offset.get();
        if known == second {
            return offset;
        }
        let offset = Timestamp::from_second(second)
            .map_or(0, |instant| i64::from(self.place.time_zone.to_offset(instant).seconds()));
        self.offset.set((second, offset));
        offset
    }

    /// Returns an instant before which the sun, seen from `at`, does not come to another side of an elevation.
    pub(crate) fn sun_reaches(&self, elevation: f64, at: i64) -> i64 {
        // It is known by the second, and so for up to one second is that of the second before.
        let away = (self.value(ClockFunction::SunElevation, at) - elevation).abs();
        let second = at.div_euclid(1000).saturating_add((away / SUN_DEGREES_PER_HOUR * 3600.0) as i64);
        second.saturating_mul(1000)
    }

    fn sun_at(&self, second: i64) -> f64 {
        let (known, elevation) = self.sun.get();
        if known == second {
            return elevation;
        }
        let elevation = sun_elevation(second, self.place.latitude, self.place.longitude);
        self.sun.set((second, elevation));
        elevation
    }
}

/// Returns the next instant after `at` at which the function can have another value.
pub(crate) fn next_change(function: ClockFunction, at: i64) -> i64 {
    match function {
        ClockFunction::Time | ClockFunction::SunElevation => at + 1,
        _ => (at.div_euclid(CALENDAR_STEP_MS) + 1) * CALENDAR_STEP_MS,
    }
}

/// Reports whether the function has another value at every instant.
pub(crate) fn moves_with_time(function: ClockFunction) -> bool {
    matches!(function, ClockFunction::Time | ClockFunction::SunElevation)
}

/// Returns a part of the instant that a value, in seconds since the epoch, stands for.
pub(crate) fn calendar(function: CalendarFunction, seconds: f64) -> f64 {
    match function {
        CalendarFunction::Hour => hour(seconds as i64),
        CalendarFunction::DayOfWeek => day_of_week(seconds as i64),
    }
}

fn hour(second: i64) -> f64 {
    (second.rem_euclid(SECONDS_PER_DAY) / 3600) as f64
}

fn day_of_week(second: i64) -> f64 {
    (second.div_euclid(SECONDS_PER_DAY) + EPOCH_DAY_OF_WEEK).rem_euclid(7) as f64
}

/// Returns the sun's geometric elevation in degrees, refraction left out, good to some hundredths of a degree
/// within a century of 2000.
///
/// Source: the Astronomical Almanac's low-precision formulas for the sun and for sidereal time.
fn sun_elevation(second: i64, latitude: f64, longitude: f64) -> f64 {
    const NOON_2000_01_01: i64 = 946_728_000;
    let days = (second - NOON_2000_01_01) as f64 / SECONDS_PER_DAY as f64;
    let anomaly = (357.529 + 0.985_600_28 * days).to_radians();
    let mean_longitude = 280.459 + 0.985_647_36 * days;
    let ecliptic = (mean_longitude + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 0.000_000_36 * days).to_radians();
    let right_ascension = (obliquity.cos() * ecliptic.sin()).atan2(ecliptic.cos());
    let declination = (obliquity.sin() * ecliptic.sin()).asin();
    let sidereal = (15.0 * (18.697_374_558 + 24.065_709_824_419_08 * days) + longitude).to_radians();
    let hour_angle = sidereal - right_ascension;
    let latitude = latitude.to_radians();
    let sine = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos();
    sine.clamp(-1.0, 1.0).asin().to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::{Offset, TimeZone};

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn hue() -> Clock {
        let time_zone = TimeZone::fixed(Offset::constant(7));
        Clock::new(Place { latitude: 16.4637, longitude: 107.5909, time_zone })
    }

    #[test]
    fn the_calendar_is_utc_and_local() {
        let clock = hue();
        let late_saturday = at("2025-10-25T18:30:00Z");
        assert_eq!(clock.value(ClockFunction::Hour, late_saturday), 18.0);
        assert_eq!(clock.value(ClockFunction::DayOfWeek, late_saturday), 6.0);
        assert_eq!(clock.value(ClockFunction::LocalHour, late_saturday), 1.0);
        assert_eq!(clock.value(ClockFunction::LocalDayOfWeek, late_saturday), 0.0);
        assert_eq!(clock.value(ClockFunction::Time, 1_500), 1.5);
        assert_eq!(calendar(CalendarFunction::Hour, -1.0), 23.0);
        assert_eq!(next_change(ClockFunction::Hour, late_saturday), late_saturday + CALENDAR_STEP_MS);
    }

    #[test]
    fn the_sun_stands_where_the_almanac_puts_it() {
        // Noon at the equinox: 90 degrees minus the latitude; solar noon in Huế is near 04:57 UTC that day.
        let clock = hue();
        let noon = clock.value(ClockFunction::SunElevation, at("2025-03-20T04:57:00Z"));
        assert!((noon - (90.0 - 16.4637)).abs() < 0.1, "{noon}");
        let midnight = clock.value(ClockFunction::SunElevation, at("2025-03-20T16:57:00Z"));
        assert!((midnight + 90.0 - 16.4637).abs() < 0.3, "{midnight}");
    }

    #[test]
    fn the_sun_is_on_the_same_side_of_an_elevation_until_it_can_have_reached_it() {
        let clock = hue();
        let sun = |at| clock.value(ClockFunction::SunElevation, at);
        for (day, limit) in
            [("2025-06-21", 6.0), ("2025-12-21", -6.0), ("2025-03-20", 0.0), ("2025-09-23", 73.4)]
        {
            let midnight = at(&format!("{day}T17:00:00Z"));
            for from in (0..1440).map(|minute| midnight + minute * 60_000 + 137) {
                let until = clock.sun_reaches(limit, from);
                assert!(until >= from - 1000 && until < from + 86_400_000);
                let side = sun(from) < limit;
                let looked_at = (1..=20).map(|part| from + (until - 1 - from) * part / 20);
                assert!(
                    looked_at.filter(|at| *at >= from).all(|at| (sun(at) < limit) == side),
                    "{day} {from}"
                );
            }
        }
        assert_eq!(clock.sun_reaches(f64::INFINITY, 0), i64::MAX);
        assert!(clock.sun_reaches(f64::NAN, 5_500) <= 5_500);
    }

    #[test]
    fn the_sun_crosses_the_horizon_when_the_sunrise_crate_says() {
        use sunrise::{Coordinates, SolarDay, SolarEvent};
        // Whatever date type the crate takes, it can be made from text.
        let date = "2025-10-27".parse().unwrap();
        let place = Coordinates::new(16.4637, 107.5909).unwrap();
        let clock = hue();
        for event in [SolarEvent::Sunrise, SolarEvent::Sunset] {
            let second = SolarDay::new(place, date).event_time(event).unwrap().timestamp();
            let elevation = clock.value(ClockFunction::SunElevation, second * 1000);
            // Rise and set are seen at -0.83 degrees; the sun moves a quarter of a degree a minute.
            assert!((elevation + 0.83).abs() < 0.5, "{event:?} {elevation}");
        }
    }
}
