//! How far each follower has come, kept in one small file.
use crate::{JournalError, Offset, disk, segment};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

const FILE: &str = "checkpoints";
const FIRST_LINE: &str = "ioc-journal-checkpoints 2";
/// Without a checksum.
const FIRST_LINE_1: &str = "ioc-journal-checkpoints 1";
const CHECK: &str = "crc";
/// Longest name of a checkpoint, in bytes.
pub(crate) const NAME_LEN_MAX: usize = 64;
/// Names in one warning.
const NAMES_TOLD_MAX: usize = 10;
/// How far behind the checkpoints a journal without its newest segments goes on: more records than can have been
/// accepted since the last of them was kept.
const LOST_MAX: Offset = 1_000_000_000;

/// Checkpoints as they were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) checkpoints: BTreeMap<String, Offset>,
    /// Whether there was a readable file.
    pub(crate) is_readable: bool,
}

/// Reads the checkpoints in `dir`; none when there is no file yet. A malformed file is renamed to `checkpoints.damaged`:
/// without it followers read again what is kept, which costs time and loses nothing.
///
/// Errors: [`JournalError`] when the file cannot be read or renamed.
pub(crate) fn load(dir: &Path) -> Result<Found, JournalError> {
    let path = dir.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(JournalError::io("read", path)(error)),
    };
    match parse(&String::from_utf8_lossy(&bytes)) {
        Ok(checkpoints) => Ok(Found { checkpoints, is_readable: true }),
        Err(line) => {
            let aside = path.with_extension("damaged");
            tracing::warn!(
                path = %path.display(),
                line,
                "the file of checkpoints is damaged: it is renamed to checkpoints.damaged, and followers read again all \
                 records that are kept"
            );
            fs::rename(&path, aside).map_err(JournalError::io("rename damaged", path))?;
            Ok(Found::default())
        }
    }
}

/// Reads the checkpoints in `dir` and changes nothing; `None` when there is no readable file.
pub(crate) fn peek(dir: &Path) -> Option<BTreeMap<String, Offset>> {
    parse(&fs::read_to_string(dir.join(FILE)).ok()?).ok()
}

fn parse(text: &str) -> Result<BTreeMap<String, Offset>, usize> {
    let body = match text.lines().next() {
        Some(FIRST_LINE) => checked(text).ok_or_else(|| text.lines().count().max(1))?,
        Some(FIRST_LINE_1) => text,
        _ => return Err(1),
    };
    let mut checkpoints = BTreeMap::new();
    for (index, line) in body.lines().skip(1).enumerate() {
        let pair = line.split_once(' ').and_then(|(name, offset)| Some((name, offset.parse().ok()?)));
        let (name, offset) = pair.filter(|(name, _)| is_name(name)).ok_or(index + 2)?;
        checkpoints.insert(name.to_owned(), offset);
    }
    Ok(checkpoints)
}

/// Returns what stands before the last line, which must be the checksum of it.
fn checked(text: &str) -> Option<&str> {
    let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (body, check) = text.split_at(at);
    (check == check_of(body)).then_some(body)
}

fn check_of(body: &str) -> String {
    format!("{CHECK} {:08x}\n", crc32fast::hash(body.as_bytes()))
}

/// Returns the path of the checkpoints in `dir` when they are there and cannot be read.
pub(crate) fn damaged(dir: &Path) -> Option<PathBuf> {
    let path = dir.join(FILE);
    let bytes = fs::read(&path).ok()?;
    parse(&String::from_utf8_lossy(&bytes)).is_err().then_some(path)
}

fn print(checkpoints: &BTreeMap<String, Offset>) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (name, offset) in checkpoints {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {offset}");
    }
    let check = check_of(&text);
    text + &check
}

pub(crate) fn is_name(name: &str) -> bool {
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

/// Replaces the file of checkpoints, durably.
///
/// Errors: [`JournalError`]; the earlier file holds then.
pub(crate) fn save(dir: &Path, checkpoints: &BTreeMap<String, Offset>) -> Result<(), JournalError> {
    let path = dir.join(FILE);
    disk::replace_file(&path, print(checkpoints).as_bytes()).map_err(JournalError::io("replace", path))
}
