//! When the sun rises, sets, and when street lights are wanted (civil dusk to civil dawn).
use crate::clock::{DAY_MS, UTC_OFFSET_MS, local_day};
use chrono::NaiveDate;
use sunrise::{Coordinates, DawnType, SolarDay, SolarEvent};

/// Days between 0001-01-01 (day 1 of the common era) and 1970-01-01.
const CE_DAYS_AT_EPOCH: i64 = 719_163;
/// Huế stands between the tropics: these hours only stand in for an event that the formula cannot give.
const FALLBACK_DAWN_MS: i64 = 5 * DAY_MS / 24 + DAY_MS / 48;
const FALLBACK_DUSK_MS: i64 = 18 * DAY_MS / 24;

/// The sun's events of one local day, UTC milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SunTimes {
    /// The sun is 6° below the horizon, in the morning.
    pub civil_dawn_ms: i64,
    /// The upper rim appears.
    pub sunrise_ms: i64,
    /// The upper rim disappears.
    pub sunset_ms: i64,
    /// The sun is 6° below the horizon, in the evening.
    pub civil_dusk_ms: i64,
}

/// Returns the sun's events on the local day that holds `now_ms`, at a place in degrees.
///
/// Source: the sunrise equation, crate `sunrise`; within 90 s of NOAA's formula at Huế.
pub fn sun_times(now_ms: i64, lat: f64, lon: f64) -> SunTimes {
    let day = local_day(now_ms);
    let midnight_ms = day * DAY_MS - UTC_OFFSET_MS;
    let date = i32::try_from(day + CE_DAYS_AT_EPOCH).ok().and_then(NaiveDate::from_num_days_from_ce_opt);
    let solar = Coordinates::new(lat, lon).zip(date).map(|(place, date)| SolarDay::new(place, date));
    let event = |event, fallback_ms: i64| {
        let time = solar.and_then(|day| day.event_time(event));
        time.map_or(midnight_ms + fallback_ms, |time| time.timestamp_millis())
    };
    SunTimes {
        civil_dawn_ms: event(SolarEvent::Dawn(DawnType::Civil), FALLBACK_DAWN_MS),
        sunrise_ms: event(SolarEvent::Sunrise, FALLBACK_DAWN_MS),
        sunset_ms: event(SolarEvent::Sunset, FALLBACK_DUSK_MS),
        civil_dusk_ms: event(SolarEvent::Dusk(DawnType::Civil), FALLBACK_DUSK_MS),
    }
}

/// Remembers the sun's events of the day that was asked for last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sun {
    lat: f64,
    lon: f64,
    day: i64,
    times: SunTimes,
}

impl Sun {
    pub(crate) fn new(lat: f64, lon: f64, now_ms: i64) -> Self {
        Self { lat, lon, day: local_day(now_ms), times: sun_times(now_ms, lat, lon) }
    }

    /// Moves on to the day of `now_ms`.
    pub(crate) fn advance(&mut self, now_ms: i64) {
        if local_day(now_ms) != self.day {
            *self = Self::new(self.lat, self.lon, now_ms);
        }
    }

    /// Reports whether street lights are wanted: before civil dawn or after civil dusk.
    pub(crate) fn wants_light(&self, now_ms: i64) -> bool {
        now_ms < self.times.civil_dawn_ms || now_ms >= self.times.civil_dusk_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUE: (f64, f64) = (16.4637, 107.5909);
    /// Date, sunrise and sunset in local time, by NOAA's formula.
    const VECTORS: [(&str, &str, &str); 5] = [
        ("2026-01-01", "06:18:00", "17:28:10"),
        ("2026-03-20", "05:54:03", "18:00:29"),
        ("2026-06-21", "05:18:04", "18:24:43"),
        ("2026-09-23", "05:38:42", "17:45:18"),
        ("2026-12-21", "06:13:04", "17:22:03"),
    ];

    fn ms(date: &str, time: &str) -> i64 {
        format!("{date}T{time}+07:00").parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    fn assert_near(seen_ms: i64, expected_ms: i64) {
        assert!((seen_ms - expected_ms).abs() <= 90_000, "{} s off", (seen_ms - expected_ms) / 1000);
    }

    #[test]
    fn agrees_with_noaa_within_ninety_seconds() {
        for (date, sunrise, sunset) in VECTORS {
            for hour in ["00:00:00", "12:00:00", "23:59:59"] {
                let times = sun_times(ms(date, hour), HUE.0, HUE.1);
                assert_near(times.sunrise_ms, ms(date, sunrise));
                assert_near(times.sunset_ms, ms(date, sunset));
            }
        }
        let solstice = sun_times(ms("2026-06-21", "12:00:00"), HUE.0, HUE.1);
        assert_near(solstice.civil_dawn_ms, ms("2026-06-21", "04:54:09"));
        assert_near(solstice.civil_dusk_ms, ms("2026-06-21", "18:48:38"));
    }

    #[test]
    fn lights_are_wanted_at_night_only() {
        let mut sun = Sun::new(HUE.0, HUE.1, ms("2026-06-21", "12:00:00"));
        assert!(!sun.wants_light(ms("2026-06-21", "12:00:00")));
        assert!(sun.wants_light(ms("2026-06-21", "18:52:00")));
        sun.advance(ms("2026-06-22", "03:00:00"));
        assert!(sun.wants_light(ms("2026-06-22", "03:00:00")));
        assert!(!sun.wants_light(ms("2026-06-22", "05:00:00")));
    }
}
