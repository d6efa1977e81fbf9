//! Label matchers.
use ioc_model::text::nfc;
use regex::Regex;
use std::{fmt, sync::Arc};

/// Largest compiled form of one label regex, in bytes.
pub const REGEX_BYTES_MAX: usize = 64 * 1024;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// Reports whether the text is a regex.
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Returns how it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label; cheap to clone.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label.
    pub name: Arc<str>,
    /// How it compares.
    pub op: MatchOp,
    /// The text or the regex, with composed characters (NFC) as labels have them.
    pub value: Arc<str>,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Matcher {
    /// Builds a matcher; a regex is anchored at both ends and its dot matches newlines, as in Prometheus.
    ///
    /// Errors: the regex does not compile within [`REGEX_BYTES_MAX`].
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, regex::Error> {
        let value = nfc(value);
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(compile(&value)?),
        };
        let value = &*value;
        Ok(Self { name: name.into(), op, value: value.into(), regex })
    }

    /// Reports whether a label with this text passes; pass `""` for a label that is not there.
    pub fn matches(&self, text: &str) -> bool {
        let regex_matches = || self.regex.as_ref().is_some_and(|regex| regex.is_match(text));
        match self.op {
            MatchOp::Equal => *self.value == *text,
            MatchOp::NotEqual => *self.value != *text,
            MatchOp::Regex => regex_matches(),
            MatchOp::NotRegex => !regex_matches(),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    // Alone first: text such as `a)|(b` must not become valid by our parentheses.
    let limited = |text: &str| {
        regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build()
    };
    limited(pattern)?;
    limited(&format!("^(?s:{pattern})$"))
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.op.as_str(), super::quoted::Quoted(&self.value))
    }
}
