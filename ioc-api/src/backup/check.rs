//! Reading everything that is on disk and checking it, also while a server runs on it.
use super::{BackupError, Progress, Source};
use crate::{
    admin::chain,
    data_dir::{Found, judge, stamp},
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What was checked, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// How many files were read.
    pub files: usize,
    /// How many bytes.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<Fault>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which part: `directory`, `journal`, `history`, `records`.
    pub part: String,
    /// The file, where it is one.
    pub file: Option<String>,
    /// Where in it.
    pub byte: Option<u64>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Source {
    /// Reads everything and checks it. Calls `progress` now and then.
    ///
    /// Errors: [`BackupError`] when something cannot be read at all.
    pub fn check(&self, progress: &mut dyn FnMut(&Progress)) -> Result<CheckReport, BackupError> {
        let _turn = self.turn();
        let mut checking = Checking::new(self, progress)?;
        checking.together()?;
        checking.identities();
        checking.journal()?;
        checking.history();
        checking.records();
        let mut report = checking.report;
        report.ok = report.problems.is_empty();
        Ok(report)
    }
}

struct Checking<'c> {
    source: &'c Source,
    progress: &'c mut dyn FnMut(&Progress),
    made: Progress,
    report: CheckReport,
}

impl<'c> Checking<'c> {
    fn new(source: &'c Source, progress: &'c mut dyn FnMut(&Progress)) -> Result<Self, BackupError> {
        let of = size(source.data.path()).map_err(BackupError::io("read", source.data.path()))?;
        let made = Progress { doing: "checking".to_owned(), file: String::new(), bytes: 0, of };
        let report = CheckReport { ok: false, files: 0, bytes: 0, problems: Vec::new() };
        Ok(Self { source, progress, made, report })
    }

    fn wrong(&mut self, part: &str, file: Option<&Path>, byte: Option<u64>, what: String) {
        let file = file.map(|file| file.display().to_string());
        self.report.problems.push(Fault { part: part.to_owned(), file, byte, what });
    }

    /// Checks that the parts belong together. Those of a running server did at its start and change all the time.
    fn together(&mut self) -> Result<(), BackupError> {
        if self.source.journal.is_some() {
            return Ok(());
        }
        let path = self.source.data.path();
        let found = Found::look_at(path)?;
        for problem in judge(&found) {
            self.wrong("directory", None, None, problem.text(path));
        }
        Ok(())
    }

    /// Checks the small files that say what belongs together.
    fn identities(&mut self) {
        let data = &self.source.data;
        let places =
            [("directory", data.path().to_owned()), ("journal", data.journal()), ("history", data.store())];
        for (part, directory) in places {
            let file = directory.join(stamp::FILE);
            let Ok(found) = std::fs::metadata(&file) else { continue };
            self.read(&file, found.len());
            if stamp::is_damaged(&directory) {
                let what =
                    "it is damaged; nothing is lost: the next start makes it anew where the parts agree";
                self.wrong(part, Some(&file), None, what.to_owned());
            }
        }
    }

    fn journal(&mut self) -> Result<(), BackupError> {
        let is_running = self.source.journal.is_some();
        if !self.source.data.journal().is_dir() {
            return Ok(());
        }
        if let Some(path) = ioc_journal::damaged_checkpoints(&self.source.data.journal()) {
            let what =
                "they are damaged; nothing is lost: at the next start followers read again what is kept";
            self.wrong("journal", Some(&path), None, what.to_owned());
        }
        let segments = self.source.segments()?;
        let found = ioc_journal::check(&segments, !is_running, &mut |path, bytes| self.read(path, bytes));
        let kept = self.source.segments()?;
        for error in found {
            let (file, byte) = match &error {
                ioc_journal::JournalError::Corrupt { path, byte, .. } => (Some(path.clone()), Some(*byte)),
                ioc_journal::JournalError::Gap { path, .. } | ioc_journal::JournalError::Io { path, .. } => {
                    (Some(path.clone()), None)
                }
                _ => (None, None),
            };
            // Deleted meanwhile, when every follower had it.
            let is_kept = file.as_ref().is_none_or(|file| kept.iter().any(|(path, _)| path == file));
            if is_kept {
                self.wrong("journal", file.as_deref(), byte, chain(&error));
            }
        }
        Ok(())
    }

    fn history(&mut self) {
        let store = self.source.data.store();
        if !store.is_dir() {
            return;
        }
        match ioc_store::check(&store, &mut |path, bytes| self.read(path, bytes)) {
            Ok(damage) => {
                for damage in damage {
                    let what = match damage.block {
                        Some((property, device)) => format!(
                            "{} (property number {}, devices {} to {}, {} ms to {} ms)",
                            damage.what,
                            property.0,
                            device.0,
                            device.0 + 63,
                            damage.range.from_ms,
                            damage.range.to_ms
                        ),
                        None => damage.what,
                    };
                    self.wrong("history", Some(&damage.path), Some(damage.byte), what);
                }
            }
            Err(error) => self.wrong("history", None, None, chain(&error)),
        }
    }

    fn records(&mut self) {
        let path = self.source.data.records();
        let Ok(found) = std::fs::metadata(&path) else { return };
        self.read(&path, found.len());
        match ioc_records::check(&path) {
            Ok(found) => found.into_iter().for_each(|what| self.wrong("records", Some(&path), None, what)),
            Err(error) => self.wrong("records", Some(&path), None, chain(&error)),
        }
    }

    fn read(&mut self, path: &Path, bytes: u64) {
        self.made.file = path.display().to_string();
        (self.progress)(&self.made);
        self.made.bytes += bytes;
        self.report.files += 1;
        self.report.bytes += bytes;
    }
}

/// Returns the length of the files that are read.
fn size(path: &Path) -> std::io::Result<u64> {
    let mut bytes = std::fs::metadata(path.join("records.sqlite")).map_or(0, |found| found.len());
    for part in ["journal", "store"] {
        let files = std::fs::read_dir(path.join(part)).into_iter().flatten();
        bytes += files.filter_map(|file| file.ok()?.metadata().ok()).map(|found| found.len()).sum::<u64>();
    }
    Ok(bytes)
}
