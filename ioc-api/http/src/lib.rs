//! The HTTP API: routes, who may use them, and the answers. Handlers stay thin; what they answer with is computed
//! by the crates below.
pub mod alerts;
pub mod areas;
pub mod assets;
pub mod auth;
pub mod city;
pub mod client;
mod clock;
mod config;
pub mod devices;
pub mod dto;
pub mod fair;
mod forwarded;
mod hasty;
pub mod headers;
pub mod health;
pub mod history;
pub mod listener;
mod log_limiter;
pub mod openapi;
pub mod origin;
pub mod params;
pub mod problem;
mod problem_log;
pub mod records;
pub mod request_id;
pub mod router;
pub mod rules;
pub mod session;
pub mod starting;
pub mod state;
pub mod stream;
mod stream_door;
pub mod turns;

pub use config::{Config, HttpLimits, HttpMetrics, HttpTls};
pub use router::{metrics_only, router};
