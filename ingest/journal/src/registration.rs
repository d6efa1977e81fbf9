//! Which followers there are: each must have processed a record before it may be deleted, whether it has kept a place
//! yet or not. The set is kept in the file of checkpoints before anything is written or deleted.
use crate::{
    JournalError, Offset,
    checkpoint::{self, Found, is_name},
};
use std::{collections::BTreeMap, path::Path};

/// Longest name that an error repeats, in characters.
const SHOWN_MAX: usize = 64;

/// A follower that must have processed a record before it may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    name: String,
    earlier_names: Vec<String>,
}

impl Registration {
    /// Registers the follower `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), earlier_names: Vec::new() }
    }

    /// Adds a name that this follower had in an earlier version: its place is taken over.
    pub fn renamed_from(mut self, name: impl Into<String>) -> Self {
        self.earlier_names.push(name.into());
        self
    }
}

/// Checks the names of `followers`.
///
/// Errors: [`JournalError`] for a malformed name, or one that is there twice.
pub(crate) fn validate(followers: &[Registration]) -> Result<(), JournalError> {
    let names = || followers.iter().flat_map(|one| std::iter::once(&one.name).chain(&one.earlier_names));
    if let Some(name) = names().find(|name| !is_name(name)) {
        return Err(JournalError::CheckpointName(name.chars().take(SHOWN_MAX).collect()));
    }
    let mut sorted: Vec<&String> = names().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(JournalError::RegisteredTwice(pair[0].clone())),
        None => Ok(()),
    }
}

/// Brings the set of followers up to date and keeps it, durably. Without any in the configuration it stays as it is.
///
/// Errors: [`JournalError`] when the set cannot be kept.
pub(crate) fn register(
    dir: &Path,
    found: &Found,
    followers: &[Registration],
    first: Offset,
) -> Result<BTreeMap<String, Offset>, JournalError> {
    if followers.is_empty() {
        return Ok(found.checkpoints.clone());
    }
    let registered = followers.iter().map(|one| (one.name.clone(), place_of(one, found, first))).collect();
    if !found.is_readable || registered != found.checkpoints {
        tell_retired(followers, found);
        checkpoint::save(dir, &registered)?;
    }
    Ok(registered)
}

/// Returns where a follower goes on: at its own place or that of an earlier name, the one further back when there are
/// several; a new one before the oldest record that is kept.
fn place_of(follower: &Registration, found: &Found, first: Offset) -> Offset {
    let names = std::iter::once(&follower.name).chain(&follower.earlier_names);
    let known = names.filter_map(|name| Some((name, *found.checkpoints.get(name)?)));
    match known.min_by_key(|(_, place)| *place) {
        Some((name, place)) => {
            if *name != follower.name {
                tracing::info!(follower = follower.name, was = %name, place, "a follower of the journal was renamed");
            }
            place
        }
        None => {
            if found.is_readable {
                tracing::info!(
                    follower = follower.name,
                    first,
                    "a new follower of the journal begins with the oldest record that is kept"
                );
            }
            first - 1
        }
    }
}

/// Logs names that no follower has any more: nothing is kept for them from now on.
fn tell_retired(followers: &[Registration], found: &Found) {
    let is_known =
        |name: &String| followers.iter().any(|one| one.name == *name || one.earlier_names.contains(name));
    for (name, place) in found.checkpoints.iter().filter(|(name, _)| !is_known(name)) {
        tracing::warn!(
            follower = %name,
            place,
            "a follower of the journal no longer exists in this version: records are not kept for it any more"
        );
    }
}
