//! Holds the floor plan of ARCHITECTURE.md: which crate may need which, no circles among modules, and single arrows
//! that must not come back.
//!
//! Reads sources and Cargo.toml files as text and builds nothing of what it looks at. Code under `#[cfg(test)]` is left
//! out. Two arrows are not seen: a method that is called on a value, and what a macro of another crate writes.
mod circles;
mod crates;
mod lex;
mod modules;
mod parse;
mod paths;

use circles::{Circle, circles};
use crates::{Member, members, top};
use modules::{Arrow, Tree, split};
use std::{collections::BTreeSet, fmt::Write};

/// What each crate may need, itself aside. Arrows only point up in this table.
///
/// It keeps these away for good: records → identity, identity and services → HTTP, broker ⇄ ingest.
const ROOMS: [(&str, &[&str]); 15] = [
    ("ioc-files", &[]),
    ("ioc-model", &[]),
    ("ioc-journal", &["ioc-files", "ioc-model"]),
    ("ioc-store", &["ioc-files", "ioc-model"]),
    ("ioc-ingest", &["ioc-files", "ioc-journal", "ioc-model"]),
    ("ioc-broker", &["ioc-files", "ioc-model"]),
    ("ioc-rules", &["ioc-files", "ioc-model"]),
    ("ioc-alerts", &["ioc-model"]),
    ("ioc-records", &["ioc-files", "ioc-model"]),
    ("ioc-identity", &["ioc-files", "ioc-model", "ioc-records"]),
    (
        "ioc-services",
        &[
            "ioc-alerts",
            "ioc-broker",
            "ioc-files",
            "ioc-identity",
            "ioc-ingest",
            "ioc-journal",
            "ioc-model",
            "ioc-records",
            "ioc-rules",
            "ioc-store",
        ],
    ),
    // Its answers are made of what the services return, hence the crates that define that.
    (
        "ioc-http",
        &[
            "ioc-alerts",
            "ioc-files",
            "ioc-identity",
            "ioc-ingest",
            "ioc-model",
            "ioc-records",
            "ioc-rules",
            "ioc-services",
            "ioc-store",
        ],
    ),
    ("firmware-sim", &["ioc-files", "ioc-model"]),
    (
        "ioc-api",
        &[
            "firmware-sim",
            "ioc-alerts",
            "ioc-broker",
            "ioc-files",
            "ioc-http",
            "ioc-identity",
            "ioc-ingest",
            "ioc-journal",
            "ioc-model",
            "ioc-records",
            "ioc-rules",
            "ioc-services",
            "ioc-store",
        ],
    ),
    // Measures the program as users run it.
    ("ioc-benches", &[]),
];

/// Arrows that were there once: crate, from, to. Each half counts with all that is within it.
const FORBIDDEN: [(&str, &str, &str); 9] = [
    ("ioc-store", "inner", "scan"),
    ("ioc-broker", "connection", "reactor"),
    ("ioc-broker", "packet_handler", "reactor"),
    ("ioc-broker", "reading", "reactor"),
    ("ioc-broker", "writing", "reactor"),
    ("firmware-sim", "behaviour", "simulation"),
    ("ioc-rules", "eval", "engine"),
    ("ioc-rules", "lifecycle", "engine"),
    ("ioc-rules", "file", "ruleset"),
];

/// Crates that are not in order yet, with what is missing.
const UNFINISHED: [(&str, &str); 2] =
    [("ioc-api", "admin, data_dir, followers and app"), ("ioc-http", "state and what stands beside it")];

#[test]
fn crates_need_only_what_the_floor_plan_allows() {
    let mut report = String::new();
    for member in members() {
        match ROOMS.iter().find(|(name, _)| *name == member.name) {
            Some((_, allowed)) => tell_needs(&mut report, &member, allowed),
            None => tell(&mut report, format_args!("{}: add it to ROOMS in {}", member.name, file!())),
        }
    }
    assert!(report.is_empty(), "arrows that ARCHITECTURE.md does not have:\n{report}");
}

