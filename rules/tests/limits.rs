//! What loads can be carried out: just below each limit a rule loads and its alert fits a record of the journal; just
//! above, the rule is refused with the limit.
#![allow(clippy::unwrap_used, clippy::disallowed_types, reason = "tests")]
mod engine_support;

use engine_support::{LEVEL, Setup, catalogue};
use ioc_model::{DeviceIndex, Domain, Transition};
use ioc_rules::{DeviceLabels, RuleError, RuleFile, RuleSet, limits::*};
use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

/// A record of the journal; a quarter of it is for people's notes, and more for what surrounds them.
const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// A rule, piece by piece.
#[derive(Clone)]
struct Draft {
    name: String,
    group: String,
    expr: String,
    clear: String,
    for_: String,
    keep: String,
    labels: String,
    vi: String,
    others: String,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            name: "A".into(),
            group: "g".into(),
            expr: "water_level > 5".into(),
            clear: "water_level < 4".into(),
            for_: "0s".into(),
            keep: "0s".into(),
            labels: String::new(),
            vi: "Cao".into(),
            others: String::new(),
        }
    }
}

impl Draft {
    fn rule(&self) -> String {
        let Self { name, expr, clear, for_, keep, labels, vi, others, .. } = self;
        format!(
            "  - alert: '{name}'\n    expr: '{expr}'\n    for: {for_}\n    keep_firing_for: {keep}\n    labels:\n      severity: high\n{labels}    \
             annotations:\n      clear: '{clear}'\n      summary_en: High\n      summary_vi: \"{vi}\"\n{others}"
        )
    }

    fn file(&self) -> String {
        format!("groups:\n- name: {}\n  rules:\n{}", self.group, self.rule())
    }
}

fn load(text: String) -> Result<RuleSet, Vec<RuleError>> {
    RuleSet::load(&[RuleFile { path: "f.yaml".into(), text }], &catalogue())
}

fn labels(count: usize, value: &str) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        let name = format!("l{n:063}");
        writeln!(all, "      {name}: '{value}'").unwrap();
        all
    })
}

fn annotations(count: usize, bytes: usize) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        writeln!(all, "      note{n}: {}", "x".repeat(bytes)).unwrap();
        all
    })
}

fn rules(count: usize, rule: impl Fn(usize) -> Draft) -> String {
    let mut text = Draft::default().file();
    (1..count).for_each(|n| text.push_str(&rule(n).rule()));
    text
}

fn named(n: usize) -> Draft {
    Draft { name: format!("R{n}"), ..Draft::default() }
}

fn padded(expr: &str, bytes: usize) -> String {
    format!("{expr}{}", " ".repeat(bytes - expr.len()))
}

/// An expression of so many nodes that a device evaluates.
fn sum_of(terms: usize) -> String {
    format!("{}water_level > 5", "water_level + ".repeat(terms - 1))
}

fn nested(depth: usize) -> String {
    format!("{}water_level{} > 5", "(".repeat(depth), ")".repeat(depth))
}

fn fill(text: &str, count: usize) -> String {
    text.repeat(count)
}

