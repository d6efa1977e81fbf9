//! The HTTP API: routes, who may use them, and the answers. Handlers stay thin; what they answer with is computed
//! by the crates below.
pub mod alerts;
pub mod assets;
pub mod auth;
pub mod city;
pub mod connections;
pub mod devices;
pub mod dto;
pub mod health;
pub mod history;
pub mod openapi;
pub mod origin;
pub mod params;
pub mod problem;
mod problem_log;
pub mod records;
pub mod request_id;
pub mod router;
pub mod rules;
pub mod server;
pub mod session;
pub mod state;
pub mod stream;

pub use router::router;
