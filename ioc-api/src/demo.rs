//! The simulated city of `ioc demo`: registers the fleet, signs an operator in, and lets the devices speak MQTT to
//! our own listener like any others.
use crate::{clock::now_ms, config};
use firmware_sim::{
    Credentials, Login, RunConfig, RunMeters, Scenario, SimDevice, Simulation, connections, fleet,
};
use ioc_identity::{Grants, Identity, IdentityError, NewUser, Role};
use ioc_ingest::NewDevice;
use ioc_model::{Parent, ParentKind};
use ioc_services::{Devices, NewCredential, ServiceError};
use std::{collections::HashMap, path::Path, sync::Arc};
use tokio::sync::watch;

/// Name of the demo's operator. The password is new with every data directory.
pub const USER: &str = "demo";

/// Name of the display token of the demo's wall.
const WALL: &str = "demo-wall";

/// The demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The scenario.
    #[error("{0}")]
    Scenario(String),
    /// The fleet cannot be registered.
    #[error("the simulated devices cannot be registered")]
    Fleet(#[from] ServiceError),
    /// The operator cannot be made.
    #[error("the demo's operator cannot be made")]
    User(#[from] IdentityError),
}

/// A fleet that is registered and can be let loose.
pub struct Demo {
    simulation: Simulation,
    tokens: Tokens,
    past_hours: u32,
}

/// A new city tells about so many hours before its first start: the river's curve, and what VN_AQI needs.
const PAST_HOURS: u32 = 24;

struct Tokens(HashMap<String, String>);

impl Credentials for Tokens {
    fn login(&self, credential_id: &str) -> Option<Login> {
        let password = self.0.get(credential_id)?.clone();
        Some(Login { username: credential_id.to_owned(), password })
    }
}

/// Registers the fleet; `is_new` when nothing is known of it yet.
///
/// Errors: [`DemoError`] says what would be right.
pub fn prepare(config: &config::Demo, registered: &Devices, is_new: bool) -> Result<Demo, DemoError> {
    let scenario = scenario(&config.scenario)?;
    let mut devices = fleet(config.seed, config.devices as usize);
    devices.extend(scenario.devices());
    let credentials = connections(&devices).into_iter().filter_map(|connection| {
        Some(NewCredential {
            id: connection.credential_id.parse().ok()?,
            kind: connection.kind,
            devices: connection.device_ids,
        })
    });
    let new = devices.iter().map(registration).collect();
    let tokens = registered.simulate(new, credentials.collect(), now_ms())?;
    let simulation = Simulation::new(devices, &scenario, config.seed, now_ms())
        .map_err(|error| DemoError::Scenario(format!("{}: {error}", config.scenario.display())))?;
    let past_hours = if is_new { PAST_HOURS } else { 0 };
    Ok(Demo { simulation, tokens: Tokens(tokens), past_hours })
}

fn scenario(path: &Path) -> Result<Scenario, DemoError> {
    let name = path.display().to_string();
    let parsed = match Scenario::built_in(&name) {
        Some(parsed) => parsed,
        None => {
            let built_in =
                firmware_sim::BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let unreadable = |error| {
                DemoError::Scenario(format!(
                    "scenario {name} cannot be read: {error}; name a file, or one of {built_in}"
                ))
            };
            Scenario::from_toml(&name, &ioc_files::read_settings(path).map_err(unreadable)?)
        }
    };
    parsed.map_err(|error| DemoError::Scenario(error.to_string()))
}

fn registration(device: &SimDevice) -> NewDevice {
    let parent = device.parent.as_ref().map(|parent| Parent {
        kind: match parent.kind {
            firmware_sim::ParentKind::Gateway => ParentKind::Gateway,
            firmware_sim::ParentKind::Cabinet => ParentKind::Cabinet,
        },
        id: parent.id.clone(),
    });
    NewDevice {
        id: device.id.clone(),
        domain: device.domain,
        kind: device.kind.as_str().to_owned(),
        lat: device.lat,
        lon: device.lon,
        parent,
        labels: device.labels.clone(),
    }
}

/// Makes the demo's operator unless there is one. Returns the password, which belongs to this data directory alone;
/// `None` when somebody has changed it.
///
/// Errors: the records refuse.
pub fn sign_in(identity: &Identity, grants: &Grants) -> Result<Option<String>, DemoError> {
    let password = grants.derive(&format!("user {USER}"));
    if identity.find(USER).is_none() {
        let (domains, wards) = (Vec::new(), Vec::new());
        let user =
            NewUser { name: USER.to_owned(), role: Role::Admin, domains, wards, password: password.clone() };
        identity.add_user(user, "system", now_ms())?;
    }
    Ok(identity.has_password(USER, &password)?.then_some(password))
}

/// Makes the display token of the demo's wall unless there is one, and returns it: the wall opens without a sign-in, and
/// can only look.
///
/// Errors: the records refuse.
pub fn wall_token(identity: &Identity, grants: &Grants) -> Result<String, DemoError> {
    let token = grants.derive(&format!("display token {WALL}"));
    if !identity.display_tokens()?.iter().any(|known| known.name.eq_ignore_ascii_case(WALL)) {
        identity.keep_display_token(WALL, &token, "system", now_ms())?;
    }
    Ok(token)
}

impl Demo {
    /// Lets the devices speak to the listener on `port` until `stopping` says so.
    pub async fn run(self, port: u16, stopping: watch::Receiver<bool>) {
        let meters = Arc::new(RunMeters::default());
        let config = RunConfig { past_hours: self.past_hours, ..RunConfig::new("127.0.0.1", port) };
        if let Err(error) = firmware_sim::run(self.simulation, &self.tokens, config, meters, stopping).await {
            tracing::error!(%error, "the simulated city stopped");
        }
    }
}
