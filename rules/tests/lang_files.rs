//! Rule files: what they may hold, and where each mistake is shown.
#![allow(clippy::unwrap_used)]
use ioc_model::{Catalogue, Domain, Severity};
use ioc_rules::{NoData, RuleError, RuleFile, RuleSet};
use proptest::prelude::*;

const CATALOGUE: &str = include_str!("../../configs/catalogue/catalogue.toml");

const GOOD: &str = r#"groups:
- name: flood
  interval: 30s
  limit: 0
  labels: {team: water}
  rules:
  - alert: KimLongAlarm3
    expr: water_level{station="kim-long"} > 3.5
    for: 1m
    keep_firing_for: 5m
    labels:
      severity: critical
      domain: environment
      level: 3
    annotations:
      summary_vi: "Kim Long {{ $value | printf \"%.2f\" }} m"
      summary_en: Kim Long at {{ $value }} m, {{ $labels.device }}
      clear: water_level{station="kim-long"} < 3.4
      no_data: clear
      runbook_url: https://example.org/flood
"#;

fn load(texts: &[&str]) -> Result<RuleSet, Vec<RuleError>> {
    let file = |(n, text): (usize, &&str)| RuleFile { path: format!("f{n}.yaml"), text: (*text).to_owned() };
    let files: Vec<_> = texts.iter().enumerate().map(file).collect();
    RuleSet::load(&files, &Catalogue::from_toml(CATALOGUE).unwrap())
}

fn errors(text: &str) -> Vec<String> {
    load(&[text]).unwrap_err().iter().map(ToString::to_string).collect()
}

/// Returns the errors of `GOOD` with `from` replaced by `to`.
#[track_caller]
fn after(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    errors(&GOOD.replacen(from, to, 1))
}

/// Returns the text that the only error marks.
fn marked(text: &str) -> String {
    let errors = load(&[text]).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    text[errors[0].span.0..errors[0].span.1].to_owned()
}

#[test]
fn a_good_rule_is_read_whole() {
    let set = load(&[GOOD]).unwrap();
    let rule = set.get("KimLongAlarm3").unwrap();
    assert_eq!((&*rule.group, &*rule.file, rule.line), ("flood", "f0.yaml", 7));
    assert_eq!((rule.for_ms, rule.keep_firing_ms), (60_000, 300_000));
    assert_eq!(
        (rule.severity, rule.domain, rule.no_data),
        (Severity::Critical, Some(Domain::from_static("environment")), NoData::Clear)
    );
    assert_eq!(&*rule.query.text, "water_level{station=\"kim-long\"} > 3.5");
    assert_eq!(&*rule.clear.as_ref().unwrap().text, "water_level{station=\"kim-long\"} < 3.4");
    let labels: Vec<_> = rule.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["domain=environment", "level=3", "severity=critical", "team=water"]);
    assert_eq!(rule.summary.vi.expand(Some(3.456), ',', |_| None), "Kim Long 3,46 m");
    assert_eq!(rule.summary.en.expand(Some(3.5), '.', |_| Some("WL-1")), "Kim Long at 3.5 m, WL-1");
    assert_eq!(&*rule.annotations["runbook_url"], "https://example.org/flood");
    assert_eq!(rule.hash.to_string().len(), 32);
}

#[test]
fn empty_files_hold_no_rules() {
    for text in [
        "",
        "groups:\n",
        "groups: []\n",
        "# nothing\n",
        "groups:\n- name: a\n",
        "groups:\n- name: a\n  rules: []\n",
    ] {
        assert_eq!(load(&[text]).unwrap().rules().len(), 0, "{text:?}");
    }
}

