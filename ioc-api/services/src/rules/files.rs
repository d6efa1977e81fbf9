//! Rule files on disk: which there are, and their texts. Only regular files inside their directory are read: what a link
//! leads to elsewhere is none of ours to show, and errors show lines.
use super::{
    choice::Found,
    error::{RuleStoreError, error_at},
};
use ioc_files::Links;
use ioc_rules::{RuleError, RuleFile, limits::FILE_BYTES_MAX};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Most rule files of one directory.
const FILES_MAX: usize = 1000;

/// Reads every rule file of these directories, by name, each by itself.
///
/// Errors: a directory cannot be read or has too many of them.
pub(super) fn read_each(directories: &[PathBuf]) -> Result<Vec<Found>, RuleStoreError> {
    let mut files = Vec::new();
    for directory in directories {
        let failed = |source| RuleStoreError::Read { path: directory.clone(), source };
        let root = fs::canonicalize(directory).map_err(failed)?;
        for path in rule_paths(directory).map_err(failed)? {
            files.push(read_one(&path, &root));
        }
    }
    Ok(files)
}

/// Reads a file that must lie within `root`; a link may lead to it, as in directories that Kubernetes mounts.
fn read_one(path: &Path, root: &Path) -> Result<RuleFile, RuleError> {
    let shown = path.display().to_string();
    let problem = |message: String| error_at(&shown, (1, 1), (0, 0), message, None);
    let unreadable = |error: io::Error| problem(format!("cannot be read: {error}"));
    if path.to_str().is_none_or(|name| name.chars().any(char::is_control)) {
        return Err(problem("the name of a rule file must be UTF-8 without control characters".into()));
    }
    let target = fs::canonicalize(path).map_err(unreadable)?;
    if !target.starts_with(root) {
        let help = Some("copy the file into the directory, or name its directory with --rules".into());
        let message = "is a link to a file outside of its directory, which is not read".into();
        return Err(error_at(&shown, (1, 1), (0, 0), message, help));
    }
    let bytes = ioc_files::read(&target, FILE_BYTES_MAX, Links::Refused).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&shown, &error))?;
    Ok(RuleFile { path: shown, text })
}

fn not_utf8(path: &str, error: &std::string::FromUtf8Error) -> RuleError {
    let good = error.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let place = (before.matches('\n').count() as u32 + 1, before[line_start..].chars().count() as u32 + 1);
    error_at(path, place, (good, good + 1), "not UTF-8".into(), Some("save the file as UTF-8".into()))
}

