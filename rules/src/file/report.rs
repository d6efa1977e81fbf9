//! Errors of rule files: lines and columns from bytes, and a picture of the line with a caret.
use super::yaml::Place;
use crate::{
    limits::{ERRORS_MAX, MESSAGE_BYTES_MAX, char_boundary, cut},
    rule::{RuleError, RuleFile},
};

/// Longest part of a line that is shown, in characters.
const SHOWN_MAX: usize = 160;

/// Collects the errors of one file.
pub(crate) struct Report<'a> {
    pub(crate) file: &'a RuleFile,
    pub(crate) errors: Vec<RuleError>,
    lines: Lines,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a RuleFile) -> Self {
        Self { file, errors: Vec::new(), lines: Lines::of(&file.text) }
    }

    /// Adds an error; `help` says what would be right. Beyond [`ERRORS_MAX`] nothing is added.
    pub(crate) fn error(&mut self, place: Place, message: impl Into<String>, help: Option<String>) {
        if self.is_full() {
            return;
        }
        let (line, column) = self.lines.position(&self.file.text, place.start);
        self.errors.push(RuleError {
            file: self.file.path.clone(),
            line,
            column,
            span: (place.start, place.end.max(place.start)),
            message: cut(&message.into(), MESSAGE_BYTES_MAX),
            help: help.map(|help| cut(&help, MESSAGE_BYTES_MAX)),
        });
    }

    /// Returns the line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        number(self.lines.line(at))
    }

    /// Reports whether so much is wrong that there is no use in reading on.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    /// Returns the errors in the order of the text.
    pub(crate) fn into_errors(mut self) -> Vec<RuleError> {
        self.errors.sort_by_key(|error| error.span.0);
        self.errors
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// Returns how many lines end before a byte.
    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Returns line and column of a byte, both from 1, the column in characters.
    fn position(&self, text: &str, at: usize) -> (u32, u32) {
        let at = char_boundary(text, at);
        let line = self.line(at);
        (number(line), number(text[self.0[line]..at].chars().count()))
    }
}

/// Counts from 1 what is counted from 0.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}

impl RuleError {
    /// Draws the error with the line that it stands in; `text` is the file's. Plain text over several lines,
    /// without line end at the end.
    pub fn render(&self, text: &str) -> String {
        let line_start = text.get(..self.span.0).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let before = self.column.saturating_sub(1) as usize;
        // Of a long line the part around the mistake.
        let skipped = before.saturating_sub(SHOWN_MAX / 2);
        let (shown, before) = (excerpt(line, skipped), before - skipped);
        let marked = text.get(self.span.0..self.span.1.min(line_start + line.len())).unwrap_or("");
        let carets = marked.chars().filter(|c| !is_mark(*c)).count().clamp(1, SHOWN_MAX);
        let margin_of_carets: String = shown
            .chars()
            .take(before)
            .filter(|c| !is_mark(*c))
            .map(|c| if c == '\t' { c } else { ' ' })
            .collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let mut out = format!("{}:{}:{}: {}\n", self.file, self.line, self.column, self.message);
        out.push_str(&format!("{margin} |\n{number} | {shown}\n"));
        out.push_str(&format!("{margin} | {margin_of_carets}{}", "^".repeat(carets)));
        if let Some(help) = &self.help {
            out.push_str(&format!("\n{margin} = help: {help}"));
        }
        out
    }
}

/// Returns the part of a long line that is shown, behind so many characters; "…" stands where something is left out.
fn excerpt(line: &str, skipped: usize) -> String {
    let mut shown: Vec<char> = line.chars().skip(skipped).take(SHOWN_MAX).collect();
    if skipped > 0
        && let Some(first) = shown.first_mut()
    {
        *first = '…';
    }
    if line.chars().nth(skipped + SHOWN_MAX).is_some()
        && let Some(last) = shown.last_mut()
    {
        *last = '…';
    }
    shown.into_iter().collect()
}

/// Reports whether a character is drawn over the one before it, as in decomposed Vietnamese.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caret stands under what is wrong, whatever comes before it in the line.
    #[test]
    fn the_caret_stands_where_the_column_says() {
        let long = "x".repeat(300);
        for before in ["a: ", "\ta: ", "Hue\u{302}\u{301}: ", "Huế: ", &format!("{long}: ")] {
            let text = format!("ok: 1\n{before}BAD rest{long}\n");
            let at = text.find("BAD").unwrap();
            let file = RuleFile { path: "f".into(), text: text.clone() };
            let mut report = Report::new(&file);
            report.error(Place { start: at, end: at + 3 }, "wrong", None);
            let error = report.into_errors().remove(0);
            assert_eq!((error.line, error.column as usize), (2, before.chars().count() + 1));
            let drawn = error.render(&text);
            let lines: Vec<&str> = drawn.lines().collect();
            let cells = |text: &str| text.chars().filter(|c| !is_mark(*c)).collect::<Vec<_>>();
            let (shown, carets) =
                (cells(lines[2].split_once("| ").unwrap().1), cells(lines[3].split_once("| ").unwrap().1));
            let first = carets.iter().position(|c| *c == '^').unwrap();
            assert_eq!(shown[first..first + 3], ['B', 'A', 'D'], "{drawn}");
            assert_eq!(carets.iter().filter(|c| **c == '^').count(), 3, "{drawn}");
            assert_eq!(carets[..first].contains(&'\t'), before.starts_with('\t'));
            assert!(shown.contains(&'…'), "{drawn}");
        }
    }
}
