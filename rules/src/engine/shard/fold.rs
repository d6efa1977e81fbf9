//! How much of a long window is filled with what intervals of history come to, instead of each sample: a start must not
//! read a day of every series.
use ioc_model::time::current_for_ms;

/// A window of so many reporting periods is filled sample by sample.
const SAMPLES_MAX: i64 = 512;
/// Most intervals of a window. One of them may count as a whole while the window covers it in part.
const INTERVALS_MAX: i64 = 1_500;
/// Lengths of intervals in milliseconds, few, so that rules with different windows ask history for the same ones.
const STEPS_MS: [i64; 4] = [10_000, 60_000, 300_000, 1_800_000];

/// Up to where a range is filled by intervals, and how long these are, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fold {
    pub(super) step_ms: i64,
    pub(super) until_ms: i64,
}

impl Fold {
    /// Returns how to fill a range of a series with this reporting period; `None` for sample by sample. What may be the
    /// present value always is.
    pub(super) fn of((from_ms, to_ms): (i64, i64), period_ms: i64) -> Option<Self> {
        let range_ms = to_ms.saturating_sub(from_ms);
        if range_ms / period_ms.max(1) <= SAMPLES_MAX {
            return None;
        }
        let fits = |step_ms: &i64| range_ms / step_ms <= INTERVALS_MAX;
        let step_ms = STEPS_MS.into_iter().find(fits).unwrap_or(STEPS_MS[STEPS_MS.len() - 1]);
        let recent_ms = to_ms.saturating_sub(current_for_ms(period_ms));
        let until_ms = recent_ms.div_euclid(step_ms).saturating_mul(step_ms);
        (until_ms > from_ms).then_some(Self { step_ms, until_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_windows_are_folded_and_never_what_is_current() {
        let hour = 3_600_000;
        let of = |hours: i64, period_s: i64| Fold::of((0, hours * hour), period_s * 1000);
        assert_eq!(of(1, 10), None);
        assert_eq!(of(24, 300), None);
        assert_eq!(of(24, 10), Some(Fold { step_ms: 60_000, until_ms: 24 * hour - 60_000 }));
        assert_eq!(of(2, 10), Some(Fold { step_ms: 10_000, until_ms: 2 * hour - 30_000 }));
        assert_eq!(of(7 * 24, 60), Some(Fold { step_ms: 1_800_000, until_ms: 7 * 24 * hour - 1_800_000 }));
        assert_eq!(Fold::of((i64::MIN, i64::MAX), 0).map(|fold| fold.step_ms), Some(1_800_000));
    }
}
