//! Prometheus rule files: YAML with positions, into checked rules.
//!
//! Every mistake of every file is found in one run. A file is read into a tree that knows places ([`yaml`]),
//! the tree is walked field by field ([`fields`], [`rule`]), and mistakes inside an expression are put where
//! they stand in the file, through quotes, folding and indentation ([`scalar`]).
//!
//! Fields of Prometheus without meaning here: `interval` of a group is accepted and has no effect, as rules are
//! evaluated when data arrives; `limit` and `query_offset` are refused unless they are 0.
mod fields;
mod hash;
mod report;
mod rule;
mod scalar;
mod yaml;

use crate::{
    lang::duration::parse_duration,
    ruleset::{Rule, RuleError, RuleFile},
    vocabulary::Vocabulary,
};
use fields::Fields;
use report::Report;
use rule::{Group, Placed};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use yaml::{Node, Place, YamlError};

/// Largest rule file in bytes.
const FILE_LEN_MAX: usize = 4 * 1024 * 1024;
const GROUP_FIELDS: [&str; 6] = ["name", "interval", "limit", "query_offset", "labels", "rules"];

/// Parses and checks rule files; all problems at once, in the order of files and lines.
pub(crate) fn load(
    files: &[RuleFile],
    vocabulary: &dyn Vocabulary,
) -> Result<Vec<Arc<Rule>>, Vec<RuleError>> {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    // Name of a rule to where it stands.
    let mut names: HashMap<Arc<str>, String> = HashMap::new();
    for file in files {
        let mut report = Report::new(file);
        for Placed { rule, name_place } in read_file(file, vocabulary, &mut report) {
            match names.get(&rule.name) {
                Some(first) => {
                    let message = format!("alert {:?} is defined twice", rule.name);
                    report.error(
                        name_place,
                        message,
                        Some(format!("rename it; the first one is at {first}")),
                    );
                }
                None => {
                    names.insert(Arc::clone(&rule.name), format!("{}:{}", rule.file, rule.line));
                    rules.push(Arc::new(rule));
                }
            }
        }
        errors.extend(report.into_errors());
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn read_file(file: &RuleFile, vocabulary: &dyn Vocabulary, report: &mut Report<'_>) -> Vec<Placed> {
    if file.text.len() > FILE_LEN_MAX {
        let message = format!("file of {} bytes is too large; at most {FILE_LEN_MAX}", file.text.len());
        report.error(Place::default(), message, None);
        return Vec::new();
    }
    let root = match yaml::parse(&file.text) {
        Ok(root) => root,
        Err(YamlError { place, message }) => {
            report.error(place, format!("not valid YAML: {message}"), None);
            return Vec::new();
        }
    };
    let Some(top) = Fields::read(&root, "a rule file", &["groups"], report) else { return Vec::new() };
    let path: Arc<str> = file.path.as_str().into();
    let (mut rules, mut groups) = (Vec::new(), HashSet::new());
    for node in top.list("groups", report) {
        read_group(node, &path, &mut groups, vocabulary, report, &mut rules);
    }
    rules
}

fn read_group<'n>(
    node: &'n Node,
    path: &Arc<str>,
    seen: &mut HashSet<&'n str>,
    vocabulary: &dyn Vocabulary,
    report: &mut Report<'_>,
    rules: &mut Vec<Placed>,
) {
    let Some(fields) = Fields::read(node, "a group", &GROUP_FIELDS, report) else { return };
    let name = fields.text("name", report).filter(|name| !name.text.trim().is_empty());
    match name {
        None => {
            report.error(fields.place, "a group needs the field \"name\"", Some("add name: flood".into()))
        }
        Some(name) if !seen.insert(name.text) => {
            report.error(name.place, format!("group {:?} stands twice in this file", name.text), None);
        }
        Some(_) => {}
    }
    // Only checked: rules are evaluated when data arrives.
    fields.duration("interval", report);
    refuse_unless_zero(&fields, "limit", |text| text.parse::<u64>().is_ok_and(|limit| limit == 0), report);
    refuse_unless_zero(&fields, "query_offset", |text| parse_duration(text) == Ok(0), report);
    let labels = fields.get("labels").map(|node| rule::read_labels(node, report)).unwrap_or_default();
    let name: Arc<str> = name.map_or("", |name| name.text).into();
    let group = Group { name: &name, labels: &labels, file: path };
    for node in fields.list("rules", report) {
        rules.extend(rule::read(node, &group, vocabulary, report));
    }
}

fn refuse_unless_zero(fields: &Fields<'_>, name: &str, is_zero: fn(&str) -> bool, report: &mut Report<'_>) {
    if let Some(found) = fields.text(name, report).filter(|found| !is_zero(found.text)) {
        let help = Some("remove it or set it to 0".to_owned());
        report.error(found.place, format!("{name:?} other than 0 is not supported yet"), help);
    }
}
