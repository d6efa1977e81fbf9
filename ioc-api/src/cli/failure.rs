//! How a command ends badly, and with which exit code.
use crate::{
    admin::{AdminError, chain},
    config::Problems,
};
use std::process::ExitCode;

/// Exit code of a command that failed: a port or directory in use or unreadable among the reasons.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of usage and configuration that cannot be meant.
pub const EXIT_REFUSED: u8 = 64;

/// A command that ended badly; the text says what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Usage or configuration is wrong.
    Refused(String),
    /// It failed.
    Failed(String),
    /// It ran, failed, and has said why already.
    Said,
    /// Usage or configuration is wrong, which was said already.
    RefusedSaid,
    /// Nobody reads what it prints any more, as behind `| head`: no fault.
    Unread,
}

impl Failure {
    /// Builds the failure of usage or configuration because of `error` and what lies behind it.
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
        match error.is_usage() {
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
