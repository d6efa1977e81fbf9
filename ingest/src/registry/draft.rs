//! Changes in preparation: a copy of the devices that nobody sees yet.
use super::{
    Device, Devices, NewDevice, RegistryError, check,
    device::{GATEWAY_LABEL, ward_code},
};
use crate::Wards;
use ioc_model::{Catalogue, DeviceId, DeviceIndex, Parent, ParentKind};
use std::{collections::BTreeSet, sync::Arc};

/// Kind of a device that may be a [`ParentKind::Cabinet`].
const CABINET_KIND: &str = "lighting-cabinet";
/// Label under which a replacement names the device it replaces.
const REPLACES_LABEL: &str = "replaces";

/// A copy of the devices to make changes on; see [`super::Registry::edit`].
///
/// Parents are checked when all changes are made, so their order does not matter.
#[derive(Debug)]
pub struct Draft<'a> {
    devices: Devices,
    changed: BTreeSet<DeviceIndex>,
    catalogue: &'a Catalogue,
    wards: &'a Wards,
}

impl<'a> Draft<'a> {
    pub(super) fn new(devices: Devices, catalogue: &'a Catalogue, wards: &'a Wards) -> Self {
        Self { devices, changed: BTreeSet::new(), catalogue, wards }
    }

    /// Returns the devices with the changes made so far.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Adds a device.
    ///
    /// Errors: a taken id, an unknown kind, a wrong domain, position or label.
    pub fn insert(&mut self, new: NewDevice, now_ms: i64) -> Result<Arc<Device>, RegistryError> {
        let kind = check::kind(self.catalogue, &new.id, &new.kind, new.domain)?;
        check::position(&new.id, new.lat, new.lon)?;
        let labels = check::labels(&new.id, new.labels)?;
        let device = Device {
            index: self.devices.next_index()?,
            id: new.id,
            domain: new.domain,
            kind: kind.name.as_str().into(),
            lat: new.lat,
            lon: new.lon,
            ward: ward_code(self.wards, new.lat, new.lon),
            parent: new.parent,
            labels,
            reporting_period_s: kind.reporting_period_s,
            retired: false,
            created_ms: now_ms,
        };
        self.changed.insert(device.index);
        self.devices.push(device)
    }

    /// Adds devices in the order given.
    ///
    /// Errors: those of [`Draft::insert`], for the first wrong one.
    pub fn insert_many(
        &mut self,
        devices: Vec<NewDevice>,
        now_ms: i64,
    ) -> Result<Vec<Arc<Device>>, RegistryError> {
        devices.into_iter().map(|device| self.insert(device, now_ms)).collect()
    }

    /// Puts a device at another place; its ward follows.
    ///
    /// Errors: an unknown device, a wrong position.
    pub fn move_to(&mut self, id: &str, lat: f64, lon: f64) -> Result<Arc<Device>, RegistryError> {
        let device = self.find(id)?;
        check::position(&device.id, lat, lon)?;
        let ward = ward_code(self.wards, lat, lon);
        Ok(self.put(Device { lat, lon, ward, ..Device::clone(&device) }))
    }

    /// Hangs a device on another parent, or on none.
    ///
    /// Errors: an unknown device; the parent itself is checked at the end of the edit.
    pub fn set_parent(&mut self, id: &str, parent: Option<Parent>) -> Result<Arc<Device>, RegistryError> {
        let device = self.find(id)?;
        Ok(self.put(Device { parent, ..Device::clone(&device) }))
    }

    /// Takes a device out of service. Its history stays; doing it twice changes nothing.
    ///
    /// Errors: an unknown device.
    pub fn retire(&mut self, id: &str) -> Result<Arc<Device>, RegistryError> {
        let device = self.find(id)?;
        match device.retired {
            true => Ok(device),
            false => Ok(self.put(Device { retired: true, ..Device::clone(&device) })),
        }
    }

