//! One value of one property of one device.
use crate::PropertyId;
use serde::{Deserialize, Serialize};
use std::ops::{BitOr, BitOrAssign};

/// One value of one property; the device stands beside it in [`crate::Message`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// What was observed; the catalogue has its unit.
    pub property: PropertyId,
    /// Event time in milliseconds since the epoch.
    pub ts_ms: i64,
    /// The value in the property's unit; bool is 0 or 1, an enum its code. Always finite.
    pub value: f64,
    /// What is known about how far it can be trusted.
    pub quality: Quality,
}

/// A set of flags; empty means measured, on time, by the device's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(pub u8);

impl Quality {
    /// Measured, nothing remarkable.
    pub const GOOD: Self = Self(0);
    /// The instrument is being calibrated.
    pub const CALIBRATING: Self = Self(1);
    /// The instrument reports a fault.
    pub const FAULT: Self = Self(1 << 1);
    /// The device's own doubt about the value.
    pub const UNCERTAIN: Self = Self(1 << 2);
    /// The event time was ahead of our clock, within what is tolerated.
    pub const CLOCK_AHEAD: Self = Self(1 << 3);
    /// The device sent no time; arrival time stands in.
    pub const ARRIVAL_TIMED: Self = Self(1 << 4);
    /// More than two minutes old on arrival, its clock's offset subtracted: for history and windows, never for starting
    /// an alert.
    pub const LATE: Self = Self(1 << 5);
    /// Computed here from other observations.
    pub const DERIVED: Self = Self(1 << 6);
    /// The device's clock is steadily off by ten seconds or more, which was subtracted before judging lateness.
    pub const CLOCK_OFFSET: Self = Self(1 << 7);

    const NAMES: [(Self, &str); 8] = [
        (Self::CALIBRATING, "calibrating"),
        (Self::FAULT, "fault"),
        (Self::UNCERTAIN, "uncertain"),
        (Self::CLOCK_AHEAD, "clock_ahead"),
        (Self::ARRIVAL_TIMED, "arrival_timed"),
        (Self::LATE, "late"),
        (Self::DERIVED, "derived"),
        (Self::CLOCK_OFFSET, "clock_offset"),
    ];

    /// Reports whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Reports whether indices and rules may use the value: neither calibrating nor faulty.
    pub const fn is_measuring(self) -> bool {
        self.0 & (Self::CALIBRATING.0 | Self::FAULT.0) == 0
    }

    /// Reports whether the device wrote the time itself, so that it says something about its clock.
    pub const fn is_device_timed(self) -> bool {
        self.0 & (Self::ARRIVAL_TIMED.0 | Self::DERIVED.0) == 0
    }

    /// Returns the flags that are about the time alone: late, ahead, judged by an offset.
    pub const fn of_time(self) -> Self {
        Self(self.0 & (Self::CLOCK_AHEAD.0 | Self::LATE.0 | Self::CLOCK_OFFSET.0))
    }

    /// Returns the flag that a device may set about its own value: `good`, `calibrating`, `fault`, `uncertain`, in
    /// any case.
    pub fn from_device_word(word: &str) -> Option<Self> {
        const WORDS: [(&str, Quality); 5] = [
            ("good", Quality::GOOD),
            ("measuring", Quality::GOOD),
            ("calibrating", Quality::CALIBRATING),
            ("fault", Quality::FAULT),
            ("uncertain", Quality::UNCERTAIN),
        ];
        let word = word.trim();
        WORDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, quality)| quality)
    }

    /// Returns the names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

/// The name of one flag of [`Quality`], as the API spells it.
#[cfg(feature = "schema")]
pub struct QualityFlag;

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for QualityFlag {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let words = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
        words
            .enum_values(Some(Quality::NAMES.map(|(_, name)| name)))
            .description(Some("A quality flag"))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for QualityFlag {}

impl BitOr for Quality {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Quality {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
