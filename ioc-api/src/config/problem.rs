//! Problems of a configuration: where each stands, what is wrong, what would be right.
use std::{fmt, ops::Range};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file; line and column count from 1, columns in characters.
    File {
        /// As it was named.
        path: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// The same place in bytes.
        span: Range<usize>,
    },
    /// A file as a whole.
    WholeFile(String),
    /// An environment variable.
    Variable(String),
    /// A command line flag.
    Flag(String),
    /// Nobody set it.
    BuiltIn,
}

impl Place {
    /// Finds the line and column of `span` in `text`.
    pub fn in_text(path: &str, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self::File { path: path.to_owned(), line, column, span }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column, .. } => write!(f, "{path}:{line}:{column}"),
            Self::WholeFile(name) | Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built-in default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}; {help}")]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl Problem {
    /// Builds a problem.
    pub fn new(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: help.into() }
    }
}

/// Everything that is wrong, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// At least one, in the order of the file, then variables, then flags.
    pub problems: Vec<Problem>,
    /// The file, for showing the lines: its name and text.
    pub source: Option<(String, String)>,
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], source: None }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Returns the candidate that is nearest to `text`, if one is near enough to be meant.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let within = (text.chars().count() / 2).max(2);
    let scored = candidates.into_iter().map(|candidate| (edits(text, candidate), candidate));
    scored.filter(|(distance, _)| *distance <= within).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// Counts the insertions, deletions and replacements between two texts (Levenshtein distance).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_when_near() {
        assert_eq!(nearest("lissten", ["listen", "session_ttl"]), Some("listen"));
        assert_eq!(nearest("colour", ["listen", "session_ttl"]), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\nđèn = 2\n";
        let place = Place::in_text("f.toml", text, 14..15);
        assert_eq!(place.to_string(), "f.toml:2:7");
        assert_eq!(Place::in_text("f", text, 0..1).to_string(), "f:1:1");
    }
}
