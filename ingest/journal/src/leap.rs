//! Passing over numbers: a journal that is put back from a copy goes on where no other life of it can have been, so that
//! who knows a number of that one does not take it for one of this.
use crate::{
    JournalError, Offset,
    frame::{self, Mark},
    recover::recover,
    segment,
    shared::now_ms,
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Has the next record of the journal in `dir`, which nobody has open, be number `last + 1`; nothing happens where it goes
/// as far. A torn tail is cut off, as a start does.
///
/// Errors: [`JournalError`] when the newest segment is damaged or cannot be written.
pub fn leap(dir: &Path, last: Offset) -> Result<(), JournalError> {
    // Only the newest segment is read.
    let found = recover(dir, Offset::MAX)?;
    if found.last >= last {
        return Ok(());
    }
    match found.segments.last_key_value() {
        Some((first, end)) => {
            let mark = Mark::leap(found.last + 1, last, now_ms());
            let path = segment::path(dir, *first);
            let write = || -> io::Result<()> {
                let file = OpenOptions::new().write(true).open(&path)?;
                file.write_all_at(&mark.encode(), *end)?;
                file.sync_all()
            };
            write().map_err(JournalError::io("write", &path))
        }
        None => begin(dir, found.last + 1, last),
    }
}

/// Makes the first segment of a journal without records; it begins where it would have, so that nothing seems to be missing.
fn begin(dir: &Path, first: Offset, last: Offset) -> Result<(), JournalError> {
    let path = segment::path(dir, first);
    let make = || -> io::Result<()> {
        let mut bytes = frame::header(first).to_vec();
        bytes.extend_from_slice(&Mark::leap(first, last, now_ms()).encode());
        fs::write(&path, bytes)?;
        File::open(&path)?.sync_all()
    };
    make().map_err(JournalError::io("write", &path))?;
    for other in crate::recover::list(dir)?.into_iter().filter(|other| *other != first) {
        let path = segment::path(dir, other);
        fs::remove_file(&path).map_err(JournalError::io("remove", &path))?;
    }
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(JournalError::io("sync directory", dir))
}
