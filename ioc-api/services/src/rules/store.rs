//! The rule files in force: reads them, watches them, and hands good changes to the engine. A broken file is refused with
//! file, line and column, and its last good version goes on, over a restart too; other files are not held back.
use super::{
    checks::RuleChecks,
    choice::{Choice, Found, choose, path_of},
    error::RuleStoreError,
    files::{self as rule_files, Signature, signature},
    last_good::LastGoodRules,
    ours::with_ours,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use ioc_model::Catalogue;
use ioc_rules::{Engine, Rule, RuleError, RuleFile, RuleSet};
use std::{io, path::PathBuf, sync::Arc, thread, time::Duration};

/// How often the files are looked at: a change is live within a second. Polling sees every kind of file system
/// and every editor's way of saving.
const POLL: Duration = Duration::from_millis(250);
/// How often it is asked at a start whether the replay is through.
const REPLAY_POLL: Duration = Duration::from_millis(20);

/// Where rules come from.
#[derive(Debug, Clone)]
pub enum RuleSource {
    /// Compiled in; never changes.
    Embedded(Vec<RuleFile>),
    /// Every `*.yaml` and `*.yml` of some directories.
    Directories {
        /// The directories.
        directories: Vec<PathBuf>,
        /// Files in force beside them, unless a rule in the directories has the name of one of theirs.
        ours: Vec<RuleFile>,
    },
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
    /// The version of each file that is in force.
    files: Arc<[RuleFile]>,
}

/// The rule files in force.
pub struct RuleStore {
    source: RuleSource,
    kept: LastGoodRules,
    catalogue: Arc<Catalogue>,
    checks: RuleChecks,
    in_force: ArcSwap<InForce>,
    /// What the replay of a start is decided by, when that is not what is in force then.
    before: ArcSwapOption<Before>,
    /// The files as they were when they were read for the start; they may change while it lasts.
    opened: Signature,
    now: fn() -> i64,
}

/// Rules changed while the center was down, or may have.
struct Before {
    /// Those that were in force; `None` when nobody knows them.
    rules: Option<Arc<RuleSet>>,
    /// The files that take their place.
    files: Vec<RuleFile>,
}

impl RuleStore {
    /// Loads the rules for the start: of each file the version on disk, or if that cannot be used the one that was last in
    /// force. `has_past` says whether anything came before.
    ///
    /// Errors: the directory cannot be read, or a file is wrong, and no rules were in force from there; or a file that was in
    /// force has no usable version any more.
    pub fn open(
        source: RuleSource,
        kept: LastGoodRules,
        catalogue: Arc<Catalogue>,
        checks: RuleChecks,
        has_past: bool,
        now: fn() -> i64,
    ) -> Result<Arc<Self>, RuleStoreError> {
        let opened = signature(source.directories());
        let last = kept.find(source.directories());
        let Choice { files, rules, errors, .. } = match source.read_each(last.as_deref().unwrap_or_default())
        {
            Ok(found) => {
                let choice = choose(&found, last.as_deref().unwrap_or_default(), &*catalogue);
                if !choice.errors.is_empty() && (last.is_none() || !choice.lost.is_empty()) {
                    return Err(RuleStoreError::Invalid { errors: choice.errors });
                }
                choice
            }
            Err(error) => {
                let Some(files) = last else { return Err(error) };
                let rules = load(&files, &catalogue)?;
                Choice { files, rules, errors: error.into_rule_errors(), lost: Vec::new() }
            }
        };
        tell(&errors);
        if rules.rules().is_empty() {
            let directories = source.directories();
            tracing::warn!(
                ?directories,
                "no rule was found (files end in .yaml or .yml): nothing will alarm"
            );
        }
        for path in rule_files::passed_over(source.directories()) {
            tracing::warn!(path = %path.display(), "a file that holds rules is not read: its name must end in .yaml or .yml");
        }
        let in_force =
            InForce { rules: Arc::new(rules), loaded_at_ms: now(), errors, files: files.clone().into() };
        let in_force = ArcSwap::from_pointee(in_force);
        let before = ArcSwapOption::empty();
        let store = Self { source, kept, catalogue, checks, in_force, before, opened, now };
        match has_past && store.kept.last().is_none_or(|last| last != files) {
            true => store.before.store(Some(Arc::new(Before { rules: store.last_in_force(), files }))),
            false => store.keep(&files),
        }
        Ok(Arc::new(store))
    }

    /// Returns the rules that were last in force; `None` when they were not kept, or can no longer be read as rules.
    fn last_in_force(&self) -> Option<Arc<RuleSet>> {
        load(&self.kept.last()?, &self.catalogue).ok().map(Arc::new)
    }

    /// Returns the rules that a start begins with: those that were in force before it. What devices sent by then is
    /// decided by them; then [`RuleStore::watch`] hands over the others, as it does while the center runs.
    pub fn at_start(&self) -> Arc<RuleSet> {
        let before = self.before.load();
        match before.as_ref().and_then(|before| before.rules.as_ref()) {
            Some(rules) => Arc::clone(rules),
            None => Arc::clone(&self.in_force.load().rules),
        }
    }

    /// Reports whether the engine still has the rules from before the start, and will get others.
    pub fn is_changing(&self) -> bool {
        self.before.load().is_some()
    }

    /// Hands the rules over that were changed while the center was down.
    fn catch_up(&self, engine: &Engine) {
        let Some(before) = self.before.load_full() else { return };
        let rules = Arc::clone(&self.in_force.load().rules);
        // Any of them may be new. One that has no alert has nothing to lose, and sees the last values when it is taken for
        // new; the others were in force, or have seen a value.
        let known = before.rules.is_none().then(|| rules.only(|rule| has_alert(engine, rule)));
        let handed = known.map_or(Ok(()), |known| engine.replace_rules(&known));
        match handed.and_then(|()| engine.replace_rules(&rules)) {
            Ok(()) => {
                tracing::info!(
                    rules = rules.rules().len(),
                    "rules changed since the last start are in force"
                );
                self.keep(&before.files);
            }
            Err(error) => tracing::error!(%error, "the new rules cannot be handed over"),
        }
        self.before.store(None);
    }

    /// Keeps the files that are in force for a start at which they are broken or others.
    fn keep(&self, files: &[RuleFile]) {
        if let Err(error) = self.kept.keep(self.source.directories(), files) {
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

    /// Hands over what changed while the center was down, once all that came by then is `replayed`; then watches the
    /// files until `stopped` says so; new rules in force are `told`.
    ///
    /// Errors: the operating system refuses a thread.
    pub fn watch(
        self: &Arc<Self>,
        engine: Arc<Engine>,
        replayed: impl Fn() -> bool + Send + 'static,
        told: impl Fn(&RuleSet) + Send + 'static,
        stopped: impl Fn(Duration) -> bool + Send + 'static,
    ) -> io::Result<Option<thread::JoinHandle<()>>> {
        if matches!(self.source, RuleSource::Embedded(_)) && !self.is_changing() {
            return Ok(None);
        }
        let store = Arc::clone(self);
        let thread = thread::Builder::new().name("rule-files".into()).spawn(move || {
            while store.is_changing() && !stopped(REPLAY_POLL) {
                if replayed() {
                    store.catch_up(&engine);
                }
            }
            let RuleSource::Directories { directories, .. } = &store.source else { return };
            let mut changes = Changes::new(store.opened.clone());
            let mut read = None;
            while !stopped(POLL) {
                if changes.settled(signature(directories)) && !store.reload(&mut read, &engine, &told) {
                    changes.again();
                }
            }
        })?;
        Ok(Some(thread))
    }

    /// Takes the files as they are now, unless they are as they were `read` last. Says whether all could be read.
    fn reload(
        &self,
        read: &mut Option<Result<Vec<Found>, Vec<RuleError>>>,
        engine: &Engine,
        told: &impl Fn(&RuleSet),
    ) -> bool {
        let found =
            self.source.read_each(&self.in_force.load().files).map_err(RuleStoreError::into_rule_errors);
        let is_read = found.as_ref().is_ok_and(|found| found.iter().all(Result::is_ok));
        // What cannot be read is tried again with each poll, and told once.
        if read.as_ref() == Some(&found) {
            return is_read;
        }
        match &found {
            Ok(found) => self.take(found, engine, told),
            Err(errors) => {
                tell(errors);
                let before = self.in_force.load();
                self.in_force.store(Arc::new(InForce { errors: errors.clone(), ..InForce::clone(&before) }));
            }
        }
        *read = Some(found);
        is_read
    }

    fn take(&self, found: &[Found], engine: &Engine, told: &impl Fn(&RuleSet)) {
        let before = self.in_force.load();
        let Choice { files, rules, errors, .. } = choose(found, &before.files, &*self.catalogue);
        tell(&errors);
        if files[..] == before.files[..] {
            self.in_force.store(Arc::new(InForce { errors, ..InForce::clone(&before) }));
            return;
        }
        let rules = Arc::new(rules);
        if let Err(error) = engine.replace_rules(&rules) {
            tracing::error!(%error, "the new rules cannot be handed over");
            return;
        }
        tracing::info!(rules = rules.rules().len(), "rule files changed; the new rules are in force");
        told(&rules);
        self.keep(&files);
        let (loaded_at_ms, files) = ((self.now)(), files.into());
        self.in_force.store(Arc::new(InForce { rules, loaded_at_ms, errors, files }));
    }
}

fn tell(errors: &[RuleError]) {
    for error in errors {
        tracing::error!(%error, "rule file refused; its last good version, if there is one, and all other files are in force");
    }
}

fn has_alert(engine: &Engine, rule: &Rule) -> bool {
    let states = engine.rule_states();
    states.iter().any(|state| state.name == rule.name && (state.pending > 0 || state.firing > 0))
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

fn load(files: &[RuleFile], catalogue: &Catalogue) -> Result<RuleSet, RuleStoreError> {
    RuleSet::load(files, catalogue).map_err(|errors| RuleStoreError::Invalid { errors })
}

/// Adds the rules that are always in force, unless a file has them; one that cannot be read has those it had.
fn with_rules_of_ours(mut found: Vec<Found>, last: &[RuleFile], ours: &[RuleFile]) -> Vec<Found> {
    let version = |file: &Found| match file {
        Ok(file) => Some(file.clone()),
        Err(error) => last.iter().find(|last| last.path == error.file).cloned(),
    };
    let files: Vec<RuleFile> = found.iter().filter_map(version).collect();
    let count = files.len();
    let ours = with_ours(files, ours).into_iter().skip(count);
    // A file of the same name that is broken has a last good version of its own.
    let is_there = |path: &str| found.iter().any(|found| path_of(found) == path);
    let ours: Vec<Found> = ours.filter(|file| !is_there(&file.path)).map(Ok).collect();
    found.extend(ours);
    found
}

impl RuleSource {
    /// Returns the directories that are read, none for what is compiled in.
    pub fn directories(&self) -> &[PathBuf] {
        match self {
            Self::Embedded(_) => &[],
            Self::Directories { directories, .. } => directories,
        }
    }

    /// Reads every file, by name; behind those of directories, the rules of ours that are always in force.
    ///
    /// Errors: the directory or a file cannot be read, or there is too much of it.
    pub fn read(&self) -> Result<Vec<RuleFile>, RuleStoreError> {
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for found in self.read_each(&[])? {
            found.map_or_else(|error| errors.push(error), |file| files.push(file));
        }
        if errors.is_empty() { Ok(files) } else { Err(RuleStoreError::Invalid { errors }) }
    }

    /// Reads every file, by name, each by itself. `last` are those that were last in force.
    fn read_each(&self, last: &[RuleFile]) -> Result<Vec<Found>, RuleStoreError> {
        match self {
            Self::Embedded(files) => Ok(files.iter().cloned().map(Ok).collect()),
            Self::Directories { directories, ours } => {
                rule_files::read_each(directories).map(|found| with_rules_of_ours(found, last, ours))
            }
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
