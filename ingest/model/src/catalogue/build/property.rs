//! Makes properties of their entries.
use super::super::{
    entries::{PropertyEntry, ValueType},
    merge::Sourced,
    problem::{Owner, Problems},
    property::{Property, ValueKind},
};
use crate::{PropertyId, alert::Text, text::nfc};
use std::collections::BTreeMap;

/// Smallest number of a property of a city's own; those below are kept for the built-in catalogue.
const OWN_PROPERTY_ID_MIN: u16 = 1000;

/// Makes a property of its entry; adds what is wrong with it.
pub(super) fn make(sourced: Sourced<PropertyEntry>, problems: &mut Problems<'_>) -> Property {
    let at_id = sourced.at(&sourced.entry.id.span());
    let Sourced { name, entry, at, .. } = sourced;
    let name = nfc(&name).into_owned();
    let id = *entry.id.get_ref();
    if problems.owner(at) == Owner::City && id < OWN_PROPERTY_ID_MIN && !entry.replace {
        let message = format!(
            "property {name}: ids below {OWN_PROPERTY_ID_MIN} are the built-in catalogue's; choose {OWN_PROPERTY_ID_MIN} to 65535"
        );
        problems.add(at_id, message);
    }
    let (unit, averaging, title) = (entry.unit.clone(), entry.averaging, entry.title.clone());
    let kind = value_kind(entry).unwrap_or_else(|message| {
        problems.add(at, format!("property {name}: {message}"));
        // Stands in, so that the kinds that expect this property add no problems of their own.
        ValueKind::Bool
    });
    Property { id: PropertyId(id), name, unit, kind, averaging, title }
}

fn value_kind(entry: PropertyEntry) -> Result<ValueKind, String> {
    let PropertyEntry { value_type, min, max, codes, code_titles, .. } = entry;
    let has_range = min.is_some() || max.is_some();
    if value_type != ValueType::Number && has_range || value_type != ValueType::Enum && !codes.is_empty() {
        return Err("a number has min and max, an enum has codes, a bool has neither".to_owned());
    }
    match value_type {
        ValueType::Number => number(min.unwrap_or(-1e12), max.unwrap_or(1e12)),
        ValueType::Bool => Ok(ValueKind::Bool),
        ValueType::Enum => enumeration(codes, code_titles),
    }
}

fn number(min: f64, max: f64) -> Result<ValueKind, String> {
    if !min.is_finite() || !max.is_finite() || min >= max {
        return Err(format!("min {min} must be less than max {max}, and both must be finite"));
    }
    Ok(ValueKind::Number { min, max })
}

fn enumeration(codes: BTreeMap<String, u16>, titles: BTreeMap<String, Text>) -> Result<ValueKind, String> {
    let lonely = codes.keys().find(|code| !titles.contains_key(*code));
    if let Some(code) = lonely.or_else(|| titles.keys().find(|code| !codes.contains_key(*code))) {
        let message =
            format!("codes and code_titles must have the same names, and {code} is only in one of them");
        return Err(message);
    }
    let mut numbers: Vec<u16> = codes.values().copied().collect();
    numbers.sort_unstable();
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the code {} has two names", pair[0]));
    }
    if codes.is_empty() {
        return Err("an enum needs codes, as in codes = { ok = 0, fault = 1 }".to_owned());
    }
    Ok(ValueKind::Enum { codes, titles })
}
