//! Writing to the terminal. Results go to standard output, everything else to standard error.
use crate::config::{Place, Problem};
use ioc_rules::RuleError;
use jiff::{Timestamp, tz::TimeZone};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

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

/// Writes a value as JSON, alone.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes rows under their headings, columns aligned.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
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
    let controls = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match controls(c) {
            true => out.extend(c.escape_debug()),
            false => out.push(c),
        }
    }
    out
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
    error_line(&problem.to_string());
    if let (Place::File { span, .. }, Some((name, text))) = (&problem.place, source) {
        snippet(name, text, span.clone(), &problem.help);
    }
}

/// Writes a problem of a rule file, with the line that it is about.
pub(super) fn rule_error(error: &RuleError, text: Option<&str>) {
    error_line(&error.to_string());
    if let Some(text) = text {
        snippet(&error.file, text, error.span.0..error.span.1, error.help.as_deref().unwrap_or("here"));
    }
}

fn snippet(name: &str, text: &str, span: std::ops::Range<usize>, label: &str) {
    let diagnostic = MietteDiagnostic::new("").with_label(LabeledSpan::at(span, label));
    let report = Report::new(diagnostic).with_source_code(NamedSource::new(name, text.to_owned()));
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
}
