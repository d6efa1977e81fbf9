//! How far followers have come, what may be deleted for it, and which follower keeps the rest.
use crate::{
    JournalError, Offset, checkpoint, segment,
    shared::{Shared, lock},
};
use std::{collections::BTreeMap, fs, io, path::PathBuf};

/// Segments that stay on disk for one follower alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The follower that has come least far.
    pub follower: String,
    /// The last record that it has processed.
    pub place: Offset,
    /// Bytes beyond [`crate::JournalConfig::keep_bytes`] that could be deleted if it had processed all.
    pub bytes: u64,
}

/// Returns the follower that has come least far, and where it stands. A registered follower that has not processed
/// anything stands before the first record: it needs everything.
fn slowest(checkpoints: &BTreeMap<String, Offset>) -> Option<(&String, Offset)> {
    checkpoints.iter().min_by_key(|(_, offset)| **offset).map(|(name, offset)| (name, *offset))
}

/// Notes durably that the follower `name` has processed everything up to `offset`, then deletes what no follower needs.
///
/// Errors: [`JournalError`] when it could not be kept, or `name` is not registered; the earlier checkpoint holds then.
pub(crate) fn pass(shared: &Shared, name: &str, offset: Offset) -> Result<(), JournalError> {
    let last = shared.durable();
    if offset > last {
        return Err(JournalError::Ahead { name: name.to_owned(), offset, last });
    }
    let mut checkpoints = lock(&shared.checkpoints);
    match checkpoints.get(name) {
        None => {
            return Err(JournalError::Unregistered(name.chars().take(checkpoint::NAME_LEN_MAX).collect()));
        }
        Some(kept) if *kept == offset => return Ok(()),
        Some(_) => {}
    }
    let mut changed = checkpoints.clone();
    changed.insert(name.to_owned(), offset);
    checkpoint::save(&shared.config.dir, &changed)?;
    *checkpoints = changed;
    drop(checkpoints);
    delete_processed(shared)
}

/// Deletes the oldest segments that every registered follower has processed and that are beyond what is kept in any case.
///
/// Errors: [`JournalError`] when a file cannot be deleted.
fn delete_processed(shared: &Shared) -> Result<(), JournalError> {
    let processed = slowest(&lock(&shared.checkpoints)).map_or(0, |(_, place)| place);
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
    let mut deletable = Vec::new();
    while let Some((first, following)) = oldest_beyond_kept(&segments, shared.config.keep_bytes) {
        if following - 1 > processed {
            break;
        }
        segments.remove(&first);
        deletable.push(segment::path(&shared.config.dir, first));
    }
    deletable
}

/// Returns the first offset of the oldest segment and of the one behind it, when the others alone hold `keep_bytes`.
/// The newest segment is never deleted: its name and content say which offset comes next.
fn oldest_beyond_kept(segments: &BTreeMap<Offset, u64>, keep_bytes: u64) -> Option<(Offset, Offset)> {
    let mut oldest = segments.iter();
    let ((first, bytes), (following, _)) = (oldest.next()?, oldest.next()?);
    let others: u64 = segments.values().sum::<u64>() - bytes;
    (others >= keep_bytes).then_some((*first, *following))
}

/// Reports whether a segment beyond what is kept waits for a follower that has processed everything up to `place`.
pub(crate) fn waits_for(shared: &Shared, place: Offset) -> bool {
    let oldest = oldest_beyond_kept(&lock(&shared.segments), shared.config.keep_bytes);
    oldest.is_some_and(|(_, following)| following - 1 > place)
}

/// Returns what the slowest follower keeps from being deleted; `None` when that is nothing.
pub(crate) fn held(shared: &Shared) -> Option<Held> {
    let (follower, place) = {
        let checkpoints = lock(&shared.checkpoints);
        let (name, place) = slowest(&checkpoints)?;
        (name.clone(), place)
    };
    if !waits_for(shared, place) {
        return None;
    }
    let all: u64 = lock(&shared.segments).values().sum();
    Some(Held { follower, place, bytes: all.saturating_sub(shared.config.keep_bytes) })
}
