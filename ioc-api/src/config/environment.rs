//! Lays environment variables over a draft: `IOC_HTTP`, `IOC_DATA_DIR`… like the flags, and every other key
//! by its path, `IOC_MQTT__LIMITS__PACKET_MAX`.
use super::{draft::Draft, problem::Place};
use serde_json::Value;

const PREFIX: &str = "IOC_";
const SECTION_SEPARATOR: &str = "__";

/// Variables with the short names of the flags.
const SHORT: [(&str, &str); 9] = [
    ("IOC_DATA_DIR", "data_dir"),
    ("IOC_CITY", "city"),
    ("IOC_HTTP", "http.listen"),
    ("IOC_MQTT", "mqtt.tcp.listen"),
    ("IOC_MQTTS", "mqtt.tls.listen"),
    ("IOC_RULES", "rules.dirs"),
    ("IOC_SCENARIO", "demo.scenario"),
    ("IOC_SEED", "demo.seed"),
    ("IOC_DEVICES", "demo.devices"),
];

/// Lays the variables that are ours over `draft`.
///
/// A name with a double underscore can only be meant for us, so an unknown one is refused. Other `IOC_…`
/// names may be somebody else's (an orchestrator's service links, our own build), so they are left alone.
pub(super) fn lay_over(draft: &mut Draft, variables: impl IntoIterator<Item = (String, String)>) {
    let mut ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (name, text) in ours {
        let short = SHORT.iter().find(|(short, _)| *short == name).map(|(_, key)| (*key).to_owned());
        let path = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SECTION_SEPARATOR));
        let long = path.map(|rest| rest.replace(SECTION_SEPARATOR, ".").to_lowercase());
        if let Some(key) = short.or(long) {
            let value = from_text(draft.current(&key), &text);
            draft.set(&key, value, Place::Variable(name));
        }
    }
}

/// Reads `text` as the kind of value that stands there now; what cannot be read stays text and is refused
/// with the type that is expected.
pub(super) fn from_text(current: Option<&Value>, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match current {
        Some(Value::Number(_) | Value::Bool(_)) => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        Some(Value::Array(_)) => text.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
        _ => as_text(),
    }
}
