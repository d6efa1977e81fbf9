//! What a device hangs on.
use crate::DeviceId;
use serde::{Deserialize, Serialize};

/// What a device hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ParentKind {
    /// The gateway that speaks for it; need not be a device itself.
    Gateway,
    /// The lighting cabinet that feeds it; must be registered.
    Cabinet,
    /// The feeder of a cabinet; need not be a device itself.
    Feeder,
}

/// What a device hangs on, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// What it is.
    pub kind: ParentKind,
    /// Which one.
    pub id: DeviceId,
}
