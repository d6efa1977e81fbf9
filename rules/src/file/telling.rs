//! Which labels tell the results of an expression apart.
use crate::lang::ast::{BinaryOp, Expr, Grouping, Node};
use std::{collections::BTreeSet, sync::Arc};

/// Labels by which the results of an expression can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TellingLabels {
    /// These.
    Of(BTreeSet<Arc<str>>),
    /// All but these.
    AllBut(BTreeSet<Arc<str>>),
}

impl TellingLabels {
    /// Returns those of an expression.
    pub(super) fn of(expr: &Expr) -> Self {
        match &expr.node {
            Node::Number(_) | Node::Clock(_) | Node::Absent(_) | Node::AbsentOverTime(_) => Self::none(),
            // Each device has one series, so that its id alone tells them apart.
            Node::Selector(_) | Node::OverRange(..) => Self::Of(BTreeSet::from([Arc::from("device")])),
            Node::Negate(operand) | Node::Abs(operand) | Node::CalendarOf(_, operand) => Self::of(operand),
            Node::Aggregate(aggregate) => match &aggregate.grouping {
                Grouping::By(names) => Self::Of(names.iter().cloned().collect()),
                Grouping::Without(names) => Self::AllBut(names.iter().cloned().collect()),
            },
            Node::Binary(binary) => match binary.op {
                BinaryOp::And | BinaryOp::Unless => Self::of(&binary.left),
                _ => Self::of(&binary.left).or(Self::of(&binary.right)),
            },
        }
    }

    /// Reports whether a label is one of them. No series has a severity, and the kind says which domain it is.
    pub(super) fn have(&self, name: &str) -> bool {
        match self {
            Self::Of(names) => names.contains(name),
            Self::AllBut(names) if name == "domain" => !names.contains(name) && names.contains("kind"),
            Self::AllBut(names) => !names.contains(name) && name != "severity",
        }
    }

    fn none() -> Self {
        Self::Of(BTreeSet::new())
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(one), Self::Of(other)) => Self::Of(one.union(&other).cloned().collect()),
            (Self::AllBut(one), Self::AllBut(other)) => {
                Self::AllBut(one.intersection(&other).cloned().collect())
            }
            (Self::Of(some), Self::AllBut(names)) | (Self::AllBut(names), Self::Of(some)) => {
                Self::AllBut(names.difference(&some).cloned().collect())
            }
        }
    }
}
