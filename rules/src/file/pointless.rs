//! Comparisons whose outcome is known before any reading comes: the rule would never fire, or never stop.
use crate::{
    lang::vocabulary::Vocabulary,
    lang::{
        ast::{
            AggregateOp, Binary, BinaryOp, CalendarFunction, ClockFunction, Expr, Node, RangeFunction, Span,
            ValueType,
        },
        error::LangError,
    },
};

/// Smallest and largest value that a sample can have, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    low: f64,
    high: f64,
}

/// Returns the comparisons of an expression that are decided beforehand, and numbers that nothing can be compared with.
/// One that always holds is a mistake only where `it_decides` that there is an alert.
pub(super) fn comparisons(expr: &Expr, vocabulary: &dyn Vocabulary, it_decides: bool) -> Vec<LangError> {
    let mut errors = Vec::new();
    visit(expr, vocabulary, it_decides, &mut errors);
    errors
}

fn visit(expr: &Expr, vocabulary: &dyn Vocabulary, it_decides: bool, errors: &mut Vec<LangError>) {
    if let Some(number) = constant(expr) {
        // A constant is looked at as a whole: `-Inf` is one number.
        errors.extend((!number.is_finite()).then(|| not_finite(expr, number)));
        return;
    }
    if let Node::Binary(binary) = &expr.node
        && let Some(error) = infinite_comparison(binary).or_else(|| decided(binary, vocabulary, it_decides))
    {
        errors.push(LangError { span: expr.span, ..error });
        return;
    }
    for child in expr.children() {
        visit(child, vocabulary, it_decides, errors);
    }
}

fn not_finite(expr: &Expr, number: f64) -> LangError {
    let message =
        format!("{} is no value that a reading can have; a rule needs a finite number", word(number));
    LangError::new(expr.span, message)
}

const fn word(number: f64) -> &'static str {
    match number {
        _ if number.is_nan() => "NaN",
        f64::NEG_INFINITY => "-Inf",
        _ => "Inf",
    }
}

/// Reports a comparison with a number that is not finite.
fn infinite_comparison(binary: &Binary) -> Option<LangError> {
    use BinaryOp::{Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let (op, number, _) = sides(binary)?;
    if number.is_finite() {
        return None;
    }
    let is_below = number == f64::INFINITY;
    let holds = match op {
        NotEqual => true,
        Less | LessOrEqual => is_below,
        Greater | GreaterOrEqual => number == f64::NEG_INFINITY,
        _ => false,
    };
    let message = format!("{}: readings are finite, and the number is {}", outcome(holds), word(number));
    Some(LangError::new(Span::default(), message).with_help("compare with a finite number"))
}

fn outcome(holds: bool) -> &'static str {
    if holds { "this comparison always holds" } else { "this comparison can never hold" }
}

/// Reports a comparison of values that all lie on one side of the number.
fn decided(binary: &Binary, vocabulary: &dyn Vocabulary, it_decides: bool) -> Option<LangError> {
    let (op, number, vector) = sides(binary)?;
    let range = range(vector, vocabulary)?;
    let holds = holds(op, range, number)?;
    // `>= bool 0` counts what is there.
    if holds && (binary.returns_bool || !it_decides) {
        return None;
    }
    let values = match (range.low.is_finite(), range.high.is_finite()) {
        (true, true) => format!("between {} and {}", range.low, range.high),
        (true, false) => format!("at least {}", range.low),
        _ => format!("at most {}", range.high),
    };
    let help = match holds {
        true => "leave the comparison out, or compare with a number in between",
        false => "compare with a number in between; the catalogue says what a property can be",
    };
    let message = format!("{}: the values are {values}", outcome(holds));
    Some(LangError::new(Span::default(), message).with_help(help))
}

/// Returns the comparison as one of a vector with a number: the operator, the number and the vector.
fn sides(binary: &Binary) -> Option<(BinaryOp, f64, &Expr)> {
    use BinaryOp::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let Binary { op, left, right, .. } = binary;
    if !op.is_comparison() {
        return None;
    }
    if let Some(number) = constant(right) {
        return (left.value_type() == ValueType::InstantVector).then_some((*op, number, left));
    }
    let turned = match op {
        Less => Greater,
        LessOrEqual => GreaterOrEqual,
        Greater => Less,
        GreaterOrEqual => LessOrEqual,
        other => *other,
    };
    let number = constant(left)?;
    (right.value_type() == ValueType::InstantVector).then_some((turned, number, right))
}

