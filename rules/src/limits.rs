//! Limits of rules. What loads can be carried out: its alert fits a journal record whatever device it is about, and
//! its windows fit in memory. What cannot is refused when it is loaded, with the limit, at its place in the file.
//!
//! An alert carries the rule's labels, both summaries and the evidence; with these limits that is at most a third of a
//! journal record, and people's notes are a quarter.

/// Largest rule file in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of all rule files together.
pub const ALL_FILES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most rules in all files together: each is looked at for each device that it reads.
pub const RULES_MAX: usize = 1_000;
/// Most groups in one file.
pub const GROUPS_MAX: usize = 1_000;
/// Longest name of a rule or a group in characters.
pub const NAME_CHARS_MAX: usize = 128;
/// Most labels of a rule, those of its group included.
pub const LABELS_MAX: usize = 32;
/// Longest name of a label or an annotation in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 64;
/// Longest value of a label in bytes; the registry has the same limit for those of devices.
pub const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Most annotations of a rule.
pub const ANNOTATIONS_MAX: usize = 32;
/// Longest annotation in bytes.
pub const ANNOTATION_BYTES_MAX: usize = 16 * 1024;
/// Longest summary in bytes, labels and values filled in.
pub const SUMMARY_BYTES_MAX: usize = 16 * 1024;
/// Most different label regexes in all files together: each may take [`crate::lang::matcher::REGEX_BYTES_MAX`].
pub const REGEXES_MAX: usize = 1_000;
/// Longest `for` and `keep_firing_for` in milliseconds.
pub const DURATION_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// Most problems that are told of one set of files.
pub const ERRORS_MAX: usize = 100;
/// Longest message about a problem in bytes: it may quote what it is about.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024;
/// Longest text of one sub-expression, or name of one series, in the evidence of an alert, in bytes.
pub const EVIDENCE_TEXT_BYTES_MAX: usize = 512;

/// Cuts a text at a length in bytes, at the end of a character; what was cut ends in "…".
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = char_boundary(text, bytes_max.saturating_sub(MARK.len()));
    format!("{}{MARK}", &text[..end])
}

/// Returns the last boundary between characters that is not behind `at`.
pub(crate) fn char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_cut_is_short_enough_and_begins_as_before(text in "\\PC{0,40}", most in 3usize..60) {
            let short = cut(&text, most);
            prop_assert!(short.len() <= most);
            prop_assert!(short == text || text.starts_with(short.trim_end_matches('…')));
        }
    }
}
