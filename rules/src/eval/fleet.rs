//! Evaluation of what the city decides together, over partial results of all shards.
use super::{
    clock::{self, Clock},
    operators,
    outcome::Outcome,
    partial::{Group, Partial, group_labels},
    plan::{FleetBinary, FleetKind, FleetNode},
};
use crate::{
    labels::{Labels, no_labels},
    lang::ast::{AggregateOp, BinaryOp, Grouping, Matching},
};
use std::collections::BTreeMap;

/// Sets of labels and their outcomes; [`Outcome::Nothing`] is left out. A scalar is one outcome without labels.
pub(crate) type Vector = BTreeMap<Labels, Outcome>;

/// The newest partial result of each shard, by leaf and shard; `None` until the first report.
pub(crate) type Partials = Vec<Vec<Option<Partial>>>;

/// An expression that has no meaning for the values at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FleetError {
    /// Two samples of one operand have the same labels.
    #[error("two series have the same labels {0}; aggregate them, or keep a label that tells them apart")]
    SameLabels(String),
}

/// The city at one instant.
pub(crate) struct City<'c> {
    pub(crate) partials: &'c Partials,
    /// Number of the rule's first leaf.
    pub(crate) first_leaf: usize,
    pub(crate) clock: &'c Clock,
    pub(crate) at: i64,
}

impl City<'_> {
    /// Evaluates a node.
    pub(crate) fn eval(&self, node: &FleetNode) -> Result<Vector, FleetError> {
        Ok(match &node.kind {
            FleetKind::Number(value) => scalar(*value),
            FleetKind::Clock(function) => scalar(self.clock.value(*function, self.at)),
            FleetKind::Each(leaf) => self.each(*leaf)?,
            FleetKind::Groups(op, leaf) => self.groups(*op, *leaf),
            FleetKind::Aggregate(op, grouping, operand) => aggregate(*op, grouping, self.eval(operand)?),
            FleetKind::Absent(labels, operand) => {
                let present = self.eval(operand)?.values().any(|outcome| outcome.value().is_some());
                let absent = (!present).then(|| (labels.clone(), Outcome::Value(1.0)));
                absent.into_iter().collect()
            }
            FleetKind::Negate(operand) => map(self.eval(operand)?, |value| -value),
            FleetKind::Abs(operand) => map(self.eval(operand)?, f64::abs),
            FleetKind::Calendar(function, operand) => {
                map(self.eval(operand)?, |value| clock::calendar(*function, value))
            }
            FleetKind::Binary(binary) => self.binary(binary)?,
        })
    }

    fn shards(&self, leaf: usize) -> impl Iterator<Item = &Partial> {
        self.partials.get(self.first_leaf + leaf).into_iter().flatten().flatten()
    }

    fn each(&self, leaf: usize) -> Result<Vector, FleetError> {
        let mut vector = Vector::new();
        for partial in self.shards(leaf) {
            let Partial::Each(contributions) = partial else { continue };
            for contribution in contributions {
                let labels = contribution.labels.clone();
                if vector.insert(labels, contribution.outcome).is_some() {
                    return Err(FleetError::SameLabels(text(&contribution.labels)));
                }
            }
        }
        Ok(vector)
    }

    fn groups(&self, op: AggregateOp, leaf: usize) -> Vector {
        let mut groups: BTreeMap<&Labels, Group> = BTreeMap::new();
        for partial in self.shards(leaf) {
            let Partial::Groups(partials) = partial else { continue };
            for partial in partials {
                let empty = || Group::empty(partial.labels.clone());
                groups.entry(&partial.labels).or_insert_with(empty).merge(partial);
            }
        }
        groups.into_iter().map(|(labels, group)| (labels.clone(), outcome(op, &group))).collect()
    }

    fn binary(&self, binary: &FleetBinary) -> Result<Vector, FleetError> {
        let (left, right) = (self.eval(&binary.left)?, self.eval(&binary.right)?);
        if binary.op.is_set() {
            return Ok(set(binary.op, binary.matching, left, right));
        }
        let apply = |left: Outcome, right: Outcome, keeps_right: bool| {
            left.both(right, |left, right| {
                let kept = if keeps_right { right } else { left };
                operators::apply(binary.op, binary.returns_bool, left, right, kept)
            })
        };
        let pairs: Vec<_> = match (binary.left.scalar, binary.right.scalar) {
            (_, true) => {
                let number = only(&right);
                left.into_iter().map(|(labels, left)| (labels, apply(left, number, false))).collect()
            }
            (true, false) => {
                let number = only(&left);
                right.into_iter().map(|(labels, right)| (labels, apply(number, right, true))).collect()
            }
            (false, false) => {
                let partner = |labels: &Labels| right.get(labels).copied().unwrap_or(Outcome::Nothing);
                left.into_iter()
                    .map(|(labels, left)| (labels.clone(), apply(left, partner(&labels), false)))
                    .collect()
            }
        };
        Ok(pairs.into_iter().filter(|(_, outcome)| *outcome != Outcome::Nothing).collect())
    }
}

fn scalar(value: f64) -> Vector {
    Vector::from([(no_labels(), Outcome::Value(value))])
}

fn only(vector: &Vector) -> Outcome {
    vector.values().next().copied().unwrap_or(Outcome::Nothing)
}

fn map(vector: Vector, function: impl Fn(f64) -> f64) -> Vector {
    vector.into_iter().map(|(labels, outcome)| (labels, outcome.map(&function))).collect()
}

fn outcome(op: AggregateOp, group: &Group) -> Outcome {
    if group.count == 0 {
        return Outcome::Silent;
    }
    Outcome::Value(match op {
        AggregateOp::Sum => group.sum.value(),
        AggregateOp::Avg => group.sum.value() / group.count as f64,
        AggregateOp::Min => group.min,
        AggregateOp::Max => group.max,
        AggregateOp::Count => group.count as f64,
    })
}

fn aggregate(op: AggregateOp, grouping: &Grouping, operand: Vector) -> Vector {
    let mut groups: BTreeMap<Labels, Group> = BTreeMap::new();
    for (labels, outcome) in operand {
        let labels = group_labels(grouping, &labels);
        groups.entry(labels.clone()).or_insert_with(|| Group::empty(labels)).add(outcome);
    }
    groups.into_iter().map(|(labels, group)| (labels, outcome(op, &group))).collect()
}

fn set(op: BinaryOp, matching: Matching, left: Vector, right: Vector) -> Vector {
    let any = |vector: &Vector| vector.values().copied().fold(Outcome::Nothing, Outcome::or);
    let (any_left, any_right) = (any(&left), any(&right));
    let partner = |of: &Vector, any: Outcome, labels: &Labels| match matching {
        Matching::Anything => any,
        Matching::SameLabels => of.get(labels).copied().unwrap_or(Outcome::Nothing),
    };
    let mut result = Vector::new();
    for (labels, outcome) in &left {
        let partner = partner(&right, any_right, labels);
        let outcome = match op {
            BinaryOp::And => outcome.and(partner),
            BinaryOp::Unless => outcome.unless(partner),
            _ => *outcome,
        };
        result.insert(labels.clone(), outcome);
    }
    if op == BinaryOp::Or {
        for (labels, outcome) in right {
            let added = outcome.unless(partner(&left, any_left, &labels));
            let both = result.get(&labels).map_or(added, |known| known.or(added));
            result.insert(labels, both);
        }
    }
    result.retain(|_, outcome| *outcome != Outcome::Nothing);
    result
}

/// Labels as in `{device="A", ward="1"}`.
pub(crate) fn text(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
