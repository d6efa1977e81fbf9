//! Why rules cannot be loaded.
use ioc_rules::RuleError;
use std::{io, path::PathBuf};

/// Rules that cannot be loaded at start.
#[derive(Debug, thiserror::Error)]
pub enum RuleStoreError {
    /// The directory or a file in it cannot be read.
    #[error("cannot read rules in {}: {source}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// They are wrong; each line names file, line and column.
    #[error("{}", render(errors))]
    Invalid {
        /// All problems.
        errors: Vec<RuleError>,
    },
}

impl RuleStoreError {
    /// Returns what is wrong, by file.
    pub fn into_rule_errors(self) -> Vec<RuleError> {
        match self {
            Self::Invalid { errors } => errors,
            Self::Read { path, source } => {
                let message = format!("cannot be read: {source}");
                vec![error_at(&path.display().to_string(), (1, 1), (0, 0), message, None)]
            }
        }
    }
}

fn render(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Builds an error of a file that never reached the loader.
pub(super) fn error_at(
    path: &str,
    (line, column): (u32, u32),
    span: (usize, usize),
    message: String,
    help: Option<String>,
) -> RuleError {
    RuleError { file: path.to_owned(), line, column, span, message, help }
}
