//! How far each follower has come, kept in one small file, and what may be deleted because of it.
use crate::{JournalError, Offset, disk, segment, shared::Shared, shared::lock};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

const FILE: &str = "checkpoints";
const FIRST_LINE: &str = "ioc-journal-checkpoints 1";
/// Longest name of a checkpoint, in bytes.
const NAME_LEN_MAX: usize = 64;
/// Names in one warning.
const NAMES_TOLD_MAX: usize = 10;
/// How far behind the checkpoints a journal without its newest segments goes on: more records than can have been
/// accepted since the last of them was kept.
const LOST_MAX: Offset = 1_000_000_000;

/// Reads the checkpoints in `dir`; none when there is no file yet.
///
/// Errors: [`JournalError`] when the file is unreadable or malformed.
pub(crate) fn load(dir: &Path) -> Result<BTreeMap<String, Offset>, JournalError> {
    let path = dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(JournalError::io("read", path)(error)),
    };
    parse(&text).map_err(|line| JournalError::Checkpoints { path, line })
}

fn parse(text: &str) -> Result<BTreeMap<String, Offset>, usize> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(1);
    }
    let mut checkpoints = BTreeMap::new();
    for (index, line) in lines.enumerate() {
        let pair = line.split_once(' ').and_then(|(name, offset)| Some((name, offset.parse().ok()?)));
        let (name, offset) = pair.filter(|(name, _)| is_name(name)).ok_or(index + 2)?;
        checkpoints.insert(name.to_owned(), offset);
    }
    Ok(checkpoints)
}

fn print(checkpoints: &BTreeMap<String, Offset>) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (name, offset) in checkpoints {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {offset}");
    }
    text
}

fn is_name(name: &str) -> bool {
    (1..=NAME_LEN_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Checks that no checkpoint is beyond `last`, where the journal ends.
///
/// Errors: [`JournalError::Behind`].
pub(crate) fn check_end(
    dir: &Path,
    checkpoints: &BTreeMap<String, Offset>,
    last: Offset,
) -> Result<(), JournalError> {
    let Some((name, offset)) = checkpoints.iter().max_by_key(|(_, offset)| **offset) else { return Ok(()) };
    if *offset <= last {
        return Ok(());
    }
    let path = segment::path(dir, offset.saturating_add(LOST_MAX));
    Err(JournalError::Behind { name: name.clone(), offset: *offset, last, path })
}

/// Returns the records before `first`, the oldest that is kept, that a checkpoint still needs: usually none. Only what
/// all checkpoints have passed is ever deleted, so somebody took segments away, as the message about damage advises.
pub(crate) fn lost(checkpoints: &BTreeMap<String, Offset>, first: Offset) -> Range<Offset> {
    let passed = checkpoints.values().copied().min().unwrap_or(0);
    let lost = (passed + 1).min(first)..first;
    if !lost.is_empty() {
        let behind = checkpoints.iter().filter(|(_, offset)| **offset + 1 < first);
        let names: Vec<&str> = behind.map(|(name, _)| name.as_str()).take(NAMES_TOLD_MAX).collect();
        tracing::warn!(
            from = lost.start,
            to = lost.end - 1,
            followers = ?names,
            "journal records that followers have not processed are missing: they go on with the oldest that is kept; \
             to have the others back, stop the program and restore their segments from a backup"
        );
    }
    lost
}

/// Keeps that `name` has processed everything up to `offset`, durably, then deletes what nobody needs.
///
/// Errors: [`JournalError`] when it could not be kept; the earlier checkpoint holds then.
pub(crate) fn set(shared: &Shared, name: &str, offset: Offset) -> Result<(), JournalError> {
    if !is_name(name) {
        return Err(JournalError::CheckpointName(name.chars().take(NAME_LEN_MAX).collect()));
    }
    let last = shared.durable();
    if offset > last {
        return Err(JournalError::Ahead { name: name.to_owned(), offset, last });
    }
    let mut checkpoints = lock(&shared.checkpoints);
    if checkpoints.get(name) == Some(&offset) {
        return Ok(());
    }
    let mut changed = checkpoints.clone();
    changed.insert(name.to_owned(), offset);
    let path = shared.config.dir.join(FILE);
    disk::replace_file(&path, print(&changed).as_bytes()).map_err(JournalError::io("replace", path))?;
    *checkpoints = changed;
    let processed = checkpoints.values().copied().min().unwrap_or(0);
    drop(checkpoints);
    delete_processed(shared, processed)
}

/// Deletes the oldest segments that are wholly processed and beyond what is kept in any case.
fn delete_processed(shared: &Shared, processed: Offset) -> Result<(), JournalError> {
    for path in take_deletable(shared, processed) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::io("delete old", path)(error));
            }
            _ => tracing::debug!(path = %path.display(), "journal segment deleted"),
        }
    }
    Ok(())
}

fn take_deletable(shared: &Shared, processed: Offset) -> Vec<PathBuf> {
    let mut segments = lock(&shared.segments);
    let mut kept_bytes: u64 = segments.values().sum();
    let mut deletable = Vec::new();
    // The newest segment is never deleted: its name and content say which offset comes next.
    while let [Some((first, bytes)), Some((following, _))] = {
        let mut oldest = segments.iter();
        [oldest.next(), oldest.next()]
    } {
        let (first, bytes) = (*first, *bytes);
        if following - 1 > processed || kept_bytes - bytes < shared.config.keep_bytes {
            break;
        }
        kept_bytes -= bytes;
        segments.remove(&first);
        deletable.push(segment::path(&shared.config.dir, first));
    }
    deletable
}
