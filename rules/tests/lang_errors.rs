//! What engineers read when an expression is wrong: the message, the marked text, and what would be right.
#![allow(clippy::unwrap_used)]
use ioc_model::Catalogue;
use ioc_rules::lang::{ast::Span, parser::parse, query::Scope};

const CATALOGUE: &str = include_str!("../../configs/catalogue/catalogue.toml");

fn errors(text: &str) -> Vec<(String, String)> {
    let catalogue = Catalogue::from_toml(CATALOGUE).unwrap();
    let errors = parse(text, &catalogue).map(|query| query.expr.to_string()).unwrap_err();
    errors
        .into_iter()
        .map(|error| (text[error.span.start..error.span.end].to_owned(), error.to_string()))
        .collect()
}

/// Asserts the only error of `text`: what it marks, and its message with help.
#[track_caller]
fn only(text: &str, marked: &str, message: &str) {
    let found = errors(text);
    assert_eq!(found, [(marked.to_owned(), message.to_owned())], "{text}");
}

#[test]
fn unknown_names_come_with_suggestions() {
    only(
        "avg_overtime(pm25[1h]) > 50",
        "avg_overtime",
        "unknown function \"avg_overtime\"; did you mean \"avg_over_time\"?",
    );
    only("waterlevel > 3", "waterlevel", "unknown metric \"waterlevel\"; did you mean \"water_level\"?");
    only(
        "device_onlin == 0",
        "device_onlin",
        "unknown metric \"device_onlin\"; did you mean \"device_online\"?",
    );
    let (marked, message) = errors("nonsense_of_mine > 3").remove(0);
    assert_eq!(marked, "nonsense_of_mine");
    assert!(
        message.ends_with("a metric is a property of the catalogue, device_online or device_silent_seconds")
    );
}

#[test]
fn what_prometheus_has_and_we_do_not_is_refused_by_name() {
    let cases = [
        ("clamp(pm25, 0, 1) > 0", "clamp", "function \"clamp\""),
        ("topk(3, pm25) > 0", "topk", "aggregation \"topk\""),
        ("quantile by (ward) (0.9, pm25) > 0", "quantile", "aggregation \"quantile\""),
        (
            "label_replace(pm25, \"a\", \"b\", \"c\", \"d\") > 0",
            "label_replace",
            "function \"label_replace\"",
        ),
        ("pm25 offset 5m > 0", "offset 5m", "\"offset\""),
        ("pm25 offset -5m > 0", "offset -5m", "\"offset\""),
        ("rate(pm25[5m] offset 1h) > 0", "offset 1h", "\"offset\""),
        ("pm25 @ 1609746000 > 0", "@", "the \"@\" modifier"),
        ("max_over_time(rate(pm25[5m])[1h:1m]) > 0", "[1h:1m]", "a subquery"),
        ("max_over_time(pm25[1h:]) > 0", "[1h:]", "a subquery"),
        ("pm25 > ignoring (ward) pm10", "ignoring (ward)", "vector matching with \"ignoring(…)\""),
        ("pm25 > on (ward) pm10", "on (ward)", "vector matching with \"on(…)\""),
        ("pm25 > group_left pm10", "group_left", "vector matching with \"group_left\""),
        ("pm25 > group_right (a) pm10", "group_right (a)", "vector matching with \"group_right\""),
    ];
    for (text, marked, what) in cases {
        only(text, marked, &format!("{what} is not supported yet"));
    }
    only("pm25 atan2 pm10", "atan2", "operator \"atan2\" is not supported yet");
}

