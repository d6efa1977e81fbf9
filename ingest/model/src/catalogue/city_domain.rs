//! Fields of the city and the panels that stand for them on the wall.
use crate::{Domain, alert::Text};
use serde::Serialize;

/// A field of the city.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CityDomain {
    /// As in `lighting`; a level of MQTT topics and a label of rules.
    pub name: Domain,
    /// What it is, for people.
    pub title: Text,
    /// The same where there is little room.
    pub short_title: Text,
    /// Path of an SVG icon in a box of 24 by 24, drawn as a line in the colour of the text beside it.
    #[cfg_attr(feature = "schema", schema(required))]
    pub icon: Option<String>,
}

/// A panel of the wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Panel {
    /// Stable name.
    pub id: String,
    /// Whose alerts and devices it counts.
    pub domain: Domain,
    /// What it is, for people.
    pub title: Text,
    /// The same where there is little room.
    pub short_title: Text,
    /// Indicators from the top, by id; where there is little room the last ones are left out.
    pub indicators: Vec<String>,
}

/// A name that is no domain of the city.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a domain of the city; expected one of {expected}")]
pub struct UnknownDomain {
    pub(super) name: String,
    pub(super) expected: String,
}
