//! The rule pack of `configs/rules`: every file loads, and promtool accepts what uses nothing of ours.
#![allow(clippy::unwrap_used, clippy::print_stderr)]
use ioc_model::{Catalogue, Severity};
use ioc_rules::{NoData, RuleFile, RuleSet, lang::query::Scope};
use std::{collections::BTreeSet, path::PathBuf, process::Command};

const CATALOGUE: &str = include_str!("../../configs/catalogue/catalogue.toml");

fn pack_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs/rules")
}

fn files() -> Vec<RuleFile> {
    let mut paths: Vec<_> =
        std::fs::read_dir(pack_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        RuleFile { path: path.file_name().unwrap().to_string_lossy().into_owned(), text }
    };
    paths.into_iter().map(read).collect()
}

fn pack() -> RuleSet {
    let catalogue = Catalogue::from_toml(CATALOGUE).unwrap();
    match RuleSet::load(&files(), &catalogue) {
        Ok(rules) => rules,
        Err(errors) => {
            let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", shown.join("\n"));
        }
    }
}

#[test]
fn the_whole_pack_loads_and_covers_every_domain() {
    let pack = pack();
    assert!(pack.rules().len() >= 25, "{}", pack.rules().len());
    for domain in Catalogue::from_toml(CATALOGUE).unwrap().domains() {
        let count = pack.rules().iter().filter(|rule| rule.domain == Some(domain.name)).count();
        assert!(count >= 4, "{}: {count}", domain.name);
    }
    let names: BTreeSet<&str> = pack.rules().iter().map(|rule| &*rule.name).collect();
    assert_eq!(names.len(), pack.rules().len());
}

#[test]
fn critical_is_rare_and_flood_levels_are_three_rules_a_station() {
    let pack = pack();
    let critical = pack.rules().iter().filter(|rule| rule.severity == Severity::Critical).count();
    assert!(critical * 10 <= pack.rules().len(), "{critical} of {}", pack.rules().len());
    for station in ["KimLong", "PhuOc"] {
        for (level, severity) in [(1, Severity::Medium), (2, Severity::High), (3, Severity::Critical)] {
            let rule = pack.get(&format!("{station}Alarm{level}")).unwrap();
            assert_eq!(rule.severity, severity);
            assert!(rule.clear.is_some(), "{} needs hysteresis", rule.name);
            assert_eq!(rule.no_data, NoData::Hold, "a drowned gauge clears nothing");
            assert_eq!(rule.query.expr.scope(), Scope::Device);
        }
    }
}

#[test]
fn summaries_name_only_labels_that_exist() {
    let known = [
        "device",
        "domain",
        "kind",
        "ward",
        "street",
        "cabinet",
        "feeder",
        "lot",
        "zone",
        "river",
        "station",
        "junction",
        "rated_power",
        "max_stay_s",
    ];
    for rule in pack().rules() {
        for label in rule.summary.vi.labels().chain(rule.summary.en.labels()) {
            assert!(known.contains(&label), "{}: {label}", rule.name);
        }
    }
}

#[test]
fn promtool_accepts_every_file_without_our_functions() {
    let promtool = Command::new("promtool").arg("--version").output();
    if promtool.is_err() {
        assert!(
            std::env::var_os("TESTS_MUST_RUN").is_none(),
            "promtool is not installed (Debian: prometheus)"
        );
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    }
    for file in files().iter().filter(|file| !file.path.ends_with("-local.yaml")) {
        let output = Command::new("promtool")
            .args(["check", "rules"])
            .arg(pack_dir().join(&file.path))
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", file.path);
    }
}
