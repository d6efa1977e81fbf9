//! Looking at a journal without opening it: nothing is cut, created or deleted.
use crate::{
    JournalError, Offset, checkpoint, recover,
    segment::{self, SegmentReader},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What a directory holds, as a start would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Oldest offset that is kept; `last + 1` when there is none.
    pub first: Offset,
    /// Newest offset; 0 when there never was a record.
    pub last: Offset,
    /// Segment files with their lengths in bytes, oldest first.
    pub segments: Vec<(PathBuf, u64)>,
    /// How far each registered follower has come.
    pub places: BTreeMap<String, Offset>,
}

/// Looks at the journal in `dir`. Reads its newest segment alone; what is damaged there ends it here, and
/// [`crate::Journal::open`] tells.
///
/// Errors: [`JournalError`] when the directory or the newest segment cannot be read.
pub fn inspect(dir: &Path) -> Result<Inspection, JournalError> {
    let firsts = recover::list(dir)?;
    let mut segments = Vec::with_capacity(firsts.len());
    for first in &firsts {
        let path = segment::path(dir, *first);
        let len = fs::metadata(&path).map_err(JournalError::io("read", &path))?.len();
        segments.push((path, len));
    }
    let last = match (firsts.last(), segments.last()) {
        (Some(first), Some((_, len))) => last_in(dir, *first, *len)?,
        _ => 0,
    };
    let first = firsts.first().map_or(last + 1, |first| (*first).min(last + 1));
    Ok(Inspection { first, last, segments, places: checkpoint::peek(dir).unwrap_or_default() })
}

/// Returns the path of the checkpoints in `dir` when they are there and damaged; opening makes them anew, and followers read
/// again what is kept.
pub fn damaged_checkpoints(dir: &Path) -> Option<PathBuf> {
    checkpoint::damaged(dir)
}

fn last_in(dir: &Path, first: Offset, len: u64) -> Result<Offset, JournalError> {
    let mut reader = SegmentReader::open(dir, first)?;
    match reader.check_header(len) {
        Ok(true) => {}
        // The process ended while it made this file; its name says which offset comes next.
        Ok(false) | Err(JournalError::Corrupt { .. }) => return Ok(first - 1),
        Err(error) => return Err(error),
    }
    while let Ok(Some(_)) = reader.next_batch(len) {}
    Ok(reader.next_offset() - 1)
}

/// Reads every record of `segments` (path and length of the committed part in bytes, oldest first, as
/// [`Inspection::segments`] or [`crate::Journal::segments`] have them) and checks its checksum. Calls `progress` with each
/// file and its length before it is read. A torn tail of the newest is no fault when `may_be_torn`: what was never
/// acknowledged.
pub fn check(
    segments: &[(PathBuf, u64)],
    may_be_torn: bool,
    progress: &mut dyn FnMut(&Path, u64),
) -> Vec<JournalError> {
    let mut problems = Vec::new();
    let mut expected = None;
    for (index, (path, len)) in segments.iter().enumerate() {
        progress(path, *len);
        let is_newest = index + 1 == segments.len();
        match check_segment(path, *len, expected) {
            Ok(next) => expected = Some(next),
            Err(JournalError::Corrupt { .. }) if is_newest && may_be_torn && is_torn(path) => {}
            Err(error) => {
                problems.push(error);
                expected = None;
            }
        }
    }
    problems
}

/// Checks one segment. Returns the offset that the next one must begin with.
fn check_segment(path: &Path, len: u64, expected: Option<Offset>) -> Result<Offset, JournalError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let first = segment::first_of(path).unwrap_or_default();
    if let Some(expected) = expected.filter(|expected| *expected != first) {
        return Err(JournalError::Gap { path: path.to_owned(), expected, found: first });
    }
    let mut reader = SegmentReader::open(dir, first)?;
    if !reader.check_header(len)? {
        return Err(reader.corrupt(0, "file ends within its header"));
    }
    while reader.next_batch(len)?.is_some() {}
    Ok(reader.next_offset())
}

/// Reports whether a start would cut the damaged end of the newest segment off.
fn is_torn(path: &Path) -> bool {
    let dir = path.parent().unwrap_or(Path::new("."));
    segment::first_of(path).is_some_and(|first| recover::is_torn(dir, first))
}
