//! Numbers of journal records, which are those of transitions too, across copies that live on: a client that was told number
//! 103 of one life must not take number 103 of another for what it has.
use super::DataDirError;
use std::path::Path;

/// How far a journal goes on beyond what is known of it, where the clock tells nothing: more than can have been accepted since.
const BEYOND: u64 = 1_000_000_000;
/// Numbers for each millisecond since 1970: more than are accepted in one, and as many as let scripts of web pages hold the
/// numbers of the next two centuries exactly.
const PER_MS: u64 = 1_000;

/// Returns the number after which a life goes on that begins at `now_ms` and knows of records up to `known`: no life that began
/// before has come so far.
pub fn beyond(known: u64, now_ms: i64) -> u64 {
    let by_clock = u64::try_from(now_ms).unwrap_or(0).saturating_mul(PER_MS);
    if by_clock > known { by_clock } else { known + BEYOND }
}

/// Has the directory at `path`, which was put back from a copy and on which nobody runs, go on with numbers that no other life
/// of it has, and its records know that.
///
/// Errors: [`DataDirError`].
pub fn leap(path: &Path, now_ms: i64) -> Result<(), DataDirError> {
    let journal = path.join("journal");
    let known = ioc_journal::inspect(&journal)?.last;
    let last = beyond(known, now_ms);
    ioc_journal::leap(&journal, last)?;
    Ok(ioc_records::note_leap(&path.join("records.sqlite"), known, last)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_begins_beyond_those_before_it() {
        let begun = 1_700_000_000_000;
        let first = beyond(21, begun);
        // As many as a busy city takes in, for a day.
        let reached = first + 1_000 * 86_400;
        assert!(beyond(21, begun + 86_400_000) > reached, "put back a day later");
        assert!(beyond(reached, begun + 1) > reached, "a clock that was set back");
        assert!(beyond(0, -5) > 0);
        assert!(beyond(21, 8_000_000_000_000) < 1 << 53, "the year 2223, in a script");
    }
}
