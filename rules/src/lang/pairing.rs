//! Which labels pair the two sides of an operator between vectors; pairs that can never exist are refused.
use super::{
    ast::{Aggregate, BinaryOp, Expr, Grouping, Matching, Node, Span, ValueType},
    error::LangError,
    query::Scope,
};

/// Decides the pairing of `left op right`, both instant vectors; `on` is where `on()` stands.
///
/// Clocks have no labels, so in Prometheus they pair with series by `on()` only; ours (`local_hour` and others)
/// pair with every series without it.
/// Errors: the sides can never pair, or `on()` is used for something else than clocks.
pub(crate) fn of(
    op: BinaryOp,
    op_span: Span,
    on: Option<Span>,
    left: &Expr,
    right: &Expr,
) -> Result<Matching, LangError> {
    let filters = matches!(op, BinaryOp::And | BinaryOp::Unless);
    let right_is_clock = right.scope() == Scope::Clock;
    if let Some(span) = on {
        return match filters && right_is_clock {
            true => Ok(Matching::Anything),
            false => Err(LangError::new(span, "vector matching with \"on()\" is not supported yet here")
                .with_help("it may stand behind \"and\" or \"unless\" with a function of time on the right")),
        };
    }
    let clock_beside_series =
        (right_is_clock && !left.has_no_labels()) || (left.scope() == Scope::Clock && !right.has_no_labels());
    if clock_beside_series && filters && right_is_clock && calls_ours(right) {
        return Ok(Matching::Anything);
    }
    let clash = (has_labels(left) && right.has_no_labels()) || (left.has_no_labels() && has_labels(right));
    match op {
        BinaryOp::Or if clock_beside_series => {
            let message = "\"or\" with a function of time beside series would raise an alert of no device";
            Err(LangError::new(op_span, message).with_help("split it into two rules"))
        }
        BinaryOp::Or => Ok(Matching::SameLabels),
        _ if clash || clock_beside_series => Err(never_pairs(op, op_span, left, right)),
        _ => Ok(Matching::SameLabels),
    }
}

fn never_pairs(op: BinaryOp, op_span: Span, left: &Expr, right: &Expr) -> LangError {
    let message = format!(
        "the sides of {:?} never pair: one side has the labels of each series, the other has none",
        op.as_str()
    );
    let has_clock = left.scope() == Scope::Clock || right.scope() == Scope::Clock;
    let filters = matches!(op, BinaryOp::And | BinaryOp::Unless);
    LangError::new(op_span, message).with_help(match (has_clock, filters) {
        (true, true) if right.scope() == Scope::Clock => {
            format!("write {} on() before the function of time", op.as_str())
        }
        (true, _) => {
            "join a function of time by \"and\" behind the series, as in x > 1 and local_hour() >= 6".into()
        }
        _ => "group both sides by the same labels; group_left is not supported yet".into(),
    })
}

/// Reports whether every result surely has the labels of its device.
fn has_labels(expr: &Expr) -> bool {
    match &expr.node {
        Node::Selector(_) | Node::OverRange(..) => true,
        Node::Negate(operand) | Node::Abs(operand) | Node::CalendarOf(_, operand) => has_labels(operand),
        Node::Aggregate(aggregate) => names_a_label(aggregate) && has_labels(&aggregate.operand),
        Node::Binary(binary) => {
            let (left, right) = (has_labels(&binary.left), has_labels(&binary.right));
            match binary.op {
                BinaryOp::Or => left && right,
                BinaryOp::And | BinaryOp::Unless => left,
                _ => left || right,
            }
        }
        Node::Number(_) | Node::Clock(_) | Node::Absent(_) | Node::AbsentOverTime(_) => false,
    }
}

/// Reports whether groups surely have a label: one that is named, or one that every series has and is not dropped.
fn names_a_label(aggregate: &Aggregate) -> bool {
    const EVERYWHERE: [&str; 3] = ["device", "domain", "kind"];
    match &aggregate.grouping {
        Grouping::By(labels) => !labels.is_empty(),
        Grouping::Without(labels) => {
            EVERYWHERE.iter().any(|label| labels.iter().all(|name| **name != **label))
        }
    }
}

fn calls_ours(expr: &Expr) -> bool {
    match &expr.node {
        Node::Clock(clock) => clock.is_ours(),
        _ => expr.children().into_iter().any(calls_ours),
    }
}

/// Reports whether `clear` can yield samples with the labels that `condition` yields.
///
/// False when one has the labels of a device and the other surely has none.
pub(crate) fn same_shape(condition: &Expr, clear: &Expr) -> bool {
    let bare = |expr: &Expr| expr.has_no_labels() && expr.value_type() == ValueType::InstantVector;
    !(has_labels(condition) && bare(clear) || bare(condition) && has_labels(clear))
}
