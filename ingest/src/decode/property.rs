//! The catalogue as the decoder needs it: properties by name, and whether a value fits.
use super::json::Raw;
use crate::quarantine::excerpt;
use ioc_model::{Catalogue, Property, PropertyId, RejectReason, ValueKind};

/// Properties that the operations center makes itself; a device cannot claim them.
pub const MADE_HERE: [&str; 4] =
    [crate::vn_aqi::PROPERTY, "device_online", "device_silent_seconds", crate::clocks::PROPERTY];

/// Property names in an open-addressing table: a look-up is one hash of a short name and one comparison.
#[derive(Debug)]
pub(super) struct Properties {
    list: Vec<Entry>,
    /// Position in `list` plus 1, or 0 for none; a power of two, at most half full.
    table: Vec<u16>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: PropertyId,
    pub(super) name: Box<str>,
    pub(super) made_here: bool,
    unit: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Number { min: f64, max: f64 },
    Bool,
    Enum(Vec<(Box<str>, u16)>),
}

impl Properties {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let list: Vec<Entry> = catalogue.properties().iter().map(Entry::new).collect();
        let mut table = vec![0u16; (list.len() * 2).next_power_of_two().max(2)];
        for (position, entry) in list.iter().enumerate() {
            let mut slot = hash(entry.name.as_bytes()) as usize & (table.len() - 1);
            while table[slot] != 0 {
                slot = (slot + 1) & (table.len() - 1);
            }
            // Property ids are 16 bits and unique, so positions fit.
            table[slot] = (position + 1) as u16;
        }
        Self { list, table }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        let mut slot = hash(name.as_bytes()) as usize & (self.table.len() - 1);
        loop {
            let entry = self.list.get(usize::from(self.table[slot]).checked_sub(1)?)?;
            if *entry.name == *name {
                return Some(entry);
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
    }

    /// Finds the name that `name` was most likely meant to be.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        let name = letters(name);
        let candidates = self.list.iter().filter(|entry| !entry.made_here).filter_map(|entry| {
            let (known, allowed) = (letters(&entry.name), 1 + entry.name.len() / 4);
            let is_near = known.len().abs_diff(name.len()) <= allowed;
            let edits = if is_near { distance(&name, &known) } else { usize::MAX };
            (edits <= allowed).then_some((edits, &*entry.name))
        });
        candidates.min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
    }
}

impl Entry {
    fn new(property: &Property) -> Self {
        let kind = match &property.kind {
            ValueKind::Number { min, max } => Kind::Number { min: *min, max: *max },
            ValueKind::Bool => Kind::Bool,
            ValueKind::Enum { codes, .. } => {
                Kind::Enum(codes.iter().map(|(name, code)| (name.as_str().into(), *code)).collect())
            }
        };
        Self {
            id: property.id,
            made_here: MADE_HERE.contains(&property.name.as_str()),
            name: property.name.as_str().into(),
            unit: property.unit.as_str().into(),
            kind,
        }
    }

    /// Interprets a value as one of this property.
    ///
    /// Errors: the reason; [`Entry::detail`] puts it in words.
    pub(super) fn value(&self, raw: &Raw<'_>) -> Result<f64, RejectReason> {
        match (&self.kind, raw) {
            (Kind::Number { min, max }, Raw::Number(text)) => {
                let value = number(text);
                let fits = value >= *min && value <= *max;
                if fits { Ok(value) } else { Err(RejectReason::OutOfRange) }
            }
            (Kind::Bool, Raw::Bool(value)) => Ok(f64::from(u8::from(*value))),
            (Kind::Bool, Raw::Number(text)) => {
                let value = number(text);
                if value == 0.0 || value == 1.0 { Ok(value.abs()) } else { Err(RejectReason::OutOfRange) }
            }
            (Kind::Enum(codes), Raw::Text(name)) => {
                let code =
                    codes.iter().find(|(known, _)| **known == **name).map(|(_, code)| f64::from(*code));
                code.ok_or(RejectReason::OutOfRange)
            }
            (Kind::Enum(codes), Raw::Number(text)) => {
                let value = number(text);
                let known = codes.iter().any(|(_, code)| f64::from(*code) == value);
                if known { Ok(value.abs()) } else { Err(RejectReason::OutOfRange) }
            }
            (_, Raw::NotFinite(_)) => Err(RejectReason::OutOfRange),
            _ => Err(RejectReason::WrongType),
        }
    }

