//! Lays a TOML file over a draft, keeping the position of every value.
use super::{
    draft::Draft,
    problem::{Place, Problem},
};
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Lays every value of `text` over `draft`; syntax errors and values that do not fit become its problems.
pub(super) fn lay_over(draft: &mut Draft, path: &str, text: &str) {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = Place::in_text(path, text, error.span().unwrap_or(0..0));
        draft.refuse(Problem::new(place, one_line(error.message()), "the file must be TOML"));
    }
    if errors.is_empty() {
        lay_table(draft, path, text, "", table.get_ref());
    }
}

fn lay_table(draft: &mut Draft, path: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in entries {
        let key = match prefix {
            "" => name.get_ref().to_string(),
            prefix => format!("{prefix}.{}", name.get_ref()),
        };
        let is_section = draft.current(&key).map(Value::is_object);
        match (is_section, value.get_ref()) {
            (None, _) => draft.refuse_unknown(&key, Place::in_text(path, text, name.span())),
            (Some(true), DeValue::Table(inner)) => lay_table(draft, path, text, &key, inner),
            (Some(true), other) => {
                let message = format!("{key} is a section, found {}", other.type_str());
                let place = Place::in_text(path, text, value.span());
                draft.refuse(Problem::new(place, message, format!("write [{key}] and its keys below")));
            }
            (Some(false), _) => lay_value(draft, &key, value, Place::in_text(path, text, value.span())),
        }
    }
}

fn lay_value(draft: &mut Draft, key: &str, value: &Spanned<DeValue<'_>>, place: Place) {
    match to_json(value.get_ref()) {
        Some(json) => draft.set(key, json, place),
        None => {
            let message = format!("{key}: {} does not fit here", value.get_ref().type_str());
            draft.refuse(Problem::new(place, message, "write a text, a number, true or false"));
        }
    }
}

/// Turns a TOML value into JSON; `None` for what has no counterpart (dates, NaN).
fn to_json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str();
            i64::from_str_radix(digits, integer.radix())
                .map(Value::from)
                .or_else(|_| u64::from_str_radix(digits, integer.radix()).map(Value::from))
                .ok()?
        }
        DeValue::Float(float) => serde_json::Number::from_f64(float.as_str().parse().ok()?)?.into(),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(_) | DeValue::Datetime(_) => return None,
    })
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}
