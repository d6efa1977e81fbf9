//! One rule of a file: its fields checked, its expressions and texts parsed.
use super::{
    fields::{Fields, Text, text},
    hash::Hasher,
    pointless,
    report::Report,
    scalar,
    telling::TellingLabels,
    windows,
    yaml::{Node, Place},
};
use crate::{
    eval::plan::Plan,
    lang::vocabulary::Vocabulary,
    lang::{
        ast::ValueType,
        error::LangError,
        parser,
        query::Query,
        same_shape,
        suggest::{did_you_mean, misspelt},
    },
    limits::{
        ANNOTATION_BYTES_MAX, ANNOTATIONS_MAX, DURATION_MS_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX,
        LABELS_MAX, NAME_CHARS_MAX, SUMMARY_BYTES_MAX,
    },
    rule::{NoData, Rule, Summary},
    template::Template,
};
use ioc_model::{Domain, Severity, text::nfc};
use std::{collections::BTreeMap, sync::Arc};

const RULE_FIELDS: [&str; 6] = ["alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
/// Annotations that mean something here; others are kept as they are.
const OUR_ANNOTATIONS: [&str; 4] = ["summary_vi", "summary_en", "clear", "no_data"];
/// Labels or annotations.
pub(crate) type Texts = BTreeMap<Arc<str>, Arc<str>>;

/// The group that a rule stands in.
pub(crate) struct Group<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) labels: &'a Texts,
    pub(crate) file: &'a Arc<str>,
}

/// A rule and where its name stands.
pub(crate) struct Placed {
    pub(crate) rule: Rule,
    pub(crate) name_place: Place,
}

/// Reads one rule; `None` when something is wrong with it, which is reported.
pub(crate) fn read(
    node: &Node,
    group: &Group<'_>,
    vocabulary: &dyn Vocabulary,
    report: &mut Report<'_>,
) -> Option<Placed> {
    let errors_before = report.errors.len();
    let fields = known_fields(node, report)?;
    let name = read_name(&fields, report);
    let expr = fields.text("expr", report);
    let query = match expr {
        Some(expr) => condition(expr, "expr", vocabulary, report),
        None => missing(&fields, "expr", "expr: water_level > 3.5", report),
    };
    let for_ms = fields.duration("for", DURATION_MS_MAX, report).unwrap_or(0);
    let keep_firing_ms = fields.duration("keep_firing_for", DURATION_MS_MAX, report).unwrap_or(0);
    let labelled = fields.get("labels").map_or(fields.place, |node| node.place);
    let mut labels = group.labels.clone();
    labels.extend(fields.get("labels").map(|node| read_labels(node, report)).unwrap_or_default());
    if labels.len() > LABELS_MAX {
        let message =
            format!("a rule has {} labels, those of its group included; at most {LABELS_MAX}", labels.len());
        report.error(labelled, message, Some("put what is not for routing into annotations".into()));
    }
    let severity = read_severity(&labels, labelled, report);
    let domain = read_domain(&labels, vocabulary, labelled, report);
    let notes = read_annotations(&fields, vocabulary, report);
    check_clear(query.as_ref(), notes.clear.as_ref(), report);
    let (name, expr, query, severity, summary) = (name?, expr?, query?, severity?, notes.summary?);
    if report.errors.len() > errors_before {
        return None;
    }
    let mut rule = Rule {
        name: nfc(name.text).as_ref().into(),
        group: Arc::clone(group.name),
        file: Arc::clone(group.file),
        line: report.line(name.place.start),
        query,
        clear: notes.clear.as_ref().map(|(query, _)| query.clone()),
        for_ms,
        keep_firing_ms,
        labels,
        annotations: notes.all,
        summary,
        no_data: notes.no_data,
        severity,
        domain,
        hash: Hasher::new().finish(),
    };
    rule.hash = hash(&rule);
    check_tells_apart(&rule, labelled, report);
    let clear = notes.clear.as_ref().map(|(query, place)| (query, Text { text: &query.text, place: *place }));
    for (n, (query, found)) in std::iter::once((&rule.query, expr)).chain(clear).enumerate() {
        report_in(found, windows::too_long(&query.expr, vocabulary), report);
        report_in(found, pointless::comparisons(&query.expr, vocabulary, n == 0), report);
    }
    check_plan(&rule, expr, notes.clear.as_ref(), report);
    (report.errors.len() == errors_before).then_some(Placed { rule, name_place: name.place })
}

