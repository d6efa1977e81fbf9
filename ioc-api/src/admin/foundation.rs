//! What the running server and the command line both stand on: catalogue, city, records, registry, identities.
use crate::{
    catalogue_files::{self, CatalogueError},
    config::{Config, Display},
    data_dir::{DataDir, DataDirError, kept_catalogue_file},
    defaults,
    kept_catalogue::{KeptCatalogue, told},
};
use ioc_identity::{Grants, Identity, IdentityError};
use ioc_ingest::{City, Registry, RegistryError, Wards};
use ioc_model::Catalogue;
use ioc_records::{LateWrites, Records, RecordsError, SqliteRecords};
use ioc_services::{CityFiles, Foundation, RegistryMembership, into_device};
use std::{path::Path, sync::Arc};

const CITY_FILE: &str = "city.toml";
const AREAS_FILE: &str = "areas.geojson";

/// Something that everything else stands on cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FoundationError {
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A kind that devices are registered with, and the catalogue has no longer.
    #[error(
        "{error}; the last start read {from}: name them again with --catalogue or catalogue.dirs, or put the kind back"
    )]
    KindLost {
        /// Which device lacks its kind.
        error: Box<RegistryError>,
        /// Where the catalogue came from at the last start.
        from: String,
    },
    /// A file of the city.
    #[error("{file}: {problem}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// No such city.
    #[error(
        "city {name:?} is neither built in nor a directory with {CITY_FILE} and {AREAS_FILE}; write \"hue\" or such a directory"
    )]
    NoCity {
        /// As configured.
        name: String,
    },
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The records.
    #[error("the records cannot be opened")]
    Records(#[from] RecordsError),
    /// People.
    #[error("the identities cannot be loaded")]
    Identity(#[from] IdentityError),
    /// Devices.
    #[error("the registry cannot be loaded")]
    Registry(#[source] Box<RegistryError>),
}

/// Reads the city `name`: built in, or a directory.
///
/// Errors: [`FoundationError`] names the file and what would be right.
pub fn load_city(name: &str, catalogue: &Catalogue) -> Result<CityFiles, FoundationError> {
    let (city_file, city_text) = read(name, CITY_FILE)?;
    let (areas_file, areas) = read(name, AREAS_FILE)?;
    let city = City::from_toml(&city_text, catalogue)
        .map_err(|error| FoundationError::File { file: city_file, problem: error.to_string() })?;
    let wards = Wards::from_geojson(&areas)
        .map_err(|error| FoundationError::File { file: areas_file, problem: error.to_string() })?;
    Ok(CityFiles { city, areas, wards: Arc::new(wards) })
}

/// Puts the configured name of the operations center in place of the city's own.
fn titled(mut files: CityFiles, display: &Display) -> CityFiles {
    let title = &mut files.city.title;
    title.vi = display.title_vi.clone().unwrap_or_else(|| title.vi.clone());
    title.en = display.title_en.clone().unwrap_or_else(|| title.en.clone());
    files
}

/// Returns name and text of a file of a city.
fn read(city: &str, file: &str) -> Result<(String, String), FoundationError> {
    let built_in = format!("cities/{city}/{file}");
    if let Some(text) = defaults::text(&built_in) {
        return Ok((built_in, text.to_owned()));
    }
    let directory = Path::new(city);
    if !directory.is_dir() {
        return Err(FoundationError::NoCity { name: city.to_owned() });
    }
    let path = directory.join(file);
    let name = path.display().to_string();
    match ioc_files::read_settings(&path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(FoundationError::File {
            file: name,
            problem: format!("cannot be read: {error}; a city needs it"),
        }),
    }
}

impl FoundationError {
    /// Reports whether the configuration is wrong, rather than what is on disk.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::File { .. } | Self::NoCity { .. } | Self::Catalogue(_) | Self::KindLost { .. } => true,
            Self::DataDir(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Tells a kind that is gone apart from other errors, and names where the last start had it from.
fn kind_lost(error: RegistryError, data: &DataDir) -> FoundationError {
    match error {
        RegistryError::UnknownKind { .. } | RegistryError::WrongDomain { .. } => {
            let kept = KeptCatalogue::at(kept_catalogue_file(data.path()));
            FoundationError::KindLost { error: Box::new(error), from: told(&kept.directories()) }
        }
        error => FoundationError::Registry(Box::new(error)),
    }
}

/// Opens the records of `data` and loads everything that is kept in memory. Blocks on the disk.
///
/// Errors: [`FoundationError`] says what is wrong and what would be right.
pub fn open_foundation(data: &DataDir, config: &Config, now_ms: i64) -> Result<Foundation, FoundationError> {
    let catalogue = Arc::new(catalogue_files::load(config)?);
    let city = Arc::new(titled(load_city(&config.city, &catalogue)?, &config.display));
    let key = data.secret_key()?;
    let records: Records = Arc::new(SqliteRecords::open(&data.records())?);
    let registry = Registry::new(Arc::clone(&catalogue), Arc::clone(&city.wards));
    let devices = records.devices()?.into_iter().map(into_device);
    registry.load(devices.collect()).map_err(|error| kind_lost(error, data))?;
    let grants = Grants::new(key, Arc::new(RegistryMembership(registry.clone())), &records.credentials()?);
    let late = Arc::new(LateWrites::new(Arc::clone(&records), config.records.audit_anonymous_rows_max));
    let (keeper, session_ttl) = (Arc::clone(&late), config.http.sign_in.session_ttl.0);
    let identity = Identity::open(Arc::clone(&records), keeper, session_ttl, now_ms)?
        .with_wards(city.wards.iter().map(|ward| (ward.code.to_string(), ward.name.to_string())))
        .with_catalogue(Arc::clone(&catalogue));
    Ok(Foundation {
        catalogue,
        city,
        records,
        late,
        registry,
        identity: Arc::new(identity),
        grants: Arc::new(grants),
    })
}
