//! The implementations of the port, each through the same suite.
#![allow(clippy::unwrap_used, reason = "tests")]
mod suite;

use ioc_journal::{JournalConfig, Opened, SharedLog};
use tempfile::TempDir;

/// The embedded log, in segments so small that records cross them.
struct Embedded(TempDir);

impl suite::Place for Embedded {
    fn open(&self, followers: &[&str]) -> (SharedLog, Opened) {
        let config = JournalConfig {
            segment_bytes: 4_000,
            ring_bytes_max: 2_000,
            ..JournalConfig::new(self.0.path())
        };
        ioc_journal::open(config.followed_by(followers)).unwrap()
    }
}

#[test]
fn the_embedded_log() {
    suite::run(|| Embedded(tempfile::tempdir().unwrap()));
}
