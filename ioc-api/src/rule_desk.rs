//! The rule files in force: reads them, watches them, and hands a good change to the engine. A broken change is
//! refused as a whole, with file, line and column, and the rules in force go on, over a restart too.
use crate::{
    kept_rules::KeptRules,
    rule_checks::RuleChecks,
    rule_files::{self, Signature, signature},
};
use arc_swap::ArcSwap;
use ioc_model::Catalogue;
use ioc_rules::{Engine, RuleError, RuleFile, RuleSet};
use std::{io, path::PathBuf, sync::Arc, thread, time::Duration};

/// How often the files are looked at: a change is live within a second. Polling sees every kind of file system
/// and every editor's way of saving.
const POLL: Duration = Duration::from_millis(250);

/// Where rules come from.
#[derive(Debug, Clone)]
pub enum RuleSource {
    /// Compiled in; never changes.
    Embedded(Vec<RuleFile>),
    /// Every `*.yaml` and `*.yml` of these directories.
    Directories(Vec<PathBuf>),
}

/// What is in force, and why the files on disk are not, if they are not.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The rules in force.
    pub rules: Arc<RuleSet>,
    /// When they were loaded, milliseconds since the epoch.
    pub loaded_at_ms: i64,
    /// Problems of the files as they are now.
    pub errors: Vec<RuleError>,
}

/// Rules that cannot be loaded at start.
#[derive(Debug, thiserror::Error)]
pub enum RuleDeskError {
    /// The directory or a file in it cannot be read.
    #[error("cannot read rules in {}: {source}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// They are wrong; each line names file, line and column.
    #[error("{}", render(errors))]
    Invalid {
        /// All problems.
        errors: Vec<RuleError>,
    },
}

impl RuleDeskError {
    /// Returns what is wrong, by file.
    pub fn into_rule_errors(self) -> Vec<RuleError> {
        match self {
            Self::Invalid { errors } => errors,
            Self::Read { path, source } => {
                let message = format!("cannot be read: {source}");
                vec![rule_files::error_at(&path.display().to_string(), (1, 1), (0, 0), message, None)]
            }
        }
    }
}

