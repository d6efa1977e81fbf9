//! How a command ends badly, and with which exit code.
use crate::{
    admin::{AdminError, chain},
    config::Problems,
};
use std::process::ExitCode;

/// Exit code of a command that ran and failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of every refusal to start: usage, configuration, a taken port, a data directory that cannot be used.
pub const EXIT_REFUSED: u8 = 64;

/// A command that ended badly; the text says what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It did not start.
    Refused(String),
    /// It ran and failed.
    Failed(String),
    /// It ran, failed, and has said why already.
    Said,
    /// It did not start, and has said why already.
    RefusedSaid,
    /// Nobody reads what it prints any more, as behind `| head`: no fault.
    Unread,
}

impl Failure {
    /// Builds the refusal to start because of `error` and what lies behind it.
    pub fn refused(error: &dyn std::error::Error) -> Self {
        Self::Refused(chain(error))
    }

    /// Builds the failure because of `error` and what lies behind it.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        Self::Failed(chain(error))
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) | Self::RefusedSaid => ExitCode::from(EXIT_REFUSED),
            Self::Failed(_) | Self::Said => ExitCode::from(EXIT_FAILED),
            Self::Unread => ExitCode::SUCCESS,
        }
    }

    /// Returns the lines for the terminal; empty when everything was said.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Self::Refused(text) | Self::Failed(text) => text.as_str(),
            Self::Said | Self::RefusedSaid | Self::Unread => "",
        };
        text.lines()
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Refused(problems.to_string())
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error.is_refusal_to_start() {
            true => Self::refused(&error),
            false => Self::failed(&error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::failed(&error),
        }
    }
}