/// What is limited, a file just within the limit, one just above it, and what its refusal names.
fn table() -> Vec<(&'static str, String, String, String)> {
    let draft = Draft::default;
    let case = |what, within: Draft, above: Draft, limit: String| (what, within.file(), above.file(), limit);
    let bytes = |limit: usize| limit.to_string();
    vec![
        case(
            "name",
            Draft { name: "ế".repeat(NAME_CHARS_MAX), ..draft() },
            Draft { name: "ế".repeat(NAME_CHARS_MAX + 1), ..draft() },
            bytes(NAME_CHARS_MAX),
        ),
        case(
            "group",
            Draft { group: "ế".repeat(NAME_CHARS_MAX), ..draft() },
            Draft { group: "ế".repeat(NAME_CHARS_MAX + 1), ..draft() },
            bytes(NAME_CHARS_MAX),
        ),
        case(
            "labels, with severity",
            Draft { labels: labels(LABELS_MAX - 1, "x"), ..draft() },
            Draft { labels: labels(LABELS_MAX, "x"), ..draft() },
            format!("at most {LABELS_MAX}"),
        ),
        case(
            "value of a label",
            Draft { labels: labels(LABELS_MAX - 1, &"\"".repeat(LABEL_VALUE_BYTES_MAX)), ..draft() },
            Draft { labels: labels(1, &"\"".repeat(LABEL_VALUE_BYTES_MAX + 1)), ..draft() },
            bytes(LABEL_VALUE_BYTES_MAX),
        ),
        case(
            "name of a label",
            Draft { labels: format!("      {}: x\n", "l".repeat(LABEL_NAME_BYTES_MAX)), ..draft() },
            Draft { labels: format!("      {}: x\n", "l".repeat(LABEL_NAME_BYTES_MAX + 1)), ..draft() },
            bytes(LABEL_NAME_BYTES_MAX),
        ),
        case(
            "annotation",
            Draft { others: annotations(1, ANNOTATION_BYTES_MAX), ..draft() },
            Draft { others: annotations(1, ANNOTATION_BYTES_MAX + 1), ..draft() },
            bytes(ANNOTATION_BYTES_MAX),
        ),
        case(
            "annotations, with clear and both summaries",
            Draft { others: annotations(ANNOTATIONS_MAX - 3, 10), ..draft() },
            Draft { others: annotations(ANNOTATIONS_MAX - 2, 10), ..draft() },
            bytes(ANNOTATIONS_MAX),
        ),
        case(
            "summary",
            // Six bytes each as JSON.
            Draft { vi: fill("\\u0001", ANNOTATION_BYTES_MAX), ..draft() },
            Draft { vi: "x".repeat(1_200_000 / 2), ..draft() },
            bytes(ANNOTATION_BYTES_MAX),
        ),
        case(
            "labels filled in",
            Draft { vi: fill("{{$labels.street}}", SUMMARY_BYTES_MAX / LABEL_VALUE_BYTES_MAX), ..draft() },
            Draft {
                vi: fill("{{$labels.street}}", SUMMARY_BYTES_MAX / LABEL_VALUE_BYTES_MAX + 1),
                ..draft()
            },
            bytes(SUMMARY_BYTES_MAX),
        ),
        case(
            "values filled in",
            Draft { vi: fill("{{$value}}", SUMMARY_BYTES_MAX / 330), ..draft() },
            Draft { vi: fill("{{$value}}", SUMMARY_BYTES_MAX / 330 + 1), ..draft() },
            bytes(SUMMARY_BYTES_MAX),
        ),
        case(
            "expression",
            Draft { expr: padded("water_level > 5", 16 * 1024), ..draft() },
            Draft { expr: padded("water_level > 5", 16 * 1024 + 1), ..draft() },
            bytes(16 * 1024),
        ),
        case(
            "nodes of an expression",
            Draft { expr: sum_of(200), ..draft() },
            Draft { expr: sum_of(600), ..draft() },
            "512".into(),
        ),
        case(
            "depth of an expression",
            Draft { expr: nested(60), ..draft() },
            Draft { expr: nested(70), ..draft() },
            "64".into(),
        ),
        case(
            "recovery expression",
            Draft { clear: padded("water_level < 4", 16 * 1024), ..draft() },
            Draft { clear: padded("water_level < 4", 16 * 1024 + 1), ..draft() },
            bytes(16 * 1024),
        ),
        case(
            "for",
            Draft { for_: "30d".into(), ..draft() },
            Draft { for_: "30d1ms".into(), ..draft() },
            "at most 30d".into(),
        ),
        case(
            "keep_firing_for",
            Draft { keep: "30d".into(), ..draft() },
            Draft { keep: "290y".into(), ..draft() },
            "at most 30d".into(),
        ),
        case(
            // Gauges of the catalogue report each two seconds.
            "window",
            Draft { expr: "max_over_time(water_level[34560s]) > 5".into(), ..draft() },
            Draft { expr: "max_over_time(water_level[34561s]) > 5".into(), ..draft() },
            "at most 9h36m".into(),
        ),
        case(
            "regex",
            Draft { expr: "water_level{street=~\"[a-z]{100}|.*\"} > 5".into(), ..draft() },
            Draft { expr: "water_level{street=~\"(a{1000}){1000}\"} > 5".into(), ..draft() },
            "65536".into(),
        ),
        (
            "rules",
            rules(RULES_MAX, named),
            rules(RULES_MAX + 1, named),
            format!("more than {RULES_MAX} rules"),
        ),
        (
            "regexes",
            rules(100, |n| Draft { expr: with_regexes(10), ..named(n) }),
            rules(102, |n| Draft { expr: with_regexes(10), ..named(n) }),
            format!("more than {REGEXES_MAX} regexes"),
        ),
        ("groups", groups(GROUPS_MAX), groups(GROUPS_MAX + 1), bytes(GROUPS_MAX)),
        (
            "file",
            format!(
                "{}#{}\n",
                Draft::default().file(),
                "x".repeat(FILE_BYTES_MAX - Draft::default().file().len() - 2)
            ),
            format!("{}#{}\n", Draft::default().file(), "x".repeat(FILE_BYTES_MAX)),
            bytes(FILE_BYTES_MAX),
        ),
        (
            "nodes of a file",
            Draft::default().file(),
            format!("groups: [{}]", "a,".repeat(120_000)),
            "100000".into(),
        ),
        ("depth of a file", Draft::default().file(), format!("groups: {}", "[".repeat(5_000)), String::new()),
    ]
}

