//! A city's own file: what it is called, where it lies, and its river stations with their alarm levels.
use ioc_model::{Catalogue, DeviceId, Severity, alert::Text, text};
use serde::{Deserialize, Serialize};

/// A city, as in `configs/cities/<code>/city.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct City {
    /// Short name in lower case: `hue`.
    pub code: String,
    /// Name.
    pub name: Text,
    /// Title of the wall.
    pub title: Text,
    /// Where the map opens: longitude, latitude, degrees.
    #[cfg_attr(feature = "schema", schema(min_items = 2, max_items = 2))]
    pub center: [f64; 2],
    /// How close the map opens, 0 to 22.
    pub zoom: f64,
    /// West, south, east, north, degrees.
    #[cfg_attr(feature = "schema", schema(min_items = 4, max_items = 4))]
    pub bounds: [f64; 4],
    /// IANA name.
    pub time_zone: String,
    /// Whether the areas are a sketch rather than surveyed boundaries; the wall says so.
    pub sketch: bool,
    /// The series that the wall draws large.
    pub trend: Trend,
    /// River stations with alarm levels.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required))]
    pub stations: Vec<Station>,
}

/// A series with limits, for the wall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// Whose.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub device: DeviceId,
    /// A property of the catalogue.
    pub property: String,
    /// What it shows.
    pub title: Text,
    /// Unit as shown.
    pub unit: String,
    /// How far back it reaches.
    pub hours: u32,
    /// Limits from low to high.
    pub limits: Vec<Limit>,
}

/// A limit of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// In the unit of the series.
    pub value: f64,
    /// What reaching it is called.
    pub label: Text,
    /// How much reaching it matters.
    pub severity: Severity,
}

/// A river station with its alarm levels (cấp báo động lũ, Decision 05/2020/QĐ-TTg).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Value of the registry label `station`.
    pub id: String,
    /// The device that measures there.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub device: DeviceId,
    /// Name of the place.
    pub name: Text,
    /// Name of the river.
    pub river: Text,
    /// Báo động I to III, metres.
    #[cfg_attr(feature = "schema", schema(min_items = 3, max_items = 3))]
    pub alarm_levels_m: [f64; 3],
    /// Highest level on record, metres.
    pub record_m: f64,
    /// Year of the highest level.
    pub record_year: u16,
}

/// A city file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// Not TOML, or not of the file's shape; the text names line and column.
    #[error("{0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// A value that makes no sense.
    #[error("{key}: {problem}")]
    Value {
        /// Where it stands.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl City {
    /// Reads and checks a city file.
    ///
    /// Errors: [`CityError`] names the key and what would be right.
    pub fn from_toml(text: &str, catalogue: &Catalogue) -> Result<Self, CityError> {
        let city: Self = toml::from_str(text).map_err(Box::new)?;
        city.check_texts()?;
        city.check_place()?;
        city.check_trend(catalogue)?;
        for (position, station) in city.stations.iter().enumerate() {
            if city.stations[..position].iter().any(|other| other.id == station.id) {
                let problem = format!("{:?} stands twice; each station has its own", station.id);
                return Err(wrong(&format!("stations[{position}].id"), problem));
            }
            let levels = station.alarm_levels_m.iter().chain([&station.record_m]);
            ascending(&format!("stations[{position}].alarm_levels_m"), levels.copied())?;
        }
        Ok(city)
    }

    fn check_texts(&self) -> Result<(), CityError> {
        let (trend, stations) = (&self.trend, &self.stations);
        let both = |key: &'static str, text: &'_ Text| [(key, text.vi.clone()), (key, text.en.clone())];
        let own = [("code", self.code.clone()), ("trend.unit", trend.unit.clone())];
        let named = [("name", &self.name), ("title", &self.title), ("trend.title", &trend.title)];
        let limits = trend.limits.iter().map(|limit| ("trend.limits.label", &limit.label));
        let places = stations.iter().flat_map(|s| [("stations.name", &s.name), ("stations.river", &s.river)]);
        let ids = stations.iter().map(|station| ("stations.id", station.id.clone()));
        let texts = named.into_iter().chain(limits).chain(places).flat_map(|(key, text)| both(key, text));
        for (key, text) in own.into_iter().chain(ids).chain(texts) {
            text::check(&text).map_err(|problem| wrong(key, format!("it {problem}")))?;
            if text.is_empty() && key != "trend.unit" {
                return Err(wrong(key, "it is empty; expected a text".to_owned()));
            }
        }
        Ok(())
    }

    fn check_place(&self) -> Result<(), CityError> {
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            let problem = format!(
                "{:?} is not a time zone; expected an IANA name as in Asia/Ho_Chi_Minh",
                self.time_zone
            );
            return Err(wrong("time_zone", problem));
        }
        let [west, south, east, north] = self.bounds;
        let is_box = -180.0 <= west
            && west < east
            && east <= 180.0
            && -90.0 <= south
            && south < north
            && north <= 90.0;
        if !is_box {
            return Err(wrong(
                "bounds",
                format!("{:?} is not west, south, east, north in degrees", self.bounds),
            ));
        }
        let [lon, lat] = self.center;
        if !(west..=east).contains(&lon) || !(south..=north).contains(&lat) {
            return Err(wrong(
                "center",
                format!("{:?} is not longitude, latitude within bounds", self.center),
            ));
        }
        match (0.0..=22.0).contains(&self.zoom) {
            true => Ok(()),
            false => Err(wrong("zoom", format!("{} is not from 0 to 22", self.zoom))),
        }
    }

    fn check_trend(&self, catalogue: &Catalogue) -> Result<(), CityError> {
        let Some(property) = catalogue.property(&self.trend.property) else {
            let problem =
                format!("{:?} is not in the catalogue; use one of its property names", self.trend.property);
            return Err(wrong("trend.property", problem));
        };
        if property.unit != self.trend.unit {
            let problem = format!(
                "{:?} is not the unit of {}; it is {:?}",
                self.trend.unit, property.name, property.unit
            );
            return Err(wrong("trend.unit", problem));
        }
        if !(1..=24 * 31).contains(&self.trend.hours) {
            return Err(wrong("trend.hours", format!("{} is not from 1 to 744", self.trend.hours)));
        }
        ascending("trend.limits", self.trend.limits.iter().map(|limit| limit.value))
    }
}

fn ascending(key: &str, values: impl Iterator<Item = f64>) -> Result<(), CityError> {
    let values: Vec<f64> = values.collect();
    match values.iter().all(|value| value.is_finite()) && values.is_sorted_by(|low, high| low < high) {
        true => Ok(()),
        false => Err(wrong(key, format!("{values:?} must be numbers that rise from each to the next"))),
    }
}

fn wrong(key: &str, problem: String) -> CityError {
    CityError::Value { key: key.to_owned(), problem }
}