/// Returns what comparing a value of a range with a number comes to, if it is the same for all values.
fn holds(op: BinaryOp, Range { low, high }: Range, number: f64) -> Option<bool> {
    use BinaryOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let (always, never) = match op {
        Greater => (low > number, high <= number),
        GreaterOrEqual => (low >= number, high < number),
        Less => (high < number, low >= number),
        LessOrEqual => (high <= number, low > number),
        Equal => (false, number < low || number > high),
        NotEqual => (number < low || number > high, false),
        _ => (false, false),
    };
    (always || never).then_some(always)
}

/// Returns the number that an expression always is.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.node {
        Node::Number(number) => Some(*number),
        Node::Negate(operand) => constant(operand).map(|number| -number),
        Node::Binary(binary) => {
            let (left, right) = (constant(&binary.left)?, constant(&binary.right)?);
            calculate(binary.op, left, right)
        }
        _ => None,
    }
}

fn calculate(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        _ => return None,
    })
}

/// Returns what values a vector can have, if that is known.
fn range(expr: &Expr, vocabulary: &dyn Vocabulary) -> Option<Range> {
    use RangeFunction::{AvgOverTime, LastOverTime, MaxOverTime, MinOverTime};
    let of = |(low, high)| Range { low, high };
    match &expr.node {
        Node::Selector(selector) => vocabulary.range(selector.property).map(of),
        Node::OverRange(AvgOverTime | MinOverTime | MaxOverTime | LastOverTime, read) => {
            vocabulary.range(read.selector.property).map(of)
        }
        Node::Negate(operand) => range(operand, vocabulary).map(|of| Range { low: -of.high, high: -of.low }),
        Node::Abs(operand) => range(operand, vocabulary).map(|Range { low, high }| Range {
            low: if low <= 0.0 && high >= 0.0 { 0.0 } else { low.abs().min(high.abs()) },
            high: low.abs().max(high.abs()),
        }),
        Node::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Avg | AggregateOp::Min | AggregateOp::Max => range(&aggregate.operand, vocabulary),
            AggregateOp::Sum | AggregateOp::Count => None,
        },
        Node::Binary(binary) => range_of_both(binary, vocabulary),
        Node::Clock(ClockFunction::Hour | ClockFunction::LocalHour)
        | Node::CalendarOf(CalendarFunction::Hour, _) => Some(of((0.0, 23.0))),
        Node::Clock(ClockFunction::DayOfWeek | ClockFunction::LocalDayOfWeek)
        | Node::CalendarOf(CalendarFunction::DayOfWeek, _) => Some(of((0.0, 6.0))),
        Node::Clock(ClockFunction::SunElevation) => Some(of((-90.0, 90.0))),
        _ => None,
    }
}

fn range_of_both(binary: &Binary, vocabulary: &dyn Vocabulary) -> Option<Range> {
    let Binary { op, left, right, returns_bool, .. } = binary;
    match op {
        _ if op.is_comparison() && *returns_bool => Some(Range { low: 0.0, high: 1.0 }),
        // What is kept are values of the vector, of the left one if both are.
        _ if op.is_comparison() => match left.value_type() {
            ValueType::InstantVector => range(left, vocabulary),
            ValueType::Scalar => range(right, vocabulary),
        },
        BinaryOp::And | BinaryOp::Unless => range(left, vocabulary),
        BinaryOp::Or => {
            let (one, other) = (range(left, vocabulary)?, range(right, vocabulary)?);
            Some(Range { low: one.low.min(other.low), high: one.high.max(other.high) })
        }
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide => {
            scaled(binary, vocabulary)
        }
        _ => None,
    }
}

