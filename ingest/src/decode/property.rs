//! The catalogue as the decoder needs it: properties by name, and whether a value fits.
use super::{
    json::Raw,
    nearest::{distance, letters},
    number::number,
};
use crate::quarantine::excerpt;
use ioc_model::{Catalogue, Property, PropertyId, RejectReason, ValueKind, text::nfc};

/// Properties that the operations center makes itself; a device cannot claim them.
pub const MADE_HERE: [&str; 5] = [
    crate::vn_aqi::PROPERTY,
    "device_online",
    "device_silent_seconds",
    crate::clocks::PROPERTY,
    crate::clocks::WRONG_PROPERTY,
];

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

    /// Finds a property by its name, in either Unicode form. Case counts, as in JSON and in rules.
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        let found = self.find_exact(name);
        if found.is_some() || name.is_ascii() { found } else { self.find_exact(&nfc(name)) }
    }

    fn find_exact(&self, name: &str) -> Option<&Entry> {
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
                // There is one zero: a change of sign alone would be a correction.
                if fits { Ok(value + 0.0) } else { Err(RejectReason::OutOfRange) }
            }
            (Kind::Bool, Raw::Bool(value)) => Ok(f64::from(u8::from(*value))),
            (Kind::Bool, Raw::Number(text)) => {
                let value = number(text);
                if value == 0.0 || value == 1.0 { Ok(value.abs()) } else { Err(RejectReason::OutOfRange) }
            }
            (Kind::Enum(codes), Raw::Text(name)) => {
                let name = nfc(name);
                let code = codes.iter().find(|(known, _)| **known == *name);
                code.map(|(_, code)| f64::from(*code)).ok_or(RejectReason::OutOfRange)
            }
            (Kind::Enum(codes), Raw::Number(text)) => {
                let value = number(text);
                let known = codes.iter().any(|(_, code)| f64::from(*code) == value);
                if known { Ok(value.abs()) } else { Err(RejectReason::OutOfRange) }
            }
            (_, Raw::Bare(word)) if is_not_finite(word) => Err(RejectReason::OutOfRange),
            (_, Raw::Bare(_)) => Err(RejectReason::Malformed),
            _ => Err(RejectReason::WrongType),
        }
    }

    /// Describes what was found for this property and what would be right.
    pub(super) fn detail(&self, raw: &Raw<'_>) -> String {
        let hint = self.hint(raw);
        format!("{} is {}; expected {}{hint}", self.name, describe(raw), self.expected())
    }

    fn hint(&self, raw: &Raw<'_>) -> &'static str {
        let is_number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
        match (&self.kind, raw) {
            (_, Raw::Null) => "; leave the property out instead",
            (_, Raw::Text(text)) if is_not_finite(text) => NO_READING,
            (_, Raw::Bare(text)) if is_not_finite(text) => NO_READING,
            (Kind::Number { .. }, Raw::Text(text)) if is_number(text) => "; send it without quotes",
            (Kind::Number { .. }, Raw::Text(text)) if is_number(&text.replace(',', ".")) => {
                "; send it without quotes and with a decimal point"
            }
            (Kind::Number { .. }, Raw::Bare(text)) if is_number(text) => {
                "; JSON numbers begin with a digit or -, have no leading zeros, and digits behind the point"
            }
            (Kind::Bool, Raw::Text(text)) if matches!(&**text, "true" | "false" | "1" | "0") => {
                "; send it without quotes"
            }
            _ => "",
        }
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

const NO_READING: &str = "; leave the property out while the sensor has no reading";

/// Reports whether a word is what C, JavaScript, Python or Windows print for infinities and what is not a number:
/// `nan`, `-nan(ind)`, `inf`, `-Infinity`, `1.#QNAN`.
fn is_not_finite(word: &str) -> bool {
    let word = word.trim();
    let word = word.strip_prefix(['-', '+']).unwrap_or(word).to_ascii_lowercase();
    matches!(&*word, "nan" | "inf" | "infinity") || word.starts_with("nan(") || word.starts_with("1.#")
}

/// Puts a value in words, cut to a readable length.
pub(super) fn describe(raw: &Raw<'_>) -> String {
    match raw {
        Raw::Null => "null".to_owned(),
        Raw::Bool(value) => value.to_string(),
        Raw::Number(text) => excerpt(text).to_owned(),
        Raw::Bare(word) if is_not_finite(word) => format!("{}, which is not a number", excerpt(word)),
        Raw::Bare(word) => format!("{}, which is not JSON", excerpt(word)),
        Raw::Text(text) => format!("the text {:?}", excerpt(text)),
        Raw::Array => "an array".to_owned(),
        Raw::Object => "an object".to_owned(),
    }
}

/// FNV-1a. The table's names are fixed, so nobody can make it collide.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
