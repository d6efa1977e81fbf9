//! What can go wrong with the records.
use ioc_files::durable::{is_full, remedy};
use rusqlite::ffi;
use std::path::PathBuf;

/// The records could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database refused.
    #[error("{doing}")]
    Database {
        /// As in "reading users".
        doing: &'static str,
        /// Its own words.
        #[source]
        source: rusqlite::Error,
    },
    /// Something of that name is already there.
    #[error("{what} {name:?} already exists; choose another name")]
    Exists {
        /// As in "user".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing of that name is there.
    #[error("there is no {what} {name:?}")]
    Missing {
        /// As in "user".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row that we did not write.
    #[error("the records hold a {what} that cannot be read: {detail}")]
    Corrupt {
        /// As in "alert".
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The file cannot be made or opened.
    #[error("{} cannot be opened: {cause}; {}", path.display(), remedy(cause))]
    File {
        /// The database.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Written by a newer program.
    #[error("{path} has records version {found}, this program knows up to {known}; run a newer version")]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
}

impl RecordsError {
    /// Reports whether the disk does not take it at the moment: the same may succeed later.
    pub fn is_of_the_disk(&self) -> bool {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure,
        };
        let source = match self {
            Self::Database { source, .. } => source,
            Self::File { .. } => return true,
            _ => return false,
        };
        let passing = [DiskFull, SystemIoFailure, CannotOpen, ReadOnly, DatabaseBusy, DatabaseLocked];
        source.sqlite_error_code().is_some_and(|code| passing.contains(&code))
    }

    /// Reports whether the disk is full, as far as can be told: SQLite says of a file only what it could not do.
    pub fn is_full(&self) -> bool {
        let full = [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_WRITE];
        match self {
            Self::Database { source: rusqlite::Error::SqliteFailure(error, _), .. } => {
                full.contains(&error.extended_code)
            }
            Self::File { cause, .. } => is_full(cause),
            _ => false,
        }
    }
}

/// Adds what was being done to an error of the database.
pub(super) trait Doing<T> {
    /// Names what was being done.
    fn doing(self, doing: &'static str) -> Result<T, RecordsError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, RecordsError> {
        self.map_err(|source| RecordsError::Database { doing, source })
    }
}

/// Reports whether the database refused a second row with the same key.
pub(super) fn is_duplicate(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
