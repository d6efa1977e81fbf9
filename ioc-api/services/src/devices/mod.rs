//! Devices: registering them, and finding those that a caller may see.
mod filter;

pub use filter::{DeviceFilter, DeviceStatus, SEARCH_LEN_MAX};

use crate::{
    Foundation, NewCredential, ServiceError,
    credentials::{refuse_lookalikes, row},
    demand, row_of,
};
use ioc_identity::{Action, Principal, Resource, authorize, new_token};
use ioc_ingest::{Device, NewDevice};
use ioc_model::{CredentialKind, DeviceIndex, Domain};
use ioc_records::{Audit, CredentialRow, DeviceRow, Reach};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};

/// A device that was registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceAdded {
    /// MQTT user name.
    pub id: String,
    /// MQTT password; shown this once.
    pub token: String,
    /// As registered.
    pub device: Device,
}

/// A page of devices, in the order of their registration.
#[derive(Debug, Clone, Default)]
pub struct DevicePage {
    /// The devices of this page.
    pub items: Vec<Arc<Device>>,
    /// The device after which the next page begins; `None` on the last one.
    pub next: Option<DeviceIndex>,
}

/// What can be done to devices. Registering blocks on the disk.
#[derive(Clone)]
pub struct Devices {
    foundation: Foundation,
    changed: Arc<dyn Fn() + Send + Sync>,
}

impl Devices {
    /// Works on `foundation`; calls `changed` after the registry changed.
    pub(crate) fn new(foundation: Foundation, changed: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { foundation, changed }
    }

    /// Registers a device and makes its credential.
    ///
    /// Errors: a caller who may not, a device that cannot be registered.
    pub fn add(
        &self,
        caller: &Principal,
        device: NewDevice,
        now_ms: i64,
    ) -> Result<DeviceAdded, ServiceError> {
        let ward = self.foundation.city.wards.ward_of(device.lat, device.lon).map(|ward| &*ward.code);
        let place = Resource::Place { domain: Some(device.domain), ward };
        demand(caller, Action::ManageDevices, &place)?;
        let (token, id) = (new_token()?, device.id.clone());
        let credential = NewCredential { id: id.clone(), kind: CredentialKind::Device, devices: Vec::new() };
        let row = row(&self.foundation, credential, &token, now_ms);
        let audit = Audit::new(now_ms, &*caller.name, "device.add", id.as_str());
        let audit = audit.about(Reach::of_place(Some(device.domain), ward));
        let detail = format!("{} in {}", device.kind, device.domain);
        let devices = self.enrol(vec![device], vec![row], audit.with_detail(detail), now_ms)?;
        let device = devices.into_iter().next().ok_or_else(|| ServiceError::UnknownDevice(id.clone()))?;
        Ok(DeviceAdded { id: id.to_string(), token, device: Device::clone(&device) })
    }

    /// Registers the devices and credentials of a simulated city that are not there yet, and returns the token
    /// of every one of `credentials` by id. Their tokens are derived from the directory's key, so that the next
    /// start knows them too; a credential that was rotated since keeps its new token and is refused the old one.
    ///
    /// Errors: a device that cannot be registered.
    pub fn simulate(
        &self,
        devices: Vec<NewDevice>,
        credentials: Vec<NewCredential>,
        now_ms: i64,
    ) -> Result<HashMap<String, String>, ServiceError> {
        let Foundation { registry, grants, .. } = &self.foundation;
        let known = registry.devices();
        let tokens: HashMap<String, String> =
            credentials.iter().map(|c| (c.id.to_string(), grants.derive(c.id.as_str()))).collect();
        let devices: Vec<_> = devices.into_iter().filter(|d| known.by_id(d.id.as_str()).is_none()).collect();
        let missing = credentials.into_iter().filter(|c| !grants.contains(c.id.as_str()));
        let rows: Vec<_> = missing
            .map(|credential| (grants.derive(credential.id.as_str()), credential))
            .map(|(token, credential)| row(&self.foundation, credential, &token, now_ms))
            .collect();
        if !devices.is_empty() || !rows.is_empty() {
            let detail = format!("{} devices, {} credentials", devices.len(), rows.len());
            let audit = Audit::new(now_ms, "system", "device.add", "demo").with_detail(detail);
            self.enrol(devices, rows, audit, now_ms)?;
        }
        Ok(tokens)
    }

    /// Writes devices and credentials, all or none, and puts them in force.
    fn enrol(
        &self,
        devices: Vec<NewDevice>,
        credentials: Vec<CredentialRow>,
        audit: Audit,
        now_ms: i64,
    ) -> Result<Vec<Arc<Device>>, ServiceError> {
        let Foundation { registry, records, grants, .. } = &self.foundation;
        refuse_lookalikes(&self.foundation, &credentials)?;
        let added = registry.edit(
            |draft| draft.insert_many(devices, now_ms),
            |changed| {
                let rows: Vec<DeviceRow> = changed.iter().map(|device| row_of(device)).collect();
                records.insert_devices(&rows, &credentials, &audit).map_err(ServiceError::from)
            },
        )?;
        grants.put(&credentials);
        (self.changed)();
        Ok(added)
    }

    /// Finds a device that the caller may see.
    ///
    /// Errors: a device that is not there, a caller who may not see it.
    pub fn find(&self, caller: &Principal, id: &str) -> Result<Arc<Device>, ServiceError> {
        let unknown =
            || ServiceError::NotFound(format!("no device is called {id:?}; GET /api/v1/devices lists them"));
        let device = self.foundation.registry.devices().by_id(id).cloned().ok_or_else(unknown)?;
        demand(caller, Action::Read, &place(&device))?;
        Ok(device)
    }

    /// Lists every device that the caller may see, retired ones too.
    ///
    /// Errors: a domain that the city does not have.
    pub fn list(&self, caller: &Principal, domain: Option<Domain>) -> Result<Vec<Arc<Device>>, ServiceError> {
        let domain = domain.map(|name| self.foundation.catalogue.known_domain(name)).transpose()?;
        let is_wanted = |device: &Device| domain.is_none_or(|domain| device.domain == domain);
        let devices = self.foundation.registry.devices();
        let seen = devices.iter().filter(|device| authorize(caller, Action::Read, &place(device)));
        Ok(seen.filter(|device| is_wanted(device)).cloned().collect())
    }

    /// Lists at most `limit` devices in service after `after` that the caller may see and `filter` admits; `status`
    /// tells how a device stands.
    pub fn page(
        &self,
        caller: &Principal,
        filter: &DeviceFilter,
        after: Option<DeviceIndex>,
        limit: usize,
        status: impl Fn(&Device) -> DeviceStatus,
    ) -> DevicePage {
        let devices = self.foundation.registry.devices();
        let wards = &self.foundation.city.wards;
        let mut items: Vec<Arc<Device>> = devices
            .iter()
            .filter(|device| !device.retired && after.is_none_or(|after| device.index.0 > after.0))
            .filter(|device| authorize(caller, Action::Read, &place(device)))
            .filter(|device| filter.admits(device, status(device), wards))
            .take(limit + 1)
            .cloned()
            .collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|last| last.index);
        DevicePage { items, next }
    }
}

fn place(device: &Device) -> Resource<'_> {
    Resource::Place { domain: Some(device.domain), ward: device.ward.as_deref() }
}
