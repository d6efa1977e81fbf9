//! The stamp in the records: which directory they belong to.
use super::{meta, set_meta};
use crate::{RecordsError, stamp::Stamp};
use rusqlite::Connection;

const DIRECTORY: &str = "identity_directory";
const EPOCH: &str = "identity_epoch";
const MARK: &str = "identity_mark";

/// Reads which directory records belong to.
pub(super) fn read(connection: &Connection) -> Result<Option<Stamp>, RecordsError> {
    let directory = meta(connection, DIRECTORY)?;
    let stamp = Stamp { directory, epoch: meta(connection, EPOCH)?, mark: meta(connection, MARK)? };
    Ok((directory != 0).then_some(stamp))
}

/// Writes which directory records belong to.
pub(super) fn write(connection: &Connection, stamp: &Stamp) -> Result<(), RecordsError> {
    set_meta(connection, DIRECTORY, stamp.directory)?;
    set_meta(connection, EPOCH, stamp.epoch)?;
    set_meta(connection, MARK, stamp.mark)
}
