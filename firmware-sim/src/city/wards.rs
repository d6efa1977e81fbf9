//! The 40 wards and communes of Huế: code, name, centre, area. Public facts.
use super::Position;

/// How a ward is built, which decides how many of the outer devices it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Covered by the streets of the inner city.
    Inner,
    /// A phường outside of it.
    Town,
    /// A xã.
    Rural,
}

/// A ward (phường) or commune (xã).
#[derive(Debug)]
pub(crate) struct Ward {
    /// Its code in the national list.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) area_km2: f64,
    pub(crate) centre: Position,
}

const fn w(
    code: &'static str,
    name: &'static str,
    setting: Setting,
    area_km2: f64,
    lat: f64,
    lon: f64,
) -> Ward {
    Ward { code, name, setting, area_km2, centre: Position::new(lat, lon) }
}

use Setting::{Inner, Rural, Town};

/// Every ward, by code.
pub(crate) static WARDS: &[Ward] = &[
    w("19753", "Phú Xuân", Inner, 10.38, 16.48, 107.58),
    w("19774", "Kim Long", Inner, 90.14, 16.4, 107.54),
    w("19777", "Vỹ Dạ", Inner, 8.93, 16.48, 107.61),
    w("19789", "Thuận Hoá", Inner, 7.57, 16.46, 107.58),
    w("19804", "Hương An", Town, 19.43, 16.48, 107.53),
    w("19813", "Thuỷ Xuân", Inner, 37.03, 16.41, 107.58),
    w("19815", "An Cựu", Inner, 16.71, 16.44, 107.6),
    w("19819", "Phong Điền", Town, 592.48, 16.49, 107.24),
    w("19828", "Phong Phú", Town, 60.85, 16.7, 107.41),
    w("19831", "Phong Dinh", Town, 87.17, 16.64, 107.37),
    w("19858", "Phong Thái", Town, 187.02, 16.49, 107.39),
    w("19867", "Quảng Điền", Rural, 45.93, 16.57, 107.53),
    w("19873", "Phong Quảng", Town, 41.7, 16.63, 107.51),
    w("19885", "Đan Điền", Rural, 82.62, 16.6, 107.47),
    w("19900", "Thuận An", Town, 36.48, 16.55, 107.64),
    w("19909", "Dương Nỗ", Town, 20.63, 16.52, 107.6),
    w("19918", "Phú Hồ", Rural, 57.72, 16.48, 107.69),
    w("19930", "Mỹ Thượng", Town, 28.83, 16.5, 107.63),
    w("19942", "Phú Vang", Rural, 86.19, 16.4, 107.77),
    w("19945", "Phú Vinh", Rural, 57.95, 16.45, 107.77),
    w("19960", "Phú Bài", Town, 344.63, 16.28, 107.61),
    w("19969", "Thanh Thuỷ", Town, 48.92, 16.42, 107.63),
    w("19975", "Hương Thuỷ", Town, 33.93, 16.41, 107.68),
    w("19996", "Hương Trà", Town, 83.28, 16.46, 107.43),
    w("20014", "Hoá Châu", Town, 34.6, 16.55, 107.58),
    w("20017", "Kim Trà", Town, 42.8, 16.49, 107.51),
    w("20035", "Bình Điền", Rural, 266.5, 16.35, 107.46),
    w("20044", "A Lưới 2", Rural, 97.62, 16.26, 107.2),
    w("20050", "A Lưới 5", Rural, 464.4, 16.22, 107.41),
    w("20056", "A Lưới 1", Rural, 198.59, 16.34, 107.15),
    w("20071", "A Lưới 3", Rural, 154.23, 16.2, 107.25),
    w("20101", "A Lưới 4", Rural, 233.65, 16.14, 107.35),
    w("20107", "Phú Lộc", Rural, 119.3, 16.27, 107.89),
    w("20122", "Vinh Lộc", Rural, 66.53, 16.36, 107.87),
    w("20131", "Hưng Lộc", Rural, 95.62, 16.3, 107.71),
    w("20137", "Chân Mây - Lăng Cô", Rural, 261.38, 16.25, 108.01),
    w("20140", "Lộc An", Rural, 177.58, 16.27, 107.8),
    w("20161", "Khe Tre", Rural, 256.02, 16.15, 107.77),
    w("20179", "Nam Đông", Rural, 175.95, 16.1, 107.68),
    w("20182", "Long Quảng", Rural, 215.85, 16.1, 107.59),
];

/// Returns the ward whose centre is nearest.
///
/// A stand-in for the boundaries: scenarios choose devices by it; the registry finds its own wards.
pub(crate) fn nearest(place: Position) -> &'static Ward {
    let nearer = |a: &&Ward, b: &&Ward| a.centre.distance_m(place).total_cmp(&b.centre.distance_m(place));
    WARDS.iter().min_by(nearer).unwrap_or(&WARDS[0])
}

impl Ward {
    /// Returns its weight among the outer wards: dense places have more on their streets.
    pub(crate) fn weight(&self) -> f64 {
        match self.setting {
            Setting::Inner => 0.0,
            Setting::Town => 3.0 + 60.0 / self.area_km2.max(20.0),
            Setting::Rural => 1.0 + 30.0 / self.area_km2.max(30.0),
        }
    }
}
