//! Table 2 of the decree: one continuous line per pollutant through (concentration, index).

/// A column of the table: a pollutant and the time its concentration is averaged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Ozone, mean of 1 hour.
    O3In1h,
    /// Ozone, mean of 8 hours.
    O3In8h,
    /// Carbon monoxide.
    Co,
    /// Sulphur dioxide.
    So2,
    /// Nitrogen dioxide.
    No2,
    /// PM10.
    Pm10,
    /// PM2.5.
    Pm25,
}

const INDEX: [f64; 8] = [0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0];

impl Column {
    /// Concentrations in µg/m³ at the indices of [`INDEX`]; the 8-hour ozone column ends at 300.
    const fn breakpoints(self) -> &'static [f64] {
        match self {
            Self::O3In1h => &[0.0, 160.0, 200.0, 300.0, 400.0, 800.0, 1000.0, 1200.0],
            Self::O3In8h => &[0.0, 100.0, 120.0, 170.0, 210.0, 400.0],
            Self::Co => &[0.0, 10_000.0, 30_000.0, 45_000.0, 60_000.0, 90_000.0, 120_000.0, 150_000.0],
            Self::So2 => &[0.0, 125.0, 350.0, 550.0, 800.0, 1600.0, 2100.0, 2630.0],
            Self::No2 => &[0.0, 100.0, 200.0, 700.0, 1200.0, 2350.0, 3100.0, 3850.0],
            Self::Pm10 => &[0.0, 50.0, 150.0, 250.0, 350.0, 420.0, 500.0, 600.0],
            Self::Pm25 => &[0.0, 25.0, 50.0, 80.0, 150.0, 250.0, 350.0, 500.0],
        }
    }
}

/// Computes the index of one pollutant, not rounded.
///
/// Units: µg/m³. Below zero (instrument noise) counts as zero; at and above the last breakpoint it is 500.
/// Returns `None` where the decree has no index: 8-hour ozone above 400 µg/m³, or not a number.
pub fn sub_index(column: Column, concentration: f64) -> Option<f64> {
    let points = column.breakpoints();
    if concentration.is_nan() {
        return None;
    }
    let concentration = concentration.max(0.0);
    // The first segment whose upper end is not below the concentration.
    let upper = points.iter().position(|point| concentration <= *point);
    match upper {
        None if points.len() < INDEX.len() => None,
        None => Some(INDEX[INDEX.len() - 1]),
        Some(0) => Some(INDEX[0]),
        Some(upper) => {
            let (lower_point, lower_index) = (points[upper - 1], INDEX[upper - 1]);
            let slope = (INDEX[upper] - lower_index) / (points[upper] - lower_point);
            Some(slope * (concentration - lower_point) + lower_index)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Column; 7] =
        [Column::O3In1h, Column::O3In8h, Column::Co, Column::So2, Column::No2, Column::Pm10, Column::Pm25];

    fn close(column: Column, concentration: f64, expected: f64) {
        let found = sub_index(column, concentration).unwrap();
        assert!((found - expected).abs() < 1e-9, "{column:?} {concentration}: {found}, expected {expected}");
    }

    #[test]
    fn the_decree_computes_the_same_parts() {
        close(Column::O3In1h, 136.1, 42.53125);
        close(Column::No2, 118.7, 59.35);
        close(Column::Pm25, 20.3, 40.6);
        close(Column::O3In8h, 89.3, 44.65);
        close(Column::O3In1h, 114.6, 35.8125);
        close(Column::No2, 130.8, 65.4);
        close(Column::Pm25, 55.7, 109.5);
    }

    #[test]
    fn pm25_over_the_whole_scale() {
        for (concentration, index) in [
            (-3.0, 0.0),
            (0.0, 0.0),
            (25.0, 50.0),
            (37.5, 75.0),
            (50.0, 100.0),
            (65.0, 125.0),
            (80.0, 150.0),
            (115.0, 175.0),
            (150.0, 200.0),
            (200.0, 250.0),
            (250.0, 300.0),
            (300.0, 350.0),
            (350.0, 400.0),
            (425.0, 450.0),
            (500.0, 500.0),
            (600.0, 500.0),
        ] {
            close(Column::Pm25, concentration, index);
        }
    }

    #[test]
    fn every_breakpoint_is_on_the_line() {
        for column in ALL {
            for (point, index) in column.breakpoints().iter().zip(INDEX) {
                close(column, *point, index);
            }
        }
        assert_eq!(sub_index(Column::O3In8h, 400.1), None);
        assert_eq!(sub_index(Column::Co, f64::NAN), None);
    }

    proptest! {
        #[test]
        fn more_pollution_is_never_a_smaller_index(c in 0.0..200_000f64, more in 0.0..5000f64, column in 0usize..7) {
            let column = ALL[column];
            if let (Some(low), Some(high)) = (sub_index(column, c), sub_index(column, c + more)) {
                prop_assert!(low <= high && (0.0..=500.0).contains(&high));
            }
        }
    }
}