/// Returns the range of a vector that is moved or scaled by a number.
fn scaled(binary: &Binary, vocabulary: &dyn Vocabulary) -> Option<Range> {
    let Binary { op, left, right, .. } = binary;
    let ends = match (constant(left), constant(right)) {
        (None, Some(number)) if *op != BinaryOp::Divide || number != 0.0 => {
            let Range { low, high } = range(left, vocabulary)?;
            [calculate(*op, low, number)?, calculate(*op, high, number)?]
        }
        (Some(number), None) if *op != BinaryOp::Divide => {
            let Range { low, high } = range(right, vocabulary)?;
            [calculate(*op, number, low)?, calculate(*op, number, high)?]
        }
        _ => return None,
    };
    let [one, other] = ends;
    // Rounding may move an end, and 0 times infinity is no number.
    let slack = 1e-9 * one.abs().max(other.abs());
    let range = Range { low: one.min(other) - slack, high: one.max(other) + slack };
    (!one.is_nan() && !other.is_nan()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::parser::parse;
    use ioc_model::Catalogue;

    const CATALOGUE: &str = r#"
        property.share = { id = 10, min = 0.0, max = 1.0, title = { vi = "a", en = "b" } }
        property.level = { id = 11, min = -5.0, max = 15.0, title = { vi = "a", en = "b" } }
        property.open = { id = 12, type = "bool", title = { vi = "a", en = "b" } }
        property.mode = { id = 13, type = "enum", codes = { normal = 0, dark = 4 }, code_titles = { normal = { vi = "a", en = "b" }, dark = { vi = "a", en = "b" } }, title = { vi = "a", en = "b" } }
        [kind]
    "#;

    fn found(text: &str, it_decides: bool) -> Vec<String> {
        let catalogue = Catalogue::from_toml(CATALOGUE).unwrap();
        let query = parse(text, &catalogue).unwrap();
        comparisons(&query.expr, &catalogue, it_decides).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_decided_beforehand_is_told() {
        let never = "can never hold";
        let cases = [
            ("level > NaN", never),
            ("level == NaN", never),
            ("level != NaN", "always holds"),
            ("NaN < level", never),
            ("level > Inf", never),
            ("level > 1e999", never),
            ("level < 1e999", "always holds"),
            ("level >= -Inf", "always holds"),
            ("level > 1 / 0", never),
            ("level > 0 / 0", never),
            ("level > -(1 / 0) ", "always holds"),
            ("level > bool NaN > 0", never),
            ("level + NaN > 3", "NaN is no value"),
            ("level * 1e999 > 3", "Inf is no value"),
            ("rate(level[5m]) > NaN", never),
            ("sum(level) == Inf", never),
            ("level > 3 and open == NaN", never),
            ("level > 15", "can never hold: the values are between -5 and 15"),
            ("level >= 15.1", never),
            ("15 < level", never),
            ("level < -5", never),
            ("open == 2", never),
            ("mode == 5", never),
            ("abs(level) < 0", never),
            ("-level > 5", never),
            ("100 * share > 101", never),
            ("level / 2 > 8", never),
            ("avg(avg_over_time(share[5m])) > 1.5", never),
            ("(share < bool 0.5) > 1", never),
            ("local_hour() == 24", never),
            ("day_of_week() > 6", never),
            ("sun_elevation() < -91", never),
            ("device_online == 2", never),
            ("device_silent_seconds < 0", "the values are at least 0"),
            ("(share > 0.5 or level > 3) > 20", never),
            ("share >= 0", "always holds"),
            ("level != 20", "always holds"),
        ];
        for (text, part) in cases {
            let said = found(text, true);
            assert!(said.len() == 1 && said[0].contains(part), "{text}: {said:?} should say {part:?}");
        }
    }

    #[test]
    fn what_readings_decide_is_left_to_them() {
        let cases = [
            "level > 14.9",
            "level >= 15",
            "level == -5",
            "open == 1",
            "mode == 4",
            "100 * share >= 100",
            "share * 3 >= 3",
            "sum(share) > 100",
            "count(share) > 0",
            "absent(share) == 1",
            "sum(share >= bool 0) > 3",
            "rate(share[5m]) > 5",
            "share / level > 1000",
            "share > level",
            "1 / share > 1000",
            "device_silent_seconds > 300",
            "level > share + 20",
            "time() - level > 1e9",
        ];
        for text in cases {
            assert_eq!(found(text, true), [""; 0], "{text}");
        }
        assert_eq!(found("share >= 0", false), [""; 0], "a recovery may hold at once");
        assert_eq!(found("share > 2", false).len(), 1, "but must be able to");
    }
}
