//! The hourly index: particles by NowCast, gases by the mean of the hour.
use super::{
    Column, Index,
    nowcast::{self, nowcast},
    sub_index,
};

/// Hourly means of one station, newest first; `None` for an hour that is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hours {
    /// PM2.5, µg/m³.
    pub pm25: [Option<f64>; nowcast::HOURS],
    /// PM10, µg/m³.
    pub pm10: [Option<f64>; nowcast::HOURS],
    /// Nitrogen dioxide of the newest hour, µg/m³.
    pub no2: Option<f64>,
    /// Sulphur dioxide of the newest hour, µg/m³.
    pub so2: Option<f64>,
    /// Ozone of the newest hour, µg/m³.
    pub o3: Option<f64>,
    /// Carbon monoxide of the newest hour, µg/m³.
    pub co: Option<f64>,
}

/// Computes the hourly index; `None` unless PM2.5 or PM10 has a NowCast.
pub fn hourly(hours: &Hours) -> Option<Index> {
    let part = |column, concentration: Option<f64>| sub_index(column, concentration?);
    Index::from_parts([
        part(Column::Pm25, nowcast(&hours.pm25)),
        part(Column::Pm10, nowcast(&hours.pm10)),
        part(Column::No2, hours.no2),
        part(Column::So2, hours.so2),
        part(Column::O3In1h, hours.o3),
        part(Column::Co, hours.co),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Pollutant, round};
    use super::*;

    #[test]
    fn the_example_of_the_decree_but_for_its_slip() {
        let pm25 = [Some(20.3); nowcast::HOURS];
        let hours = Hours { pm25, o3: Some(136.1), no2: Some(118.7), ..Hours::default() };
        let index = hourly(&hours).unwrap();
        let part = |pollutant: Pollutant| index.parts[pollutant as usize].map(round);
        assert_eq!(part(Pollutant::O3), Some(43));
        assert_eq!(part(Pollutant::Pm25), Some(41));
        // 59.35: the decree prints 60 for this part and for the index.
        assert_eq!((part(Pollutant::No2), index.value, index.worst), (Some(59), 59, Pollutant::No2));
        assert_eq!(part(Pollutant::Co), None);
    }

    #[test]
    fn no_index_without_particles() {
        let gases = Hours { no2: Some(5000.0), o3: Some(900.0), ..Hours::default() };
        assert_eq!(hourly(&gases), None);
        let coarse = Hours { pm10: [Some(50.0); nowcast::HOURS], ..Hours::default() };
        assert_eq!(hourly(&coarse).map(|index| (index.value, index.worst)), Some((50, Pollutant::Pm10)));
    }
}
