//! Names of the fields of the city, such as `lighting`. Which there are is data: the catalogue lists them.
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Longest name of a domain, in bytes.
pub const DOMAIN_LEN_MAX: usize = 32;

/// What stands in the place of a domain in topics: those of alerts, and those of alerts without a domain.
const RESERVED: [&str; 2] = ["alerts", "city"];

/// Name of a field of the city: a letter `a-z`, then up to 31 of `a-z 0-9 -`.
///
/// It is held in place, so it is copied and compared without allocation. A name says nothing about whether the city has
/// such a domain; [`Catalogue::known_domain`](crate::Catalogue::known_domain) does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain {
    /// The name, then zeros.
    bytes: [u8; DOMAIN_LEN_MAX],
}

/// A text that cannot name a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a domain; expected a letter a-z, then up to 31 of a-z, 0-9 and -, and neither \"alerts\" nor \"city\""
)]
pub struct InvalidDomain(String);

impl Domain {
    /// Returns the name that the program itself writes.
    ///
    /// # Panics
    /// For a text that cannot name a domain; in a constant this is an error of the compiler.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(is_name(name.as_bytes()), "not the name of a domain");
        Self::copied(name.as_bytes())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(DOMAIN_LEN_MAX);
        std::str::from_utf8(&self.bytes[..len]).unwrap_or_default()
    }

    /// Copies a name that was checked.
    const fn copied(name: &[u8]) -> Self {
        let mut bytes = [0; DOMAIN_LEN_MAX];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        Self { bytes }
    }
}

const fn is_name(text: &[u8]) -> bool {
    let reserved = is_same(text, RESERVED[0].as_bytes()) || is_same(text, RESERVED[1].as_bytes());
    if text.is_empty() || text.len() > DOMAIN_LEN_MAX || reserved {
        return false;
    }
    let mut at = 0;
    while at < text.len() {
        let fits = match text[at] {
            b'a'..=b'z' => true,
            b'0'..=b'9' | b'-' => at > 0,
            _ => false,
        };
        if !fits {
            return false;
        }
        at += 1;
    }
    true
}

/// Compares in a constant, where `==` of slices is not there yet.
const fn is_same(text: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() && at < other.len() && text[at] == other[at] {
        at += 1;
    }
    at == text.len() && at == other.len()
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        if is_name(text.as_bytes()) {
            Ok(Self::copied(text.as_bytes()))
        } else {
            Err(InvalidDomain(text.chars().take(40).collect()))
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl de::Visitor<'_> for Name {
            type Value = Domain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a domain")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Domain, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Domain {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let name = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
        name.pattern(Some("^[a-z][a-z0-9-]{0,31}$"))
            .description(Some("Name of a field of the city; GET /api/v1/catalogue lists them"))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Domain {
    fn name() -> std::borrow::Cow<'static, str> {
        "Domain".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHTING: Domain = Domain::from_static("lighting");

    #[test]
    fn names_survive_text_and_json() {
        let longest = "a".repeat(DOMAIN_LEN_MAX);
        for name in ["lighting", "water-quality", "x", "zone-9", &longest] {
            let domain: Domain = name.parse().unwrap();
            assert_eq!((domain.as_str(), domain.to_string().as_str()), (name, name));
            let json = serde_json::to_string(&domain).unwrap();
            assert_eq!(json, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<Domain>(&json).unwrap(), domain);
        }
        assert_eq!("lighting".parse(), Ok(LIGHTING));
        assert_eq!(format!("{LIGHTING:>9}|{LIGHTING:?}"), " lighting|\"lighting\"");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let too_long = "a".repeat(DOMAIN_LEN_MAX + 1);
        for text in
            ["", "9a", "-a", "Lighting", "a b", "a_b", "a\0", "nước", "alerts", "city", "+", &too_long]
        {
            assert!(text.parse::<Domain>().is_err(), "{text:?}");
            assert!(serde_json::from_value::<Domain>(text.into()).is_err(), "{text:?}");
        }
        let error = "Light".parse::<Domain>().unwrap_err().to_string();
        assert!(error.starts_with("\"Light\" cannot name a domain; expected a letter a-z"), "{error}");
    }

    #[test]
    fn names_sort_like_text() {
        let mut names = ["b", "a-b", "a", "ab", "a0"].map(|name| name.parse::<Domain>().unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["a", "a-b", "a0", "ab", "b"]);
    }
}
