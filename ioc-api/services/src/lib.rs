//! What people and systems can do, once: no HTTP and no sockets, with the caller and the time as arguments.
//!
//! | Module | Holds |
//! |---|---|
//! | [`rules`] | the rule files in force, and checks of rule texts |
//! | [`indicators`] | the city's indicators and their newest values |
//! | [`rule_inputs`] | the registry and history as the rule engine reads them |
pub mod bbox;
mod clock_properties;
mod device_rows;
pub mod indicators;
mod own_clock;
mod readiness;
mod registry_membership;
pub mod rule_inputs;
pub mod rules;

pub use clock_properties::{ClockProperties, WrittenOffset};
pub use device_rows::{into_device, row_of};
pub use own_clock::{OwnClock, OwnClockState, judged_by};
pub use readiness::Ready;
pub use registry_membership::RegistryMembership;