fn render(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// See the module.
pub struct RuleDesk {
    source: RuleSource,
    kept: KeptRules,
    catalogue: Arc<Catalogue>,
    checks: RuleChecks,
    in_force: ArcSwap<InForce>,
    now: fn() -> i64,
}

impl RuleDesk {
    /// Loads the rules for the start: those of the files, or if they cannot be used those that were last in force.
    ///
    /// Errors: they cannot be read, or any of them is wrong, and none are kept.
    pub fn open(
        source: RuleSource,
        kept: KeptRules,
        catalogue: Arc<Catalogue>,
        now: fn() -> i64,
    ) -> Result<Arc<Self>, RuleDeskError> {
        let read = source.read();
        let files = read.as_ref().map(Vec::clone).unwrap_or_default();
        let (rules, errors) = match read.and_then(|files| load(&files, &catalogue)) {
            Ok(rules) => (rules, Vec::new()),
            Err(error) => {
                let last = source.last_in_force(&kept).and_then(|files| load(&files, &catalogue).ok());
                let Some(rules) = last else { return Err(error) };
                (rules, error.into_rule_errors())
            }
        };
        for error in &errors {
            tracing::error!(%error, "rule file refused; the rules that were last in force go on");
        }
        let is_refused = !errors.is_empty();
        let in_force = InForce { rules: Arc::new(rules), loaded_at_ms: now(), errors };
        let checks = RuleChecks::new(Arc::clone(&catalogue));
        let in_force = ArcSwap::from_pointee(in_force);
        let desk = Self { source, kept, catalogue, checks, in_force, now };
        if !is_refused {
            desk.keep(&files);
        }
        Ok(Arc::new(desk))
    }

    /// Keeps the files that are in force for a start at which they are broken.
    fn keep(&self, files: &[RuleFile]) {
        if let RuleSource::Directories(directories) = &self.source
            && let Err(error) = self.kept.keep(directories, files)
        {
            tracing::warn!(%error, "the rules in force cannot be kept; a restart needs rule files without errors");
        }
    }

    /// Returns what is in force now.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Returns the places for checks that people ask for.
    pub fn checks(&self) -> &RuleChecks {
        &self.checks
    }

    /// Watches the files until `stopped` says so; new rules in force are `told`.
    ///
    /// Errors: the operating system refuses a thread.
    pub fn watch(
        self: &Arc<Self>,
        engine: Arc<Engine>,
        told: impl Fn(&RuleSet) + Send + 'static,
        stopped: impl Fn(Duration) -> bool + Send + 'static,
    ) -> io::Result<Option<thread::JoinHandle<()>>> {
        let RuleSource::Directories(directories) = self.source.clone() else { return Ok(None) };
        let desk = Arc::clone(self);
        let thread = thread::Builder::new().name("rule-files".into()).spawn(move || {
            let mut changes = Changes::new(signature(&directories));
            while !stopped(POLL) {
                if changes.settled(signature(&directories)) && !desk.reload(&engine, &told) {
                    changes.again();
                }
            }
        })?;
        Ok(Some(thread))
    }

    /// Says whether the files could be read.
    fn reload(&self, engine: &Engine, told: &impl Fn(&RuleSet)) -> bool {
        let before = self.in_force.load();
        let refused = |errors| InForce { errors, ..InForce::clone(&before) };
        let after = match self.source.read() {
            Err(error) => {
                let (text, errors) = (error.to_string(), error.into_rule_errors());
                // Tried again with each poll, told once.
                if before.errors != errors {
                    tracing::error!(error = text, "rule files cannot be read; the rules in force go on");
                    self.in_force.store(Arc::new(refused(errors)));
                }
                return false;
            }
            Ok(files) => match RuleSet::load(&files, &*self.catalogue) {
                Ok(rules) => {
                    let rules = Arc::new(rules);
                    tracing::info!(
                        rules = rules.rules().len(),
                        "rule files changed; the new rules are in force"
                    );
                    if let Err(error) = engine.replace_rules(&rules) {
                        tracing::error!(%error, "the new rules cannot be handed over");
                        return true;
                    }
                    told(&rules);
                    self.keep(&files);
                    InForce { rules, loaded_at_ms: (self.now)(), errors: Vec::new() }
                }
                Err(errors) => {
                    for error in &errors {
                        tracing::error!(%error, "rule file refused; the rules in force go on");
                    }
                    refused(errors)
                }
            },
        };
        self.in_force.store(Arc::new(after));
        true
    }
}

/// What is seen of the files from poll to poll. A change counts when two polls in a row see the same: in between a
/// file may be half copied or away for a moment, and alerts of rules that are gone would end.
struct Changes {
    taken: Signature,
    seen: Signature,
}

impl Changes {
    fn new(taken: Signature) -> Self {
        Self { seen: taken.clone(), taken }
    }

    /// Takes what a poll found; says whether it is to be loaded.
    fn settled(&mut self, found: Signature) -> bool {
        let stands_still = found == self.seen;
        self.seen = found;
        let is_new = stands_still && self.seen != self.taken;
        if is_new {
            self.taken.clone_from(&self.seen);
        }
        is_new
    }

    /// Has the files loaded with the next poll although they stand still.
    fn again(&mut self) {
        self.taken.clear();
        self.seen.clear();
    }
}

fn load(files: &[RuleFile], catalogue: &Catalogue) -> Result<RuleSet, RuleDeskError> {
    RuleSet::load(files, catalogue).map_err(|errors| RuleDeskError::Invalid { errors })
}

impl RuleSource {
    fn last_in_force(&self, kept: &KeptRules) -> Option<Vec<RuleFile>> {
        match self {
            Self::Embedded(_) => None,
            Self::Directories(directories) => kept.find(directories),
        }
    }

    /// Reads every file, by name.
    ///
    /// Errors: the directory or a file cannot be read, or there is too much of it.
    pub fn read(&self) -> Result<Vec<RuleFile>, RuleDeskError> {
        match self {
            Self::Embedded(files) => Ok(files.clone()),
            Self::Directories(paths) => rule_files::read_all(paths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_two_polls_see_the_same() {
        let found = |len| vec![(PathBuf::from("a.yaml"), Some((1, 1, len, None, (0, 0))))];
        let mut changes = Changes::new(found(10));
        assert!(!changes.settled(found(10)));
        assert!(!changes.settled(Vec::new()), "away for a moment");
        assert!(!changes.settled(found(3)), "half copied");
        assert!(!changes.settled(found(12)));
        assert!(changes.settled(found(12)));
        assert!(!changes.settled(found(12)), "once");
        changes.again();
        assert!(!changes.settled(found(12)));
        assert!(changes.settled(found(12)), "once more");
        assert!(!changes.settled(Vec::new()));
        assert!(changes.settled(Vec::new()), "gone for good");
    }
}