    /// Says what was found for this property and what would be right.
    pub(super) fn detail(&self, raw: &Raw<'_>) -> String {
        let hint = match (&self.kind, raw) {
            (_, Raw::NotFinite(_)) => "; leave the property out while the sensor has no reading",
            (_, Raw::Null) => "; leave the property out instead",
            (Kind::Number { .. }, Raw::Text(text)) if text.trim().parse::<f64>().is_ok() => {
                "; send it without quotes"
            }
            (Kind::Number { .. }, Raw::Text(text))
                if text.trim().replace(',', ".").parse::<f64>().is_ok() =>
            {
                "; send it without quotes and with a decimal point"
            }
            _ => "",
        };
        format!("{} is {}; expected {}{hint}", self.name, describe(raw), self.expected())
    }

    fn expected(&self) -> String {
        match &self.kind {
            Kind::Number { min, max } => {
                let space = if self.unit.is_empty() { "" } else { " " };
                format!("a number from {min} to {max}{space}{}", self.unit)
            }
            Kind::Bool => "true, false, 1 or 0".to_owned(),
            Kind::Enum(codes) => {
                let names: Vec<_> = codes.iter().map(|(name, code)| format!("\"{name}\" ({code})")).collect();
                format!("one of {}, by name or number", names.join(", "))
            }
        }
    }
}

/// Puts a value in words, cut to a readable length.
pub(super) fn describe(raw: &Raw<'_>) -> String {
    match raw {
        Raw::Null => "null".to_owned(),
        Raw::Bool(value) => value.to_string(),
        Raw::Number(text) => excerpt(text).to_owned(),
        Raw::NotFinite(word) => format!("{word}, which is not a number"),
        Raw::Text(text) => format!("the text {:?}", excerpt(text)),
        Raw::Array => "an array".to_owned(),
        Raw::Object => "an object".to_owned(),
    }
}

/// Most digits whose value, as a whole number, is below 2^53 and so exact in f64.
const EXACT_DIGITS: usize = 15;

/// Powers of ten up to 10^15, all exact.
const TENS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a JSON number; correctly rounded. Too large a number becomes infinite, which no range holds.
fn number(text: &str) -> f64 {
    short_number(text.as_bytes()).unwrap_or_else(|| text.parse().unwrap_or(f64::NAN))
}

/// Reads a number of few digits and no exponent, by far the most: digits and power of ten are both exact, so
/// their one division is correctly rounded (Clinger, "How to read floating point numbers accurately", 1990).
fn short_number(text: &[u8]) -> Option<f64> {
    let (digits, is_negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    if digits.len() > EXACT_DIGITS + 1 {
        return None;
    }
    let (mut whole, mut count, mut point) = (0u64, 0, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' => point = Some(count),
            _ => return None,
        }
    }
    let value = whole as f64 / TENS.get(count - point.unwrap_or(count)).filter(|_| count <= EXACT_DIGITS)?;
    Some(if is_negative { -value } else { value })
}

/// FNV-1a. The table's names are fixed, so nobody can make it collide.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Longest name that is compared with others, in bytes without underscores.
const COMPARED_MAX: usize = 40;

/// What is compared of a name: no underscores, no case.
fn letters(name: &str) -> Vec<u8> {
    name.bytes()
        .filter(|byte| *byte != b'_')
        .take(COMPARED_MAX)
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

/// Edits between two names (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: [usize; COMPARED_MAX + 1] = std::array::from_fn(|n| n);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_correctly_rounded(text in "-?(0|[1-9][0-9]{0,16})(\\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?") {
            prop_assert_eq!(number(&text).to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
        }

        #[test]
        fn distances_are_those_of_names(a in "[a-c]{0,8}", b in "[a-c]{0,8}") {
            let found = distance(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(found == 0, a == b);
            prop_assert_eq!(found, distance(b.as_bytes(), a.as_bytes()));
            prop_assert!(found >= a.len().abs_diff(b.len()) && found <= a.len().max(b.len()));
        }
    }

    #[test]
    fn long_names_are_compared_by_their_beginning() {
        assert_eq!(letters(&"PM_2.5".repeat(90)).len(), COMPARED_MAX);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
