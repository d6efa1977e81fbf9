//! Brings what followers wrote into the records to disk, on a thread of its own: an alert must not wait for it.
use super::Stop;
use ioc_journal::Offset;
use ioc_records::Records;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// How often the records are brought to disk.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// Up to where the projections of the journal are on disk. Clones are the same.
#[derive(Clone)]
pub struct Projections {
    records: Records,
    /// 0 until it is known.
    synced: Arc<AtomicU64>,
    stop: Stop,
}

impl Projections {
    /// Starts the thread, which ends with `stop`.
    ///
    /// Errors: the operating system refuses a thread.
    pub fn start(records: &Records, stop: &Stop) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let projections = Self { records: Arc::clone(records), synced: Arc::default(), stop: stop.clone() };
        let syncing = projections.clone();
        let thread = thread::Builder::new().name("records-sync".into()).spawn(move || syncing.run())?;
        Ok((projections, thread))
    }

    fn run(&self) {
        while !self.stop.wait(SYNC_PERIOD) {
            self.sync();
        }
    }

    fn sync(&self) -> Option<Offset> {
        match self.records.sync_projections() {
            Ok(offset) => {
                self.synced.fetch_max(offset, Relaxed);
                Some(offset)
            }
            Err(error) => {
                tracing::warn!(%error, "the records cannot be brought to disk; the journal keeps what they hold");
                None
            }
        }
    }

    /// Waits at most `timeout`; says whether the end has come.
    pub(super) fn is_over_within(&self, timeout: Duration) -> bool {
        self.stop.wait(timeout)
    }

    /// Returns the offset up to which the projections are safe without the journal.
    pub fn checkpoint(&self) -> Option<Offset> {
        if self.stop.is_stopped() {
            // The last word: nobody waits any more, and the thread may have ended.
            return self.sync();
        }
        Some(self.synced.load(Relaxed)).filter(|offset| *offset > 0)
    }
}