/// A rule that could never fire is told, whatever makes it so.
#[test]
fn what_can_never_happen_is_refused() {
    let expr = r#"water_level{station="kim-long"} > 3.5"#;
    let clear = r#"water_level{station="kim-long"} < 3.4"#;
    let cases = [
        (expr, "water_level > NaN", "can never hold"),
        (expr, "water_level == nan", "can never hold"),
        (expr, "water_level > Inf", "can never hold"),
        (expr, "water_level > 1e999", "can never hold"),
        (expr, "water_level != NaN", "always holds"),
        (expr, "water_level > 3 and pm25 > NaN", "can never hold"),
        (expr, "pm25 > 1e6", "can never hold: the values are between"),
        (expr, "device_online == 2", "can never hold: the values are between 0 and 1"),
        (expr, "avg_over_time(water_level[0s]) > 3", "a window must be longer than 0"),
        (expr, "avg_over_time(water_level[8d]) > 3", "a window must be longer than 0 and at most 1w"),
        (expr, "5 > bool 3", "is a number, which is always there"),
        (clear, "water_level < NaN", "can never hold"),
        (clear, "water_level < -1e6", "can never hold"),
        ("for: 1m", "for: 31d", "31d is too long; at most 30d"),
        ("for: 1m", "for: -1m", "is not a duration"),
        ("for: 1m", "for: NaN", "is not a duration"),
        ("keep_firing_for: 5m", "keep_firing_for: 1y", "1y is too long; at most 30d"),
    ];
    for (from, to, part) in cases {
        let said = after(from, to);
        assert!(said.len() == 1 && said[0].contains(part), "{to}: {said:?} should say {part:?}");
    }
}

/// Vietnamese keyboards write both forms of a letter.
#[test]
fn both_forms_of_a_text_are_one() {
    let composed = GOOD.replace("kim-long", "Kim Lộng").replace("team: water", "team: Nước");
    let decomposed = ioc_model::text::nfd(&composed);
    assert_ne!(composed, decomposed);
    let [one, other] = [&*composed, &*decomposed].map(|text| load(&[text]).unwrap());
    let (one, other) = (&one.rules()[0], &other.rules()[0]);
    assert_eq!(one.labels, other.labels);
    let series = |name: &str| if name == "station" { "Kim Lộng" } else { "" };
    for rule in [one, other] {
        assert!(rule.query.expr.reads()[0].selector.picks(series));
    }
    let named = GOOD.replace("KimLongAlarm3", "Lộng");
    let both = load(&[&named, &ioc_model::text::nfd(&named).replace("name: flood", "name: other")]);
    assert!(both.unwrap_err()[0].message.contains("is defined twice"));
    let matches = |pattern: &str| {
        let text = GOOD.replace("station=\"kim-long\"} >", &format!("station=~\"{pattern}\"}} >"));
        load(&[&text]).unwrap().rules()[0].query.expr.reads()[0].selector.picks(series)
    };
    assert!(matches(&ioc_model::text::nfd("Kim L.ng|Kim L[ộê]ng")) && !matches("Kim L[aê]ng"));
}

