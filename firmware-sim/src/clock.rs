//! Local time of the simulated city, and daily curves over it.

/// Vietnam keeps UTC+7 all year and has no summer time.
pub(crate) const UTC_OFFSET_MS: i64 = 7 * HOUR_MS;
/// An hour in milliseconds.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// A day in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns the number of the local day since 1970-01-01.
pub(crate) fn local_day(now_ms: i64) -> i64 {
    (now_ms + UTC_OFFSET_MS).div_euclid(DAY_MS)
}

/// Returns the local hour of the day, 0 to below 24, with its fraction.
pub(crate) fn local_hour(now_ms: i64) -> f64 {
    (now_ms + UTC_OFFSET_MS).rem_euclid(DAY_MS) as f64 / HOUR_MS as f64
}

/// Reports whether the local day is a Saturday or Sunday.
pub(crate) fn is_weekend(now_ms: i64) -> bool {
    // 1970-01-01 was a Thursday.
    (local_day(now_ms) + 3).rem_euclid(7) >= 5
}

/// A curve over the local day: 24 values at the full hours, straight lines between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayCurve(pub(crate) [f64; 24]);

impl DayCurve {
    /// Returns the value at an hour of the day (with its fraction).
    pub(crate) fn at(&self, hour: f64) -> f64 {
        let whole = hour.floor();
        let (from, to) = (whole.rem_euclid(24.0) as usize, (whole + 1.0).rem_euclid(24.0) as usize);
        self.0[from] + (self.0[to] - self.0[from]) * (hour - whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_seven_hours_ahead() {
        // 2026-06-21T17:30:00Z is half past midnight on Monday the 22nd in Huế.
        let ms = 1_782_063_000_000;
        assert_eq!(local_hour(ms), 0.5);
        assert!(!is_weekend(ms) && is_weekend(ms - HOUR_MS));
        assert_eq!(local_day(ms) - local_day(ms - HOUR_MS), 1);
    }

    #[test]
    fn curves_wrap_at_midnight() {
        let mut values = [0.0; 24];
        (values[23], values[0]) = (4.0, 8.0);
        let curve = DayCurve(values);
        assert_eq!((curve.at(23.5), curve.at(0.0), curve.at(0.5), curve.at(12.0)), (6.0, 8.0, 4.0, 0.0));
    }
}
