//! Records that are only read, wherever they lie: SQLite writes beside a database to read it, which a read-only file system
//! does not let it.
use crate::{RecordsError, error::Doing, random_bytes};
use ioc_files::durable::{can_write_in, make_dir};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
};

/// A connection that reads.
pub(super) struct Reading {
    connection: Connection,
    /// Where a copy lies, if one had to be made.
    copy: Option<PathBuf>,
}

impl Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            // The system clears its place for temporary files.
            let _ = fs::remove_dir_all(copy);
        }
    }
}

impl Reading {
    /// Opens the database at `path`, which may be in use where its directory can be written.
    ///
    /// Errors: [`RecordsError`].
    pub(super) fn open(path: &Path) -> Result<Self, RecordsError> {
        let can_write = path.parent().is_none_or(can_write_in);
        if can_write {
            return open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, None);
        }
        let log = beside(path, "-wal");
        if fs::metadata(&log).map_or(0, |found| found.len()) == 0 {
            // Nobody can change it.
            return Self::open_alone(path);
        }
        // What was committed last stands in the log, which must be written to to be read.
        let failed = |cause| RecordsError::File { path: path.to_owned(), cause };
        let number = random_bytes::<8>().map_err(|error| failed(io::Error::other(error)))?;
        let directory = std::env::temp_dir().join(format!("ioc-records-{:016x}", u64::from_le_bytes(number)));
        make_dir(&directory).map_err(failed)?;
        let copy = directory.join("records.sqlite");
        let copied = fs::copy(path, &copy).and_then(|_| fs::copy(&log, beside(&copy, "-wal")));
        let opened = copied.map_err(failed).and_then(|_| {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
            open(&copy, flags, Some(directory.clone()))
        });
        opened.inspect_err(|_| drop(fs::remove_dir_all(&directory)))
    }

    /// Opens the file at `path` as it is without its log; nobody must change it meanwhile.
    ///
    /// Errors: [`RecordsError`].
    pub(super) fn open_alone(path: &Path) -> Result<Self, RecordsError> {
        let uri = format!("file:{}?immutable=1", escaped(path));
        open(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, None)
    }
}

fn open(path: &Path, flags: OpenFlags, copy: Option<PathBuf>) -> Result<Reading, RecordsError> {
    let doing = "reading the records";
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).doing(doing)?;
    connection.busy_timeout(super::BUSY_TIMEOUT).doing(doing)?;
    // Who looks whether a log belongs to the file must not bring it into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).doing(doing)?;
    Ok(Reading { connection, copy })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a path as a URI has it.
fn escaped(path: &Path) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(*byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
