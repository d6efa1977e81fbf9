//! The records in one SQLite file: connections that write, and a few that read beside them (WAL).
//!
//! The writer syncs every commit (`synchronous = FULL`), because what people change has no journal behind it.
//! The projections are written on a connection of their own without a sync (`NORMAL`): the journal has them
//! until [`RecordsBackend::sync_projections`] says that they are on disk here too. That has a connection of its own,
//! because an alert must not wait for it.
mod alert_events;
mod alerts;
mod audit;
pub(super) mod identity;
pub(super) mod log;
mod migrations;
mod quarantine;
mod reading;
mod registry;
mod sessions;
mod stamp_row;
#[cfg(test)]
mod tests;
mod users;

use super::{RecordsBackend, RecordsError, Result, changes, error::Doing};
use ioc_files::durable::seam;
use log::Log;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, types::FromSql};
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Connections that read at the same time; a further reader waits for one of them.
const READERS: usize = 4;
/// How long a writer waits for the other one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages of the log beyond which a commit copies them into the file itself; before that it is done aside.
const LOG_PAGES_MAX: u32 = 4_096;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 64;

const ALERTS_OFFSET: &str = "alerts_offset";
const QUARANTINE_OFFSET: &str = "quarantine_offset";
const FORGOTTEN_OFFSET: &str = "forgotten_offset";
/// What the journal passed over.
const PASSED_FIRST: &str = "passed_over_first";
const PASSED_LAST: &str = "passed_over_last";
/// How often people, devices and credentials were changed; the tables count it themselves.
const CHANGES: &str = "changes";

/// The records in one SQLite file.
pub struct SqliteRecords {
    /// Changes by people; every commit is synced.
    writer: Mutex<Connection>,
    /// Projections of the journal; not synced.
    projector: Mutex<Connection>,
    /// Brings the log to disk and into the file.
    keeper: Mutex<Connection>,
    /// What was committed and is not in the file yet.
    log: Log,
    readers: Vec<Mutex<Connection>>,
    /// Which of them is asked first next time.
    turn: AtomicUsize,
    /// The data directory.
    directory: PathBuf,
    /// How many changes the file beside the records knows of.
    noted: AtomicU64,
}

impl SqliteRecords {
    /// Opens the database at `path`, makes it when there is none, and brings its tables up to date.
    ///
    /// Errors: [`RecordsError::TooNew`] for a file of a newer program, else what the database says.
    pub fn open(path: &Path) -> Result<Self> {
        make_private(path)?;
        let mut writer = connect(path, "FULL")?;
        migrations::run(&mut writer, path)?;
        let log = Log::begin(&mut writer, path)?;
        let (projector, keeper) = (connect(path, "NORMAL")?, connect(path, "NORMAL")?);
        let readers = (0..READERS).map(|_| reader(path)).collect::<Result<_>>()?;
        let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        let noted = changes::read(&directory).ok().flatten();
        let opened = Self {
            writer: Mutex::new(writer),
            projector: Mutex::new(projector),
            keeper: Mutex::new(keeper),
            log,
            readers,
            turn: AtomicUsize::new(0),
            directory,
            noted: AtomicU64::new(noted.unwrap_or(u64::MAX)),
        };
        // Who opened the directory has judged whether these are the records that belong in it.
        opened.note_changes(meta(&lock(&opened.writer), CHANGES)?);
        Ok(opened)
    }

    /// Notes beside the records how many changes they have, once they have them.
    fn note_changes(&self, count: u64) {
        if count == self.noted.load(Ordering::Relaxed) {
            return;
        }
        match changes::write(&self.directory, count) {
            Ok(()) => self.noted.store(count, Ordering::Relaxed),
            // Tried again with the next change; until then records without this one would not be found out.
            Err(error) => tracing::warn!(%error, "the number of changes cannot be noted beside the records"),
        }
    }

