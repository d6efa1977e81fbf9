//! What the disk alone takes: an alert waits for two fdatasyncs, one after the other, so it cannot be faster.
use crate::Outcome;
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

const RECORD: [u8; 1024] = [b'x'; 1024];
const PAIRS: u64 = 500;

/// Writes a kilobyte and syncs it, twice, again and again, into a file whose blocks are there already. Returns the time
/// of each pair.
///
/// Errors: the file cannot be written.
pub fn two_syncs(directory: &Path) -> Outcome<Vec<Duration>> {
    let file = tempfile::tempfile_in(directory)?;
    let bytes = RECORD.len() as u64;
    fallocate(&file, FallocateFlags::empty(), 0, 2 * PAIRS * bytes)?;
    file.sync_all()?;
    let pair = |number: u64| {
        let begun = Instant::now();
        for record in [2 * number, 2 * number + 1] {
            file.write_all_at(&RECORD, record * bytes)?;
            file.sync_data()?;
        }
        Ok(begun.elapsed())
    };
    (0..PAIRS).map(pair).collect()
}
