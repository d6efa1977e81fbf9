//! Our parser beside another PromQL parser: random expressions of our subset get the same tree.
#![allow(clippy::unwrap_used)]
use ioc_model::PropertyId;
use ioc_rules::{
    Vocabulary,
    lang::{
        ast::{Expr, Grouping, Matching, Node, RangeSelector, Selector},
        parser::parse,
    },
};
use promql_parser::parser::{self as theirs, LabelModifier};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// Every name is a metric.
struct Any;

impl Vocabulary for Any {
    fn property(&self, _: &str) -> Option<PropertyId> {
        Some(PropertyId(1))
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Writes our tree with every parenthesis.
fn ours(expr: &Expr) -> String {
    match &expr.node {
        Node::Number(value) => format!("{value:?}"),
        Node::Selector(selector) => our_selector(selector),
        Node::Negate(inner) => format!("(neg {})", ours(inner)),
        Node::Binary(binary) => {
            let returns_bool = if binary.returns_bool { " bool" } else { "" };
            let on = if binary.matching == Matching::Anything { " on()" } else { "" };
            format!(
                "({} {}{returns_bool}{on} {})",
                ours(&binary.left),
                binary.op.as_str(),
                ours(&binary.right)
            )
        }
        Node::Aggregate(aggregate) => {
            let (word, labels) = match &aggregate.grouping {
                Grouping::By(labels) => ("by", labels),
                Grouping::Without(labels) => ("without", labels),
            };
            let grouping = if *word == *"by" && labels.is_empty() {
                String::new()
            } else {
                format!(" {word}({})", labels.join(","))
            };
            format!("({}{grouping} {})", aggregate.op.as_str(), ours(&aggregate.operand))
        }
        Node::OverRange(function, range) => format!("{}({})", function.as_str(), our_range(range)),
        Node::Abs(inner) => format!("abs({})", ours(inner)),
        Node::Absent(inner) => format!("absent({})", ours(inner)),
        Node::AbsentOverTime(range) => format!("absent_over_time({})", our_range(range)),
        Node::Clock(clock) => format!("{}()", clock.as_str()),
        Node::CalendarOf(part, inner) => format!("{}({})", part.as_str(), ours(inner)),
    }
}

fn our_selector(selector: &Selector) -> String {
    let mut matchers: Vec<_> =
        selector.matchers.iter().map(|m| format!("{}{}{:?}", m.name, m.op.as_str(), m.value)).collect();
    matchers.sort();
    format!("{}{{{}}}", selector.name, matchers.join(","))
}

fn our_range(range: &RangeSelector) -> String {
    format!("{}[{}]", our_selector(&range.selector), range.window_ms)
}

/// Writes their tree in the same way.
fn their(expr: &theirs::Expr) -> String {
    match expr {
        theirs::Expr::Paren(inner) => their(&inner.expr),
        theirs::Expr::NumberLiteral(number) => format!("{:?}", number.val),
        theirs::Expr::Unary(unary) => match number_below(&unary.expr) {
            Some(value) => format!("{:?}", -value),
            None => format!("(neg {})", their(&unary.expr)),
        },
        theirs::Expr::Binary(binary) => {
            let modifier = binary.modifier.as_ref();
            let returns_bool = if modifier.is_some_and(|m| m.return_bool) { " bool" } else { "" };
            let on = if modifier.is_some_and(|m| m.matching.is_some()) { " on()" } else { "" };
            format!("({} {}{returns_bool}{on} {})", their(&binary.lhs), binary.op, their(&binary.rhs))
        }
        theirs::Expr::Aggregate(aggregate) => {
            let list = |labels: &[String]| {
                let mut labels = labels.to_vec();
                labels.sort();
                labels.dedup();
                labels.join(",")
            };
            let grouping = match &aggregate.modifier {
                Some(LabelModifier::Include(labels)) if labels.labels.is_empty() => String::new(),
                Some(LabelModifier::Include(labels)) => format!(" by({})", list(&labels.labels)),
                Some(LabelModifier::Exclude(labels)) => format!(" without({})", list(&labels.labels)),
                None => String::new(),
            };
            format!("({}{grouping} {})", aggregate.op, their(&aggregate.expr))
        }
        theirs::Expr::VectorSelector(selector) => their_selector(selector),
        theirs::Expr::MatrixSelector(matrix) => {
            format!("{}[{}]", their_selector(&matrix.vs), matrix.range.as_millis())
        }
        theirs::Expr::Call(call) => {
            let args: Vec<_> = call.args.args.iter().map(|arg| their(arg)).collect();
            format!("{}({})", call.func.name, args.join(","))
        }
        other => panic!("not of our subset: {other:?}"),
    }
}

/// Our parser makes a minus before a number part of the number, parentheses or not.
fn number_below(expr: &theirs::Expr) -> Option<f64> {
    match expr {
        theirs::Expr::NumberLiteral(number) => Some(number.val),
        theirs::Expr::Paren(inner) => number_below(&inner.expr),
        theirs::Expr::Unary(unary) => number_below(&unary.expr).map(|value| -value),
        _ => None,
    }
}

fn their_selector(selector: &theirs::VectorSelector) -> String {
    let mut matchers: Vec<_> =
        selector.matchers.matchers.iter().map(|m| format!("{}{}{:?}", m.name, m.op, m.value)).collect();
    matchers.sort();
    format!("{}{{{}}}", selector.name.as_deref().unwrap_or(""), matchers.join(","))
}

const BINARY: [&str; 15] =
    ["+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "unless"];
const RANGE: [&str; 11] = [
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "rate",
    "increase",
    "delta",
    "deriv",
    "absent_over_time",
];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..1000u32).prop_map(|n| n.to_string()),
        (0.0..100.0f64).prop_map(|n| n.to_string()),
        Just("1e3".into()),
        Just("Inf".into()),
        Just("0x1f".into())
    ]
}

