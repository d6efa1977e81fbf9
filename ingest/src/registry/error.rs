//! Refusals of changes of the registry.
use ioc_model::{DeviceId, Domain};

/// A change that is refused; the registry is as before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// The id is in use, by a retired device perhaps: history is keyed by it.
    #[error("device id {0} is taken; ids are never used again, not even those of retired devices")]
    Taken(DeviceId),
    /// No such device.
    #[error("device {0:?} is not registered")]
    Unknown(String),
    /// No such kind.
    #[error("device {id}: kind {kind:?} is not in the catalogue; expected one of {expected}")]
    UnknownKind {
        /// The device.
        id: DeviceId,
        /// As given.
        kind: String,
        /// The kinds there are.
        expected: String,
    },
    /// The kind belongs to another domain.
    #[error("device {id}: kind {kind} belongs to domain {expected}, not to {found}")]
    WrongDomain {
        /// The device.
        id: DeviceId,
        /// Its kind.
        kind: String,
        /// The domain given.
        found: Domain,
        /// The kind's domain.
        expected: Domain,
    },
    /// Not a place on Earth.
    #[error(
        "device {id}: latitude {lat}, longitude {lon} is not a place; expected -90 to 90 and -180 to 180{hint}"
    )]
    BadPosition {
        /// The device.
        id: DeviceId,
        /// As given.
        lat: f64,
        /// As given.
        lon: f64,
        /// A guess at what happened, or nothing.
        hint: &'static str,
    },
    /// Not a label name.
    #[error("device {id}: label {label:?} {problem}")]
    BadLabel {
        /// The device.
        id: DeviceId,
        /// The label's name.
        label: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Too many labels.
    #[error("device {id}: {count} labels; at most {max} are allowed")]
    TooManyLabels {
        /// The device.
        id: DeviceId,
        /// How many were given.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The parent is not there.
    #[error("device {id}: its cabinet {parent} is not registered; register the cabinet first")]
    UnknownParent {
        /// The device.
        id: DeviceId,
        /// The parent.
        parent: DeviceId,
    },
    /// The parent is of another kind.
    #[error("device {id}: {parent} is a {found} and cannot be its {expected}")]
    WrongParent {
        /// The device.
        id: DeviceId,
        /// The parent.
        parent: DeviceId,
        /// The parent's kind.
        found: String,
        /// What it was said to be.
        expected: &'static str,
    },
    /// Following parents comes back.
    #[error("device {id}: its parents form a loop through {through}; a device cannot hang on itself")]
    Loop {
        /// The device.
        id: DeviceId,
        /// Where the loop closes.
        through: DeviceId,
    },
    /// A retired device does not come back.
    #[error("device {0} was retired; register the new one under another id")]
    Retired(DeviceId),
    /// Kept devices must be complete.
    #[error(
        "device {id} has index {found} where {expected} was due; the registry's table lost or repeats a row"
    )]
    Gap {
        /// The device.
        id: DeviceId,
        /// Its index.
        found: u32,
        /// The index that was due.
        expected: u32,
    },
    /// There are as many as there can be.
    #[error("the registry is full: it holds 4,294,967,295 devices")]
    Full,
}
