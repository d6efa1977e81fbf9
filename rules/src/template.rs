//! Texts with `{{ $value }}` and `{{ $labels.device }}` in them: the part of Prometheus' templates that
//! summaries need. Everything else between braces is refused when rules are loaded.
use crate::limits::{LABEL_VALUE_BYTES_MAX, SUMMARY_BYTES_MAX, cut};
use std::fmt::Write;

/// Most digits behind the point of a formatted value.
const DIGITS_MAX: u8 = 12;
/// Longest text of a value: sign, 309 digits, a point and [`DIGITS_MAX`]; the shortest text of the smallest number that is
/// not 0 has 326 characters.
const VALUE_BYTES_MAX: usize = 330;
/// What may stand between braces, for errors.
const ALLOWED: &str = "allowed are {{ $value }}, {{ $value | printf \"%.2f\" }} and {{ $labels.NAME }}";

/// A text and its places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Format),
    Label(String),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// The shortest text that reads back as the same number.
    Shortest,
    /// `printf "%.Nf"`.
    Fixed(u8),
}

/// A text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {ALLOWED}")]
pub struct TemplateError {
    /// Byte of the text where it begins.
    pub start: usize,
    /// One behind its last byte.
    pub end: usize,
    /// What is wrong.
    pub message: String,
}

impl TemplateError {
    /// Returns what would be right.
    pub fn help(&self) -> &'static str {
        ALLOWED
    }
}

impl Template {
    /// Parses a text.
    ///
    /// Errors: something between `{{` and `}}` that we do not know, or a `{{` without end; the first one.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let start = text.len() - rest.len() + open;
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inner = &rest[open + 2..];
            let Some(close) = inner.find("}}") else {
                let message = "\"{{\" without \"}}\"".to_owned();
                return Err(TemplateError { start, end: text.len(), message });
            };
            let end = start + 2 + close + 2;
            let unknown =
                || TemplateError { start, end, message: format!("unknown template {:?}", &text[start..end]) };
            parts.push(action(inner[..close].trim()).ok_or_else(unknown)?);
            rest = &inner[close + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns how long it can become when it is filled in, in bytes.
    pub fn expanded_bytes_max(&self) -> usize {
        let longest = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Value(_) => VALUE_BYTES_MAX,
            Part::Label(_) => LABEL_VALUE_BYTES_MAX,
        };
        self.parts.iter().map(longest).sum()
    }

    /// Fills it in; `label` answers `None` for labels that are not there, which are written as nothing. `decimal` is
    /// the decimal mark of the text's language. What is longer than [`SUMMARY_BYTES_MAX`] is cut.
    pub fn expand<'l>(
        &self,
        value: Option<f64>,
        decimal: char,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Label(name) => out.push_str(label(name).unwrap_or("")),
                Part::Value(format) => {
                    let mut number = String::new();
                    format.write(value, &mut number);
                    out.extend(number.chars().map(|c| if c == '.' { decimal } else { c }));
                }
            }
            if out.len() > SUMMARY_BYTES_MAX {
                return cut(&out, SUMMARY_BYTES_MAX);
            }
        }
        out
    }

    /// Returns the labels that it names, in the order of the text.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Label(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn action(text: &str) -> Option<Part> {
    if text == "$value" {
        return Some(Part::Value(Format::Shortest));
    }
    if let Some(name) = text.strip_prefix("$labels.") {
        let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return valid.then(|| Part::Label(name.to_owned()));
    }
    let piped = text.strip_prefix("$value").and_then(|rest| rest.trim_start().strip_prefix('|'));
    let piped = piped.and_then(|rest| rest.trim_start().strip_prefix("printf"));
    let called = text.strip_prefix("printf").and_then(|rest| rest.trim_end().strip_suffix("$value"));
    let format = piped.or(called)?.trim().strip_prefix("\"%.")?.strip_suffix("f\"")?;
    let digits: u8 = format.parse().ok().filter(|digits| *digits <= DIGITS_MAX)?;
    Some(Part::Value(Format::Fixed(digits)))
}

impl Format {
    fn write(self, value: Option<f64>, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match (self, value) {
            (_, None) => out.write_str("–"),
            (Self::Shortest, Some(value)) => write!(out, "{value}"),
            (Self::Fixed(digits), Some(value)) => write!(out, "{value:.*}", usize::from(digits)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fills_in_values_and_labels() {
        let text = "{{ $labels.device }}: {{$value | printf \"%.2f\"}} m, {{ $value }}, {{ printf \"%.0f\" $value }}{{ $labels.none }}";
        let template = Template::parse(text).unwrap();
        let label = |name: &str| (name == "device").then_some("WL-1");
        assert_eq!(template.expand(Some(3.456), '.', label), "WL-1: 3.46 m, 3.456, 3");
        assert_eq!(template.expand(Some(3.456), ',', label), "WL-1: 3,46 m, 3,456, 3");
        assert_eq!(template.expand(None, '.', label), "WL-1: – m, –, –");
        assert_eq!(template.labels().collect::<Vec<_>>(), ["device", "none"]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in [
            "ế {{ $val }}",
            "ế {{ humanize $value }}",
            "ế {{ $value | printf \"%d\" }}",
            "ế {{ $value | printf \"%.99f\" }}",
            "ế {{ $labels.a.b }}",
            "ế {{}}",
            "ế {{ $value",
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!((error.start, error.end), ("ế ".len(), text.len()), "{text}");
            assert!(error.to_string().contains("allowed are"), "{error}");
        }
    }

    #[test]
    fn no_value_is_longer_than_the_longest() {
        let longest =
            [f64::MIN, f64::MAX, -f64::from_bits(1), f64::MIN_POSITIVE, f64::NAN, f64::NEG_INFINITY];
        for format in [Format::Shortest, Format::Fixed(DIGITS_MAX)] {
            for value in longest {
                let mut out = String::new();
                format.write(Some(value), &mut out);
                assert!(out.len() <= VALUE_BYTES_MAX, "{value:e} has {}", out.len());
            }
        }
    }

    #[test]
    fn what_is_filled_in_is_cut_at_the_limit() {
        let template = Template::parse("{{ $labels.a }}{{ $labels.a }}").unwrap();
        let long = "ế".repeat(SUMMARY_BYTES_MAX / 4);
        let text = template.expand(None, '.', |_| Some(&long));
        assert!(text.len() <= SUMMARY_BYTES_MAX && text.ends_with('…'));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "(\\{\\{|\\}\\}|\\$value|\\$labels\\.|printf| |\\PC){0,20}") {
            let _ = Template::parse(&text);
        }
    }
}
