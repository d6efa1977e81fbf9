//! Where everything is wired:
//!
//! devices → `ioc_broker` → [`crate::ingress`] → `ioc_journal` → followers (history, rules, live state, …)
//! rules → [`ioc_services::alerting`] → journal → followers `tell` (live stream, city app) and `alerts` (records)
//!
//! | Module | Does |
//! |---|---|
//! | `build` | opens what is on disk and joins the parts |
//! | `recover` | brings what lives in memory back to where the journal stands |
//! | `run` | starts those who live on the journal, serves, and waits for the end |
//! | `shutdown` | ends everything in order |
//! | `settings` | from the configuration to what each part wants |
mod announce;
mod build;
mod error;
mod jobs;
pub(crate) mod recover;
mod run;
pub(crate) mod settings;
mod shutdown;
mod signals;
mod web;

pub use error::{RecoverError, StartError};
pub use run::run;

use std::net::SocketAddr;

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The operations center alone.
    Serve,
    /// With a simulated city.
    Demo,
}

/// Where everything listens.
pub struct Addresses {
    /// Web.
    pub http: SocketAddr,
    /// Web over TLS.
    pub https: Option<SocketAddr>,
    /// Plain MQTT.
    pub mqtt: Vec<SocketAddr>,
    /// MQTT over TLS.
    pub mqtts: Vec<SocketAddr>,
}
