//! Whatever stands in a rule file, the check says so and where; it never panics.
#![allow(clippy::unwrap_used, reason = "tests")]
mod engine_support;

use engine_support::catalogue;
use ioc_rules::{RuleError, RuleFile, RuleSet};
use proptest::prelude::*;

const GOOD: &str = "groups:
- name: flood
  labels: {team: &team water}
  rules:
  - alert: High
    expr: water_level{ward=~\"A|B\"} > 3.5
    for: 1m
    labels:
      severity: high
      note: *team
    annotations:
      summary_vi: |
        Cao {{ $value | printf \"%.2f\" }} tại {{ $labels.device }}
      summary_en: >-
        High {{ $value }}
        at {{ $labels.device }}
      clear: 'water_level < 3'
";

fn check(text: String) -> (String, Vec<RuleError>) {
    let file = RuleFile { path: "any.yaml".into(), text };
    let errors = RuleSet::load(std::slice::from_ref(&file), &catalogue()).err().unwrap_or_default();
    (file.text, errors)
}

/// Reports whether an error stands where it says, in words that fit a screen.
fn is_sound(error: &RuleError, text: &str) -> bool {
    let (start, end) = error.span;
    let Some(before) = text.get(..start) else { return false };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let is_there = (error.line as usize, error.column as usize) == (line, column);
    let drawn = error.render(text);
    let is_short = drawn.lines().all(|line| line.chars().count() < 2_048) && error.to_string().len() < 4_096;
    is_there && is_short && end >= start && text.get(start..end).is_some()
}

/// What files are broken by.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "\r\n",
        "\t",
        "\u{feff}",
        "\0",
        "ố",
        "o\u{302}\u{301}",
        "\u{85}",
        "\u{2028}",
        "\u{1b}[2J",
        "{{",
        "}}",
        "\"",
        "'",
        "[",
        "{",
        "&a ",
        "*a",
        "*team",
        "- ",
        "? ",
        ": ",
        "!!binary ",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "<<: *team",
        "|2\n",
        ">+\n",
        "\\",
        "#",
        "groups:",
        "  rules:\n",
        "expr: ",
        "for: 99999999999999999999y\n",
        "labels: [",
        "((((((((((",
        "water_level[1y]",
        "=~\"(((\"",
    ]);
    prop_oneof![
        4 => known.prop_map(str::to_owned),
        2 => "\\PC{0,12}",
        1 => ("[a-zố ]", 1usize..3_000).prop_map(|(one, count)| one.repeat(count)),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_broken_file_is_told_where(cuts in prop::collection::vec((0usize..GOOD.len(), 0usize..30, piece()), 1..5)) {
        let mut text = GOOD.to_owned();
        for (at, len, piece) in cuts {
            let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let (from, to) = (boundary(at), boundary(at + len));
            text.replace_range(from..to, &piece);
        }
        let (text, errors) = check(text);
        for error in errors {
            prop_assert!(is_sound(&error, &text), "{:?} in {:?}", error, text);
        }
    }

    #[test]
    fn anything_is_checked(pieces in prop::collection::vec(piece(), 0..12)) {
        let (text, errors) = check(pieces.concat());
        for error in errors {
            prop_assert!(is_sound(&error, &text), "{:?} in {:?}", error, text);
        }
    }
}

#[test]
fn extremes_are_told_where() {
    let long = "ố".repeat(200_000);
    let texts = [
        String::new(),
        "\u{feff}".into(),
        "\0".into(),
        GOOD.replace('\n', "\r\n"),
        format!("\u{feff}{GOOD}"),
        GOOD.replace("High", &long),
        GOOD.replace("water_level{", &format!("{long}{{")),
        format!("groups: [{{name: a, rules: [{{alert: A, expr: \"{}\"}}]}}]", "x ".repeat(100_000)),
        format!("groups: {{{}", "a: ".repeat(10_000)),
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(50_000),
        "{a: ".repeat(50_000),
        "\n".repeat(500_000),
        format!("groups: {}", "\"".repeat(99_999)),
        format!("groups:\n{}", " \n".repeat(100_000)),
    ];
    for text in texts {
        let (text, errors) = check(text);
        for error in errors {
            assert!(is_sound(&error, &text), "{error:?}");
        }
    }
}
