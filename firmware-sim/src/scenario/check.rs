//! Checks of single numbers of a scenario file.
use std::ops::Range;
use toml::Spanned;

/// A problem at a byte range of the file.
pub(super) type Problem = (Range<usize>, String);

/// Returns a number that must be more than 0.
pub(super) fn positive(value: &Spanned<f64>, field: &str) -> Result<f64, Problem> {
    match *value.get_ref() {
        good if good > 0.0 && good.is_finite() => Ok(good),
        bad => Err((value.span(), format!("{field} is {bad}; it must be more than 0"))),
    }
}

/// Returns a number that must be 0 or more.
pub(super) fn not_negative(value: &Spanned<f64>, field: &str) -> Result<f64, Problem> {
    match *value.get_ref() {
        good if good >= 0.0 && good.is_finite() => Ok(good),
        bad => Err((value.span(), format!("{field} is {bad}; it must be 0 or more"))),
    }
}

/// Returns a number that must be between 0 and 1.
pub(super) fn within_one(value: &Spanned<f64>, field: &str) -> Result<f64, Problem> {
    match *value.get_ref() {
        good if (0.0..=1.0).contains(&good) => Ok(good),
        bad => Err((value.span(), format!("{field} is {bad}; it must be between 0 and 1"))),
    }
}