#[test]
fn mistakes_in_fields_say_where_and_what_would_be_right() {
    let cases = [
        (
            ("groups:", "group:"),
            "f0.yaml:1:1: unknown field \"group\" in a rule file; did you mean \"groups\"?",
        ),
        (
            ("    for: 1m", "    form: 1m"),
            "f0.yaml:9:5: unknown field \"form\" in a rule; did you mean \"for\"?",
        ),
        (
            ("    for: 1m", "    xyz: 1m"),
            "f0.yaml:9:5: unknown field \"xyz\" in a rule; allowed are alert, expr, for, keep_firing_for, labels, annotations",
        ),
        (
            ("for: 1m", "for: 1min"),
            "f0.yaml:9:10: for: \"1min\" is not a duration; write it like 30s, 5m or 1h30m (units y w d h m s ms)",
        ),
        (
            ("limit: 0", "limit: 5"),
            "f0.yaml:4:10: \"limit\" other than 0 is not supported yet; remove it or set it to 0",
        ),
        (
            ("interval: 30s", "query_offset: 1m"),
            "f0.yaml:3:17: \"query_offset\" other than 0 is not supported yet; remove it or set it to 0",
        ),
        (
            ("interval: 30s", "interval: soon"),
            "f0.yaml:3:13: interval: \"soon\" is not a duration; write it like 30s, 5m or 1h30m (units y w d h m s ms)",
        ),
        (
            ("alert: KimLongAlarm3", "record: a:b"),
            "f0.yaml:7:5: recording rules (\"record\") are not supported yet; write alerting rules",
        ),
        (
            ("      severity: critical\n", ""),
            "f0.yaml:12:7: a rule needs the label \"severity\"; add labels: {severity: …} with critical, high, medium or low",
        ),
        (
            ("severity: critical", "severity: urgent"),
            "f0.yaml:12:7: severity \"urgent\" must be critical, high, medium or low",
        ),
        (
            ("domain: environment", "domain: sea"),
            "f0.yaml:12:7: label domain: \"sea\" is not a domain of the city; expected one of environment, traffic, lighting, parking",
        ),
        (
            ("level: 3", "level: '{{ $value }}'"),
            "f0.yaml:14:14: templates in labels are not supported yet; put them into annotations",
        ),
        (
            ("level: 3", "le-vel: 3"),
            "f0.yaml:14:7: \"le-vel\" is not a name for a label or annotation; use letters, digits and _, no digit first, no __ in front, at most 64 characters",
        ),
        (
            ("      clear:", "      claer:"),
            "f0.yaml:18:7: unknown annotation \"claer\"; did you mean \"clear\"?",
        ),
        (
            ("no_data: clear", "no_data: maybe"),
            "f0.yaml:19:16: no_data \"maybe\" must be hold or clear; hold keeps the alert firing when its series goes silent, clear ends it",
        ),
        (
            ("{{ $labels.device }}", "{{ $labels.device | title }}"),
            "f0.yaml:17:47: unknown template \"{{ $labels.device | title }}\"; allowed are {{ $value }}, {{ $value | printf \"%.2f\" }} and {{ $labels.NAME }}",
        ),
        (
            ("  - alert: KimLongAlarm3\n    expr", "  - expr"),
            "f0.yaml:7:5: a rule needs the field \"alert\"; add alert: FloodAlarmThree",
        ),
        (
            ("    expr: water_level{station=\"kim-long\"} > 3.5\n", ""),
            "f0.yaml:7:5: a rule needs the field \"expr\"; add expr: water_level > 3.5",
        ),
        (
            ("> 3.5", "> bool 3.5 > bool"),
            "f0.yaml:8:60: expected an expression, found the end of the expression",
        ),
        (
            ("water_level{station=\"kim-long\"} > 3.5", "1 + 2"),
            "f0.yaml:8:11: expr is a number, which is always there: it would hold for ever; compare a metric, as in water_level > 3.5",
        ),
        (
            ("clear: water_level{station=\"kim-long\"} < 3.4", "clear: max(water_level) < 3.4"),
            "f0.yaml:18:14: clear never has the labels of expr: one is of each device, the other of all together; group both by the same labels",
        ),
        (
            ("  rules:\n  - ", "  rules:\n    "),
            "f0.yaml:7:5: rules must be a list; begin each entry with \"- \"",
        ),
        (
            ("- name: flood\n  interval", "- interval"),
            "f0.yaml:2:3: a group needs the field \"name\"; add name: flood",
        ),
    ];
    for ((from, to), expected) in cases {
        assert_eq!(after(from, to), [expected], "{from} -> {to}");
    }
}

#[test]
fn missing_summaries_are_named() {
    let both = GOOD.replace("summary_vi", "text_a").replace("summary_en", "text_b");
    assert_eq!(errors(&both).len(), 2);
    assert!(
        errors(&both)[0].starts_with("f0.yaml:16:7: a rule needs the annotation \"summary_vi\""),
        "{:?}",
        errors(&both)
    );
}

#[test]
fn broken_yaml_is_one_error_with_its_place() {
    let found = errors(&GOOD.replace("    for: 1m", "   for: 1m"));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("f0.yaml:9:") && found[0].contains("not valid YAML"), "{found:?}");
    let found = errors(&GOOD.replace("    for: 1m", "    for: 1m\n    for: 2m"));
    assert_eq!(found, ["f0.yaml:10:5: not valid YAML: duplicate mapping key: for"]);
}

