//! What ties the log of the records (`records.sqlite-wal`) to the file that it goes on from. SQLite plays a log that a
//! killed process left back over whatever file lies there, another city's too.
//!
//! A mark is drawn when the records are opened, and soon after each time the log begins anew, which it does once the file
//! has all of it. The change stands in the log with the mark before it: so a file that the log goes on from has one of the
//! two, and one from before has neither.
use super::{meta, reading::Reading, set_meta, transact};
use crate::{
    RecordsError,
    error::Doing,
    stamp::{Stamp, draw_mark},
};
use ioc_files::durable::seam;
use rusqlite::Connection;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const MARK: &str = "identity_log";
const BEFORE: &str = "identity_log_before";
/// Bytes of a log before its first page; among them the salts, which are others each time it begins anew.
const HEADER_BYTES: u64 = 32;
const SALTS_AT: u64 = 16;

/// The records' file as it is without its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// What it says it belongs to.
    pub stamp: Option<Stamp>,
    /// Whether log and file have marks; those that an earlier version left have none.
    pub is_marked: bool,
    /// Whether the log goes on from it, as far as the marks say.
    pub fits: bool,
}

/// The log of records that are in use.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The salts of the log that the last mark was drawn for, or that was there then.
    marked: Mutex<u64>,
}

impl Log {
    /// Brings what an earlier process left in the log into the file, which `connection` is open to, and draws a mark.
    ///
    /// Errors: [`RecordsError`].
    pub(super) fn begin(connection: &mut Connection, database: &Path) -> Result<Self, RecordsError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let log = Self { path: path.into(), marked: Mutex::default() };
        // Where somebody reads at this moment the next log gets the mark: the file may lack the one before.
        if checkpoint(connection, "TRUNCATE")? {
            draw(connection)?;
        }
        *log.marked.lock().unwrap_or_else(PoisonError::into_inner) = log.salts()?;
        Ok(log)
    }

    /// Draws a mark if the log has begun anew since the last one.
    ///
    /// Errors: [`RecordsError`].
    pub(super) fn keep_marked(&self, connection: &mut Connection) -> Result<(), RecordsError> {
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if self.salts()? != *marked {
            draw(connection)?;
            // It may have begun anew once more, with or without this mark; then the next one gets one.
            *marked = self.salts()?;
        }
        Ok(())
    }

    /// Brings it to disk.
    ///
    /// Errors: [`RecordsError`].
    pub(super) fn sync(&self) -> Result<(), RecordsError> {
        File::open(&self.path).and_then(|log| log.sync_data()).map_err(|cause| self.failed(cause))
    }

    fn salts(&self) -> Result<u64, RecordsError> {
        let mut bytes = [0; 8];
        let read = File::open(&self.path).and_then(|log| log.read_exact_at(&mut bytes, SALTS_AT));
        match read {
            Ok(()) => Ok(u64::from_be_bytes(bytes)),
            // Nothing was written since it was emptied.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
                Ok(0)
            }
            Err(cause) => Err(self.failed(cause)),
        }
    }

    fn failed(&self, cause: io::Error) -> RecordsError {
        RecordsError::File { path: self.path.clone(), cause }
    }
}

/// Copies what the log holds into the file, as far as `mode` says. Returns false where somebody who reads keeps some of it
/// from being copied.
///
/// Errors: [`RecordsError`].
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<bool, RecordsError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let busy = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
    seam::step();
    Ok(busy.doing("bringing the log of the records into the file")? == 0)
}

fn draw(connection: &mut Connection) -> Result<(), RecordsError> {
    let doing = "marking the log of the records";
    let no_random = |error| RecordsError::File { path: "-wal".into(), cause: io::Error::other(error) };
    let mark = draw_mark().map_err(no_random)?;
    transact(connection, doing, |transaction| {
        let before = meta(transaction, MARK)?;
        set_meta(transaction, BEFORE, before)?;
        set_meta(transaction, MARK, mark)
    })
}

/// Looks at the file at `path` without its log, which `connection` reads with it; `None` when there is no log, or when the
/// file by itself cannot be read: a process that ended while it copied leaves it so, and the log mends it.
pub(super) fn base(path: &Path, connection: &Connection) -> Result<Option<Base>, RecordsError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if fs::metadata(log).map_or(0, |found| found.len()) <= HEADER_BYTES {
        return Ok(None);
    }
    let (mark, before) = (meta(connection, MARK)?, meta(connection, BEFORE)?);
    let look = || -> Result<Base, RecordsError> {
        let alone = Reading::open_alone(path)?;
        let (stamp, found) = match has_tables(&alone)? {
            true => (super::stamp_row::read(&alone)?, meta(&alone, MARK)?),
            false => (None, 0),
        };
        let is_marked = mark != 0 || found != 0;
        Ok(Base { stamp, is_marked, fits: !is_marked || found == mark || found == before })
    };
    Ok(look().ok())
}

/// Reports whether there are tables at all: a process that ended while it made the records leaves none.
pub(super) fn has_tables(connection: &Connection) -> Result<bool, RecordsError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master)";
    connection.query_row(sql, [], |row| row.get(0)).doing("reading the records")
}
