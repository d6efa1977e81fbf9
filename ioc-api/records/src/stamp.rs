//! The stamp that every part of a data directory carries, the records among them.
use crate::{NoRandom, random_bytes};
use ring::digest;
use serde::{Deserialize, Serialize};

/// What a part carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The same for the life of the directory.
    pub directory: u64,
    /// Grows with each start and each backup.
    pub epoch: u64,
    /// Differs between copies that lived on.
    pub mark: u64,
}

impl Stamp {
    /// Draws the stamp of a new directory.
    ///
    /// Errors: no random numbers.
    pub fn draw() -> Result<Self, NoRandom> {
        Ok(Self { directory: draw_mark()?, epoch: 1, mark: draw_mark()? })
    }

    /// Draws the stamp that follows.
    ///
    /// Errors: no random numbers.
    pub fn next(self) -> Result<Self, NoRandom> {
        Ok(Self { epoch: self.epoch + 1, mark: draw_mark()?, ..self })
    }
}

/// Draws a number that is not 0 and that SQLite's signed integers hold.
pub(crate) fn draw_mark() -> Result<u64, NoRandom> {
    random_bytes::<8>().map(|bytes| u64::from_le_bytes(bytes) >> 1 | 1)
}

/// Returns a number that tells one key or text from another and gives nothing of it away.
pub fn fingerprint(key: &[u8]) -> u64 {
    let digest = digest::digest(&digest::SHA256, key);
    let first = digest.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(first) >> 1 | 1
}
