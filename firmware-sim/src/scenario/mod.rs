//! A scenario: what happens to the city, when, to whom. Data only; the simulation plays it.
//!
//! Files are TOML; `configs/scenarios/normal-day.toml` documents every field. Times count from the start of the run
//! and are laid onto the wall clock, so a scenario plays the same at any hour.
mod check;
mod fault;
mod file;
mod own;
mod select;

pub use fault::FaultKind;
pub(crate) use fault::Need;
pub use file::ScenarioError;
pub use own::{Course, Form, OwnFleet, Step};
pub use select::Selector;

use crate::fleet::SimDevice;

/// A whole scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, in Vietnamese and English.
    pub title: Title,
    /// How long its story takes, in seconds; afterwards the city goes on as on a normal day.
    pub length_s: f64,
    /// How many hours of the story the length stands for; rates of rise are told in hours of the story.
    pub story_hours: f64,
    /// What happens at set times.
    pub incidents: Vec<Incident>,
    /// What happens by chance.
    pub random: Option<Random>,
    /// Courses of river gauges.
    pub rivers: Vec<River>,
    /// Rain over the city.
    pub rain: Vec<RainPoint>,
    /// Devices that the scenario brings along.
    pub own: Vec<OwnFleet>,
}

/// A title in both languages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// A fault of some devices for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Name in the log, and what its dice are named after.
    pub name: String,
    /// Seconds from the start; for a random incident, ignored.
    pub at_s: f64,
    /// Comes again after this many seconds.
    pub every_s: Option<f64>,
    /// How long it lasts, in seconds: between these two, by the seed.
    pub for_s: (f64, f64),
    /// The fault.
    pub fault: Fault,
    /// Devices to choose from.
    pub devices: Selector,
    /// How often, beside the other random incidents.
    pub weight: f64,
}

/// A fault with its figures; what they mean stands at [`FaultKind`].
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Which fault.
    pub kind: FaultKind,
    /// Which property, where the fault is one property's.
    pub property: Option<String>,
    /// How much.
    pub amount: f64,
    /// How often, 0 to 1.
    pub share: f64,
    /// Whether what was not sent is sent later.
    pub backfill: bool,
    /// Which feeder.
    pub feeder: Option<String>,
}

/// Incidents by chance, for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Random {
    /// None before this many seconds.
    pub from_s: f64,
    /// Mean time between two, in seconds.
    pub mean_gap_s: f64,
    /// What can happen.
    pub incidents: Vec<Incident>,
}

/// The course of a gauge: its own points, or another one's.
#[derive(Debug, Clone, PartialEq)]
pub struct River {
    /// The gauge.
    pub device: String,
    /// Levels in order of time; straight lines between.
    pub points: Vec<RiverPoint>,
    /// The gauge that it follows, when it has no points.
    pub follows: Option<Follows>,
}

/// How a gauge follows another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Follows {
    /// The other gauge.
    pub device: String,
    /// Its rise over its first level is multiplied by this.
    pub gain: f64,
    /// And comes this many seconds later.
    pub lag_s: f64,
}

/// A level at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct RiverPoint {
    /// Seconds from the start.
    pub at_s: f64,
    /// Metres above the station's datum.
    pub level_m: f64,
    /// Where the level comes from.
    pub source: Source,
    /// Which bulletin, for a level that was published.
    pub note: Option<String>,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A published flood bulletin.
    Bulletin,
    /// Ours, to join the published ones.
    Interpolation,
}

/// Rain at a time; straight lines between.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RainPoint {
    /// Seconds from the start.
    pub at_s: f64,
    /// Intensity in mm/h.
    pub mm_per_h: f64,
    /// Where the figure comes from.
    pub source: Source,
}

/// The scenarios that are built in, by file name without its ending.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("normal-day", include_str!("../../../configs/scenarios/normal-day.toml")),
    ("flood-2025-10", include_str!("../../../configs/scenarios/flood-2025-10.toml")),
];

impl Scenario {
    /// Reads a scenario file; `file` names it in errors.
    ///
    /// Errors: the first problem with file, line and column, what is wrong and what would be right.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ScenarioError> {
        file::parse(file, text)
    }

    /// Reads a built-in scenario; `None` when there is none of that name.
    pub fn built_in(name: &str) -> Option<Result<Self, ScenarioError>> {
        let (name, text) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Some(Self::from_toml(&format!("configs/scenarios/{name}.toml"), text))
    }

    /// Returns the scenario told in another length: every time in it is stretched alike.
    #[must_use]
    pub fn with_length(mut self, length_s: f64) -> Self {
        let factor = length_s.max(1.0) / self.length_s;
        self.length_s *= factor;
        let random = self.random.as_mut().map(|random| {
            random.from_s *= factor;
            random.mean_gap_s *= factor;
            &mut random.incidents
        });
        for incident in self.incidents.iter_mut().chain(random.into_iter().flatten()) {
            incident.at_s *= factor;
            incident.every_s = incident.every_s.map(|every_s| every_s * factor);
            incident.for_s = (incident.for_s.0 * factor, incident.for_s.1 * factor);
        }
        for river in &mut self.rivers {
            river.points.iter_mut().for_each(|point| point.at_s *= factor);
            river.follows.iter_mut().for_each(|follows| follows.lag_s *= factor);
        }
        self.rain.iter_mut().for_each(|point| point.at_s *= factor);
        let courses = self.own.iter_mut().flat_map(|own| &mut own.courses);
        courses.flat_map(|course| &mut course.steps).for_each(|step| step.at_s *= factor);
        self
    }

    /// Returns the devices that it brings along; they stand beside those of [`crate::fleet`].
    pub fn devices(&self) -> impl Iterator<Item = SimDevice> + '_ {
        self.own.iter().flat_map(|own| own.devices.iter().cloned())
    }
}
