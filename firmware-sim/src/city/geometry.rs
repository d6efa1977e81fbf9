//! Places and lines on the ground, flat at the scale of a city.

/// Metres per degree of latitude.
const M_PER_DEG_LAT: f64 = 110_650.0;
/// Metres per degree of longitude at 16.46° N.
const M_PER_DEG_LON: f64 = 106_760.0;

/// A position in degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// Degrees north.
    pub(crate) lat: f64,
    /// Degrees east.
    pub(crate) lon: f64,
}

impl Position {
    pub(crate) const fn new(lat: f64, lon: f64) -> Self {
        Self { lat, lon }
    }

    /// Returns the place that many metres further north and east.
    pub(crate) fn shifted(self, north_m: f64, east_m: f64) -> Self {
        Self::new(self.lat + north_m / M_PER_DEG_LAT, self.lon + east_m / M_PER_DEG_LON)
    }

    /// Returns how far `other` lies north and east, in metres.
    pub(crate) fn to(self, other: Self) -> (f64, f64) {
        ((other.lat - self.lat) * M_PER_DEG_LAT, (other.lon - self.lon) * M_PER_DEG_LON)
    }

    /// Returns the distance in metres.
    pub(crate) fn distance_m(self, other: Self) -> f64 {
        let (north, east) = self.to(other);
        north.hypot(east)
    }

    /// Returns the place as registries print it: 6 decimals, about 0.1 m.
    pub(crate) fn rounded(self) -> Self {
        let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
        Self::new(round(self.lat), round(self.lon))
    }
}

/// A line through places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polyline<'a>(pub(crate) &'a [Position]);

impl Polyline<'_> {
    fn pieces(&self) -> impl Iterator<Item = (Position, Position)> {
        self.0.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Returns the length in metres.
    pub(crate) fn length_m(&self) -> f64 {
        self.pieces().map(|(from, to)| from.distance_m(to)).sum()
    }

    /// Returns the place `along_m` metres from the start and `aside_m` metres to the right of the line;
    /// beyond the end it is the end.
    pub(crate) fn place(&self, along_m: f64, aside_m: f64) -> Option<Position> {
        let mut left_m = along_m.max(0.0);
        let mut last = None;
        for (from, to) in self.pieces() {
            let length_m = from.distance_m(to).max(f64::EPSILON);
            let (north, east) = from.to(to);
            let (north, east) = (north / length_m, east / length_m);
            let at = left_m.min(length_m);
            last = Some(from.shifted(north * at - east * aside_m, east * at + north * aside_m));
            if left_m <= length_m {
                return last;
            }
            left_m -= length_m;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_walked_in_metres() {
        let start = Position::new(16.46, 107.59);
        let points = [start, start.shifted(300.0, 0.0), start.shifted(300.0, 400.0)];
        let line = Polyline(&points);
        assert!((line.length_m() - 700.0).abs() < 0.01);
        let aside = line.place(100.0, 8.0).unwrap();
        let (north, east) = start.to(aside);
        assert!((north - 100.0).abs() < 0.01 && (east - 8.0).abs() < 0.01, "{north} {east}");
        assert!((start.to(line.place(9000.0, 0.0).unwrap()).1 - 400.0).abs() < 0.01);
    }
}
