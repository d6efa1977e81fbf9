//! Functions of one series' window, as Prometheus 3 defines them.
use super::{
    sum::Sum,
    window::{Range, Sample},
};
use crate::lang::ast::RangeFunction;

/// Between samples further apart than this times their mean distance, a counter is taken to have started or
/// ended, and is extrapolated by half a distance only.
const EXTRAPOLATION_REACH: f64 = 1.1;

/// Evaluates a function over the samples of `at - window_ms < ts <= at`; `None` when they are too few.
pub(crate) fn apply(function: RangeFunction, samples: Range<'_>, at: i64, window_ms: i64) -> Option<f64> {
    let last = samples.last()?;
    match function {
        RangeFunction::LastOverTime => Some(last.value),
        RangeFunction::CountOverTime => Some(samples.len() as f64),
        RangeFunction::SumOverTime => Some(samples.summary().sum.value()),
        RangeFunction::AvgOverTime => Some(mean(samples)),
        RangeFunction::MinOverTime => Some(samples.summary().min),
        RangeFunction::MaxOverTime => Some(samples.summary().max),
        RangeFunction::Deriv => slope(samples),
        RangeFunction::Delta => extrapolated(samples, at, window_ms, Growth::Gauge),
        RangeFunction::Increase => extrapolated(samples, at, window_ms, Growth::Counter),
        RangeFunction::Rate => {
            Some(extrapolated(samples, at, window_ms, Growth::Counter)? / (window_ms as f64 / 1e3))
        }
    }
}

/// Reports whether the value changes from instant to instant even while the window holds the same samples.
pub(crate) fn moves_with_time(function: RangeFunction) -> bool {
    matches!(function, RangeFunction::Rate | RangeFunction::Increase | RangeFunction::Delta)
}

/// Returns how many samples the function needs for a value.
pub(crate) fn samples_needed(function: RangeFunction) -> usize {
    match function {
        RangeFunction::Rate | RangeFunction::Increase | RangeFunction::Delta | RangeFunction::Deriv => 2,
        _ => 1,
    }
}

/// The mean; where the sum would overflow, each value is divided before it is added.
fn mean(samples: Range<'_>) -> f64 {
    let count = samples.len() as f64;
    let sum = samples.summary().sum;
    if sum.is_finite() || samples.iter().any(|sample| !sample.value.is_finite()) {
        return sum.value() / count;
    }
    Sum::of(samples.iter().map(|sample| sample.value / count)).value()
}

