//! Errors of rule files: lines and columns from bytes, and a picture of the line with a caret.
use super::yaml::Place;
use crate::ruleset::{RuleError, RuleFile};

/// Longest part of a line that is shown, in characters.
const SHOWN_MAX: usize = 160;

/// Collects the errors of one file.
pub(crate) struct Report<'a> {
    pub(crate) file: &'a RuleFile,
    pub(crate) errors: Vec<RuleError>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a RuleFile) -> Self {
        Self { file, errors: Vec::new() }
    }

    /// Adds an error; `help` says what would be right.
    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>, help: Option<String>) {
        let (line, column) = position(&self.file.text, place.start);
        self.errors.push(RuleError {
            file: self.file.path.clone(),
            line,
            column,
            span: (place.start, place.end.max(place.start)),
            message: message.into(),
            help,
        });
    }

    /// Returns the errors in the order of the text.
    pub(crate) fn into_errors(mut self) -> Vec<RuleError> {
        self.errors.sort_by_key(|error| error.span.0);
        self.errors
    }
}

/// Returns line and column of a byte, both from 1, the column in characters.
pub(crate) fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    (number(before.matches('\n').count()), number(before[line_start..].chars().count()))
}

impl RuleError {
    /// Draws the error with the line that it stands in; `text` is the file's. Plain text over several lines,
    /// without line end at the end.
    pub fn render(&self, text: &str) -> String {
        let line_start = text.get(..self.span.0).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let shown: String = line.chars().take(SHOWN_MAX).collect();
        let before = self.column.saturating_sub(1) as usize;
        let marked = text.get(self.span.0..self.span.1.min(line_start + line.len())).unwrap_or("");
        let carets = marked.chars().count().clamp(1, SHOWN_MAX);
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let mut out = format!("{}:{}:{}: {}\n", self.file, self.line, self.column, self.message);
        out.push_str(&format!("{margin} |\n{number} | {shown}\n"));
        out.push_str(&format!("{margin} | {}{}", " ".repeat(before.min(SHOWN_MAX)), "^".repeat(carets)));
        if let Some(help) = &self.help {
            out.push_str(&format!("\n{margin} = help: {help}"));
        }
        out
    }
}
