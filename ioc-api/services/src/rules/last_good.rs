//! The rule files that were last in force, kept in the data directory: a file that breaks while the server runs is refused
//! and the old one goes on, and so it must be when the power comes back at night before anyone has mended it. They also
//! tell a start which rules are new.
use ioc_rules::RuleFile;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The rule files that were last in force, in a file of the data directory.
pub struct LastGoodRules {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Where they came from, none for those compiled in; other directories have other rules.
    directories: Vec<PathBuf>,
    files: Vec<KeptFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    path: String,
    text: String,
}

impl LastGoodRules {
    /// They are, or will be, in the file `path`.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Keeps the files of these directories, all or none, also through a crash.
    ///
    /// Errors: they cannot be written; what was kept before still is.
    pub fn keep(&self, directories: &[PathBuf], files: &[RuleFile]) -> io::Result<()> {
        let file = |file: &RuleFile| KeptFile { path: file.path.clone(), text: file.text.clone() };
        let kept = Kept { directories: directories.to_vec(), files: files.iter().map(file).collect() };
        let temporary = self.path.with_extension("tmp");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Returns the files that were last in force from these directories; `None` when there are none, or what is kept
    /// cannot be read.
    pub fn find(&self, directories: &[PathBuf]) -> Option<Vec<RuleFile>> {
        let kept = self.read().filter(|kept| kept.directories == directories)?;
        Some(kept.into_files())
    }

    /// Returns the files that were last in force, wherever they came from; `None` as in [`LastGoodRules::find`].
    pub fn last(&self) -> Option<Vec<RuleFile>> {
        self.read().map(Kept::into_files)
    }

    fn read(&self) -> Option<Kept> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }
}

impl Kept {
    fn into_files(self) -> Vec<RuleFile> {
        let file = |file: KeptFile| RuleFile { path: file.path, text: file.text };
        self.files.into_iter().map(file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_for_the_same_directories_only() {
        let directory = tempfile::tempdir().unwrap();
        let kept = LastGoodRules::at(directory.path().join("rules.json"));
        let (here, elsewhere) = ([PathBuf::from("configs/rules")], [PathBuf::from("other")]);
        assert_eq!(kept.find(&here), None);
        let files = vec![RuleFile { path: "configs/rules/a.yaml".into(), text: "groups: [] # lũ\n".into() }];
        kept.keep(&here, &files).unwrap();
        assert_eq!(kept.find(&here), Some(files));
        assert_eq!(kept.find(&elsewhere), None);
        assert_eq!(kept.last(), kept.find(&here), "wherever they came from");
        fs::write(directory.path().join("rules.json"), "{").unwrap();
        assert_eq!((kept.find(&here), kept.last()), (None, None));
    }
}
