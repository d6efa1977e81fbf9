//! What people and systems can do, once: no HTTP and no sockets, with the caller and the time as arguments.
//!
//! | Module | Holds |
//! |---|---|
//! | [`Devices`], [`Credentials`] | what is registered, and what it signs in with |
//! | [`People`] | who may sign in, and display tokens |
//! | [`Quarantine`], [`AuditLog`] | what was rejected, and who did what |
//! | [`alerting`] | the thread that writes alerts: what people do to them |
//! | [`rules`] | the rule files in force, and checks of rule texts |
//! | [`indicators`] | the city's indicators and their newest values |
//! | [`rule_inputs`] | the registry and history as the rule engine reads them |
pub mod alerting;
mod audit;
pub mod bbox;
mod clock_properties;
mod credentials;
mod device_rows;
mod devices;
mod error;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod foundation;
pub mod indicators;
mod own_clock;
mod people;
mod quarantine;
mod readiness;
mod registry_membership;
pub mod rule_inputs;
pub mod rules;
pub mod start_progress;
mod wakeup;

pub use audit::AuditLog;
pub use clock_properties::{ClockProperties, WrittenOffset};
pub use credentials::{CredentialToken, Credentials, NewCredential};
pub use device_rows::{into_device, row_of};
pub use devices::{DeviceAdded, DeviceFilter, DevicePage, DeviceStatus, Devices, SEARCH_LEN_MAX};
pub use error::{ServiceError, demand};
pub use foundation::{CityFiles, Foundation};
pub use own_clock::{OwnClock, OwnClockState, judged_by};
pub use people::{DisplayTokenView, People, UserView};
pub use quarantine::{
    Quarantine, QuarantineFilter, QuarantinePage, QuarantineView, RejectionView, parse_reason,
};
pub use readiness::Ready;
pub use registry_membership::RegistryMembership;
pub use wakeup::Wakeup;

use std::sync::Arc;

/// The services that stand on the registry, the records and identities alone; cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// What they stand on.
    pub foundation: Foundation,
    /// Devices.
    pub devices: Devices,
    /// MQTT credentials.
    pub credentials: Credentials,
    /// People and screens.
    pub people: People,
    /// Rejected messages.
    pub quarantine: Quarantine,
    /// The audit trail.
    pub audit: AuditLog,
}

impl Services {
    /// Builds them on `foundation`; `devices_changed` is called after the registry changed.
    pub fn build(foundation: Foundation, devices_changed: impl Fn() + Send + Sync + 'static) -> Self {
        let Foundation { records, registry, identity, .. } = foundation.clone();
        Self {
            devices: Devices::new(foundation.clone(), Arc::new(devices_changed)),
            credentials: Credentials::new(foundation.clone()),
            people: People::new(identity),
            quarantine: Quarantine::new(Arc::clone(&records), registry),
            audit: AuditLog::new(records),
            foundation,
        }
    }
}
