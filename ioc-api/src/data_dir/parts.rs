//! The parts of a data directory, and what can be wrong with one.
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// A part that stands for itself on disk and belongs with the others.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, Serialize, Deserialize,
)]
pub enum Part {
    /// The journal: everything accepted, from what history and records still need on.
    Journal,
    /// History: sealed readings.
    History,
    /// The records: people, devices, credentials, alerts, the audit trail.
    Records,
    /// The key of the device tokens' hashes.
    Keys,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Journal, Self::History, Self::Records, Self::Keys];

    /// Returns its name in a sentence, with its place.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "the journal (journal/)",
            Self::History => "history (store/)",
            Self::Records => "the records (records.sqlite)",
            Self::Keys => "the key of device tokens (token.key)",
        }
    }

    /// Returns its name in the directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::History => "store",
            Self::Records => "records.sqlite",
            Self::Keys => "token.key",
        }
    }

    fn verb(self) -> &'static str {
        if self == Self::Records { "are" } else { "is" }
    }

    /// Returns what going on without it costs.
    pub fn cost(self) -> &'static str {
        match self {
            Self::Journal => {
                "loses the readings that history had not sealed and the alert transitions that the records did not have"
            }
            Self::History => "loses every reading that the journal does not hold any more",
            Self::Records => {
                "loses people, credentials, alerts, the audit trail and the names of devices; readings of devices that \
                 are not known any more stay in history under the names lost-0, lost-1, …"
            }
            Self::Keys => {
                "makes every device token invalid; each device needs a new one (`ioc device rotate`)"
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journal => "journal",
            Self::History => "history",
            Self::Records => "records",
            Self::Keys => "keys",
        })
    }
}

/// What is wrong with a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is as it was at an earlier time than the others.
    Older(String),
    /// It goes on from a later time than the others.
    Newer(String),
    /// It belongs to another directory.
    Foreign,
    /// It is there and cannot be read, or lacks files.
    Damaged(String),
}

/// A part that keeps a directory from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which part.
    pub part: Part,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Problem {
    /// Joins the two.
    pub fn new(part: Part, fault: Fault) -> Self {
        Self { part, fault }
    }

    /// Returns what is wrong, without the ways out.
    pub fn what(&self) -> String {
        let (name, verb) = (self.part.name(), self.part.verb());
        match &self.fault {
            Fault::Missing => format!("{name} {verb} missing"),
            Fault::Older(detail) => format!("{name} {verb} older than the rest: {detail}"),
            Fault::Newer(detail) => format!("{name} {verb} newer than the rest: {detail}"),
            Fault::Foreign => format!("{name} {verb} of another data directory"),
            Fault::Damaged(detail) => format!("{name} cannot be used: {detail}"),
        }
    }

    /// Returns what is wrong, and each way out with what it costs.
    pub fn text(&self, directory: &Path) -> String {
        let lost = match self.fault {
            Fault::Missing => set_aside(directory, self.part)
                .map(|path| format!(" (set aside earlier: {})", path.display())),
            _ => None,
        };
        format!(
            "{}{}; `ioc restore BACKUP --data-dir {} --replace` puts a whole backup back and loses what came after it; \
             `--accept-loss {}` at one start goes on without and {}",
            self.what(),
            lost.unwrap_or_default(),
            directory.display(),
            self.part,
            self.part.cost()
        )
    }
}

/// Returns where `part` was set aside last.
fn set_aside(directory: &Path, part: Part) -> Option<PathBuf> {
    let lost = fs::read_dir(directory.join("lost")).ok()?;
    lost.filter_map(|time| Some(time.ok()?.path().join(part.file()))).filter(|path| path.exists()).max()
}