#[test]
fn syntax_errors_say_what_was_expected_and_what_was_found() {
    let cases = [
        ("", "", "expected an expression, found the end of the expression"),
        ("pm25 >", "", "expected an expression, found the end of the expression"),
        ("pm25 > and 3", "and", "expected an expression, found \"and\""),
        ("pm25 = 5", "=", "expected an operator, found \"=\"; write \"==\" to compare"),
        ("pm25 > 5)", ")", "expected an operator, found \")\"; remove it, or add the missing \"(\""),
        ("(pm25 > 5", "", "expected \")\", found the end of the expression"),
        ("pm25 pm10", "pm10", "expected an operator, found \"pm10\""),
        ("pm25{a}", "}", "expected one of = != =~ !~, found \"}\""),
        ("pm25{a=b}", "b", "expected a text in quotes, found \"b\""),
        ("pm25{a=\"b\" c=\"d\"}", "c", "expected \",\" or \"}\", found \"c\""),
        ("pm25{\"a\"=\"b\"}", "\"a\"", "expected a label name, found \"\\\"a\\\"\""),
        ("{a=\"b\"} > 1", "{", "a selector needs the metric's name before \"{\""),
        (
            "pm25{__name__=\"b\"}",
            "__name__",
            "the metric's name is not matched by a label; write it before the braces",
        ),
        ("pm25[x]", "x", "expected a duration such as 5m, found \"x\""),
        ("sum by ward (pm25)", "ward", "expected \"(\", found \"ward\""),
        ("abs(pm25,)", ")", "expected an expression, found \")\""),
        ("pm25 > 5 && pm10 > 5", "&", "unexpected character '&'; write \"and\""),
        ("pm25{a=\"b}", "\"b}", "string is not closed; add \" at its end"),
        ("pm25 > 5µ", "µ", "unexpected character 'µ'"),
        (
            "pm25 > 1.2.3",
            "1.2.3",
            "\"1.2.3\" is neither a number nor a duration; numbers look like 0.5, 1e3 or 0x1F, durations like 90s or 1h30m",
        ),
    ];
    for (text, marked, message) in cases {
        only(text, marked, message);
    }
}

#[test]
fn types_are_checked_as_in_prometheus() {
    let cases = [
        (
            "pm25[5m]",
            "pm25[5m]",
            "a window has many values; a number or an instant vector is needed; put a function around it, as in avg_over_time(…)",
        ),
        (
            "rate(pm25) > 1",
            "pm25",
            "rate needs a range vector, found an instant vector; add a window, as in pm25[5m]",
        ),
        ("rate(5) > 1", "5", "rate needs a range vector, found a scalar"),
        (
            "abs(pm25[5m]) > 1",
            "pm25[5m]",
            "abs needs an instant vector, found a range vector; remove the window in brackets",
        ),
        ("abs(1)", "1", "abs needs an instant vector, found a scalar"),
        ("sum(5)", "5", "sum needs an instant vector, found a scalar"),
        ("sum(pm25, pm10)", "sum(pm25, pm10)", "sum takes 1 argument, found 2"),
        ("time(pm25)", "time(pm25)", "time takes no argument, found 1"),
        ("hour(pm25, pm25)", "hour(pm25, pm25)", "hour takes at most 1 argument, found 2"),
        ("1 > 2", ">", "a comparison between two scalars needs \"bool\"; write > bool"),
        ("pm25 and 5", "and", "\"and\" needs an instant vector on both sides, found a scalar"),
        ("pm25 + bool pm10", "bool", "\"bool\" may only follow a comparison operator"),
        ("(pm25 + 1)[5m]", "(pm25 + 1)[5m]", "only a selector can have a window in brackets"),
        ("(pm25)[5m]", "(pm25)[5m]", "only a selector can have a window in brackets"),
        ("rate(pm25[0s]) > 1", "0s", "a window must be longer than 0 and at most 1w"),
        ("rate(pm25[1y]) > 1", "1y", "a window must be longer than 0 and at most 1w"),
        ("pm25 > \"5\"", "\"5\"", "a text has no place here"),
        ("-\"5\" > pm25", "\"5\"", "a text has no place here"),
    ];
    for (text, marked, message) in cases {
        only(text, marked, message);
    }
}