fn selector() -> impl Strategy<Value = String> {
    let matcher = ("[a-c]", prop::sample::select(&["=", "!=", "=~", "!~"][..]), "[a-z.|]{0,3}")
        .prop_map(|(name, op, value)| format!("{name}{op}\"{}\"", value.replace("||", "|")));
    ("[xyz]", prop::collection::vec(matcher, 0..3)).prop_map(|(name, matchers)| match matchers.is_empty() {
        true => name,
        false => format!("{name}{{{}}}", matchers.join(", ")),
    })
}

/// A vector that has the labels of each series.
fn leaf() -> impl Strategy<Value = String> {
    let window = prop::sample::select(&["30s", "5m", "1h30m", "1d"][..]);
    prop_oneof![
        4 => selector(),
        2 => (prop::sample::select(&RANGE[..]), selector(), window).prop_map(|(f, s, w)| format!("{f}({s}[{w}])")),
    ]
}

/// Operands in a row with and without parentheses: precedence decides.
fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let operand = prop_oneof![
            6 => inner.clone(),
            1 => number(),
            1 => inner.clone().prop_map(|text| format!("-{text}")),
            1 => inner.clone().prop_map(|text| format!("({text})")),
            1 => inner.clone().prop_map(|text| format!("abs({text})")),
        ];
        let join = (
            operand.clone(),
            prop::collection::vec(
                (prop::sample::select(&BINARY[..]), prop::bool::weighted(0.1), operand),
                1..4,
            ),
        )
            .prop_map(|(first, rest)| {
                rest.into_iter().fold(first, |text, (op, bool_modifier, next)| {
                    let word = if bool_modifier && "=!<>".contains(&op[..1]) { " bool" } else { "" };
                    format!("{text} {op}{word} {next}")
                })
            });
        let grouping = prop_oneof![Just(""), Just(" by (a, b)"), Just(" without (c)"), Just(" by ()")];
        let aggregate = (
            prop::sample::select(&["sum", "avg", "min", "max", "COUNT"][..]),
            grouping,
            inner.clone(),
            any::<bool>(),
        )
            .prop_map(|(op, grouping, inner, before)| match before {
                true => format!("{op}{grouping} ({inner})"),
                false => format!("{op}({inner}){grouping}"),
            });
        let call = (prop::sample::select(&["absent", "hour", "day_of_week", "abs"][..]), inner)
            .prop_map(|(f, inner)| format!("{f}({inner})"));
        prop_oneof![6 => join, 1 => aggregate, 1 => call]
    })
}