fn with_regexes(count: usize) -> String {
    let matchers: Vec<_> = (0..count).map(|n| format!("l{n}=~\".*\"")).collect();
    format!("water_level{{{}}} > 5", matchers.join(","))
}

fn groups(count: usize) -> String {
    let one = |n| format!("- name: g{n}\n  rules:\n{}", named(n).rule());
    let all = (0..count.min(2)).map(one).collect::<String>();
    let empty = (2..count).map(|n| format!("- name: g{n}\n  rules: []\n")).collect::<String>();
    format!("groups:\n{all}{empty}")
}

/// A device with as many labels as the registry takes, each as long as it may be and twice that as JSON.
fn heavy() -> Arc<DeviceLabels> {
    let value = "\\".repeat(LABEL_VALUE_BYTES_MAX);
    let names: Vec<_> = (0..31).map(|n| format!("d{n:063}")).chain(["street".to_owned()]).collect();
    let own = names.iter().map(|name| (name.as_str(), value.as_str()));
    let (index, id) = (DeviceIndex(2), "d".repeat(64).parse().unwrap());
    let (kind, ward) = ("water-level", Some(value.as_str()));
    Arc::new(DeviceLabels::new(index, id, Domain::from_static("environment"), kind, ward, own, 2_000))
}

/// Has every rule of a set say something about the heavy device; returns the largest transition as JSON.
fn largest(set: RuleSet) -> (usize, usize) {
    let devices = Arc::new(engine_support::Devices(Mutex::new(vec![heavy()])));
    let mut bench = Setup { devices, ..Setup::new(set) }.start();
    bench.observe(1.0, 2, LEVEL, 1e300);
    bench.tick(2.0);
    let said = bench.said();
    let json = said.iter().map(|transition| {
        let kept = Transition {
            transition: transition.kind,
            at: transition.at_ms,
            by: None,
            cause: Some(transition.cause),
            alert: transition.alert.clone(),
        };
        let json = serde_json::to_vec(&kept).unwrap();
        let read = serde_json::from_slice::<Transition>(&json).unwrap().alert;
        // Numbers lose a last digit in JSON, texts nothing.
        let Transition { alert, .. } = kept;
        assert_eq!(
            (read.labels, read.summary, read.fingerprint),
            (alert.labels, alert.summary, alert.fingerprint)
        );
        json.len()
    });
    (said.len(), json.max().unwrap_or(0))
}

