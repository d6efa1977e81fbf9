//! Kinds of devices, with what is expected of them.
use crate::{Domain, alert::Text};
use serde::Serialize;

/// A kind of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DeviceKind {
    /// As in `water-level`.
    pub name: String,
    /// Where it belongs.
    pub domain: Domain,
    /// How often it reports, in seconds; three of them are the look-back of rules.
    pub reporting_period_s: u32,
    /// What it is expected to report; never a reason to reject.
    pub properties: Vec<String>,
    /// What it is, for people.
    pub title: Text,
}