fn tell_needs(report: &mut String, member: &Member, allowed: &[&str]) {
    for need in member.needs.iter().filter(|need| !allowed.contains(&need.as_str()) && **need != member.name)
    {
        let manifest = member.folder.strip_prefix(top()).unwrap_or(&member.folder).join("Cargo.toml");
        tell(report, format_args!("{}: {} → {need}", manifest.display(), member.name));
    }
}

#[test]
fn the_floor_plan_names_only_what_is_there() {
    let text = std::fs::read_to_string(top().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    let missing = paths::missing(&text, top());
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_floor_plan_has_no_circle() {
    let mut above = BTreeSet::new();
    for (name, allowed) in ROOMS {
        assert!(allowed.iter().all(|needed| above.contains(needed)), "{name} needs what stands below it");
        above.insert(name);
    }
}

#[test]
fn modules_form_no_circles() {
    let mut report = String::new();
    for member in members().iter().filter(|member| !is_unfinished(member)) {
        for root in &member.roots {
            for circle in circles(Tree::read(root).arrows()) {
                tell_circle(&mut report, member, &circle);
            }
        }
    }
    assert!(report.is_empty(), "modules that need each other in a circle:\n{report}");
}

fn tell_circle(report: &mut String, member: &Member, circle: &Circle) {
    let within = [std::slice::from_ref(&member.name), &circle.within].concat().join("::");
    let members: Vec<_> = circle.members.iter().map(String::as_str).collect();
    tell(report, format_args!("{within}: {}", members.join(" ⇄ ")));
    circle.arrows.iter().for_each(|arrow| tell_arrow(report, arrow));
}

#[test]
fn arrows_that_are_gone_stay_away() {
    let mut report = String::new();
    for member in members().iter().filter(|member| !is_unfinished(member)) {
        let root = member.roots.first().expect("a crate has a root");
        let mut tree = None;
        for (_, from, to) in FORBIDDEN.iter().filter(|(name, ..)| *name == member.name) {
            let tree = tree.get_or_insert_with(|| Tree::read(root));
            tell_forbidden(&mut report, tree, from, to);
        }
    }
    assert!(report.is_empty(), "arrows that must not come back:\n{report}");
}

fn tell_forbidden(report: &mut String, tree: &Tree, from: &str, to: &str) {
    let (from, to) = (split(from), split(to));
    for place in [&from, &to].into_iter().filter(|place| !tree.has(place)) {
        let name = place.join("::");
        tell(report, format_args!("{}: FORBIDDEN: there is no module {name}", file!()));
    }
    let arrows = tree.arrows();
    let found = arrows.iter().filter(|arrow| arrow.from.starts_with(&from) && arrow.to.starts_with(&to));
    found.for_each(|arrow| tell_arrow(report, arrow));
}

fn is_unfinished(member: &Member) -> bool {
    UNFINISHED.iter().any(|(name, _)| *name == member.name)
}

fn tell_arrow(report: &mut String, Arrow { from, to, file, line }: &Arrow) {
    let file = file.strip_prefix(top()).unwrap_or(file).display();
    tell(report, format_args!("  {file}:{line}: {} → {}", from.join("::"), to.join("::")));
}

fn tell(report: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(report, "{line}").expect("a string takes all");
}

#[test]
fn a_forbidden_arrow_is_found() {
    let tree =
        Tree::default().with("", "").with("a", "").with("a::b", "\nuse crate::c::D;").with("c", "struct D;");
    let told = |from, to| {
        let mut report = String::new();
        tell_forbidden(&mut report, &tree, from, to);
        report
    };
    assert_eq!(told("a", "c"), "  a::b.rs:2: a::b → c\n");
    assert_eq!(told("c", "a"), "");
    assert!(told("a", "gone").ends_with("there is no module gone\n"));
}
