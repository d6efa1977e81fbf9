//! NowCast: a mean of the last twelve hours that leans to the newest, the more so the more they differ.

/// Hours that NowCast looks at.
pub const HOURS: usize = 12;

/// Computes NowCast from the hourly means, newest first; `None` stands for an hour without a mean.
///
/// Returns `None` unless at least two of the newest three hours are there.
pub fn nowcast(hours: &[Option<f64>; HOURS]) -> Option<f64> {
    if hours[..3].iter().flatten().count() < 2 {
        return None;
    }
    let known = || hours.iter().flatten().map(|c| c.max(0.0));
    let (least, most) = known().fold((f64::INFINITY, 0f64), |(low, high), c| (low.min(c), high.max(c)));
    if most == 0.0 {
        return Some(0.0);
    }
    let weight = (least / most).max(0.5);
    let (mut sum, mut weights, mut power) = (0.0, 0.0, 1.0);
    for hour in hours {
        if let Some(c) = hour {
            sum += power * c.max(0.0);
            weights += power;
        }
        power *= weight;
    }
    Some(sum / weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_decree() {
        let from_nine_to_twenty = [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6];
        let mut hours = from_nine_to_twenty.map(Some);
        hours.reverse();
        let found = nowcast(&hours).unwrap();
        assert!((found - 20.266).abs() < 5e-4, "{found}");
        assert_eq!(format!("{found:.1}"), "20.3", "as printed");
    }

    #[test]
    fn a_missing_hour_does_not_halve_the_result() {
        let mut hours = [Some(20.0); HOURS];
        (hours[0], hours[1], hours[2]) = (None, Some(40.0), Some(30.0));
        let found = nowcast(&hours).unwrap();
        assert!((found - 32.51).abs() < 0.005, "{found}");
    }

    #[test]
    fn the_normalised_form_equals_the_printed_one_when_all_hours_are_there() {
        let hours: [Option<f64>; HOURS] = std::array::from_fn(|n| Some(10.0 + 5.0 * n as f64));
        let printed: f64 = hours.iter().flatten().zip(1..).map(|(c, i)| 0.5f64.powi(i) * c).sum();
        let found = nowcast(&hours).unwrap();
        assert!((found / printed - 1.0).abs() < 3e-4, "{found} {printed}");
    }

    #[test]
    fn two_of_the_newest_three_hours_are_needed() {
        let mut hours = [None; HOURS];
        hours[3..].fill(Some(20.0));
        assert_eq!(nowcast(&hours), None);
        hours[2] = Some(20.0);
        assert_eq!(nowcast(&hours), None);
        hours[0] = Some(20.0);
        assert_eq!(nowcast(&hours), Some(20.0));
    }

    #[test]
    fn clean_air_is_zero() {
        assert_eq!(nowcast(&[Some(0.0); HOURS]), Some(0.0));
        assert_eq!(nowcast(&[Some(-0.4); HOURS]), Some(0.0));
    }

    proptest! {
        #[test]
        fn lies_between_the_extremes(hours in prop::array::uniform12(prop::option::of(0.0..1000f64))) {
            if let Some(found) = nowcast(&hours) {
                let known = || hours.iter().flatten().copied();
                let (least, most) = (known().fold(f64::MAX, f64::min), known().fold(0.0, f64::max));
                prop_assert!(found >= least - 1e-9 && found <= most + 1e-9);
            }
        }
    }
}
