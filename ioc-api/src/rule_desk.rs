//! The rule files in force: reads them, watches them, and hands a good change to the engine. A broken change is
//! refused as a whole, with file, line and column, and the rules in force go on, over a restart too.
use crate::kept_rules::KeptRules;
use arc_swap::ArcSwap;
use ioc_model::Catalogue;
use ioc_rules::{Engine, RuleError, RuleFile, RuleSet};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

/// How often the files are looked at: a change is live within a second. Polling sees every kind of file system
/// and every editor's way of saving.
const POLL: Duration = Duration::from_millis(250);
/// Largest rule file.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most rule files.
const FILES_MAX: usize = 1000;

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
    /// The text of the files that have problems, for showing where.
    pub files: Vec<RuleFile>,
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
            Self::Read { path, source } => vec![RuleError {
                file: path.display().to_string(),
                line: 1,
                column: 1,
                span: (0, 0),
                message: format!("cannot be read: {source}"),
                help: None,
            }],
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
        // For showing what is wrong; empty where it is already wrong to read them.
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
        let shown = if is_refused { files.clone() } else { Vec::new() };
        let in_force = InForce { rules: Arc::new(rules), loaded_at_ms: now(), errors, files: shown };
        let desk = Self { source, kept, catalogue, in_force: ArcSwap::from_pointee(in_force), now };
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

    /// Checks the text of one file by itself.
    pub fn check(&self, file: RuleFile) -> Vec<RuleError> {
        RuleSet::load(&[file], &*self.catalogue).err().unwrap_or_default()
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
        let refused = |errors, files| InForce { errors, files, ..InForce::clone(&before) };
        let after = match self.source.read() {
            Err(error) => {
                let (text, errors) = (error.to_string(), error.into_rule_errors());
                // Tried again with each poll, told once.
                if before.errors != errors {
                    tracing::error!(error = text, "rule files cannot be read; the rules in force go on");
                    self.in_force.store(Arc::new(refused(errors, Vec::new())));
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
                    InForce { rules, loaded_at_ms: (self.now)(), errors: Vec::new(), files: Vec::new() }
                }
                Err(errors) => {
                    for error in &errors {
                        tracing::error!(%error, "rule file refused; the rules in force go on");
                    }
                    refused(errors, files)
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
            Self::Directories(paths) => {
                let mut files = Vec::new();
                for path in paths {
                    files.extend(read_directory(path)?);
                }
                Ok(files)
            }
        }
    }
}

fn read_directory(directory: &Path) -> Result<Vec<RuleFile>, RuleDeskError> {
    let failed = |source| RuleDeskError::Read { path: directory.to_owned(), source };
    let paths = rule_paths(directory).map_err(failed)?;
    if paths.len() > FILES_MAX {
        return Err(failed(too_much(format!("{} rule files; at most {FILES_MAX} are read", paths.len()))));
    }
    paths.into_iter().map(|path| read_file(&path)).collect()
}

fn read_file(path: &Path) -> Result<RuleFile, RuleDeskError> {
    let failed = |source| RuleDeskError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(failed(too_much(format!("it is larger than {FILE_BYTES_MAX} bytes"))));
    }
    let bytes = fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        RuleDeskError::Invalid {
            errors: vec![RuleError {
                file: path.display().to_string(),
                line: before.matches('\n').count() as u32 + 1,
                column: before[line_start..].chars().count() as u32 + 1,
                span: (good, good + 1),
                message: "not UTF-8".into(),
                help: Some("save the file as UTF-8".into()),
            }],
        }
    })?;
    Ok(RuleFile { path: path.display().to_string(), text })
}

fn too_much(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

fn rule_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_rule = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_rule && !hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Path, length and time of change of each file.
type Signature = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// What changes when a file is written, replaced, added or removed.
fn signature(directories: &[PathBuf]) -> Signature {
    let paths = directories.iter().flat_map(|directory| rule_paths(directory).unwrap_or_default());
    let facts = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok()?;
        Some((path, metadata.len(), metadata.modified().ok()))
    };
    paths.filter_map(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_yaml_files_are_rules() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "c.yaml~"] {
            fs::write(directory.path().join(name), "groups: []").unwrap();
        }
        let files = RuleSource::Directories(vec![directory.path().to_owned()]).read().unwrap();
        let names: Vec<_> = files.iter().map(|file| file.path.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn a_rewrite_of_the_same_length_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        fs::write(&path, "groups: []").unwrap();
        let directories = [directory.path().to_owned()];
        let before = signature(&directories);
        fs::write(&path, "groups: {}").unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_ne!(signature(&directories), before);
    }

    #[test]
    fn a_change_counts_when_two_polls_see_the_same() {
        let found = |len| vec![(PathBuf::from("a.yaml"), len, None)];
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

    #[test]
    fn a_file_that_is_not_utf8_is_named_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), b"groups:\n  - n\xe1\xbb\xa9 \xff").unwrap();
        let error = RuleSource::Directories(vec![directory.path().to_owned()]).read().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("a.yaml:2:8: not UTF-8"), "{text}");
    }
}
