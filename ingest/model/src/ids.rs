//! Identifiers.
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Longest device id, in bytes.
pub const DEVICE_ID_LEN_MAX: usize = 64;

/// Name of a device: 1 to 64 of `A-Z a-z 0-9 _ -`, the same as its MQTT client id and topic level.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DeviceId(Arc<str>);

/// A text that is not a device id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device id {0:?} must be 1 to 64 characters of A-Z a-z 0-9 _ -")]
pub struct InvalidDeviceId(pub String);

impl DeviceId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether `text` is a device id.
    pub fn is_valid(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= DEVICE_ID_LEN_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}

impl FromStr for DeviceId {
    type Err = InvalidDeviceId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::is_valid(text) {
            true => Ok(Self(text.into())),
            false => Err(InvalidDeviceId(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Position of a device in the registry: dense, starts at 0, never reused. History is keyed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceIndex(pub u32);

/// Stable number of a property in the catalogue. History is keyed by it, so it never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PropertyId(pub u16);

/// Identity of an alert across activations: a hash of rule name and labels, 16 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

/// A text that is not a fingerprint or an alert id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidId { text: text.chars().take(40).collect(), expected: "16 hexadecimal digits" };
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or_else(bad)
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_LEN: usize = 26;

/// Identity of one activation of an alert: a ULID, 26 characters of Crockford base 32, sortable by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(pub u128);

impl AlertId {
    /// Builds the id of an activation at `time_ms` from 80 random bits (the upper bits of `random` are ignored).
    pub fn new(time_ms: i64, random: u128) -> Self {
        let time = (time_ms.max(0) as u128) & ((1 << 48) - 1);
        Self((time << 80) | (random & ((1 << 80) - 1)))
    }

    /// Returns the time part, in milliseconds since the epoch.
    pub fn time_ms(self) -> i64 {
        (self.0 >> 80) as i64
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; ULID_LEN];
        for (position, digit) in text.iter_mut().enumerate() {
            let shift = 5 * (ULID_LEN - 1 - position);
            *digit = CROCKFORD[((self.0 >> shift) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for AlertId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidId { text: text.chars().take(40).collect(), expected: "a ULID of 26 characters" };
        if text.len() != ULID_LEN || !matches!(text.as_bytes()[0], b'0'..=b'7') {
            return Err(bad());
        }
        let mut value = 0u128;
        for byte in text.bytes() {
            let digit = CROCKFORD.iter().position(|c| *c == byte.to_ascii_uppercase()).ok_or_else(bad)?;
            value = (value << 5) | digit as u128;
        }
        Ok(Self(value))
    }
}

macro_rules! text_serde {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
text_serde!(Fingerprint, AlertId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn device_ids_are_checked() {
        for good in ["a", "KL-01_x", &"z".repeat(64)] {
            assert_eq!(good.parse::<DeviceId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a/b", "a+b", "đèn", &"z".repeat(65)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn alert_ids_survive_text(value: u128) {
            prop_assert_eq!(AlertId(value).to_string().parse::<AlertId>(), Ok(AlertId(value)));
        }

        #[test]
        fn alert_ids_sort_by_time(a in 0i64..1 << 47, b in 0i64..1 << 47, r: u128, s: u128) {
            prop_assume!(a < b);
            prop_assert!(AlertId::new(a, r).to_string() < AlertId::new(b, s).to_string());
        }

        #[test]
        fn fingerprints_survive_text(value: u64) {
            prop_assert_eq!(Fingerprint(value).to_string().parse::<Fingerprint>(), Ok(Fingerprint(value)));
        }
    }
}