/// Reports a label that takes the place of one by which the results differ: their alerts would be one and the same.
fn check_tells_apart(rule: &Rule, labelled: Place, report: &mut Report<'_>) {
    let telling = TellingLabels::of(&rule.query.expr);
    let hidden = rule.labels.keys().find(|name| telling.have(name));
    if let Some(name) = hidden {
        let message =
            format!("the label {name:?} would hide that of the series, and alerts could not be told apart");
        report.error(labelled, message, Some("choose another name for it".into()));
    }
}

/// Reports a recovery expression that can never hold for the labels of the condition.
fn check_clear(condition: Option<&Query>, clear: Option<&(Query, Place)>, report: &mut Report<'_>) {
    let (Some(condition), Some((clear, place))) = (condition, clear) else { return };
    if !same_shape(&condition.expr, &clear.expr) {
        let message = "clear never has the labels of expr: one is of each device, the other of all together";
        report.error(*place, message, Some("group both by the same labels".to_owned()));
    }
}

/// Reports a rule that the engine cannot evaluate: it would load and never fire.
fn check_plan(rule: &Rule, expr: Text<'_>, clear: Option<&(Query, Place)>, report: &mut Report<'_>) {
    let Err(error) = Plan::of(rule) else { return };
    let clear = clear.map(|(query, place)| Text { text: &query.text, place: *place });
    let found = clear.filter(|_| error.of_clear).unwrap_or(expr);
    let error = LangError::new(error.span, error.to_string()).with_help("split it into two rules");
    report_in(found, vec![error], report);
}

/// Reads the fields of a rule; `None` for recording rules, which are refused as a whole.
fn known_fields<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<Fields<'n>> {
    let fields = Fields::any(node, "a rule", report)?;
    if let Some((_, place, _)) = fields.iter().find(|(name, ..)| *name == "record") {
        report.error(
            place,
            "recording rules (\"record\") are not supported yet",
            Some("write alerting rules".into()),
        );
        return None;
    }
    Fields::read(node, "a rule", &RULE_FIELDS, report)
}

fn read_name<'n>(fields: &Fields<'n>, report: &mut Report<'_>) -> Option<Text<'n>> {
    let Some(name) = fields.text("alert", report) else {
        return missing(fields, "alert", "alert: FloodAlarmThree", report);
    };
    if is_name(name.text) {
        return Some(name);
    }
    report.error(name.place, format!("alert must be a name of 1 to {NAME_CHARS_MAX} characters"), None);
    None
}

/// Reports whether a text can be the name of a rule or a group.
pub(super) fn is_name(text: &str) -> bool {
    let plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
    plain && text.chars().count() <= NAME_CHARS_MAX
}

/// Reports a field that must be there.
fn missing<T>(fields: &Fields<'_>, name: &str, example: &str, report: &mut Report<'_>) -> Option<T> {
    report.error(fields.place, format!("a rule needs the field {name:?}"), Some(format!("add {example}")));
    None
}

/// Parses an expression and maps its errors into the file.
fn query(found: Text<'_>, name: &str, vocabulary: &dyn Vocabulary, report: &mut Report<'_>) -> Option<Query> {
    if found.text.trim().is_empty() {
        report.error(found.place, format!("{name} is empty"), None);
        return None;
    }
    match parser::parse(found.text, vocabulary) {
        Ok(query) => Some(query),
        Err(errors) => {
            report_in(found, errors, report);
            None
        }
    }
}

/// Reports errors of an expression where they stand in the file.
fn report_in(found: Text<'_>, errors: Vec<LangError>, report: &mut Report<'_>) {
    if errors.is_empty() {
        return;
    }
    let offsets = scalar::offsets(&report.file.text, found.place, found.text);
    let at = |byte: usize| offsets.get(byte).copied().unwrap_or(found.place.end);
    for LangError { span, message, help } in errors {
        // The end is the byte behind the last one of the mistake, not the begin of what follows it.
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { at(span.end) };
        let end = next_boundary(&report.file.text, end);
        report.error(Place { start: at(span.start), end }, message, help);
    }
}

