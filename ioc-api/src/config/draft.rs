//! A configuration while it is put together: values are laid over the defaults one by one, each remembering
//! where it came from, so that every problem is found in one run and names its own place.
use super::{
    problem::{Place, Problem, nearest},
    sections::Config,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The defaults with what has been laid over them.
pub(super) struct Draft {
    value: Value,
    config: Config,
    places: BTreeMap<String, Place>,
    problems: Vec<Problem>,
}

impl Draft {
    /// Starts from `config`.
    pub(super) fn new(config: Config) -> Self {
        let value = serde_json::to_value(&config).unwrap_or_default();
        Self { value, config, places: BTreeMap::new(), problems: Vec::new() }
    }

    /// Returns what stands under `key` now; `None` when there is no such key.
    pub(super) fn current(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.value, |value, part| value.as_object()?.get(part))
    }

    /// Returns the full key of every value that is not a section.
    pub(super) fn keys(&self) -> Vec<String> {
        all_keys(&self.value)
    }

    /// Notes a problem.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Lays `new` over `key` (sections joined by dots); notes a problem when the key is unknown or the value
    /// does not fit.
    pub(super) fn set(&mut self, key: &str, new: Value, place: Place) {
        if self.current(key).is_none() {
            return self.refuse_unknown(key, place);
        }
        let Some(old) = self.slot(key).map(|slot| std::mem::replace(slot, new)) else { return };
        match Config::deserialize(&self.value) {
            Ok(config) => {
                self.config = config;
                self.places.insert(key.to_owned(), place);
            }
            Err(error) => {
                let help = format!("write it like the default, {key} = {old}");
                self.refuse(Problem::new(place, format!("{key}: {error}"), help));
                if let Some(slot) = self.slot(key) {
                    *slot = old;
                }
            }
        }
    }

    /// Notes that `key` does not exist, naming the nearest one that does.
    pub(super) fn refuse_unknown(&mut self, key: &str, place: Place) {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let siblings = match section {
            "" => self.value.as_object(),
            section => self.current(section).and_then(Value::as_object),
        };
        let names: Vec<&str> = siblings.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
        let elsewhere = all_keys(&self.value).into_iter().find(|k| k.rsplit('.').next() == Some(name));
        let help = match (nearest(name, names.iter().copied()), elsewhere) {
            (_, Some(full)) => format!("it is called {full}"),
            (Some(near), None) => format!("did you mean {near:?}?"),
            (None, None) => format!("expected one of {}", names.join(", ")),
        };
        self.refuse(Problem::new(place, format!("unknown key {key:?}"), help));
    }

    /// Returns the configuration, the places of its values, and the problems so far.
    pub(super) fn finish(self) -> (Config, BTreeMap<String, Place>, Vec<Problem>) {
        (self.config, self.places, self.problems)
    }

    fn slot(&mut self, key: &str) -> Option<&mut Value> {
        key.split('.').try_fold(&mut self.value, |value, part| value.as_object_mut()?.get_mut(part))
    }
}

/// Returns the full key of every value that is not a section.
pub(super) fn all_keys(value: &Value) -> Vec<String> {
    fn walk(value: &Value, prefix: &str, keys: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value.is_object() {
                true => walk(value, &key, keys),
                false => keys.push(key),
            }
        }
    }
    let mut keys = Vec::new();
    walk(value, "", &mut keys);
    keys
}
