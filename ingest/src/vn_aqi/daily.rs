//! The daily index: particles by their mean, gases by their worst hour, ozone also by its worst eight hours.
use super::{Column, Index, sub_index};

/// Hours of a day, and of the running mean of ozone.
const DAY: usize = 24;
const RUNNING: usize = 8;
/// Hours before the day that its first running mean needs.
const BEFORE: usize = RUNNING - 1;

/// Hourly means of one station for one day, oldest first, stamped by the end of the hour: 01:00 to 00:00 of
/// the next day. `None` for an hour that is not complete.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Day {
    /// PM2.5, µg/m³.
    pub pm25: [Option<f64>; DAY],
    /// PM10, µg/m³.
    pub pm10: [Option<f64>; DAY],
    /// Nitrogen dioxide, µg/m³.
    pub no2: [Option<f64>; DAY],
    /// Sulphur dioxide, µg/m³.
    pub so2: [Option<f64>; DAY],
    /// Ozone, µg/m³, from 18:00 of the day before.
    pub o3: [Option<f64>; BEFORE + DAY],
    /// Carbon monoxide, µg/m³.
    pub co: [Option<f64>; DAY],
}

impl Default for Day {
    fn default() -> Self {
        let none = [None; DAY];
        Self { pm25: none, pm10: none, no2: none, so2: none, o3: [None; BEFORE + DAY], co: none }
    }
}

/// Computes the daily index; `None` unless PM2.5 or PM10 has a mean.
///
/// `completeness` is the share of hours that a mean of 8 or 24 hours needs; the usual practice is 0.75.
pub fn daily(day: &Day, completeness: f64) -> Option<Index> {
    let part = |column, concentration: Option<f64>| sub_index(column, concentration?);
    let ozone_1h = part(Column::O3In1h, largest(day.o3[BEFORE..].iter().flatten().copied()));
    let running = running_means(&day.o3, completeness);
    let ozone_8h = part(Column::O3In8h, largest(running.into_iter().flatten()));
    Index::from_parts([
        part(Column::Pm25, mean(&day.pm25, completeness)),
        part(Column::Pm10, mean(&day.pm10, completeness)),
        part(Column::No2, largest(day.no2.into_iter().flatten())),
        part(Column::So2, largest(day.so2.into_iter().flatten())),
        largest(ozone_1h.into_iter().chain(ozone_8h)),
        part(Column::Co, largest(day.co.into_iter().flatten())),
    ])
}

/// Computes the 24 means over eight hours of a day, for the hours ending 01:00 to 00:00.
pub fn running_means(hours: &[Option<f64>; BEFORE + DAY], completeness: f64) -> [Option<f64>; DAY] {
    std::array::from_fn(|hour| mean(&hours[hour..hour + RUNNING], completeness))
}

fn mean(hours: &[Option<f64>], completeness: f64) -> Option<f64> {
    let count = hours.iter().flatten().count();
    let is_complete = count > 0 && count as f64 >= completeness * hours.len() as f64;
    is_complete.then(|| hours.iter().flatten().sum::<f64>() / count as f64)
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::{Pollutant, round};
    use super::*;

    /// Ozone from 18:00 to 00:00 of the second day, as the decree prints it.
    const OZONE: [f64; 31] = [
        15.7, 14.2, 17.7, 18.9, 19.3, 15.7, 19.7, 22.6, 27.1, 29.0, 31.9, 25.3, 34.7, 35.2, 41.6, 45.7, 49.2,
        55.8, 69.6, 78.3, 91.5, 97.7, 81.2, 71.8, 43.5, 34.3, 21.5, 20.5, 19.4, 20.4, 21.3,
    ];

    #[test]
    fn the_running_means_of_the_decree_but_for_its_slip() {
        let mut printed = [
            18.0, 19.4, 21.2, 23.0, 23.8, 25.8, 28.2, 30.9, 33.8, 36.6, 39.9, 44.7, 51.3, 58.4, 66.2, 71.1,
            74.4, 73.7, 71.0, 65.0, 57.8, 48.7, 39.1, 31.6,
        ];
        // 12:00: the eight hours it averages give 44.6.
        printed[11] = 44.6;
        for (hour, (found, printed)) in
            running_means(&OZONE.map(Some), 0.75).into_iter().zip(printed).enumerate()
        {
            let found = found.unwrap();
            // Printed with one decimal; exact halves went either way.
            assert!((found - printed).abs() <= 0.0501, "{}:00: {found}, printed {printed}", hour + 1);
        }
    }

    #[test]
    fn the_largest_running_mean_is_at_five_in_the_afternoon() {
        let means = running_means(&OZONE.map(Some), 0.75).map(Option::unwrap);
        let (hour, largest) = means.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(hour + 1, 17);
        assert!((largest - 74.3875).abs() < 1e-9, "{largest}");
    }

    #[test]
    fn the_example_of_the_decree() {
        let pm25 = [Some(55.7); DAY];
        let mut no2 = [Some(12.0); DAY];
        no2[9] = Some(130.8);
        // Largest hour 114.6 and largest eight hours 89.3: the other seven share the rest.
        let mut o3 = [Some(0.0); BEFORE + DAY];
        o3[10..17].fill(Some((89.3 * 8.0 - 114.6) / 7.0));
        o3[17] = Some(114.6);
        let index = daily(&Day { pm25, no2, o3, ..Day::default() }, 0.75).unwrap();
        let part = |pollutant: Pollutant| index.parts[pollutant as usize].map(round);
        assert_eq!(part(Pollutant::O3), Some(45), "by eight hours; by one hour it is 36");
        assert_eq!(part(Pollutant::No2), Some(65));
        assert_eq!((index.value, index.worst), (110, Pollutant::Pm25));
    }

    #[test]
    fn eight_hours_of_ozone_above_400_are_left_out() {
        let pm25 = [Some(1.0); DAY];
        let index = daily(&Day { pm25, o3: [Some(410.0); BEFORE + DAY], ..Day::default() }, 0.75).unwrap();
        assert_eq!(index.parts[Pollutant::O3 as usize], Some(202.5));
    }

    #[test]
    fn a_mean_needs_three_quarters_of_its_hours() {
        let mut day = Day::default();
        day.pm10[..17].fill(Some(50.0));
        assert_eq!(daily(&day, 0.75), None);
        day.pm10[17] = Some(50.0);
        assert_eq!(daily(&day, 0.75).map(|index| index.value), Some(50));
        day.o3[..BEFORE].fill(Some(900.0));
        assert_eq!(
            daily(&day, 0.75).map(|index| index.value),
            Some(50),
            "the evening before is not of the day"
        );
    }
}
