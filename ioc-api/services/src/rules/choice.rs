//! Which version of each rule file is in force: the one on disk, or when that cannot be used the last good one. Files are
//! judged one by one, so that a mistake in one holds back no other.
use ioc_rules::{RuleError, RuleFile, RuleSet, Vocabulary};
use std::collections::HashMap;

/// A rule file as it was found, or why it cannot be read.
pub(super) type Found = Result<RuleFile, RuleError>;

pub(super) fn path_of(found: &Found) -> &str {
    found.as_ref().map_or_else(|error| error.file.as_str(), |file| file.path.as_str())
}

/// What is to be in force.
pub(super) struct Choice {
    /// The version of each file, by name.
    pub(super) files: Vec<RuleFile>,
    /// Their rules.
    pub(super) rules: RuleSet,
    /// What is wrong with the files on disk.
    pub(super) errors: Vec<RuleError>,
    /// Files on disk of which no version is in force although one was.
    pub(super) lost: Vec<String>,
}

/// One file on its way into force.
struct Candidate<'a> {
    path: &'a str,
    /// The version to be used, if there is one.
    version: Option<&'a RuleFile>,
    last: Option<&'a RuleFile>,
}

impl Candidate<'_> {
    /// Takes the last good version, or none where that is the one at fault.
    fn fall_back(&mut self) {
        self.version = self.last.filter(|_| !self.is_last());
    }

    fn is_last(&self) -> bool {
        self.version.is_some() && self.version == self.last
    }
}

/// Chooses the version of each of the `found` files; `last` are those that were last in force.
///
/// Where files contradict each other, as when two define the same alert, the fault is with the one that changed, of several
/// with the later one by name.
pub(super) fn choose(found: &[Found], last: &[RuleFile], vocabulary: &dyn Vocabulary) -> Choice {
    let last: HashMap<&str, &RuleFile> = last.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut errors = Vec::new();
    let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(found.len());
    for file in found {
        let path = path_of(file);
        let mut candidate = Candidate { path, version: file.as_ref().ok(), last: last.get(path).copied() };
        let wrong = match file {
            Ok(file) => RuleSet::load(std::slice::from_ref(file), vocabulary).err(),
            Err(error) => Some(vec![error.clone()]),
        };
        if let Some(wrong) = wrong {
            errors.extend(wrong);
            candidate.version = candidate.last.filter(|last| Some(*last) != candidate.version);
        }
        candidates.push(candidate);
    }
    while let Err(wrong) = load(&candidates, vocabulary) {
        let is_at_fault = |path: &str| wrong.iter().any(|error| error.file == path);
        let (mut at_fault, others): (Vec<_>, Vec<_>) =
            candidates.iter_mut().partition(|candidate| is_at_fault(candidate.path));
        // Every error names a file; should one not, this ends all the same.
        let fallen = if at_fault.is_empty() { others } else { std::mem::take(&mut at_fault) };
        fallen.into_iter().for_each(Candidate::fall_back);
        errors.extend(wrong);
    }
    errors.sort_by(|a, b| (&a.file, a.span).cmp(&(&b.file, b.span)));
    errors.dedup();
    let lost = candidates.iter().filter(|candidate| candidate.version.is_none() && candidate.last.is_some());
    let lost = lost.map(|candidate| candidate.path.to_owned()).collect();
    let files: Vec<RuleFile> = candidates.iter().filter_map(|candidate| candidate.version.cloned()).collect();
    // Without contradictions the order changes nothing but the order of the rules.
    let rules = RuleSet::load(&files, vocabulary).unwrap_or_default();
    Choice { files, rules, errors, lost }
}

