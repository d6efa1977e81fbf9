//! A rule as the engine takes it, and what is wrong with one that is not.
use crate::{lang::query::Query, template::Template};
use ioc_model::{Domain, Severity};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One rule file and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// As shown in errors.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// What happens to a firing alert whose series goes silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum NoData {
    /// It stays firing, marked `no_data`: a drowned gauge is no good news.
    #[default]
    Hold,
    /// It clears.
    Clear,
}

/// Identity of a rule's definition: equal for equal definitions, on every machine and in every version.
///
/// It covers name, group, expressions as parsed, durations, labels and annotations; not the place in the file,
/// comments or spacing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleHash(pub u128);

impl fmt::Display for RuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A summary in both languages of the city, still to be filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Annotation `summary_vi`.
    pub vi: Template,
    /// Annotation `summary_en`.
    pub en: Template,
}

/// An alerting rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `alert`; unique over all files.
    pub name: Arc<str>,
    /// Name of its group.
    pub group: Arc<str>,
    /// Path of its file, as given.
    pub file: Arc<str>,
    /// Line of its `alert`, from 1.
    pub line: u32,
    /// The condition.
    pub query: Query,
    /// Annotation `clear`: once firing, an alert clears when this holds for its labels, and not before.
    pub clear: Option<Query>,
    /// `for`, in milliseconds; 0 fires at once.
    pub for_ms: i64,
    /// `keep_firing_for`, in milliseconds.
    pub keep_firing_ms: i64,
    /// Labels of the group and the rule, `severity` included.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotations as written, all of them.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotations `summary_vi` and `summary_en`.
    pub summary: Summary,
    /// Annotation `no_data`.
    pub no_data: NoData,
    /// Label `severity`.
    pub severity: Severity,
    /// Label `domain`, for alerts that have no device.
    pub domain: Option<Domain>,
    /// Identity of the definition.
    pub hash: RuleHash,
}

/// One problem in a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Path of the file, as given.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Bytes `start..end` of the file's text.
    pub span: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl std::error::Error for RuleError {}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