#[test]
fn regexes_are_checked_and_bounded() {
    let (marked, message) = errors("pm25{ward=~\"a(\"}").remove(0);
    assert_eq!(marked, "\"a(\"");
    assert!(message.contains("cannot be used: unclosed group"), "{message}");
    let (_, message) = errors("pm25{ward=~\"((a{1000}){1000}){1000}\"}").remove(0);
    assert!(message.contains("cannot be used"), "{message}");
    assert!(message.len() < 200, "{message}");
    assert_eq!(errors("pm25{ward=~\"a)|(b\"}").len(), 1, "our own parentheses do not repair it");
}

#[test]
fn all_mistakes_of_meaning_are_found_at_once() {
    let found = errors("avg_overtime(pm25[1h]) > 5 or pm2 > 3 or clamp(pm10, 1, 2) > 1 or rate(co) > 1 or (");
    let marked: Vec<&str> = found.iter().map(|(marked, _)| marked.as_str()).collect();
    assert_eq!(marked, ["avg_overtime", "pm2", "clamp", "co", ""]);
}

#[test]
fn sides_that_never_pair_are_refused() {
    let help = "write and on() before the function of time";
    let (marked, message) = errors("laeq > 55 and hour() >= 21").remove(0);
    assert_eq!(marked, "and");
    assert!(message.ends_with(help), "{message}");
    for bad in [
        "laeq > max(laeq)",
        "laeq > 45 + local_hour()",
        "local_hour() > 6 and laeq > 55",
        "pm25 or sun_elevation() > 0",
        "laeq and on() pm25",
        "laeq > on() local_hour()",
        "laeq or on() local_hour()",
        "pm25 unless max(pm25) > 3",
    ] {
        assert_eq!(errors(bad).len(), 1, "{bad}");
    }
    let catalogue = Catalogue::from_toml(CATALOGUE).unwrap();
    for good in [
        "laeq > 55 and on() hour() >= 21",
        "laeq > 55 and local_hour() >= 21",
        "laeq > 55 unless sun_elevation() > 0",
        "laeq > 55 and (local_hour() >= 21 or local_hour() < 6)",
        "count by (ward) (laeq > 55) > 3 and local_hour() < 6",
        "max(laeq) > 55 and hour() < 6",
        "sum(laeq) / count(laeq) > 50",
        "absent(water_level{station=\"kim-long\"}) and local_hour() < 6",
    ] {
        assert!(parse(good, &catalogue).is_ok(), "{good}");
    }
}

#[test]
fn an_expression_says_what_it_reads() {
    let catalogue = Catalogue::from_toml(CATALOGUE).unwrap();
    let query = |text: &str| parse(text, &catalogue).unwrap();
    let both = query("avg_over_time(pm25[24h]) > 45 and pm10{ward=\"1\"} > 3 and local_hour() > 6");
    let reads: Vec<_> =
        both.expr.reads().iter().map(|read| (&*read.selector.name, read.window_ms, read.absence)).collect();
    assert_eq!(reads, [("pm25", Some(86_400_000), false), ("pm10", None, false)]);
    assert_eq!((both.expr.scope(), both.expr.asks_absence()), (Scope::Device, false));
    let absent = query("absent_over_time(water_level{station=\"kim-long\", river!=\"x\"}[5m])");
    assert_eq!((absent.expr.scope(), absent.expr.asks_absence()), (Scope::Fleet, true));
    assert_eq!(absent.expr.node.absent_labels(), [("station".into(), "kim-long".into())]);
    assert_eq!(query("sum by (ward) (pm25) > 1").expr.scope(), Scope::Fleet);
    assert_eq!(query("local_hour() > 1").expr.scope(), Scope::Clock);
    let sum = query("  sum( (pm25 + 1) ) > 3");
    let mut parts = Vec::new();
    sum.expr.walk(&mut |part| parts.push((part.span, sum.text_of(part))));
    let expected = ["sum( (pm25 + 1) ) > 3", "sum( (pm25 + 1) )", "pm25 + 1", "pm25", "1", "3"];
    assert_eq!(parts.iter().map(|(_, text)| *text).collect::<Vec<_>>(), expected);
    assert_eq!(parts[0].0, Span::new(2, 23));
}
