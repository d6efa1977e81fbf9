//! Windows that hold more samples than are kept of a series: they would be shorter than they say.
use crate::{
    eval::window::SERIES_SAMPLES_MAX,
    lang::vocabulary::Vocabulary,
    lang::{ast::Expr, duration::format_duration, error::LangError, query::Read},
};

/// Returns what is wrong with the windows of an expression.
pub(super) fn too_long(expr: &Expr, vocabulary: &dyn Vocabulary) -> Vec<LangError> {
    expr.reads().iter().filter_map(|read| check(read, vocabulary)).collect()
}

fn check(read: &Read<'_>, vocabulary: &dyn Vocabulary) -> Option<LangError> {
    let period_ms = vocabulary.shortest_period_ms(read.selector)?.max(1);
    let longest_ms = period_ms.saturating_mul(SERIES_SAMPLES_MAX as i64);
    let window_ms = read.window_ms.filter(|window_ms| *window_ms > longest_ms)?;
    let message = format!(
        "a window of {} is too long for {}, which is reported each {}: {SERIES_SAMPLES_MAX} readings are kept of a series",
        format_duration(window_ms),
        read.selector.name,
        format_duration(period_ms),
    );
    let help = format!("at most {}", format_duration(longest_ms));
    Some(LangError::new(read.selector.span, message).with_help(help))
}