    /// Refuses what people change from now on, as a disk does that takes nothing.
    ///
    /// Errors: what the database says.
    #[cfg(feature = "seam")]
    pub fn refuse_changes(&self, refuses: bool) -> Result<()> {
        lock(&self.writer).pragma_update(None, "query_only", refuses).doing("refusing changes")
    }

    /// Runs `work` in a transaction whose commit is synced.
    fn write<T>(&self, doing: &'static str, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut writer = lock(&self.writer);
        let done = transact(&mut writer, doing, work)?;
        // One after the other, as the changes came.
        self.note_changes(meta(&writer, CHANGES)?);
        Ok(done)
    }

    /// Runs `work` in a transaction that the journal stands behind.
    fn project<T>(&self, doing: &'static str, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        transact(&mut lock(&self.projector), doing, work)
    }

    /// Borrows a connection that reads; waits while all are in use.
    fn read(&self) -> MutexGuard<'_, Connection> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_order = (0..READERS).map(|step| &self.readers[(turn + step) % READERS]);
        let free = in_order.clone().find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| lock(&self.readers[turn % READERS]))
    }
}

impl RecordsBackend for SqliteRecords {
    fn sync_projections(&self) -> Result<u64> {
        let mut keeper = lock(&self.keeper);
        self.log.keep_marked(&mut keeper)?;
        let offset = meta(&keeper, ALERTS_OFFSET)?.min(meta(&keeper, QUARANTINE_OFFSET)?);
        // What was committed is in the log, or in the file, which was synced before the log began anew. A checkpoint
        // alone would not do: it syncs nothing when a reader keeps it from copying.
        self.log.sync()?;
        log::checkpoint(&keeper, "PASSIVE")?;
        Ok(offset)
    }
}

/// Makes the file, if there is none, readable for this user alone; the database's side files take its mode.
fn make_private(path: &Path) -> Result<()> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    seam::step();
    made.map(|_| ()).map_err(|cause| RecordsError::File { path: path.to_owned(), cause })
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection> {
    let doing = "opening the records";
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).doing(doing)?;
    connection.busy_timeout(BUSY_TIMEOUT).doing(doing)?;
    connection.pragma_update(None, "journal_mode", "WAL").doing(doing)?;
    seam::step();
    connection.pragma_update(None, "synchronous", synchronous).doing(doing)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX).doing(doing)?;
    connection.pragma_update(None, "foreign_keys", true).doing(doing)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn reader(path: &Path) -> Result<Mutex<Connection>> {
    let connection = connect(path, "NORMAL")?;
    connection.pragma_update(None, "query_only", true).doing("opening the records")?;
    Ok(Mutex::new(connection))
}

fn transact<T>(
    connection: &mut Connection,
    doing: &'static str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
    let result = work(&transaction)?;
    transaction.commit().doing(doing)?;
    seam::step();
    Ok(result)
}

/// Takes a lock. A thread that panicked while holding it left at most a transaction that SQLite rolled back.
fn lock(mutex: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a number of the table `meta`; 0 when it was never written.
fn meta(connection: &Connection, key: &str) -> Result<u64> {
    let doing = "reading how far the records go";
    let value = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")
        .and_then(|mut statement| statement.query_row([key], |row| row.get::<_, i64>(0)).optional());
    Ok(value.doing(doing)?.unwrap_or(0) as u64)
}

fn set_meta(connection: &Connection, key: &str, value: u64) -> Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(rusqlite::params![key, value as i64]));
    written.map(|_| ()).doing("writing how far the records go")
}

/// Reads a column and turns it into a type of ours.
fn parsed<S: FromSql, T, E: std::fmt::Display>(
    row: &rusqlite::Row<'_>,
    column: usize,
    parse: impl FnOnce(S) -> std::result::Result<T, E>,
) -> rusqlite::Result<T> {
    parse(row.get(column)?).map_err(|error| {
        let text = format!("column {column}: {error}");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, text.into())
    })
}

/// Writes a value of ours as JSON.
fn to_json(what: &'static str, value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| RecordsError::Corrupt { what, detail: error.to_string() })
}

/// Turns a limit into what SQLite takes.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