#[test]
fn within_each_limit_a_rule_is_carried_out_and_above_it_is_refused() {
    for (what, within, above, limit) in table() {
        let set =
            load(within).unwrap_or_else(|errors| panic!("{what}: {:?}", &errors[..errors.len().min(3)]));
        let rules = set.rules().len();
        let (said, bytes) = largest(set);
        assert_eq!(said, rules, "{what}: an alert is missing");
        assert!(bytes < RECORD_BYTES_MAX / 2, "{what}: {bytes} bytes");
        let errors = load(above).expect_err(what);
        assert!(errors.len() <= ERRORS_MAX, "{what}: {} errors", errors.len());
        assert!(errors.iter().any(|error| error.to_string().contains(&limit)), "{what}: {}", errors[0]);
        assert!(errors.iter().all(|error| error.to_string().len() < 4_096), "{what}: a long error");
    }
}

#[test]
fn everything_at_its_limit_at_once_fits_half_a_record() {
    let text = fill("{{$labels.street}}", SUMMARY_BYTES_MAX / LABEL_VALUE_BYTES_MAX);
    for (leaf, rest) in [("water_level", ""), ("sum by (device) (water_level", ")")] {
        let expr = format!("{leaf}{{{}}}{rest} > 5", with_labels(15 * 1024));
        let draft = Draft {
            name: "\"".repeat(NAME_CHARS_MAX),
            expr,
            clear: "water_level < 4".into(),
            labels: labels(LABELS_MAX - 1, &"\"".repeat(LABEL_VALUE_BYTES_MAX)),
            vi: text.clone(),
            ..Draft::default()
        };
        let draft = match rest {
            "" => draft,
            _ => Draft { clear: "sum by (device) (water_level) < 4".into(), ..draft },
        };
        let (said, bytes) = largest(load(draft.file()).unwrap());
        assert_eq!(said, 1);
        assert!(bytes < RECORD_BYTES_MAX / 2, "{bytes}");
    }
}

/// Matchers that every device passes, of so many bytes: each is read back in the evidence.
fn with_labels(bytes: usize) -> String {
    let one = "x!=\"\\\\\\\"\",";
    one.repeat(bytes / one.len())
}

#[test]
fn many_errors_are_told_up_to_a_number() {
    let wrong = rules(500, |n| Draft { expr: "watr_level > 5".into(), ..named(n) });
    assert_eq!(load(wrong).unwrap_err().len(), ERRORS_MAX);
}

#[test]
fn a_few_lines_of_aliases_do_not_become_gigabytes() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        let aliases = vec![format!("*{before}"); 10].join(", ");
        writeln!(bomb, "{name}: &{name} [{aliases}]").unwrap();
    }
    let errors = load(format!("{bomb}groups: []\n")).unwrap_err();
    assert!(errors[0].message.contains("not valid YAML"), "{}", errors[0]);
    let long = format!("a: &a {}\nb: [{}]\ngroups: []\n", "x".repeat(500_000), "*a,".repeat(900));
    assert!(load(long).unwrap_err()[0].message.contains("not valid YAML"));
}

#[test]
fn a_label_that_would_make_alerts_one_is_refused() {
    let with = |expr: &str, label: &str| {
        let clear = if expr.contains("sum") { "sum(water_level) < 1" } else { "water_level < 4" };
        let labels = format!("      {label}: x\n");
        let draft = Draft { expr: expr.into(), clear: clear.into(), labels, ..Draft::default() };
        load(draft.file().replace(&format!("      clear: '{clear}'\n"), ""))
    };
    for (expr, label, is_right) in [
        ("water_level > 5", "device", false),
        ("water_level > 5", "ward", true),
        ("sum(water_level) > 5", "device", true),
        ("sum by (ward) (water_level) > 5", "ward", false),
        ("sum by (ward) (water_level) > 5", "street", true),
        ("max without (device) (water_level) > 5", "street", false),
        ("max without (device, street) (water_level) > 5", "street", true),
        ("sum by (ward) (water_level) > 5 or max by (kind) (water_level) > 5", "kind", false),
        ("sum by (ward) (water_level) > 5 and on() hour() > 5", "kind", true),
        ("abs(water_level) + water_level > 5", "device", false),
    ] {
        let errors = with(expr, label).err();
        assert_eq!(errors.is_none(), is_right, "{expr} with {label}: {errors:?}");
        if let Some(errors) = errors {
            assert!(errors[0].message.contains("could not be told apart"), "{}", errors[0]);
        }
    }
}
