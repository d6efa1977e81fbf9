//! YAML as a tree in which every node knows its place, so that we can name every mistake of a file at once.
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Deepest nesting; a rule file needs eight.
const DEPTH_MAX: usize = 32;
/// Most nodes of one file.
const NODES_MAX: usize = 100_000;
/// Most aliases of one file, and most that may stand behind all anchors: a few lines must not become gigabytes.
const ALIASES_MAX: usize = 1_000;
const ANCHOR_BYTES_MAX: usize = 64 * 1024;
/// Most nodes that aliases may stand for, together.
const REPLAYED_MAX: usize = 10_000;

/// A node and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// Bytes `start..end` of the file's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text, a number, a truth value: as text. Numbers and truth values are taken from the file's text.
    Scalar(String),
    /// `~` or nothing.
    Null,
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// A file that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Parses one YAML document; an empty one is [`Value::Null`].
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_recorded_anchor_bytes: ANCHOR_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPLAYED_MAX, },
    };
    let parsed: Result<Spanned<Any>, _> = serde_saphyr::from_str_with_options(text, options);
    match parsed {
        Ok(any) => Ok(convert(any, text)),
        Err(error) => {
            let place = error.location().map(|location| place(location, text)).unwrap_or_default();
            Err(YamlError { place, message: message(&error) })
        }
    }
}

/// The error's first line, without the place that we print ourselves.
fn message(error: &serde_saphyr::Error) -> String {
    let plain = error.without_snippet().to_string();
    if ["budget breached", "alias replay", "alias expansion"].iter().any(|what| plain.contains(what)) {
        return format!(
            "there is too much in it; at most {NODES_MAX} values, {DEPTH_MAX} deep, and {ALIASES_MAX} aliases for few and \
             short texts"
        );
    }
    let first = plain.lines().next().unwrap_or("not YAML").trim_start_matches("error: ");
    // What follows names the parser's own interface, or the place that is printed before it.
    let noise = [" at line ", ", set DuplicateKeyPolicy", "; use from_str"];
    noise.iter().fold(first, |text, noise| text.split(noise).next().unwrap_or(text)).to_owned()
}

fn place(location: Location, text: &str) -> Place {
    let span = location.span();
    let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    let (start, len) = match number(span.byte_offset()) {
        Some(start) if start > 0 => (start, number(span.byte_len()).unwrap_or(0)),
        // Errors of the scanner know line and column only.
        _ => (offset_of(text, location.line(), location.column()), 0),
    };
    let start = start.min(text.len());
    Place { start, end: start.saturating_add(len).min(text.len()) }
}

/// Returns the byte of a line and a column in characters, both from 1.
fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let count = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut start = 0;
    for _ in 0..count(line) {
        match text[start..].find('\n') {
            Some(newline) => start += newline + 1,
            None => break,
        }
    }
    let line = text[start..].split('\n').next().unwrap_or("");
    start + line.char_indices().nth(count(column)).map_or(line.len(), |(at, _)| at)
}

/// What serde makes of a node.
enum Any {
    Text(String),
    /// A number or truth value; its text is in the file.
    Written,
    Null,
    Sequence(Vec<Spanned<Any>>),
    Mapping(Vec<(Spanned<Any>, Spanned<Any>)>),
}

fn convert(any: Spanned<Any>, text: &str) -> Node {
    // Of an alias, where its anchor stands: mistakes are corrected there.
    let place = place(any.defined, text);
    let value = match any.value {
        Any::Text(text) => Value::Scalar(text),
        Any::Written => Value::Scalar(text.get(place.start..place.end).unwrap_or("").trim().to_owned()),
        Any::Null => Value::Null,
        Any::Sequence(items) => Value::Sequence(items.into_iter().map(|item| convert(item, text)).collect()),
        Any::Mapping(entries) => {
            Value::Mapping(entries.into_iter().map(|(k, v)| (convert(k, text), convert(v, text))).collect())
        }
    };
    Node { value, place }
}

struct AnyVisitor;

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Any, E> {
        Ok(Any::Written)
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_none<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Any::Sequence(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Any, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            all.push(entry);
        }
        Ok(Any::Mapping(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes scalars with the text of the file that they stand in.
    fn scalars(node: &Node, text: &str, out: &mut Vec<(String, String)>) {
        match &node.value {
            Value::Scalar(value) => {
                out.push((value.clone(), text[node.place.start..node.place.end].to_owned()))
            }
            Value::Null => {}
            Value::Sequence(items) => items.iter().for_each(|item| scalars(item, text, out)),
            Value::Mapping(entries) => entries.iter().for_each(|(_, value)| scalars(value, text, out)),
        }
    }

    #[test]
    fn every_style_of_scalar_knows_its_place() {
        let text = "# Huế\na: đa\nb: 5m\nc: yes\nd: true\ne: |\n  x\n    y\nf: >-\n  x\n  y\ng: \"x\\\"\"\nh: 'it''s'\ni: ~\nj: 0x1F\n";
        let mut found = Vec::new();
        scalars(&parse(text).unwrap(), text, &mut found);
        let found: Vec<_> = found.iter().map(|(value, raw)| (value.as_str(), raw.as_str())).collect();
        let expected = [
            ("đa", "đa"),
            ("5m", "5m"),
            ("yes", "yes"),
            ("true", "true"),
            ("x\n  y\n", "x\n    y\n"),
            ("x y", "x\n  y\n"),
            ("x\"", "\"x\\\"\""),
            ("it's", "'it''s'"),
            ("0x1F", "0x1F"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_yaml_says_where() {
        let cases = [
            ("a: 1\nb: x: y", "mapping values are not allowed", 5..12),
            ("đ: 1\na: [", "unclosed bracket", 6..10),
            ("a: 1\na: 2\n", "duplicate mapping key", 5..6),
            ("a: *x", "unknown anchor", 3..6),
            ("a: 1\n---\nb: 2", "multiple YAML documents", 5..13),
        ];
        for (text, message, near) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text:?}: {error:?}");
            assert!(near.contains(&error.place.start), "{text:?}: {error:?}");
            assert!(!error.message.contains("Options") && !error.message.contains("from_str"), "{error:?}");
        }
        assert!(matches!(parse("").unwrap().value, Value::Null));
    }

    #[test]
    fn what_is_too_deep_is_shown_where_it_is() {
        let steps = |step: &str, lead: &str| -> String {
            (0..40).map(|n| format!("{}{step}\n", lead.repeat(n))).collect()
        };
        let cases = [
            (format!("# Huế\ngroups: {}1{}", "[".repeat(40), "]".repeat(40)), "["),
            (format!("# Huế\ngroups: {}1{}", "{a: ".repeat(40), "}".repeat(40)), "{a"),
            (format!("# Huế\n{}1", "- ".repeat(40)), "- "),
            (format!("# Huế\n{}", steps("đ:", "  ")), "đ:"),
            (format!("# Huế\n{}", steps("-", " ")), "-\n"),
        ];
        for (text, begin) in cases {
            let error = parse(&text).unwrap_err();
            assert!(error.message.contains("too much in it"), "{text}: {error:?}");
            let at = error.place.start;
            let shown = text.get(at..).unwrap_or("not at a character");
            assert!(shown.starts_with(begin), "{at}: {shown:?} in {text}");
        }
    }
}