#[test]
fn mistakes_inside_expressions_are_marked_in_every_style_of_scalar() {
    let plain = "water_level{station=\"kim-long\"} > 3.5";
    let styles = [
        "water_level > 3 and avg_overtime(pm25[1h]) > 50",
        "'water_level{station=''x''} > 3 and avg_overtime(pm25[1h]) > 50'",
        "\"water_level{station=\\\"x\\\"} > 3 and avg_overtime(pm25[1h]) > 50\"",
        "|\n      water_level > 3 # đã vượt\n        and avg_overtime(pm25[1h]) > 50",
        ">-\n      water_level > 3\n      and\n\n      avg_overtime(pm25[1h]) > 50",
        "water_level > 3\n      and avg_overtime(pm25[1h]) > 50",
        "\n      \"water_level > 3 \\\n      and avg_overtime(pm25[1h]) > 50\"",
    ];
    for style in styles {
        assert_eq!(marked(&GOOD.replace(plain, style)), "avg_overtime", "{style}");
    }
    let clear = "clear: water_level{station=\"kim-long\"} < 3.4";
    assert_eq!(marked(&GOOD.replace(clear, "clear: waterlevel < 3.4")), "waterlevel");
}

#[test]
fn a_mistake_behind_an_alias_is_marked_at_its_anchor() {
    let plain = "water_level{station=\"kim-long\"} > 3.5";
    let text = GOOD
        .replace(plain, "*bad")
        .replace("groups:", "groups: # x\n- name: &bad avg_overtime(pm25[1h]) > 5");
    assert_eq!(marked(&text), "avg_overtime");
    let text = GOOD.replace(plain, "|\r\n      water_level > 3\r\n      and avg_overtime(pm25[1h]) > 5");
    assert_eq!(marked(&text), "avg_overtime", "Windows line ends");
}

#[test]
fn annotations_that_mean_nothing_here_are_kept_as_they_are() {
    let text = GOOD.replace("runbook_url:", "summary: '{{ humanize $value }}'\n      description:");
    assert_eq!(&*load(&[&text]).unwrap().rules()[0].annotations["summary"], "{{ humanize $value }}");
}

#[test]
fn every_mistake_of_every_file_is_reported_in_order() {
    let bad = GOOD
        .replace("for: 1m", "for: soon")
        .replace("> 3.5", "> 3.5 and pm2 > 1")
        .replace("no_data: clear", "no_data: x");
    let other = GOOD.replace("alert: KimLongAlarm3", "alert: Other").replace("expr: water", "expr: vater");
    let found: Vec<_> = load(&[&bad, &other]).unwrap_err().iter().map(|e| (e.file.clone(), e.line)).collect();
    let expected = [("f0.yaml", 8), ("f0.yaml", 9), ("f0.yaml", 19), ("f1.yaml", 8)];
    assert_eq!(found, expected.map(|(file, line)| (file.to_owned(), line)));
}

#[test]
fn names_are_unique_over_all_files() {
    let found = load(&[GOOD, GOOD]).unwrap_err();
    let expected =
        "f1.yaml:7:12: alert \"KimLongAlarm3\" is defined twice; rename it; the first one is at f0.yaml:7";
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    let twice = format!("{GOOD}- name: flood\n");
    assert_eq!(errors(&twice), ["f0.yaml:21:9: group \"flood\" stands twice in this file"]);
}

#[test]
fn an_error_is_drawn_with_its_line_and_a_caret() {
    let text = GOOD.replace("water_level{station=\"kim-long\"} > 3.5", "avg_overtime(water_level[1h]) > 3");
    let error = load(&[&text]).unwrap_err().remove(0);
    assert_eq!(
        error.to_string(),
        "f0.yaml:8:11: unknown function \"avg_overtime\"; did you mean \"avg_over_time\"?"
    );
    let expected = "\
f0.yaml:8:11: unknown function \"avg_overtime\"
  |
8 |     expr: avg_overtime(water_level[1h]) > 3
  |           ^^^^^^^^^^^^
  = help: did you mean \"avg_over_time\"?";
    assert_eq!(error.render(&text), expected);
}

