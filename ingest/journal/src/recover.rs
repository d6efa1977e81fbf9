//! Opening what an earlier process left: the torn tail goes, damage before it is an error.
//!
//! A batch is written only after the one before it was synced. So bytes that are no batch are a torn tail if no
//! batch comes after them, and damage to acknowledged records if one does. Zeros up to the end are neither: the
//! writer had made the file longer than it came to write.
use crate::{
    JournalError, Offset,
    frame::{MARK_LEN, Mark},
    segment::{self, SegmentReader},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// What the directory holds.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// First offset of each segment to the end of its committed part.
    pub(crate) segments: BTreeMap<Offset, u64>,
    /// Last offset; 0 when there never was a record.
    pub(crate) last: Offset,
    /// Bytes of the torn tail.
    pub(crate) truncated_bytes: u64,
}

impl Recovered {
    /// Oldest offset that is kept; `last + 1` when there is none.
    pub(crate) fn first(&self) -> Offset {
        self.segments.keys().next().copied().unwrap_or(self.last + 1)
    }
}

/// Reads the segments in `dir`. Those wholly up to `processed` are only opened when they are followed: nobody
/// replays them, and a start should not take longer the more history is kept.
///
/// Errors: [`JournalError`] when a segment is damaged, missing or unreadable.
pub(crate) fn recover(dir: &Path, processed: Offset) -> Result<Recovered, JournalError> {
    let firsts = list(dir)?;
    let mut recovered = Recovered { segments: BTreeMap::new(), last: 0, truncated_bytes: 0 };
    for (index, first) in firsts.iter().enumerate() {
        match firsts.get(index + 1) {
            Some(following) => {
                let end = check_sealed(dir, *first, *following, processed)?;
                recovered.segments.insert(*first, end);
            }
            None => recover_last(dir, *first, &mut recovered)?,
        }
    }
    Ok(recovered)
}

pub(crate) fn list(dir: &Path) -> Result<Vec<Offset>, JournalError> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir).map_err(JournalError::io("read directory", dir))? {
        let entry = entry.map_err(JournalError::io("read directory", dir))?;
        firsts.extend(segment::first_of(&entry.path()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Checks a segment that another follows. Returns where its batches end, or its length when nobody replays it.
fn check_sealed(
    dir: &Path,
    first: Offset,
    following: Offset,
    processed: Offset,
) -> Result<u64, JournalError> {
    let len = file_len(dir, first)?;
    if following - 1 <= processed {
        return Ok(len);
    }
    let mut reader = SegmentReader::open(dir, first)?;
    if !reader.check_header(len)? {
        return Err(reader.corrupt(0, "file ends within its header"));
    }
    while reader.next_batch(len)?.is_some() {}
    if reader.next_offset() != following {
        let path = segment::path(dir, following);
        return Err(JournalError::Gap { path, expected: reader.next_offset(), found: following });
    }
    Ok(reader.position())
}

/// Checks the last segment and cuts its torn tail off.
fn recover_last(dir: &Path, first: Offset, recovered: &mut Recovered) -> Result<(), JournalError> {
    let path = segment::path(dir, first);
    let len = file_len(dir, first)?;
    let mut reader = SegmentReader::open(dir, first)?;
    let has_header = match reader.check_header(len) {
        Err(JournalError::Corrupt { .. }) if !has_batch(&path, 0, first)? => false,
        checked => checked?,
    };
    if !has_header {
        // The process ended while it made this file. Its name still says which offset comes next; when it is the only
        // one, nothing else does, so it stays until the writer makes it again.
        match recovered.segments.is_empty() {
            true => truncate(&path, 0)?,
            false => fs::remove_file(&path).map_err(JournalError::io("remove torn", &path))?,
        }
        recovered.truncated_bytes = len;
        recovered.last = first - 1;
        return Ok(());
    }
    loop {
        match reader.next_batch(len) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error @ JournalError::Corrupt { .. }) => {
                let next = reader.next_offset();
                if has_batch(&path, behind(&path, reader.position(), len)?, next + 1)? {
                    return Err(error);
                }
                recovered.truncated_bytes = reader.blank_from(reader.position(), len)? - reader.position();
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if reader.position() < len {
        truncate(&path, reader.position())?;
    }
    recovered.segments.insert(first, reader.position());
    recovered.last = reader.next_offset() - 1;
    Ok(())
}

/// Reports whether no batch comes behind what is damaged in the newest segment.
pub(crate) fn is_torn(dir: &Path, first: Offset) -> bool {
    let search = || -> Result<bool, JournalError> {
        let (path, len) = (segment::path(dir, first), file_len(dir, first)?);
        let mut reader = SegmentReader::open(dir, first)?;
        if !reader.check_header(len).unwrap_or(false) {
            return Ok(!has_batch(&path, 0, first)?);
        }
        while let Ok(Some(_)) = reader.next_batch(len) {}
        let from = behind(&path, reader.position(), len)?;
        Ok(!has_batch(&path, from, reader.next_offset() + 1)?)
    };
    search().unwrap_or(false)
}

/// Returns where to look for batches behind the bad one at `position`: behind its end if its mark can be
/// trusted (a payload may look like a mark), else right behind its first byte.
fn behind(path: &Path, position: u64, len: u64) -> Result<u64, JournalError> {
    let mut bytes = [0; MARK_LEN];
    if position + MARK_LEN as u64 > len {
        return Ok(len);
    }
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    file.read_exact_at(&mut bytes, position).map_err(JournalError::io("read", path))?;
    Ok(match Mark::parse(&bytes) {
        Some(mark) => position + MARK_LEN as u64 + u64::from(mark.bytes),
        None => position + 1,
    })
}

/// Reports whether a batch at or after `offset` starts at or behind byte `from`.
fn has_batch(path: &Path, from: u64, offset: Offset) -> Result<bool, JournalError> {
    let read = || -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let mut bytes = vec![0; file.metadata()?.len().saturating_sub(from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    };
    let bytes = read().map_err(JournalError::io("read", path))?;
    Ok(Mark::is_found_in(&bytes, offset))
}

fn truncate(path: &Path, len: u64) -> Result<(), JournalError> {
    let cut = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    };
    cut().map_err(JournalError::io("truncate", path))
}

fn file_len(dir: &Path, first: Offset) -> Result<u64, JournalError> {
    let path = segment::path(dir, first);
    fs::metadata(&path).map(|meta| meta.len()).map_err(JournalError::io("read", &path))
}
