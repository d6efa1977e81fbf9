//! Reading mappings: which fields there are, which are allowed, and what they hold.
use super::{
    report::Report,
    yaml::{Node, Place, Value},
};
use crate::lang::{
    duration::{format_duration, parse_duration},
    suggest::{did_you_mean, nearest},
};

/// The fields of one mapping.
pub(crate) struct Fields<'n> {
    /// Where the mapping stands; errors about missing fields point here.
    pub(crate) place: Place,
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
}

/// A text of the file and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'n> {
    pub(crate) text: &'n str,
    pub(crate) place: Place,
}

impl<'n> Fields<'n> {
    /// Reads a mapping and reports fields that are not in `allowed`; `None` when it is no mapping, reported too.
    pub(crate) fn read(
        node: &'n Node,
        what: &str,
        allowed: &[&str],
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let fields = Self::any(node, what, report)?;
        for (name, key, _) in &fields.entries {
            if !allowed.contains(name) {
                let near = did_you_mean(&nearest(name, allowed.iter().copied()));
                let help = near.unwrap_or_else(|| format!("allowed are {}", allowed.join(", ")));
                report.error(key.place, format!("unknown field {name:?} in {what}"), Some(help));
            }
        }
        Some(fields)
    }

    /// Reads a mapping whatever its fields are; an empty node is an empty mapping.
    pub(crate) fn any(node: &'n Node, what: &str, report: &mut Report<'_>) -> Option<Self> {
        let place = node.place;
        let entries = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => return Some(Self { place, entries: Vec::new() }),
            _ => {
                let help = Some("write \"name: value\" lines".to_owned());
                report.error(place, format!("{what} must be a mapping"), help);
                return None;
            }
        };
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match &key.value {
                Value::Scalar(name) => named.push((name.as_str(), key, value)),
                _ => report.error(key.place, format!("a field name of {what} must be a text"), None),
            }
        }
        Some(Self { place, entries: named })
    }

    /// Returns name, name's place and value of each field, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'n str, Place, &'n Node)> {
        self.entries.iter().map(|(name, key, value)| (*name, key.place, *value))
    }

    /// Finds a field that holds something.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        let entry = self.entries.iter().find(|(found, ..)| *found == name);
        entry.map(|(_, _, value)| *value).filter(|node| !matches!(node.value, Value::Null))
    }

    /// Finds a field that must be a text.
    pub(crate) fn text(&self, name: &str, report: &mut Report<'_>) -> Option<Text<'n>> {
        text(self.get(name)?, name, report)
    }

    /// Reads a duration of at most `longest_ms` milliseconds; `None` when it is not there or wrong, which is reported.
    pub(crate) fn duration(&self, name: &str, longest_ms: i64, report: &mut Report<'_>) -> Option<i64> {
        let found = self.text(name, report)?;
        let parsed = parse_duration(found.text).and_then(|ms| match ms > longest_ms {
            true => Err(format!("{} is too long; at most {}", found.text, format_duration(longest_ms))),
            false => Ok(ms),
        });
        parsed.map_err(|message| report.error(found.place, format!("{name}: {message}"), None)).ok()
    }

    /// Reads a list; empty when it is not there or wrong, which is reported.
    pub(crate) fn list(&self, name: &str, report: &mut Report<'_>) -> &'n [Node] {
        match self.get(name) {
            None => &[],
            Some(Node { value: Value::Sequence(items), .. }) => items,
            Some(node) => {
                let help = Some("begin each entry with \"- \"".to_owned());
                report.error(node.place, format!("{name} must be a list"), help);
                &[]
            }
        }
    }
}

/// Takes a node as text; reports when it is a list or mapping.
pub(crate) fn text<'n>(node: &'n Node, name: &str, report: &mut Report<'_>) -> Option<Text<'n>> {
    match &node.value {
        Value::Scalar(text) => Some(Text { text, place: node.place }),
        Value::Null => Some(Text { text: "", place: node.place }),
        _ => {
            report.error(node.place, format!("{name} must be a text"), None);
            None
        }
    }
}
