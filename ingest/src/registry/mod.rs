//! The registry of devices: an immutable snapshot that readers take without waiting, and one editor at a time.
//!
//! Devices are retired, replaced and moved, never deleted: history is keyed by [`DeviceIndex`]. The ward is
//! computed from the position, here and nowhere else. Persistence belongs to the caller: its closure runs
//! after the checks and before anyone sees the change, so that a row that could not be written leaves the
//! registry as it was.
mod check;
mod device;
mod draft;
mod error;

pub use check::{LABEL_VALUE_LEN_MAX, LABELS_MAX};
pub use device::{Device, Devices, NewDevice};
pub use draft::Draft;
pub use error::RegistryError;

use crate::Wards;
use arc_swap::{ArcSwap, Guard};
use ioc_model::Catalogue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The registry; cheap to clone, all clones are the same registry.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    devices: ArcSwap<Devices>,
    catalogue: Arc<Catalogue>,
    /// Held while editing, so that edits are one after another; holds the boundaries in force.
    editing: Mutex<Arc<Wards>>,
}

impl Registry {
    /// Makes an empty registry that knows the kinds of `catalogue` and finds wards in `wards`.
    pub fn new(catalogue: Arc<Catalogue>, wards: Arc<Wards>) -> Self {
        let devices = ArcSwap::from_pointee(Devices::default());
        Self(Arc::new(Shared { devices, catalogue, editing: Mutex::new(wards) }))
    }

    /// Returns the catalogue whose kinds it knows.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.0.catalogue
    }

    /// Returns the devices as they are now.
    pub fn devices(&self) -> Arc<Devices> {
        self.0.devices.load_full()
    }

    /// As [`Registry::devices`], without counting a reference: for the hot path. Do not keep it for long.
    pub fn current(&self) -> Guard<Arc<Devices>> {
        self.0.devices.load()
    }

    /// Takes the devices that were kept at an earlier run, in any order; wards are computed anew and periods
    /// are taken from the catalogue.
    ///
    /// Errors: indices must be 0, 1, 2, … without a gap, ids unique, kinds in the catalogue. Nothing is
    /// taken when one is wrong.
    pub fn load(&self, kept: Vec<Device>) -> Result<(), RegistryError> {
        let wards = self.lock();
        self.0.devices.store(Arc::new(Devices::restore(kept, &self.0.catalogue, &wards)?));
        Ok(())
    }

    /// Adds one device. `now_ms` becomes its time of creation.
    ///
    /// Errors: [`RegistryError`]; the registry is then as before.
    pub fn insert(&self, device: NewDevice, now_ms: i64) -> Result<Arc<Device>, RegistryError> {
        self.edit(|draft| draft.insert(device, now_ms), |_| Ok(()))
    }

    /// Adds many devices at once: one snapshot for all of them, in any order of parents and children.
    ///
    /// Errors: the first wrong one; the registry is then as before.
    pub fn insert_many(
        &self,
        devices: Vec<NewDevice>,
        now_ms: i64,
    ) -> Result<Vec<Arc<Device>>, RegistryError> {
        self.edit(|draft| draft.insert_many(devices, now_ms), |_| Ok(()))
    }

    /// Makes any number of changes and publishes them together.
    ///
    /// `change` works on a draft; then `persist` gets every device that is new or different, in the order of
    /// their index; only if it succeeds does anyone see the change. Edits wait for each other, readers never.
    ///
    /// Errors: those of `change` and `persist`; the registry is then as before.
    pub fn edit<T, E: From<RegistryError>>(
        &self,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, RegistryError>,
        persist: impl FnOnce(&[Arc<Device>]) -> Result<(), E>,
    ) -> Result<T, E> {
        let wards = self.lock();
        let mut draft = Draft::new(Devices::clone(&self.0.devices.load()), &self.0.catalogue, &wards);
        let result = change(&mut draft)?;
        let (devices, changed) = draft.finish()?;
        persist(&changed)?;
        self.0.devices.store(Arc::new(devices));
        Ok(result)
    }

    /// Returns the boundaries in force.
    pub fn wards(&self) -> Arc<Wards> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Wards>> {
        // An edit that panicked has published nothing.
        self.0.editing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
