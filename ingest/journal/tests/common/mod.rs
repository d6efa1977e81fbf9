//! Helpers of the journal's tests.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by several test programs, each using a part")]
use ioc_journal::{FollowError, JournalConfig, Opened, SharedLog, Visibility};
use ioc_model::RecordKind;
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{Event, Level, Metadata, Subscriber, field::Field, span};

/// One record as the tests compare it.
pub(crate) type Row = (u64, RecordKind, Vec<u8>);

/// Long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn config(dir: &Path) -> JournalConfig {
    JournalConfig::new(dir)
}

pub(crate) fn open(dir: &Path) -> (SharedLog, Opened) {
    ioc_journal::open(config(dir)).unwrap()
}

/// Appends and waits until it is on disk: a batch of its own.
pub(crate) fn append_durable(journal: &SharedLog, kind: RecordKind, payload: &[u8]) -> u64 {
    let offset = journal.append(kind, |out| out.extend_from_slice(payload)).unwrap();
    journal.wait_durable(offset, PATIENCE).unwrap();
    offset
}

/// Everything that is durable now, from `from` on.
pub(crate) fn read_all(journal: &SharedLog, from: u64) -> Result<Vec<Row>, FollowError> {
    let mut follower = journal.follow(from, Visibility::Durable);
    let mut rows = Vec::new();
    while let Some(batch) = follower.next(Duration::ZERO)? {
        rows.extend(batch.records().map(|r| (r.offset, r.kind, r.payload.to_vec())));
    }
    Ok(rows)
}

/// Segment files, oldest first.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "journal"))
        .collect();
    paths.sort();
    paths
}

/// A copy of a closed journal's directory.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Runs `work` and returns what it warned of on this thread.
pub(crate) fn warnings(work: impl FnOnce()) -> Vec<String> {
    let caught = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Catch(Arc::clone(&caught)), work);
    std::mem::take(&mut caught.lock().unwrap())
}

struct Catch(Arc<Mutex<Vec<String>>>);

impl Subscriber for Catch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            write!(text, "{field}={value:?} ").unwrap();
        });
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