fn next_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Parses an expression that decides about alerts: a number would decide always or never.
fn condition(
    found: Text<'_>,
    name: &str,
    vocabulary: &dyn Vocabulary,
    report: &mut Report<'_>,
) -> Option<Query> {
    let query = query(found, name, vocabulary, report)?;
    if query.expr.value_type() == ValueType::InstantVector {
        return Some(query);
    }
    let message = format!("{name} is a number, which is always there: it would hold for ever");
    report.error(found.place, message, Some("compare a metric, as in water_level > 3.5".into()));
    None
}

/// Reads labels; templates in them are refused.
pub(crate) fn read_labels(node: &Node, report: &mut Report<'_>) -> Texts {
    let mut labels = Texts::new();
    let Some(fields) = Fields::any(node, "labels", report) else { return labels };
    for (name, place, value) in fields.iter() {
        check_label_name(name, place, report);
        let Some(value) = text(value, name, report) else { continue };
        check_label_value(name, value, report);
        labels.insert(name.into(), nfc(value.text).as_ref().into());
    }
    labels
}

fn check_label_value(name: &str, value: Text<'_>, report: &mut Report<'_>) {
    if value.text.contains("{{") {
        let help = Some("put them into annotations".into());
        report.error(value.place, "templates in labels are not supported yet", help);
    }
    if value.text.len() > LABEL_VALUE_BYTES_MAX || value.text.contains(char::is_control) {
        let message = format!(
            "label {name:?} has {} bytes; at most {LABEL_VALUE_BYTES_MAX}, without control characters",
            value.text.len()
        );
        report.error(value.place, message, Some("put long texts into annotations".into()));
    }
}

fn check_label_name(name: &str, place: Place, report: &mut Report<'_>) {
    let first_fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let all_fit = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !(first_fits && all_fit) || name.starts_with("__") || name.len() > LABEL_NAME_BYTES_MAX {
        let help = format!(
            "use letters, digits and _, no digit first, no __ in front, at most {LABEL_NAME_BYTES_MAX} characters"
        );
        report.error(place, format!("{name:?} is not a name for a label or annotation"), Some(help));
    }
}

fn read_severity(labels: &Texts, place: Place, report: &mut Report<'_>) -> Option<Severity> {
    let words = "critical, high, medium or low";
    let Some(word) = labels.get("severity") else {
        let help = format!("add labels: {{severity: …}} with {words}");
        report.error(place, "a rule needs the label \"severity\"", Some(help));
        return None;
    };
    word.parse().map_err(|_| report.error(place, format!("severity {word:?} must be {words}"), None)).ok()
}

fn read_domain(
    labels: &Texts,
    vocabulary: &dyn Vocabulary,
    place: Place,
    report: &mut Report<'_>,
) -> Option<Domain> {
    let name = labels.get("domain")?.parse::<Domain>().map_err(|error| error.to_string());
    let known = name.and_then(|name| vocabulary.domain(name).map_err(|error| error.to_string()));
    known.map_err(|error| report.error(place, format!("label domain: {error}"), None)).ok()
}

/// What the annotations of a rule say.
#[derive(Default)]
struct Annotations {
    all: Texts,
    summary: Option<Summary>,
    clear: Option<(Query, Place)>,
    no_data: NoData,
}