/// Loads the versions together, those that were in force first: the later one is told of a contradiction.
fn load(candidates: &[Candidate<'_>], vocabulary: &dyn Vocabulary) -> Result<(), Vec<RuleError>> {
    let (settled, changed): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| candidate.is_last());
    let files: Vec<RuleFile> =
        settled.into_iter().chain(changed).filter_map(|candidate| candidate.version.cloned()).collect();
    RuleSet::load(&files, vocabulary).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::error::error_at;
    use ioc_model::Catalogue;
    use proptest::prelude::*;

    fn catalogue() -> Catalogue {
        Catalogue::from_toml(include_str!("../../../../configs/catalogue/catalogue.toml")).unwrap()
    }

    /// A file with these alerts, each with its threshold.
    fn file(path: &str, alerts: &[(&str, u32)]) -> RuleFile {
        let rule = |(name, threshold): &(&str, u32)| {
            format!(
                "  - alert: {name}\n    expr: water_level > {threshold}\n    labels: {{ severity: high }}\n    \
                 annotations: {{ summary_vi: a, summary_en: b }}\n"
            )
        };
        let rules: String = alerts.iter().map(rule).collect();
        RuleFile { path: path.into(), text: format!("groups:\n- name: g\n  rules:\n{rules}") }
    }

    fn broken(path: &str) -> RuleFile {
        RuleFile { path: path.into(), text: "groups: [{ broken".into() }
    }

    /// What it is, the files, the rules in force and the files with errors.
    type Case<'a> = (&'a str, Vec<Found>, &'a [&'a str], &'a [&'a str]);

    fn in_force(choice: &Choice) -> Vec<String> {
        let show = |rule: &std::sync::Arc<ioc_rules::Rule>| format!("{} {}", rule.name, rule.query.text);
        choice.rules.rules().iter().map(show).collect()
    }

    #[test]
    fn files_are_judged_one_by_one() {
        let unreadable = || error_at("b", (1, 1), (0, 0), "cannot be read".into(), None);
        let last = [file("a", &[("A", 1)]), file("b", &[("B", 2)])];
        let cases: [Case<'_>; 11] = [
            ("nothing new", last.iter().cloned().map(Ok).collect(), &["A 1", "B 2"], &[]),
            (
                "one is broken, one changed, one new",
                vec![Ok(file("a", &[("A", 9)])), Ok(broken("b")), Ok(file("c", &[("C", 3)]))],
                &["A 9", "B 2", "C 3"],
                &["b"],
            ),
            (
                "one cannot be read, one is gone",
                vec![Err(unreadable()), Ok(file("c", &[("C", 3)]))],
                &["B 2", "C 3"],
                &["b"],
            ),
            (
                "a new one is broken",
                vec![Ok(last[0].clone()), Ok(last[1].clone()), Ok(broken("c"))],
                &["A 1", "B 2"],
                &["c"],
            ),
            (
                "a new one, earlier by name, defines what another has",
                vec![Ok(file("0", &[("B", 8), ("C", 3)])), Ok(last[0].clone()), Ok(last[1].clone())],
                &["A 1", "B 2"],
                &["0"],
            ),
            (
                "a changed one defines what another has",
                vec![Ok(file("a", &[("A", 9), ("B", 9)])), Ok(last[1].clone())],
                &["A 1", "B 2"],
                &["a"],
            ),
            (
                "an alert moves",
                vec![Ok(file("a", &[("A", 1), ("B", 2)])), Ok(file("b", &[("D", 4)]))],
                &["A 1", "B 2", "D 4"],
                &[],
            ),
            (
                "an alert moves from a file that breaks",
                vec![Ok(file("a", &[("A", 1), ("B", 9)])), Ok(broken("b"))],
                &["A 1", "B 2"],
                &["a", "b"],
            ),
            (
                "both change to the same alert",
                vec![Ok(file("a", &[("E", 5)])), Ok(file("b", &[("E", 6)]))],
                &["E 5", "B 2"],
                &["b"],
            ),
            (
                "one falls back to what another one took",
                vec![
                    Ok(file("a", &[("B", 9)])),
                    Ok(file("b", &[("A", 9), ("C", 1)])),
                    Ok(file("0", &[("C", 1)])),
                ],
                &["A 1", "B 2", "C 1"],
                &["a", "b"],
            ),
            ("all are gone", Vec::new(), &[], &[]),
        ];
        for (what, mut found, rules, wrong) in cases {
            found.sort_by_key(|file| match file {
                Ok(file) => file.path.clone(),
                Err(error) => error.file.clone(),
            });
            let choice = choose(&found, &last, &catalogue());
            let mut files: Vec<&str> = choice.errors.iter().map(|error| error.file.as_str()).collect();
            files.dedup();
            let mut expected: Vec<String> =
                rules.iter().map(|rule| rule.replace(' ', " water_level > ")).collect();
            let mut got = in_force(&choice);
            expected.sort();
            got.sort();
            assert_eq!((got, files.as_slice(), choice.lost.as_slice()), (expected, wrong, &[][..]), "{what}");
        }
    }

    #[test]
    fn a_file_without_any_good_version_is_told_as_lost_only_if_it_had_one() {
        let found = [Ok(broken("a")), Ok(broken("b"))];
        assert_eq!(choose(&found, &[broken("a")], &catalogue()).lost, ["a"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever files say, each is in force as it is or as it was, none that was in force is lost, and what is wrong is
        /// told of exactly those that are not as they are.
        #[test]
        fn a_working_file_is_never_lost(
            before in prop::collection::vec(0usize..4, 0..4),
            after in prop::collection::vec(prop::option::of(prop::collection::btree_set(0usize..4, 0..3)), 0..4),
        ) {
            const NAMES: [&str; 4] = ["A", "B", "C", "D"];
            let path = |n: usize| format!("f{n}");
            // Those in force do not contradict each other.
            let is_first = |n: usize| !before[..n].contains(&before[n]);
            let last = (0..before.len()).filter(|n| is_first(*n));
            let last: Vec<RuleFile> = last.map(|n| file(&path(n), &[(NAMES[before[n]], 1)])).collect();
            let found: Vec<Found> = after.iter().enumerate().map(|(n, alerts)| Ok(match alerts {
                Some(alerts) => file(&path(n), &alerts.iter().map(|alert| (NAMES[*alert], 2)).collect::<Vec<_>>()),
                None => broken(&path(n)),
            })).collect();
            let choice = choose(&found, &last, &catalogue());
            prop_assert!(choice.lost.is_empty());
            for file in found.iter().flatten() {
                let chosen = choice.files.iter().find(|chosen| chosen.path == file.path);
                let was = last.iter().find(|last| last.path == file.path);
                let is_told = choice.errors.iter().any(|error| error.file == file.path);
                prop_assert!(chosen == Some(file) || chosen == was, "{:?}", chosen);
                prop_assert_eq!(chosen != Some(file), is_told);
            }
        }
    }
}
