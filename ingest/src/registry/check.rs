//! What must hold for one device, whatever the others are.
use super::RegistryError;
use ioc_model::{Catalogue, DeviceId, DeviceKind, Domain, text};
use std::collections::BTreeMap;

/// Most labels of one device.
pub const LABELS_MAX: usize = 32;
/// Longest value of a label, in bytes.
pub const LABEL_VALUE_LEN_MAX: usize = text::TEXT_LEN_MAX;
/// Longest name of a label, in bytes.
const LABEL_NAME_LEN_MAX: usize = 64;

/// Names that every device or alert has from elsewhere.
const RESERVED: [&str; 8] =
    ["device", "domain", "kind", "ward", "alertname", "alertstate", "severity", "property"];

pub(super) fn kind<'a>(
    catalogue: &'a Catalogue,
    id: &DeviceId,
    kind: &str,
    domain: Domain,
) -> Result<&'a DeviceKind, RegistryError> {
    let found = catalogue.kind(kind).ok_or_else(|| RegistryError::UnknownKind {
        id: id.clone(),
        kind: kind.chars().take(80).collect(),
        expected: catalogue.kinds().map(|kind| kind.name.as_str()).collect::<Vec<_>>().join(", "),
    })?;
    match found.domain == domain {
        true => Ok(found),
        false => Err(RegistryError::WrongDomain {
            id: id.clone(),
            kind: kind.to_owned(),
            found: domain,
            expected: found.domain,
        }),
    }
}

pub(super) fn position(id: &DeviceId, lat: f64, lon: f64) -> Result<(), RegistryError> {
    let is_place = |lat, lon| (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    if is_place(lat, lon) {
        return Ok(());
    }
    let hint = if is_place(lon, lat) { "; they seem to be exchanged" } else { "" };
    Err(RegistryError::BadPosition { id: id.clone(), lat, lon, hint })
}

/// Checks labels; returns them with values of one Unicode form, so that rules find them however they were typed.
pub(super) fn labels(
    id: &DeviceId,
    mut labels: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, RegistryError> {
    if labels.len() > LABELS_MAX {
        return Err(RegistryError::TooManyLabels { id: id.clone(), count: labels.len(), max: LABELS_MAX });
    }
    for (name, value) in &mut labels {
        let bad = |problem: String| RegistryError::BadLabel {
            id: id.clone(),
            label: name.chars().take(80).collect(),
            problem,
        };
        if !is_label_name(name) {
            return Err(bad(format!(
                "is not a label name; expected a letter or _, then letters, digits and _, at most {LABEL_NAME_LEN_MAX} characters, not starting with __"
            )));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(bad("is set by the system; choose another name".to_owned()));
        }
        text::check(value).map_err(|problem| bad(format!("has a value that {problem}")))?;
        *value = text::nfc(value).into_owned();
    }
    Ok(labels)
}

/// As in Prometheus, so that rules can name it.
fn is_label_name(name: &str) -> bool {
    name.len() <= LABEL_NAME_LEN_MAX
        && !name.starts_with("__")
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
