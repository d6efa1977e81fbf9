//! How a rule falls apart: which labels results have, and which parts of a rule devices decide by themselves.
use super::plan::{
    DevicePlan, FleetBinary, FleetKind, FleetNode, FleetPlan, LeafPlan, Plan, PlanError, Problem, Selectors,
};
use crate::{
    lang::ast::{
        AggregateOp, Binary, BinaryOp, ClockFunction, Expr, Grouping, Matching, Node, RangeFunction,
        ValueType,
    },
    rule::Rule,
};

/// Which labels the results of an expression have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Scalar,
    /// One sample without labels, of time alone.
    Clock,
    /// Those of the device.
    Device,
    /// Anything else.
    Fleet,
}

/// Returns which labels the results of an expression have.
fn shape(expr: &Expr) -> Shape {
    match &expr.node {
        Node::Number(_) | Node::Clock(ClockFunction::Time) => Shape::Scalar,
        Node::Clock(_) => Shape::Clock,
        Node::Selector(_) | Node::OverRange(..) => Shape::Device,
        Node::Negate(operand) | Node::Abs(operand) | Node::CalendarOf(_, operand) => shape(operand),
        Node::Binary(binary) => binary_shape(binary),
        Node::Aggregate(_) | Node::Absent(_) | Node::AbsentOverTime(_) => Shape::Fleet,
    }
}

fn binary_shape(binary: &Binary) -> Shape {
    match (shape(&binary.left), shape(&binary.right)) {
        (left, right) if left == right => left,
        (Shape::Scalar, other) | (other, Shape::Scalar) => other,
        (Shape::Device, Shape::Clock)
            if binary.op != BinaryOp::Or && binary.matching == Matching::Anything =>
        {
            Shape::Device
        }
        _ => Shape::Fleet,
    }
}

impl Plan {
    /// Splits a rule.
    ///
    /// Errors: see [`Problem`].
    pub(crate) fn of(rule: &Rule) -> Result<Self, PlanError> {
        // A recovery expression of time alone holds for every device, as clocks beside `and` do.
        let clear = rule.clear.as_ref().map_or(Shape::Device, |query| shape(&query.expr));
        if shape(&rule.query.expr) == Shape::Device && matches!(clear, Shape::Device | Shape::Clock) {
            return DevicePlan::of(rule).map(Self::Device);
        }
        FleetPlan::of(rule).map(Self::Fleet)
    }
}

impl FleetPlan {
    /// Splits a rule into leaves and what remains.
    fn of(rule: &Rule) -> Result<Self, PlanError> {
        let mut leaves = Vec::new();
        let expr = Splitter { leaves: &mut leaves, of_clear: false }.node(&rule.query.expr)?;
        let clear = rule.clear.as_ref();
        let clear = clear
            .map(|query| Splitter { leaves: &mut leaves, of_clear: true }.node(&query.expr))
            .transpose()
            .map_err(PlanError::in_clear)?;
        let clocked = std::iter::once(&expr).chain(&clear).any(FleetNode::reads_clock);
        let clear_shape = rule.clear.as_ref().map(|query| shape(&query.expr));
        let clears_by_clock = matches!(clear_shape, Some(Shape::Clock | Shape::Scalar));
        Ok(Self { leaves, expr, clear, clocked, clears_by_clock })
    }
}

struct Splitter<'l> {
    leaves: &'l mut Vec<LeafPlan>,
    of_clear: bool,
}

impl Splitter<'_> {
    fn node(&mut self, expr: &Expr) -> Result<FleetNode, PlanError> {
        let kind = if shape(expr) == Shape::Device {
            FleetKind::Each(self.leaf(expr, None)?)
        } else {
            self.kind(expr)?
        };
        Ok(FleetNode { kind, span: expr.span, scalar: expr.value_type() == ValueType::Scalar })
    }

    fn kind(&mut self, expr: &Expr) -> Result<FleetKind, PlanError> {
        Ok(match &expr.node {
            Node::Number(value) => FleetKind::Number(*value),
            Node::Clock(function) => FleetKind::Clock(*function),
            Node::Negate(operand) => FleetKind::Negate(Box::new(self.node(operand)?)),
            Node::Abs(operand) => FleetKind::Abs(Box::new(self.node(operand)?)),
            Node::CalendarOf(function, operand) => {
                FleetKind::Calendar(*function, Box::new(self.node(operand)?))
            }
            Node::Aggregate(aggregate) if shape(&aggregate.operand) == Shape::Device => {
                let leaf = self.leaf(&aggregate.operand, Some(aggregate.grouping.clone()))?;
                FleetKind::Groups(aggregate.op, leaf)
            }
            Node::Aggregate(aggregate) => FleetKind::Aggregate(
                aggregate.op,
                aggregate.grouping.clone(),
                Box::new(self.node(&aggregate.operand)?),
            ),
            Node::Absent(operand) => {
                let labels = expr.node.absent_labels().into();
                FleetKind::Absent(labels, Box::new(self.presence(operand)?))
            }
            Node::AbsentOverTime(range) => {
                let presence = Node::OverRange(RangeFunction::CountOverTime, range.clone());
                let presence = Expr { node: presence, span: expr.span };
                FleetKind::Absent(expr.node.absent_labels().into(), Box::new(self.presence(&presence)?))
            }
            Node::Binary(binary) => FleetKind::Binary(Box::new(FleetBinary {
                op: binary.op,
                returns_bool: binary.returns_bool,
                matching: binary.matching,
                left: self.node(&binary.left)?,
                right: self.node(&binary.right)?,
            })),
            Node::Selector(_) | Node::OverRange(..) => {
                return Err(PlanError::new(Problem::Misplaced, expr.span));
            }
        })
    }

    /// Of what is asked only whether it is there, the shards send counts.
    fn presence(&mut self, expr: &Expr) -> Result<FleetNode, PlanError> {
        if shape(expr) != Shape::Device {
            return self.node(expr);
        }
        let leaf = self.leaf(expr, Some(Grouping::By(Vec::new())))?;
        Ok(FleetNode { kind: FleetKind::Groups(AggregateOp::Count, leaf), span: expr.span, scalar: false })
    }

    fn leaf(&mut self, expr: &Expr, grouping: Option<Grouping>) -> Result<usize, PlanError> {
        let mut selectors = Selectors::default();
        let node = selectors.node(expr)?;
        let of_clear = self.of_clear;
        self.leaves.push(LeafPlan { selectors, node, grouping, of_clear, span: expr.span });
        Ok(self.leaves.len() - 1)
    }
}
