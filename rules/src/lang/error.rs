//! What can be wrong with an expression.
use super::ast::Span;
use std::fmt;

/// One problem in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LangError {
    /// Where, in bytes of the expression's text; never empty except at its end.
    pub span: Span,
    /// What is wrong: a fragment without full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl LangError {
    /// Builds an error without help.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// Adds what would be right.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::error::Error for LangError {}

impl fmt::Display for LangError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
