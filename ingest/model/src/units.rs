//! Values with a unit as people write them in a configuration: spans of time, sizes, listening addresses.
use crate::share::{InvalidNetwork, Network};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

/// A text that is not a value of its kind; says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidUnit {
    text: String,
    expected: &'static str,
}

/// A span of time: `250ms`, `30s`, `5m`, `2h`, `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes: `512B`, `256KiB`, `64MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Where to listen: a port (all addresses, IPv4 and IPv6), `ADDRESS:PORT` or `[ADDRESS]:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// An address or a network: `127.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr(pub Network);

const SPAN_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `text` as a whole number followed by one of `units`.
fn parse_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Writes `value` in the largest unit that keeps it whole.
fn show_unit(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    let (name, factor) = fitting.or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{name}", value / factor)
}

impl Span {
    /// Returns the span in whole milliseconds.
    pub const fn as_ms(self) -> i64 {
        self.0.as_millis() as i64
    }

    /// Builds a span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl Size {
    /// Returns the size as a length in memory.
    pub const fn as_len(self) -> usize {
        self.0 as usize
    }
}

impl Listen {
    /// Builds the address of `port` on every interface, IPv4 and IPv6.
    pub const fn every(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
    }
}

impl FromStr for Span {
    type Err = InvalidUnit;
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let expected = "a span of time such as 250ms, 30s, 5m, 2h or 90d";
        let millis = parse_unit(text, &SPAN_UNITS).filter(|ms| i64::try_from(*ms).is_ok());
        millis.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| invalid(text, expected))
    }
}

impl FromStr for Size {
    type Err = InvalidUnit;
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        parse_unit(text, &SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| invalid(text, "a size such as 512B, 256KiB, 64MiB or 1GiB"))
    }
}

impl FromStr for Listen {
    type Err = InvalidUnit;
    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
            return Ok(Self::every(port));
        }
        let expected = "an address such as 8080 (all interfaces), 127.0.0.1:8080 or [::1]:8080";
        text.replace("localhost:", "127.0.0.1:").parse().map(Self).map_err(|_| invalid(text, expected))
    }
}

impl FromStr for Cidr {
    type Err = InvalidNetwork;
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

fn invalid(text: &str, expected: &'static str) -> InvalidUnit {
    InvalidUnit { text: text.chars().take(60).collect(), expected }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_unit(self.0.as_millis() as u64, &SPAN_UNITS))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_unit(self.0, &SIZE_UNITS))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            true => write!(f, "{}", self.0.port()),
            false => fmt::Display::fmt(&self.0, f),
        }
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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
as_text!(Span, Size, Listen, Cidr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_survive_text() {
        for text in ["250ms", "30s", "5m", "2h", "90d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["512B", "256KiB", "64MiB", "1GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["8080", "127.0.0.1:8080", "[::1]:80"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!(":80".parse::<Listen>().unwrap(), Listen::every(80));
    }

    #[test]
    fn what_is_not_a_unit_says_what_would_be() {
        for bad in ["", "5", "m", "5 weeks", "-3s", "999999999999999999d"] {
            let error = bad.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("30s"), "{error}");
        }
        assert!("64MB".parse::<Size>().unwrap_err().to_string().contains("64MiB"));
        assert!("nowhere".parse::<Listen>().unwrap_err().to_string().contains("127.0.0.1:8080"));
        assert!("1.2.3.4:99999".parse::<Listen>().is_err());
    }
}
