//! What every service stands on.
use ioc_identity::{Grants, Identity};
use ioc_ingest::{City, Registry, Wards};
use ioc_model::Catalogue;
use ioc_records::{LateWrites, Records};
use std::sync::Arc;

/// What every service stands on; cheap to clone.
#[derive(Clone)]
pub struct Foundation {
    /// Domains, properties, kinds, indicators and panels.
    pub catalogue: Arc<Catalogue>,
    /// The city and its areas.
    pub city: Arc<CityFiles>,
    /// People, registry rows, projections, audit.
    pub records: Records,
    /// Writes to them that must not wait for the disk.
    pub late: Arc<LateWrites>,
    /// Devices.
    pub registry: Registry,
    /// People and screens.
    pub identity: Arc<Identity>,
    /// MQTT credentials.
    pub grants: Arc<Grants>,
}

/// A city and its areas.
#[derive(Debug)]
pub struct CityFiles {
    /// From `city.toml`.
    pub city: City,
    /// Content of `areas.geojson`.
    pub areas: String,
    /// The wards among the areas.
    pub wards: Arc<Wards>,
}
