//! Lays environment variables over a draft: `IOC_HTTP`, `IOC_DATA_DIR`… like the flags, and every other key
//! by its path, `IOC_MQTT__LIMITS__PACKET_MAX`.
use super::{
    draft::Draft,
    problem::{Place, Problem},
};
use serde_json::Value;

const PREFIX: &str = "IOC_";
const SECTION_SEPARATOR: &str = "__";

/// Variables with the short names of the flags.
const SHORT: [(&str, &str); 10] = [
    ("IOC_DATA_DIR", "data_dir"),
    ("IOC_CITY", "city"),
    ("IOC_HTTP", "http.listen"),
    ("IOC_MQTT", "mqtt.tcp.listen"),
    ("IOC_MQTTS", "mqtt.tls.listen"),
    ("IOC_CATALOGUE", "catalogue.dirs"),
    ("IOC_RULES", "rules.dirs"),
    ("IOC_SCENARIO", "demo.scenario"),
    ("IOC_SEED", "demo.seed"),
    ("IOC_DEVICES", "demo.devices"),
];

/// Lays the variables that are ours over `draft`.
///
/// A name with a double underscore can only be meant for us, so an unknown one is refused, as is one that has all letters of
/// a key. Other `IOC_…` names may be somebody else's (an orchestrator's service links, our own build): see [`strangers`].
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
        } else if let Some(right) = meant(draft, &name) {
            let help = format!("it is called {right}");
            draft.refuse(Problem::new(Place::Variable(name), "there is no such variable", help));
        }
    }
}

/// Returns the variable that `name` is but for its underscores, if there is one.
fn meant(draft: &Draft, name: &str) -> Option<String> {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| !matches!(c, '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = letters(name.strip_prefix(PREFIX)?);
    let is_short = |short: &str| short.strip_prefix(PREFIX).is_some_and(|short| letters(short) == wanted);
    let short = SHORT.iter().find(|(short, _)| is_short(short)).map(|(short, _)| (*short).to_owned());
    let long = || draft.keys().iter().find(|key| letters(key) == wanted).map(|key| variable_of(key));
    short.or_else(long)
}

/// Returns the variable that sets a key.
fn variable_of(key: &str) -> String {
    let short = SHORT.iter().find(|(_, of)| *of == key).map(|(short, _)| (*short).to_owned());
    short.unwrap_or_else(|| format!("{PREFIX}{}", key.replace('.', SECTION_SEPARATOR).to_uppercase()))
}

/// Returns variables that begin as ours do, are none of ours, and are not what orchestrators set.
pub(super) fn strangers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_ours = |name: &str| {
        name.contains(SECTION_SEPARATOR)
            || OTHERS.contains(&name)
            || SHORT.iter().any(|(short, _)| *short == name)
    };
    let names = names.into_iter().filter(|name| name.starts_with(PREFIX) && !is_ours(name) && !is_link(name));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

/// Variables of ours that are no keys: the log, the build and its tests, benchmarks.
const OTHERS: [&str; 4] = ["IOC_LOG", "IOC_DASHBOARDS_DIST", "IOC_WRITE_OPENAPI", "IOC_BIN"];

/// Reports whether Kubernetes or Docker sets a variable of this name for a service that is called `ioc` or `ioc-…`.
fn is_link(name: &str) -> bool {
    let is_port = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let has_port =
        name.split_once("_PORT_").is_some_and(|(_, rest)| rest.split('_').next().is_some_and(is_port));
    has_port
        || name.ends_with("_PORT")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_ENV_")
        || name.ends_with("_NAME")
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
