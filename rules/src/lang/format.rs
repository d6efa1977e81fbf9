//! Expressions as text in one form; parsing it again yields the same tree.
use super::{
    ast::{Aggregate, Binary, BinaryOp, Expr, Grouping, Matching, Node, RangeSelector, Selector},
    duration::format_duration,
};
use std::fmt::{Display, Formatter, Result};

/// How strongly a node holds together, as in the parser: a weaker operand needs parentheses.
fn strength(expr: &Expr) -> u8 {
    match &expr.node {
        Node::Binary(binary) => operator_strength(binary.op),
        Node::Negate(_) => 11,
        Node::Number(value) if value.is_sign_negative() => 11,
        _ => 15,
    }
}

fn operator_strength(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 3,
        _ if op.is_comparison() => 5,
        BinaryOp::Add | BinaryOp::Subtract => 7,
        BinaryOp::Power => 13,
        _ => 9,
    }
}

fn operand(expr: &Expr, at_least: u8, f: &mut Formatter<'_>) -> Result {
    match strength(expr) < at_least {
        true => write!(f, "({expr})"),
        false => write!(f, "{expr}"),
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.node {
            Node::Number(value) => number(*value, f),
            Node::Selector(selector) => write!(f, "{selector}"),
            Node::Negate(inner) => {
                f.write_str("-")?;
                operand(inner, 11, f)
            }
            Node::Binary(binary) => write!(f, "{binary}"),
            Node::Aggregate(aggregate) => write!(f, "{aggregate}"),
            Node::OverRange(function, range) => write!(f, "{}({range})", function.as_str()),
            Node::Abs(inner) => write!(f, "abs({inner})"),
            Node::Absent(inner) => write!(f, "absent({inner})"),
            Node::AbsentOverTime(range) => write!(f, "absent_over_time({range})"),
            Node::Clock(clock) => write!(f, "{}()", clock.as_str()),
            Node::CalendarOf(part, inner) => write!(f, "{}({inner})", part.as_str()),
        }
    }
}

fn number(value: f64, f: &mut Formatter<'_>) -> Result {
    match value {
        _ if value.is_nan() => f.write_str("NaN"),
        f64::INFINITY => f.write_str("Inf"),
        f64::NEG_INFINITY => f.write_str("-Inf"),
        _ => write!(f, "{value}"),
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let own = operator_strength(self.op);
        let joins_right = self.op == BinaryOp::Power;
        operand(&self.left, own + u8::from(joins_right), f)?;
        write!(f, " {} ", self.op.as_str())?;
        if self.returns_bool {
            f.write_str("bool ")?;
        }
        if self.matching == Matching::Anything {
            f.write_str("on () ")?;
        }
        operand(&self.right, own + u8::from(!joins_right), f)
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (word, labels) = match &self.grouping {
            Grouping::By(labels) => ("by", labels),
            Grouping::Without(labels) => ("without", labels),
        };
        f.write_str(self.op.as_str())?;
        if self.grouping != Grouping::By(Vec::new()) {
            write!(f, " {word} ({}) ", labels.join(", "))?;
        }
        write!(f, "({})", self.operand)
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.name)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

impl Display for RangeSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}[{}]", self.selector, format_duration(self.window_ms))
    }
}
