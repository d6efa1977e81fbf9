//! Topics and payloads as devices write them.
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The telemetry topic of a device of the environment.
pub(crate) fn telemetry(device: &str) -> String {
    format!("ioc/v1/environment/{device}/telemetry")
}

/// A message with one value.
pub(crate) fn one(ts: i64, property: &str, value: impl Into<Value>) -> Vec<u8> {
    json!({ "ts": ts, "values": { property: value.into() } }).to_string().into_bytes()
}

/// A message with several values at one time.
pub(crate) fn many(ts: i64, values: Value) -> Vec<u8> {
    json!({ "ts": ts, "values": values }).to_string().into_bytes()
}