fn read_annotations(
    fields: &Fields<'_>,
    vocabulary: &dyn Vocabulary,
    report: &mut Report<'_>,
) -> Annotations {
    let mut notes = Annotations::default();
    let node = fields.get("annotations");
    let place = node.map_or(fields.place, |node| node.place);
    let (mut vi, mut en) = (None, None);
    let entries = node.and_then(|node| Fields::any(node, "annotations", report));
    let count = entries.iter().flat_map(Fields::iter).count();
    if count > ANNOTATIONS_MAX {
        report.error(place, format!("a rule has {count} annotations; at most {ANNOTATIONS_MAX}"), None);
    }
    for (name, name_place, value) in entries.iter().flat_map(Fields::iter).take(ANNOTATIONS_MAX) {
        let Some(value) = text(value, name, report) else { continue };
        if value.text.len() > ANNOTATION_BYTES_MAX {
            let message =
                format!("annotation {name:?} has {} bytes; at most {ANNOTATION_BYTES_MAX}", value.text.len());
            report.error(value.place, message, Some("keep long texts elsewhere and link to them".into()));
        }
        notes.all.insert(name.into(), value.text.into());
        match name {
            "summary_vi" => vi = Some(summary(value, name, report)),
            "summary_en" => en = Some(summary(value, name, report)),
            "clear" => {
                notes.clear = condition(value, name, vocabulary, report).map(|query| (query, value.place));
            }
            "no_data" => notes.no_data = no_data(value, report),
            _ => check_other(name, name_place, report),
        }
    }
    for (name, found) in [("summary_vi", vi.is_some()), ("summary_en", en.is_some())] {
        if !found {
            let help = format!("add {name}: with the text that operators read");
            report.error(place, format!("a rule needs the annotation {name:?}"), Some(help));
        }
    }
    notes.summary = vi.flatten().zip(en.flatten()).map(|(vi, en)| Summary { vi, en });
    notes
}

fn summary(found: Text<'_>, name: &str, report: &mut Report<'_>) -> Option<Template> {
    if found.text.trim().is_empty() {
        report.error(found.place, format!("{name} is empty"), None);
        return None;
    }
    let template = template(found, report)?;
    let longest = template.expanded_bytes_max();
    if longest > SUMMARY_BYTES_MAX {
        let message = format!(
            "{name} can have {longest} bytes once labels and values are filled in; at most {SUMMARY_BYTES_MAX}"
        );
        report.error(found.place, message, Some("shorten it, or fill in less".into()));
        return None;
    }
    Some(template)
}

fn template(found: Text<'_>, report: &mut Report<'_>) -> Option<Template> {
    let parsed = Template::parse(found.text);
    parsed
        .map_err(|error| {
            let offsets = scalar::offsets(&report.file.text, found.place, found.text);
            let at = |byte: usize| offsets.get(byte).copied().unwrap_or(found.place.end);
            let place = Place { start: at(error.start), end: at(error.end) };
            report.error(place, error.message.clone(), Some(error.help().to_owned()));
        })
        .ok()
}

fn no_data(found: Text<'_>, report: &mut Report<'_>) -> NoData {
    match found.text {
        "hold" => NoData::Hold,
        "clear" => NoData::Clear,
        other => {
            let help = "hold keeps the alert firing when its series goes silent, clear ends it".to_owned();
            report.error(found.place, format!("no_data {other:?} must be hold or clear"), Some(help));
            NoData::Hold
        }
    }
}

/// Checks the name of an annotation that is only kept, as written: it may be one of ours, misspelt.
fn check_other(name: &str, place: Place, report: &mut Report<'_>) {
    check_label_name(name, place, report);
    if let Some(meant) = misspelt(name, OUR_ANNOTATIONS) {
        report.error(place, format!("unknown annotation {name:?}"), did_you_mean(&[meant]));
    }
}

fn hash(rule: &Rule) -> crate::rule::RuleHash {
    let mut hasher = Hasher::new();
    hasher.field(&rule.name);
    hasher.field(&rule.group);
    hasher.field(&rule.query.expr.to_string());
    hasher.field(&rule.clear.as_ref().map(|query| query.expr.to_string()).unwrap_or_default());
    hasher.field(&rule.for_ms.to_string());
    hasher.field(&rule.keep_firing_ms.to_string());
    for texts in [&rule.labels, &rule.annotations] {
        hasher.field(&texts.len().to_string());
        // The expression in `clear` counts as parsed, above.
        for (name, value) in texts.iter().filter(|(name, _)| ***name != *"clear") {
            hasher.field(name);
            hasher.field(value);
        }
    }
    hasher.finish()
}
