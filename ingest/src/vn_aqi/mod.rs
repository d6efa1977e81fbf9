//! VN_AQI, the Vietnamese air quality index: Decision 1459/QĐ-TCMT of 12 November 2019.
//!
//! [`table`] holds the breakpoints, [`nowcast`] the weighted mean of twelve hours, [`hourly`] and [`daily`] the two indices, all
//! pure; [`deriver`] keeps the running hours of every station and publishes the hourly index.
//!
//! Concentrations are in µg/m³, carbon monoxide too. Two places where we read the decree with care:
//! - its second form of NowCast (for w = 1/2) is the first one without the division and gives half the value
//!   when an hour is missing; the first, normalised form is used always. With all hours there they agree;
//! - it rounds 59.35 to 60 in one example; everywhere else its numbers are rounded to the nearest integer,
//!   halves up, and so are ours.
pub mod deriver;
pub mod hourly;
pub mod nowcast;
pub mod table;

pub use hourly::{Hours, hourly};
pub use nowcast::nowcast;
pub use table::{Column, sub_index};

use ioc_model::alert::Text;

/// Name of the derived property in the catalogue.
pub const PROPERTY: &str = "vn_aqi";

/// A pollutant of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pollutant {
    /// Particles up to 2.5 µm.
    Pm25,
    /// Particles up to 10 µm.
    Pm10,
    /// Nitrogen dioxide.
    No2,
    /// Sulphur dioxide.
    So2,
    /// Ozone.
    O3,
    /// Carbon monoxide.
    Co,
}

impl Pollutant {
    /// Every pollutant, in the order of [`Index::parts`].
    pub const ALL: [Self; 6] = [Self::Pm25, Self::Pm10, Self::No2, Self::So2, Self::O3, Self::Co];

    /// Returns the name of its property in the catalogue.
    pub const fn property(self) -> &'static str {
        match self {
            Self::Pm25 => "pm25",
            Self::Pm10 => "pm10",
            Self::No2 => "no2",
            Self::So2 => "so2",
            Self::O3 => "o3",
            Self::Co => "co",
        }
    }
}

/// An index and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Index {
    /// The index, 0 to 500.
    pub value: u16,
    /// The pollutant with the largest part; to be published with the index.
    pub worst: Pollutant,
    /// The unrounded part of each pollutant, in the order of [`Pollutant::ALL`].
    pub parts: [Option<f64>; 6],
}

impl Index {
    /// Takes the largest part; `None` unless PM10 or PM2.5 is there, as the decree demands.
    fn from_parts(parts: [Option<f64>; 6]) -> Option<Self> {
        parts[Pollutant::Pm25 as usize].or(parts[Pollutant::Pm10 as usize])?;
        let named =
            Pollutant::ALL.into_iter().zip(parts).filter_map(|(pollutant, part)| Some((pollutant, part?)));
        let (worst, largest) = named.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        Some(Self { value: round(largest), worst, parts })
    }
}

/// Rounds an index to an integer, halves up.
pub fn round(index: f64) -> u16 {
    // Indices are 0 to 500; the cast saturates for anything else.
    (index + 0.5).floor() as u16
}

/// One of the six levels of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Largest index of the level.
    pub upper: u16,
    /// Its name.
    pub name: Text,
    /// Its colour, as in the decree.
    pub rgb: [u8; 3],
}

/// Finds the level of an index.
pub fn level(index: u16) -> Level {
    let (upper, vi, en, rgb) = match index {
        0..=50 => (50, "Tốt", "Good", [0, 228, 0]),
        51..=100 => (100, "Trung bình", "Moderate", [255, 255, 0]),
        101..=150 => (150, "Kém", "Poor", [255, 126, 0]),
        151..=200 => (200, "Xấu", "Bad", [255, 0, 0]),
        201..=300 => (300, "Rất xấu", "Very bad", [143, 63, 151]),
        _ => (500, "Nguy hại", "Hazardous", [126, 0, 35]),
    };
    Level { upper, name: Text { vi: vi.to_owned(), en: en.to_owned() }, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_meet_without_gaps() {
        for (index, upper, en) in [
            (0, 50, "Good"),
            (50, 50, "Good"),
            (51, 100, "Moderate"),
            (100, 100, "Moderate"),
            (101, 150, "Poor"),
            (150, 150, "Poor"),
            (151, 200, "Bad"),
            (201, 300, "Very bad"),
            (301, 500, "Hazardous"),
            (500, 500, "Hazardous"),
        ] {
            assert_eq!((level(index).upper, &*level(index).name.en), (upper, en), "{index}");
        }
    }

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!([0.0, 0.49, 0.5, 59.35, 65.4, 109.5, 500.0].map(round), [0, 0, 1, 59, 65, 110, 500]);
    }
}
