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
mod pointless;
mod report;
mod rule;
mod scalar;
mod telling;
mod windows;
mod yaml;

use crate::{
    lang::vocabulary::Vocabulary,
    lang::{ast::Expr, duration::parse_duration},
    limits::{
        ALL_FILES_BYTES_MAX, DURATION_MS_MAX, ERRORS_MAX, FILE_BYTES_MAX, GROUPS_MAX, NAME_CHARS_MAX,
        REGEXES_MAX, RULES_MAX,
    },
    rule::{Rule, RuleError, RuleFile},
};
use fields::Fields;
use ioc_model::text::nfc;
use report::Report;
use rule::{Group, Placed};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};
use yaml::{Node, Place, YamlError};

const GROUP_FIELDS: [&str; 6] = ["name", "interval", "limit", "query_offset", "labels", "rules"];

/// Parses and checks rule files; all problems at once, in the order of files and lines, at most [`ERRORS_MAX`].
pub(crate) fn load(
    files: &[RuleFile],
    vocabulary: &dyn Vocabulary,
) -> Result<Vec<Arc<Rule>>, Vec<RuleError>> {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    let mut totals = Totals::default();
    // Name of a rule to where it stands.
    let mut names: HashMap<Arc<str>, String> = HashMap::new();
    for file in files {
        let mut report = Report::new(file);
        for Placed { rule, name_place } in read_file(file, vocabulary, &mut totals, &mut report) {
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
        if totals.are_exceeded || errors.len() >= ERRORS_MAX {
            errors.truncate(ERRORS_MAX);
            break;
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

/// What all files together hold so far.
#[derive(Default)]
struct Totals {
    bytes: usize,
    rules: usize,
    regexes: usize,
    /// There is too much of something, which was reported: nothing more is read.
    are_exceeded: bool,
}

impl Totals {
    /// Counts a file before it is read; reports it when it is too large.
    fn take_file(&mut self, file: &RuleFile, report: &mut Report<'_>) -> bool {
        let len = file.text.len();
        if len > FILE_BYTES_MAX {
            let message = format!("file of {len} bytes is too large; at most {FILE_BYTES_MAX}");
            report.error(Place::default(), message, Some("split it".into()));
            return false;
        }
        self.bytes += len;
        if self.bytes > ALL_FILES_BYTES_MAX {
            let message =
                format!("the rule files up to this one are too large; at most {ALL_FILES_BYTES_MAX} bytes");
            self.exceed(Place::default(), message, report);
        }
        !self.are_exceeded
    }

    /// Counts a rule that was read, whether it is right or not; reports the first one too much.
    fn take_rule(&mut self, place: Place, placed: Option<&Placed>, report: &mut Report<'_>) {
        self.rules += 1;
        self.regexes += placed.map_or(0, |placed| regexes_of(&placed.rule));
        if self.rules > RULES_MAX {
            self.exceed(place, format!("more than {RULES_MAX} rules in all files"), report);
        } else if self.regexes > REGEXES_MAX {
            self.exceed(place, format!("more than {REGEXES_MAX} regexes in the rules of all files"), report);
        }
    }

    fn exceed(&mut self, place: Place, message: String, report: &mut Report<'_>) {
        self.are_exceeded = true;
        report.error(place, message, None);
    }
}

fn regexes_of(rule: &Rule) -> usize {
    let count = |expr: &Expr| -> usize {
        let matchers = expr.reads().into_iter().flat_map(|read| &read.selector.matchers);
        matchers.filter(|matcher| matcher.op.is_regex()).count()
    };
    count(&rule.query.expr) + rule.clear.as_ref().map_or(0, |clear| count(&clear.expr))
}

fn read_file(
    file: &RuleFile,
    vocabulary: &dyn Vocabulary,
    totals: &mut Totals,
    report: &mut Report<'_>,
) -> Vec<Placed> {
    if !totals.take_file(file, report) {
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
    let groups = top.list("groups", report);
    if groups.len() > GROUPS_MAX {
        let message = format!("file has {} groups; at most {GROUPS_MAX}", groups.len());
        report.error(groups[GROUPS_MAX].place, message, Some("split the file".into()));
        return Vec::new();
    }
    let (mut rules, mut names) = (Vec::new(), HashSet::new());
    for node in groups {
        read_group(node, &path, &mut names, vocabulary, totals, report, &mut rules);
    }
    rules
}

fn read_group<'n>(
    node: &'n Node,
    path: &Arc<str>,
    seen: &mut HashSet<Cow<'n, str>>,
    vocabulary: &dyn Vocabulary,
    totals: &mut Totals,
    report: &mut Report<'_>,
    rules: &mut Vec<Placed>,
) {
    let Some(fields) = Fields::read(node, "a group", &GROUP_FIELDS, report) else { return };
    let name = fields.text("name", report).filter(|name| !name.text.trim().is_empty());
    match name {
        None => {
            report.error(fields.place, "a group needs the field \"name\"", Some("add name: flood".into()))
        }
        Some(name) if !rule::is_name(name.text) => {
            let message = format!("the name of a group must have 1 to {NAME_CHARS_MAX} characters");
            report.error(name.place, message, None);
        }
        Some(name) if !seen.insert(nfc(name.text)) => {
            report.error(name.place, format!("group {:?} stands twice in this file", name.text), None);
        }
        Some(_) => {}
    }
    // Only checked: rules are evaluated when data arrives.
    fields.duration("interval", DURATION_MS_MAX, report);
    refuse_unless_zero(&fields, "limit", |text| text.parse::<u64>().is_ok_and(|limit| limit == 0), report);
    refuse_unless_zero(&fields, "query_offset", |text| parse_duration(text) == Ok(0), report);
    let labels = fields.get("labels").map(|node| rule::read_labels(node, report)).unwrap_or_default();
    let name: Arc<str> = nfc(name.map_or("", |name| name.text)).as_ref().into();
    let group = Group { name: &name, labels: &labels, file: path };
    for node in fields.list("rules", report) {
        if totals.are_exceeded || report.is_full() {
            return;
        }
        let placed = rule::read(node, &group, vocabulary, report);
        totals.take_rule(node.place, placed.as_ref(), report);
        rules.extend(placed);
    }
}

fn refuse_unless_zero(fields: &Fields<'_>, name: &str, is_zero: fn(&str) -> bool, report: &mut Report<'_>) {
    if let Some(found) = fields.text(name, report).filter(|found| !is_zero(found.text)) {
        let help = Some("remove it or set it to 0".to_owned());
        report.error(found.place, format!("{name:?} other than 0 is not supported yet"), help);
    }
}