#[test]
fn a_hash_follows_the_definition_and_nothing_else() {
    let hash = |text: &str| load(&[text]).unwrap().rules()[0].hash;
    let original = hash(GOOD);
    // A fixed value: it must never change, or every pending alert restarts with the next version.
    assert_eq!(original.to_string(), "d3bd4675c6dac3ac1cf824505414523e");
    let moved = format!("# a comment\n\n{}", GOOD.replace("interval: 30s", "interval: 1m"));
    let spaced = GOOD.replace("} > 3.5", "}   >\n        (3.5)");
    let clear_spaced = GOOD.replace("} < 3.4", "}<3.4");
    for same in [&moved, &spaced, &clear_spaced] {
        assert_eq!(hash(same), original, "{same}");
    }
    for (from, to) in [
        ("> 3.5", "> 3.6"),
        ("< 3.4", "< 3.3"),
        ("for: 1m", "for: 2m"),
        ("keep_firing_for: 5m", "keep_firing_for: 6m"),
        ("team: water", "team: fire"),
        ("severity: critical", "severity: high"),
        ("no_data: clear", "no_data: hold"),
        ("KimLongAlarm3", "KimLongAlarmIII"),
        ("Kim Long at", "Kim Long now at"),
    ] {
        assert_ne!(hash(&GOOD.replace(from, to)), original, "{from} -> {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_mutated_file_never_panics(at in 0..GOOD.len(), len in 0..40usize, with in "[a-z:|>'\"{}\\[\\]$ \n#-]{0,12}") {
        let end = (at + len).min(GOOD.len());
        let text = format!("{}{with}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(errors) = load(&[&text]) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.line >= 1 && error.column >= 1 && error.span.1 <= text.len());
                prop_assert!(text.is_char_boundary(error.span.0) && text.is_char_boundary(error.span.1));
                let drawn = error.render(&text);
                prop_assert!(drawn.starts_with("f0.yaml:"), "{drawn}");
            }
        }
    }
}

#[test]
fn a_rule_that_could_never_be_evaluated_is_refused_where_the_reason_stands() {
    let window = |to: &str| after("water_level{station=\"kim-long\"} > 3.5", to);
    let why = "device_silent_seconds is computed when it is asked for and has no window; \
               compare it directly, as in device_silent_seconds > 300";
    assert_eq!(window("avg_over_time(device_silent_seconds[5m]) > 1"), [format!("f0.yaml:8:25: {why}")]);
    assert_eq!(
        window("absent_over_time(device_silent_seconds{ward=\"A\"}[5m])"),
        [format!("f0.yaml:8:28: {why}")]
    );
}

#[test]
fn a_rule_of_more_selectors_than_can_be_told_apart_is_refused_at_the_one_too_many() {
    let selectors = |from: usize, to: usize| {
        (from..to).map(|n| format!("water_level{{station=\"s{n}\"}} > 3")).collect::<Vec<_>>().join(" or ")
    };
    let condition = |to: &str| GOOD.replacen("water_level{station=\"kim-long\"} > 3.5", to, 1);
    assert!(load(&[&condition(&selectors(0, 63))]).is_ok(), "and one in clear");
    let found = errors(&condition(&selectors(0, 65)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("f0.yaml:8:"), "{}", found[0]);
    assert!(
        found[0].ends_with(": more than 64 different selectors in one rule; split it into two rules"),
        "{}",
        found[0]
    );
    assert_eq!(marked(&condition(&selectors(0, 65))), "water_level{station=\"s64\"}");
    // Sixty-four in the condition leave no room for the one of the recovery expression.
    assert_eq!(marked(&condition(&selectors(0, 64))), "water_level{station=\"kim-long\"}");
    assert!(errors(&condition(&selectors(0, 64)))[0].starts_with("f0.yaml:18:14: "));
    // In a rule of the whole city, what the devices contribute has the same limit.
    assert_eq!(
        marked(&condition(&format!("sum by (station) ({})", selectors(0, 65)))),
        "water_level{station=\"s64\"}"
    );
}
