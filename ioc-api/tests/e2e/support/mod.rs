//! What the tests share: waiting, the process under test, and a client for each of its doors.
pub(crate) mod city;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod mqtt;
pub(crate) mod payload;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod rules;
pub(crate) mod skip;
pub(crate) mod tls;
pub(crate) mod wait;
pub(crate) mod ws;

pub(crate) use city::City;
pub(crate) use http::{Client, Reply};
pub(crate) use mqtt::Mqtt;
pub(crate) use payload::{now_ms, one, telemetry};
pub(crate) use wait::{until, within};
pub(crate) use ws::Ws;