/// Reports whether we refuse what Prometheus allows, on purpose.
fn is_on_purpose(message: &str) -> bool {
    [
        "never pair",
        "would raise an alert of no device",
        "not supported yet",
        "has more than",
        "cannot be used",
    ]
    .iter()
    .any(|known| message.contains(known))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn trees_agree(text in expression()) {
        match (parse(&text, &Any), theirs::parse(&text)) {
            (Ok(query), Ok(tree)) => prop_assert_eq!(ours(&query.expr), their(&tree), "{}", text),
            (Err(errors), Ok(_)) => {
                prop_assert!(errors.iter().all(|error| is_on_purpose(&error.message)), "{text}: {errors:?}");
            }
            (Ok(query), Err(error)) => prop_assert!(false, "{text}: only ours accepts: {} ({error})", ours(&query.expr)),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn text_of_a_tree_parses_to_the_same_tree(text in expression()) {
        if let Ok(query) = parse(&text, &Any) {
            let again = parse(&query.expr.to_string(), &Any).map_err(|errors| TestCaseError::fail(format!("{errors:?}")))?;
            prop_assert_eq!(ours(&again.expr), ours(&query.expr), "{} -> {}", text, query.expr);
            prop_assert_eq!(again.expr.to_string(), query.expr.to_string());
        }
    }

    #[test]
    fn spans_show_the_text_of_each_part(text in expression()) {
        if let Ok(query) = parse(&text, &Any) {
            let mut parts = Vec::new();
            query.expr.walk(&mut |part| parts.push(part.clone()));
            for part in parts {
                let again = parse(query.text_of(&part), &Any).map_err(|errors| TestCaseError::fail(format!("{errors:?}")))?;
                prop_assert_eq!(ours(&again.expr), ours(&part));
            }
        }
    }

    #[test]
    fn garbage_gets_errors_within_the_text_and_no_panic(text in "(x|sum|by|rate|abs|on|and|5m|1e|[0-9(){}\\[\\],=~!<>+*/^@:\"'`\\\\#\n -]|offset|bool|ế|\\PC){0,30}") {
        if let Err(errors) = parse(&text, &Any) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{error:?}");
                prop_assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
            }
        }
    }
}

#[test]
fn most_random_expressions_are_valid_so_that_the_comparison_means_something() {
    let mut runner = TestRunner::deterministic();
    let texts: Vec<String> =
        (0..400).map(|_| expression().new_tree(&mut runner).unwrap().current()).collect();
    let valid = texts.iter().filter(|text| parse(text, &Any).is_ok()).count();
    assert!(valid > 200, "{valid} of 400");
}

#[test]
fn precedence_is_that_of_prometheus() {
    let cases = [
        ("x + y * z", "(x{} + (y{} * z{}))"),
        ("x ^ y ^ z", "(x{} ^ (y{} ^ z{}))"),
        ("-x ^ 2", "(neg (x{} ^ 2.0))"),
        ("-1 ^ x", "(neg (1.0 ^ x{}))"),
        ("-x * y", "((neg x{}) * y{})"),
        ("x ^ -y * z", "((x{} ^ (neg y{})) * z{})"),
        ("x or y and z unless x", "(x{} or ((y{} and z{}) unless x{}))"),
        ("x > 1 < 5 == bool 2", "(((x{} > 1.0) < 5.0) == bool 2.0)"),
        ("x - y - z", "((x{} - y{}) - z{})"),
        ("2 * -3 + x", "((2.0 * -3.0) + x{})"),
    ];
    for (text, expected) in cases {
        match parse(text, &Any) {
            Ok(query) => assert_eq!(ours(&query.expr), expected, "{text}"),
            Err(errors) => assert_eq!(format!("{errors:?}"), expected, "{text}"),
        }
    }
}

#[test]
fn deep_and_long_expressions_are_refused_not_overflowed() {
    for text in [
        "(".repeat(10_000),
        "-".repeat(10_000),
        "abs(".repeat(3_000),
        vec!["x"; 4_000].join("+"),
        "x^".repeat(4_000) + "x",
        "x".repeat(20_000),
        format!("x{{a=~\"{}\"}}", "(a{1000}){1000}"),
    ] {
        assert!(parse(&text, &Any).is_err());
    }
}