    /// Retires a device and puts another one in its place: same kind, position, parent and labels, and the
    /// label `replaces` with the old id. What hung on the old one hangs on the new one.
    ///
    /// Errors: an unknown or retired device, a taken id.
    pub fn replace(&mut self, id: &str, new_id: DeviceId, now_ms: i64) -> Result<Arc<Device>, RegistryError> {
        let old = self.find(id)?;
        if old.retired {
            return Err(RegistryError::Retired(old.id.clone()));
        }
        let mut labels = old.labels.clone();
        labels.insert(REPLACES_LABEL.to_owned(), old.id.to_string());
        let new = NewDevice {
            id: new_id,
            domain: old.domain,
            kind: old.kind.to_string(),
            lat: old.lat,
            lon: old.lon,
            parent: old.parent.clone(),
            labels,
        };
        let new = self.insert(new, now_ms)?;
        self.retire(id)?;
        for child in self.devices.list.clone() {
            self.rehang(&child, id, &new.id);
        }
        Ok(new)
    }

    /// Hangs a device on `new` if it hung on `old`, as its parent or by the label of its gateway.
    fn rehang(&mut self, child: &Device, old: &str, new: &DeviceId) {
        let mut moved = child.clone();
        if let Some(parent) = moved.parent.as_mut().filter(|parent| parent.id.as_str() == old) {
            parent.id = new.clone();
        }
        if let Some(gateway) = moved.labels.get_mut(GATEWAY_LABEL).filter(|gateway| *gateway == old) {
            *gateway = new.to_string();
        }
        if moved != *child {
            self.put(moved);
        }
    }

    /// Checks the parents of what changed; returns the devices and those that changed.
    pub(super) fn finish(self) -> Result<(Devices, Vec<Arc<Device>>), RegistryError> {
        let mut changed = Vec::with_capacity(self.changed.len());
        for index in &self.changed {
            if let Some(device) = self.devices.by_index(*index) {
                check_parent(&self.devices, device)?;
                changed.push(Arc::clone(device));
            }
        }
        Ok((self.devices, changed))
    }

    fn find(&self, id: &str) -> Result<Arc<Device>, RegistryError> {
        let unknown = || RegistryError::Unknown(id.chars().take(80).collect());
        self.devices.by_id(id).cloned().ok_or_else(unknown)
    }

    fn put(&mut self, device: Device) -> Arc<Device> {
        let device = Arc::new(device);
        self.changed.insert(device.index);
        if let Some(slot) = self.devices.list.get_mut(device.index.0 as usize) {
            *slot = Arc::clone(&device);
        }
        device
    }
}

fn check_parent(devices: &Devices, device: &Device) -> Result<(), RegistryError> {
    let Some(parent) = &device.parent else { return Ok(()) };
    if parent.kind == ParentKind::Cabinet {
        match devices.by_id(parent.id.as_str()) {
            None => {
                return Err(RegistryError::UnknownParent {
                    id: device.id.clone(),
                    parent: parent.id.clone(),
                });
            }
            Some(found) if &*found.kind != CABINET_KIND => {
                return Err(RegistryError::WrongParent {
                    id: device.id.clone(),
                    parent: parent.id.clone(),
                    found: found.kind.to_string(),
                    expected: "cabinet",
                });
            }
            Some(_) => {}
        }
    }
    check_loop(devices, device)
}

/// Follows the parents upwards. The registry had no loop before, so a new one goes through `device`.
fn check_loop(devices: &Devices, device: &Device) -> Result<(), RegistryError> {
    let mut through = device;
    for _ in 0..devices.len() {
        let Some(parent) = &through.parent else { return Ok(()) };
        if parent.id == device.id {
            return Err(RegistryError::Loop { id: device.id.clone(), through: through.id.clone() });
        }
        match devices.by_id(parent.id.as_str()) {
            Some(next) => through = next,
            None => return Ok(()),
        }
    }
    Err(RegistryError::Loop { id: device.id.clone(), through: through.id.clone() })
}
