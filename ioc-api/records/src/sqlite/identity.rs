//! What the records say about themselves, for those who check that a data directory belongs together: read and written
//! without opening them for use.
use super::{
    ALERTS_OFFSET, CHANGES, PASSED_FIRST, PASSED_LAST, QUARANTINE_OFFSET, connect,
    log::{self, Base},
    make_private, meta, migrations,
    reading::Reading,
    set_meta, stamp_row, transact,
};
use crate::{RecordsError, error::Doing, stamp::Stamp};
use rusqlite::Connection;
use std::{io, path::Path};

const KEY: &str = "identity_key";

/// What the records hold, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordsSummary {
    /// Which directory they belong to; `None` for those of an earlier version.
    pub stamp: Option<Stamp>,
    /// Fingerprint of the key of the token hashes in them; 0 when it is not known.
    pub key: u64,
    /// Journal offset up to which they have alerts.
    pub alerts: u64,
    /// Journal offset up to which they have rejected messages.
    pub quarantine: u64,
    /// How many devices they know: the first index that is free.
    pub devices: u32,
    /// How many credentials they hold.
    pub credentials: u32,
    /// How often people, devices and credentials were changed.
    pub changes: u64,
    /// The file without its log, where there is one.
    pub base: Option<Base>,
}

impl RecordsSummary {
    /// Returns the journal offset up to which they have something.
    pub fn reach(&self) -> u64 {
        self.alerts.max(self.quarantine)
    }

    /// Returns the journal offset up to which they have everything.
    pub fn ends(&self) -> u64 {
        self.alerts.min(self.quarantine)
    }
}

/// Looks at the records at `path`; `None` when there are none, or a file without tables: a process that ended while it made
/// them leaves that. The error says why they cannot be read.
pub fn summarize(path: &Path) -> Option<Result<RecordsSummary, RecordsError>> {
    if std::fs::metadata(path).map_or(true, |found| found.len() == 0) {
        return None;
    }
    read(path).transpose()
}

fn read(path: &Path) -> Result<Option<RecordsSummary>, RecordsError> {
    let connection = Reading::open(path)?;
    if !log::has_tables(&connection)? {
        return Ok(None);
    }
    let base = log::base(path, &connection)?;
    count(&connection).map(|summary| Some(RecordsSummary { base, ..summary }))
}

fn count(connection: &Connection) -> Result<RecordsSummary, RecordsError> {
    let doing = "reading the records";
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).doing(doing);
    Ok(RecordsSummary {
        stamp: stamp_row::read(connection)?,
        key: meta(connection, KEY)?,
        alerts: meta(connection, ALERTS_OFFSET)?,
        quarantine: meta(connection, QUARANTINE_OFFSET)?,
        devices: number("SELECT coalesce(max(device_index) + 1, 0) FROM devices")?,
        credentials: number("SELECT count(*) FROM credentials")?,
        changes: meta(connection, CHANGES)?,
        base: None,
    })
}

/// Writes which directory the records at `path` belong to, and which key; makes them when there are none. The file has it
/// then, not its log alone.
///
/// Errors: [`RecordsError`]; they, or the file without its log, may say what they said before.
pub fn write_identity(path: &Path, stamp: &Stamp, key: u64) -> Result<(), RecordsError> {
    let connection = change(path, |connection| {
        stamp_row::write(connection, stamp)?;
        set_meta(connection, KEY, key)
    })?;
    match log::checkpoint(&connection, "FULL")? {
        true => Ok(()),
        false => {
            let cause = io::Error::other("somebody reads them all the time; try again");
            Err(RecordsError::File { path: path.to_owned(), cause })
        }
    }
}

/// Has the records at `path` count everything up to journal offset `offset` as seen: what lies before is lost.
///
/// Errors: [`RecordsError`].
pub fn go_on_from(path: &Path, offset: u64) -> Result<(), RecordsError> {
    change(path, |connection| {
        let known = meta(connection, ALERTS_OFFSET)?;
        if offset > known {
            pass_over(connection, known, offset)?;
        }
        for key in [ALERTS_OFFSET, QUARANTINE_OFFSET] {
            set_meta(connection, key, meta(connection, key)?.max(offset))?;
        }
        Ok(())
    })
    .map(|_| ())
}

/// Has the records at `path` know that the journal passes over the numbers after `known` up to `last`.
///
/// Errors: [`RecordsError`].
pub fn note_leap(path: &Path, known: u64, last: u64) -> Result<(), RecordsError> {
    change(path, |connection| pass_over(connection, known, last)).map(|_| ())
}

fn pass_over(connection: &Connection, known: u64, last: u64) -> Result<(), RecordsError> {
    let first = match meta(connection, PASSED_FIRST)? {
        0 => known + 1,
        earlier => earlier.min(known + 1),
    };
    set_meta(connection, PASSED_FIRST, first)?;
    set_meta(connection, PASSED_LAST, last.max(meta(connection, PASSED_LAST)?))
}

/// Registers devices that history has readings of and nobody knows any more: retired, under the names `lost-N`, so that
/// no other device gets their number.
///
/// Errors: [`RecordsError`].
pub fn lose_devices(
    path: &Path,
    indices: std::ops::RangeInclusive<u32>,
    now_ms: i64,
) -> Result<(), RecordsError> {
    let sql = "INSERT INTO devices (device_index, id, domain, kind, lat, lon, parent_kind, parent, labels, retired, \
               created_ms) VALUES (?1, ?2, 'environment', 'water-level', 0, 0, NULL, NULL, '{}', 1, ?3)";
    change(path, |connection| {
        let mut statement = connection.prepare(sql).doing("registering lost devices")?;
        for index in indices {
            let values = rusqlite::params![index, format!("lost-{index}"), now_ms];
            statement.execute(values).doing("registering lost devices")?;
        }
        Ok(())
    })
    .map(|_| ())
}

/// Copies the records at `path`, which may be in use, to the new file `target`, as of one moment.
///
/// Errors: [`RecordsError`].
pub fn copy(path: &Path, target: &Path) -> Result<(), RecordsError> {
    let doing = "copying the records";
    let connection = Reading::open(path)?;
    let target = target.to_string_lossy().into_owned();
    connection.execute("VACUUM INTO ?1", [target]).map(|_| ()).doing(doing)
}

/// Reads the whole database at `path`, which may be in use, and returns what is wrong with it.
///
/// Errors: [`RecordsError`] when it cannot be read at all.
pub fn check(path: &Path) -> Result<Vec<String>, RecordsError> {
    let doing = "checking the records";
    let connection = Reading::open(path)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(100)").doing(doing)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).doing(doing)?;
    let found = rows.collect::<rusqlite::Result<Vec<_>>>().doing(doing)?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn change(
    path: &Path,
    work: impl FnOnce(&Connection) -> Result<(), RecordsError>,
) -> Result<Connection, RecordsError> {
    make_private(path)?;
    let mut connection = connect(path, "FULL")?;
    migrations::run(&mut connection, path)?;
    transact(&mut connection, "writing the identity of the records", |transaction| work(transaction))?;
    Ok(connection)
}