/// Slope per second of the least-squares line.
fn slope(samples: Range<'_>) -> Option<f64> {
    let first = samples.first()?;
    if samples.len() < 2 {
        return None;
    }
    if samples.iter().all(|sample| sample.value == first.value) {
        return Some(if first.value.is_infinite() { f64::NAN } else { 0.0 });
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    let count = samples.len() as f64;
    for sample in samples.iter() {
        let seconds = (sample.ts - first.ts) as f64 / 1e3;
        x.add(seconds);
        y.add(sample.value);
        xy.add(seconds * sample.value);
        xx.add(seconds * seconds);
    }
    let covariance = xy.value() - x.value() * y.value() / count;
    let variance = xx.value() - x.value() * x.value() / count;
    Some(covariance / variance)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    Gauge,
    Counter,
}

/// The difference between both ends of the window: that of the samples, stretched to the window's bounds where
/// the samples come near enough to them, and not below zero for a counter.
fn extrapolated(samples: Range<'_>, at: i64, window_ms: i64, growth: Growth) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    let gaps = samples.len() - 1;
    if gaps == 0 {
        return None;
    }
    let seconds = |from: i64, to: i64| (to - from) as f64 / 1e3;
    let difference = last.value - first.value
        + if growth == Growth::Counter { lost_in_resets(samples, first) } else { 0.0 };
    let sampled = seconds(first.ts, last.ts);
    let gap = sampled / gaps as f64;
    let reach = |distance: f64| if distance >= gap * EXTRAPOLATION_REACH { gap / 2.0 } else { distance };
    let mut before = reach(seconds(at - window_ms, first.ts));
    if growth == Growth::Counter && difference > 0.0 && first.value >= 0.0 {
        before = before.min(sampled * (first.value / difference));
    }
    let after = reach(seconds(last.ts, at));
    Some(difference * ((sampled + before + after) / sampled))
}

/// What a counter had counted before each of its resets.
fn lost_in_resets(samples: Range<'_>, first: Sample) -> f64 {
    let mut previous = first.value;
    let mut lost = 0.0;
    for sample in samples.iter() {
        if sample.value < previous {
            lost += previous;
        }
        previous = sample.value;
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::window::Window;
    use RangeFunction::*;

    fn window(samples: &[(i64, f64)]) -> Window {
        let mut window = Window::new(i64::MAX / 4);
        for (ts, value) in samples {
            window.insert(Sample { ts: ts * 1000, value: *value });
        }
        window
    }

    /// Times in seconds.
    fn over(function: RangeFunction, samples: &[(i64, f64)], at: i64, back: i64) -> Option<f64> {
        let (at, back) = (at * 1000, back * 1000);
        apply(function, window(samples).range(at, back), at, back)
    }

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    const STEADY: &[(i64, f64)] =
        &[(0, 0.0), (60, 60.0), (120, 120.0), (180, 180.0), (240, 240.0), (300, 300.0)];

    #[test]
    fn rate_of_a_steady_counter_is_its_slope() {
        // (0, 300]: samples 60..300; 60 s to the left bound is less than 1.1 gaps, so the whole window counts.
        near(over(Rate, STEADY, 300, 300), 1.0);
        near(over(Increase, STEADY, 300, 300), 300.0);
    }

    #[test]
    fn extrapolation_stops_at_half_a_gap_when_a_bound_is_far() {
        // (-300, 300]: six samples, 300 s to the left bound is more than 66 s: half a gap, but a counter does
        // not go below zero: it started at 0, so nothing is added on the left.
        near(over(Increase, STEADY, 300, 600), 300.0);
        // A gauge may: 300 s sampled + 30 s.
        near(over(Delta, STEADY, 300, 600), 330.0);
        // Right bound 100 s away: half a gap there too. (200, 400]: 240, 300; left 40 s < 66 s.
        near(over(Delta, STEADY, 400, 200), 60.0 * (60.0 + 40.0 + 30.0) / 60.0);
    }

    #[test]
    fn a_counter_reset_counts_what_was_before_it() {
        // 10 -> 20 -> 5 -> 15: grew by 10, (reset) 5, 10 = 25; bounds: 10 s left, 0 right, gaps 10 s.
        let samples = [(10, 10.0), (20, 20.0), (30, 5.0), (40, 15.0)];
        near(over(Increase, &samples, 40, 40), 25.0 * (30.0 + 10.0) / 30.0);
        near(over(Delta, &samples, 40, 40), 5.0 * (30.0 + 10.0) / 30.0);
    }

    #[test]
    fn a_counter_near_zero_is_not_extrapolated_below_it() {
        // 1 -> 31 in 30 s: zero was 1 s before the first sample, the bound 10 s.
        let samples = [(10, 1.0), (20, 11.0), (30, 21.0), (40, 31.0)];
        near(over(Increase, &samples, 40, 40), 30.0 * (30.0 + 1.0) / 30.0);
    }

    #[test]
    fn growth_needs_two_samples() {
        for function in [Rate, Increase, Delta, Deriv] {
            assert_eq!(over(function, &[(10, 1.0)], 10, 60), None, "{function:?}");
            assert_eq!(samples_needed(function), 2);
        }
    }

    #[test]
    fn deriv_is_the_slope_of_the_least_squares_line() {
        near(over(Deriv, STEADY, 300, 600), 1.0);
        // x 0, 1, 2, 3 and y 0, 2, 1, 3: covariance 4, variance 5.
        near(over(Deriv, &[(100, 0.0), (101, 2.0), (102, 1.0), (103, 3.0)], 103, 10), 0.8);
        near(over(Deriv, &[(0, 7.0), (60, 7.0)], 60, 120), 0.0);
    }

    #[test]
    fn deriv_keeps_its_precision_far_from_the_epoch() {
        let base = 1_760_000_000;
        let samples: Vec<_> = (0..10).map(|i| (base + 10 * i, 2.5 + 0.001 * i as f64)).collect();
        near(over(Deriv, &samples, base + 90, 600), 0.0001);
    }

    #[test]
    fn the_simple_ones_do_what_their_names_say() {
        let samples = [(0, 99.0), (10, 4.0), (20, 1.0), (30, 7.0)];
        near(over(AvgOverTime, &samples, 30, 30), 4.0);
        near(over(MinOverTime, &samples, 30, 30), 1.0);
        near(over(MaxOverTime, &samples, 30, 30), 7.0);
        near(over(SumOverTime, &samples, 30, 30), 12.0);
        near(over(CountOverTime, &samples, 30, 30), 3.0);
        near(over(LastOverTime, &samples, 35, 30), 7.0);
        assert_eq!(over(CountOverTime, &samples, 100, 30), None);
    }

    #[test]
    fn sums_lose_nothing_and_means_do_not_overflow() {
        near(over(SumOverTime, &[(1, 1e16), (2, 1.0), (3, -1e16)], 3, 10), 1.0);
        let big = f64::MAX;
        near(over(AvgOverTime, &[(1, big), (2, big)], 3, 10).map(|mean| mean / big), 1.0);
        let halves = [Sum::of([1e16, 1.0]), Sum::of([-1e16])];
        let mut whole = halves[0];
        whole.merge(halves[1]);
        assert_eq!(whole.value(), 1.0);
    }

    #[test]
    fn a_number_beats_not_a_number_in_extremes() {
        near(over(MaxOverTime, &[(1, f64::NAN), (2, 3.0)], 2, 10), 3.0);
        assert!(over(MinOverTime, &[(1, f64::NAN)], 2, 10).is_some_and(f64::is_nan));
        assert!(over(SumOverTime, &[(1, f64::NAN), (2, 1.0)], 2, 10).is_some_and(f64::is_nan));
    }
}
