//! Backups of a data directory, of a running server too, and checking what is on disk.
//!
//! A backup is a directory: `manifest.json` lists every file with its length and SHA-256, `objects/` holds each content
//! once under its hash. So a backup into the same directory copies what is new, and what an earlier one listed stays
//! whole until the new list takes its place.
//!
//! | Module | Owns |
//! |---|---|
//! | `manifest` | the list |
//! | `stage` | holding the files of one moment, while the server goes on |
//! | `make` | copying them |
//! | `restore` | putting a backup back |
//! | `check` | reading everything and checking it |
mod check;
mod error;
mod hash;
mod make;
mod manifest;
mod restore;
mod stage;
#[cfg(test)]
mod tests;

pub use check::{CheckReport, Fault};
pub use error::BackupError;
pub use manifest::{Entry, Manifest};
pub use restore::{Restored, restore};

use crate::data_dir::DataDir;
use ioc_journal::SharedLog;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a long command has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// As in "copying".
    pub doing: String,
    /// The file that it is at.
    pub file: String,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all.
    pub of: u64,
}

/// A data directory to be backed up or checked, of a running server or held by this command.
#[derive(Clone)]
pub struct Source {
    data: Arc<DataDir>,
    /// The journal of a running server, which says what is whole.
    journal: Option<SharedLog>,
    /// One backup or check at a time.
    turn: Arc<Mutex<()>>,
}

impl Source {
    /// Takes the directory of a running server.
    pub fn running(data: Arc<DataDir>, journal: SharedLog) -> Self {
        Self { data, journal: Some(journal), turn: Arc::default() }
    }

    /// Takes a directory on which no server runs.
    pub fn stopped(data: Arc<DataDir>) -> Self {
        Self { data, journal: None, turn: Arc::default() }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the segments of the journal with the lengths that are whole.
    fn segments(&self) -> Result<Vec<(std::path::PathBuf, u64)>, BackupError> {
        match &self.journal {
            Some(journal) => Ok(journal.files()),
            None => Ok(ioc_journal::inspect(&self.data.journal())?.segments),
        }
    }
}
