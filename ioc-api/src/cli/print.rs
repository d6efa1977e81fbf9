//! Writing to the terminal. Results go to standard output, everything else to standard error.
use crate::config::{Place, Problem};
use ioc_rules::RuleError;
use jiff::{Timestamp, tz::TimeZone};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    ops::Range,
};

/// Widest column of a table in characters; the standard library panics beyond 65,535.
const COLUMN_MAX: usize = 1_000;
/// Longest line of a file that is shown, in bytes; of longer ones the part around the mistake. What draws them panics
/// beyond 65,535 columns.
const SHOWN_BYTES_MAX: usize = 1_000;
/// What is shown before the mistake in a longer line, in bytes.
const SHOWN_BEFORE: usize = 80;

/// Writes a line to standard output.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes a line to standard error; nothing can be done when that fails.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes what went wrong.
pub(super) fn error_line(text: &str) {
    note(&format!("ioc: {text}"));
}

/// Writes what is worth a look and stops nothing.
pub(super) fn warning_line(text: &str) {
    note(&format!("ioc: warning: {text}"));
}

/// Writes a value as JSON, alone.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes rows under their headings, columns aligned.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(COLUMN_MAX));
        }
    }
    let mut out = io::stdout().lock();
    let headings = headings.map(str::to_owned);
    for row in std::iter::once(&headings).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Makes a text of strangers fit for a terminal: what would control it, or turn the direction of writing, is escaped.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match controls(c) {
            true => out.extend(c.escape_debug()),
            false => out.push(c),
        }
    }
    out
}

fn controls(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a time as local time.
pub(super) fn local_time(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at_ms.to_string(),
    }
}

/// Writes a problem of the configuration, with the line that it is about.
pub(super) fn problem(problem: &Problem, source: Option<&(String, String)>) {
    error_line(&printable(&problem.to_string()));
    if let (Place::File { span, .. }, Some((name, text))) = (&problem.place, source) {
        snippet(name, text, span.clone(), &problem.help);
    }
}

/// Writes a problem of a rule file, with the line that it is about.
pub(super) fn rule_error(error: &RuleError, text: Option<&str>) {
    error_line(&printable(&error.to_string()));
    if let Some(text) = text {
        snippet(&error.file, text, error.span.0..error.span.1, error.help.as_deref().unwrap_or("here"));
    }
}

fn snippet(name: &str, text: &str, span: Range<usize>, label: &str) {
    let Excerpt { text, span } = Excerpt::of(text, span);
    let diagnostic = MietteDiagnostic::new("").with_label(LabeledSpan::at(span, printable(label)));
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(printable(name), text));
    let theme = match io::stderr().is_terminal() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let mut shown = String::new();
    if GraphicalReportHandler::new_themed(theme).render_report(&mut shown, report.as_ref()).is_ok() {
        let lines = shown.lines().filter(|line| !line.trim().is_empty() && line.trim() != "×");
        lines.for_each(note);
    }
}

/// The part of a file that shows a mistake.
struct Excerpt {
    text: String,
    span: Range<usize>,
}

impl Excerpt {
    /// Takes the text as it is when its lines are short. Else only the line of the mistake is left, cut around it, behind
    /// as many empty lines as there were, so that its number is right. A mistake over several lines is shown by its
    /// first. What would control the terminal is hidden.
    fn of(text: &str, span: Range<usize>) -> Self {
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let start = boundary(span.start).unwrap_or(0);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = boundary(span.end).unwrap_or(start).clamp(start, line_end);
        if text.lines().all(|line| line.len() <= SHOWN_BYTES_MAX) {
            return Self { text: hidden_controls(text), span: start..end };
        }
        let from = boundary(start.saturating_sub(SHOWN_BEFORE).max(line_start)).unwrap_or(line_start);
        let to = boundary(line_end.min(from + SHOWN_BYTES_MAX)).unwrap_or(line_end).max(start);
        let above = "\n".repeat(text[..line_start].matches('\n').count());
        let shift = above.len();
        Self {
            text: above + &hidden_controls(&text[from..to]),
            span: start - from + shift..end.clamp(start, to) - from + shift,
        }
    }
}

/// Replaces what would control the terminal by question marks, byte for byte, so that places stay.
fn hidden_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match controls(c) && !matches!(c, '\n' | '\t' | '\r') {
            true => out.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_controls_a_terminal_is_escaped() {
        let vietnamese = "mu\u{31b}\u{323}c nươ\u{301}c";
        assert_eq!(printable(vietnamese), vietnamese);
        assert_eq!(printable("{\"it's\":\"a\\b\"}"), "{\"it's\":\"a\\b\"}");
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
    }

    #[test]
    fn a_mistake_in_a_long_line_is_shown_by_the_part_around_it() {
        let line = "ố".repeat(70_000);
        let text = format!("first\n{line}mistake{line}\nlast");
        let start = "first\n".len() + line.len();
        let Excerpt { text, span } = Excerpt::of(&text, start..start + "mistake".len());
        assert_eq!(&text[span.clone()], "mistake");
        assert!(text.len() < 2 * SHOWN_BYTES_MAX && text.starts_with('\n'), "{}", text.len());
        snippet("long.yaml", &text, span, "here");
    }

    #[test]
    fn a_table_with_an_endless_cell_is_written() {
        table(["A", "B"], &[["x".repeat(70_000), "y".to_owned()]]).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(
            text in "(\\PC|[\n\r\t\u{0}\u{1b}ố]|x{900,1200}){0,8}", start in 0usize..3_000, len in 0usize..3_000,
        ) {
            let excerpt = Excerpt::of(&text, start..start + len);
            proptest::prop_assert!(excerpt.text.get(excerpt.span.clone()).is_some());
            snippet("any.yaml", &text, start..start + len, "here");
        }
    }
}
