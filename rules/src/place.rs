//! Where the city is.

/// Where the city is, for `sun_elevation()` and `local_*()`.
#[derive(Debug, Clone)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The city's clock.
    pub time_zone: jiff::tz::TimeZone,
}