/// Reports whether a file is named like one with rules, in any case: systems that ignore the case write `A.YAML`.
fn has_ending(path: &Path) -> bool {
    let is_ours =
        |extension: &std::ffi::OsStr| ["yaml", "yml"].iter().any(|ours| extension.eq_ignore_ascii_case(ours));
    path.extension().is_some_and(is_ours)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Returns files that hold what looks like rules under names that are not read.
pub fn passed_over(directories: &[PathBuf]) -> Vec<PathBuf> {
    let entries =
        directories.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let paths = entries.map(|entry| entry.path()).filter(|path| !has_ending(path) && !is_hidden(path));
    let mut found: Vec<PathBuf> = paths.filter(|path| holds_rules(path)).take(FILES_MAX).collect();
    found.sort();
    found
}

fn holds_rules(path: &Path) -> bool {
    let Ok(text) = ioc_files::read_text(path, FILE_BYTES_MAX) else { return false };
    text.lines().any(|line| line.trim_end() == "groups:") && text.contains("alert:")
}

/// Returns what is named like a rule file, whatever it is: what cannot be read is an error, not nothing.
fn rule_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if has_ending(&path) && !is_hidden(&path) {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            let message = format!("it holds more than {FILES_MAX} rule files");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Path of each file, and what changes when it is written or replaced.
pub(super) type Signature = Vec<(PathBuf, Option<Facts>)>;

/// Device, number and length of a file, its time of change, and that of its description in nanoseconds.
type Facts = (u64, u64, u64, Option<SystemTime>, (i64, i64));

/// Returns what changes when a file is written, replaced, added or removed.
pub(super) fn signature(directories: &[PathBuf]) -> Signature {
    let paths = directories.iter().flat_map(|directory| rule_paths(directory).unwrap_or_default());
    let facts = |path: &Path| {
        let of = fs::metadata(path).ok()?;
        Some((of.dev(), of.ino(), of.len(), of.modified().ok(), (of.ctime(), of.ctime_nsec())))
    };
    paths.map(|path| (path.clone(), facts(&path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const RULES: &str = "groups: []\n";

    fn errors(directory: &Path) -> Vec<String> {
        let found = read_each(&[directory.to_owned()]).unwrap();
        found.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
    }

    fn names(directory: &Path) -> Vec<String> {
        let files = read_each(&[directory.to_owned()]).unwrap();
        files.iter().flatten().map(|file| file.path.rsplit('/').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn only_visible_yaml_files_are_rules() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "c.yaml~", "D.YAML", "e.Yml"] {
            fs::write(directory.path().join(name), RULES).unwrap();
        }
        assert_eq!(names(directory.path()), ["D.YAML", "a.yml", "b.yaml", "e.Yml"]);
    }

    #[test]
    fn rules_under_names_that_are_not_read_are_named() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.rules", "b.yaml.txt", "c.yaml~", "d.YAML", ".e.txt"] {
            fs::write(directory.path().join(name), "groups:\n- rules:\n  - alert: A\n").unwrap();
        }
        fs::write(directory.path().join("notes.txt"), "groups: of people\n").unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, pipe, fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let found = passed_over(&[directory.path().to_owned()]);
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.rules", "b.yaml.txt", "c.yaml~"]);
    }

    #[test]
    fn a_rewrite_of_the_same_length_is_seen_and_so_is_another_file_of_the_same_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        fs::write(&path, "groups: []").unwrap();
        let directories = [directory.path().to_owned()];
        let before = signature(&directories);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let other = directory.path().join("other");
        fs::write(&other, "groups: {}").unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(signature(&directories), before);
    }

    #[test]
    fn a_file_that_is_not_utf8_is_named_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), b"groups:\n  - n\xe1\xbb\xa9 \xff").unwrap();
        assert!(errors(directory.path())[0].contains("a.yaml:2:8: not UTF-8"));
    }

    #[test]
    fn links_are_followed_inside_the_directory_and_nowhere_else() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| inside.path().join(name);
        fs::write(outside.path().join("shadow"), "root:$6$secret:1:\n").unwrap();
        // As Kubernetes mounts a ConfigMap.
        fs::create_dir(at("..2026_11_28")).unwrap();
        fs::write(at("..2026_11_28").join("flood.yaml"), RULES).unwrap();
        symlink("..2026_11_28", at("..data")).unwrap();
        symlink("..data/flood.yaml", at("flood.yaml")).unwrap();
        assert_eq!(names(inside.path()), ["flood.yaml"]);

        let elsewhere = [
            ("absolute.yaml", outside.path().join("shadow")),
            ("upwards.yaml", PathBuf::from("../../../../../../../../etc/passwd")),
            ("twice.yaml", PathBuf::from("..data/over.yaml")),
            ("process.yaml", PathBuf::from("/proc/self/environ")),
        ];
        symlink(outside.path().join("shadow"), at("..2026_11_28").join("over.yaml")).unwrap();
        for (name, target) in elsewhere {
            symlink(target, at(name)).unwrap();
            let said = errors(inside.path());
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].contains("a link to a file outside of its directory"), "{said:?}");
            assert!(!said[0].contains("root") && !said[0].contains("shadow"), "{said:?}");
            fs::remove_file(at(name)).unwrap();
        }
    }

    #[test]
    fn what_is_named_like_a_rule_file_and_is_none_is_told_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("a.yaml")).unwrap();
        symlink("nowhere", at("b.yaml")).unwrap();
        symlink("c.yaml", at("c.yaml")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("d.yaml"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        fs::write(at("e.yaml"), "x".repeat(FILE_BYTES_MAX + 1)).unwrap();
        fs::write(at("f\n.yaml"), RULES).unwrap();
        let said = errors(directory.path());
        for (line, expected) in said.iter().zip([
            "not a regular file",
            "No such file",
            "links",
            "not a regular file",
            "larger than 1048576 bytes",
            "without control characters",
        ]) {
            assert!(line.contains(expected), "{line} should say {expected}");
        }
        assert_eq!(said.len(), 6);
    }
}
