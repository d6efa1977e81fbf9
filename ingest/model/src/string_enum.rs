//! Closed sets of words that the outward contract fixes.
use serde::{Deserialize, Serialize};

/// A word that is not in its set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {set}; expected one of {expected}")]
pub struct UnknownWord {
    pub(crate) text: String,
    pub(crate) set: &'static str,
    pub(crate) expected: &'static str,
}

macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident, $set:literal, $expected:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),* }

        impl $name {
            /// Every member, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the word of the outward contract.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        // By hand: a derive does not see the words behind the macro's fragments.
        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let words = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                words.enum_values(Some([$($word),*])).description(Some(concat!($set, ": ", $expected))).into()
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::string_enum::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::string_enum::UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| $crate::string_enum::UnknownWord {
                    text: text.chars().take(40).collect(), set: $set, expected: $expected,
                })
            }
        }
    };
}
pub(crate) use string_enum;

string_enum! {
    /// How much an alert matters, most urgent first; shown as 1 to 4.
    Severity, "severity", "critical, high, medium, low" {
        /// 1: act now.
        Critical = "critical",
        /// 2: act soon.
        High = "high",
        /// 3: act today.
        Medium = "medium",
        /// 4: know about it.
        Low = "low",
    }
}

impl Severity {
    /// Returns the number on screen: 1 (critical) to 4 (low).
    pub const fn rank(self) -> u8 {
        self as u8 + 1
    }
}

string_enum! {
    /// What an MQTT credential may be used for.
    CredentialKind, "credential kind", "device, gateway, app" {
        /// Its own topics only; its client id is its own id.
        Device = "device",
        /// The devices that are listed under it.
        Gateway = "gateway",
        /// Reads alerts; publishes nothing.
        App = "app",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_text_and_name_what_is_expected() {
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(*severity));
        }
        assert_eq!(Severity::ALL.iter().map(|s| s.rank()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(
            "urgent".parse::<Severity>().unwrap_err().to_string(),
            "\"urgent\" is not a severity; expected one of critical, high, medium, low"
        );
    }
}
