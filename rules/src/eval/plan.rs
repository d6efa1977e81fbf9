//! A rule, split into what each device decides by itself and what the city decides together.
//!
//! A rule without aggregation and absence falls apart into one independent instance per device, as both sides of
//! every operator must have the same labels and `device` is one of them. Of all other rules, the largest parts
//! that do fall apart (*leaves*) are evaluated where the devices are; what remains is evaluated over the leaves'
//! partial results of all shards.
use super::{clock, functions};
use crate::{
    labels::Labels,
    lang::ast::{
        AggregateOp, BinaryOp, CalendarFunction, ClockFunction, Expr, Grouping, Matching, Node,
        RangeFunction, Selector, Span, ValueType,
    },
    lang::vocabulary::DEVICE_SILENT_SECONDS,
    rule::Rule,
};
use ioc_model::PropertyId;

/// Most different selectors in one rule, or in one leaf of it: they are kept as bits.
pub(crate) const SELECTORS_MAX: usize = 64;

/// What one device evaluates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DeviceNode {
    Number(f64),
    Clock(ClockFunction),
    /// The newest value of a selector.
    Latest(u8),
    /// A function of a selector's window.
    Over(RangeFunction, u8, i64),
    Negate(Box<DeviceNode>),
    Abs(Box<DeviceNode>),
    Calendar(CalendarFunction, Box<DeviceNode>),
    Binary(Box<DeviceBinary>),
}

/// A binary operation within one device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceBinary {
    pub(crate) op: BinaryOp,
    pub(crate) returns_bool: bool,
    /// A comparison of a number with a vector keeps the vector's value.
    pub(crate) keeps_right: bool,
    pub(crate) left: DeviceNode,
    pub(crate) right: DeviceNode,
}

/// A selector of a plan.
#[derive(Debug, Clone)]
pub(crate) struct SelectorPlan {
    pub(crate) selector: Selector,
    /// The widest window that is read through it; 0 when only the newest value is.
    pub(crate) window_ms: i64,
    /// A function needs each sample of the window: what intervals come to is not enough.
    pub(crate) needs_samples: bool,
}

/// The selectors that the nodes of one plan number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selectors(pub(crate) Vec<SelectorPlan>);

/// A rule that each device decides by itself.
#[derive(Debug, Clone)]
pub(crate) struct DevicePlan {
    pub(crate) selectors: Selectors,
    pub(crate) expr: DeviceNode,
    pub(crate) clear: Option<DeviceNode>,
    /// Its value moves at every instant.
    pub(crate) moves: bool,
}

/// What the shards evaluate for a rule that the city decides together.
#[derive(Debug, Clone)]
pub(crate) struct LeafPlan {
    pub(crate) selectors: Selectors,
    pub(crate) node: DeviceNode,
    /// `None`: each device's value is needed.
    pub(crate) grouping: Option<Grouping>,
    /// The text is of the recovery expression.
    pub(crate) of_clear: bool,
    pub(crate) span: Span,
}

/// What the city evaluates together, over the leaves.
#[derive(Debug, Clone)]
pub(crate) struct FleetNode {
    pub(crate) kind: FleetKind,
    pub(crate) span: Span,
    pub(crate) scalar: bool,
}

/// The kinds of [`FleetNode`].
#[derive(Debug, Clone)]
pub(crate) enum FleetKind {
    Number(f64),
    Clock(ClockFunction),
    /// Each device's value of a leaf.
    Each(usize),
    /// An aggregation of a leaf, of which the shards send one partial per group.
    Groups(AggregateOp, usize),
    Aggregate(AggregateOp, Grouping, Box<FleetNode>),
    Absent(Labels, Box<FleetNode>),
    Negate(Box<FleetNode>),
    Abs(Box<FleetNode>),
    Calendar(CalendarFunction, Box<FleetNode>),
    Binary(Box<FleetBinary>),
}

/// A binary operation over vectors.
#[derive(Debug, Clone)]
pub(crate) struct FleetBinary {
    pub(crate) op: BinaryOp,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Matching,
    pub(crate) left: FleetNode,
    pub(crate) right: FleetNode,
}

/// A rule that the city decides together.
#[derive(Debug, Clone)]
pub(crate) struct FleetPlan {
    pub(crate) leaves: Vec<LeafPlan>,
    pub(crate) expr: FleetNode,
    pub(crate) clear: Option<FleetNode>,
    /// Its value moves with time even while the leaves' do not.
    pub(crate) clocked: bool,
    /// The recovery expression reads no series: it holds for all alerts or for none.
    pub(crate) clears_by_clock: bool,
}

/// How a rule is evaluated.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Device(DevicePlan),
    Fleet(FleetPlan),
}

/// A rule that cannot be evaluated; rule files with such a rule are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct PlanError {
    pub(crate) problem: Problem,
    /// Where it shows, in the text of the condition or of the recovery expression.
    pub(crate) span: Span,
    /// The text is of the recovery expression.
    pub(crate) of_clear: bool,
}

/// Why a rule cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// More selectors than there are bits.
    #[error("more than {SELECTORS_MAX} different selectors in one rule")]
    TooManySelectors,
    /// Not of the shape that the parser promises.
    #[error("this part of the expression is not where the language allows it")]
    Misplaced,
}

impl PlanError {
    pub(super) fn new(problem: Problem, span: Span) -> Self {
        Self { problem, span, of_clear: false }
    }

    pub(super) fn in_clear(self) -> Self {
        Self { of_clear: true, ..self }
    }
}

impl DevicePlan {
    pub(super) fn of(rule: &Rule) -> Result<Self, PlanError> {
        let mut selectors = Selectors::default();
        let expr = selectors.node(&rule.query.expr)?;
        let clear = rule.clear.as_ref().map(|query| selectors.node(&query.expr)).transpose();
        let clear = clear.map_err(PlanError::in_clear)?;
        let moves = std::iter::once(&expr).chain(&clear).any(|node| node.moves(&selectors));
        Ok(Self { selectors, expr, clear, moves })
    }
}

impl Selectors {
    /// Compiles an expression of one device, numbering its selectors.
    pub(crate) fn node(&mut self, expr: &Expr) -> Result<DeviceNode, PlanError> {
        Ok(match &expr.node {
            Node::Number(value) => DeviceNode::Number(*value),
            Node::Clock(function) => DeviceNode::Clock(*function),
            Node::Selector(selector) => DeviceNode::Latest(self.slot(selector, 0)?),
            Node::OverRange(function, range) => {
                let slot = self.slot(&range.selector, range.window_ms)?;
                self.0[usize::from(slot)].needs_samples |= functions::samples_needed(*function) > 1;
                DeviceNode::Over(*function, slot, range.window_ms)
            }
            Node::Negate(operand) => match self.node(operand)? {
                DeviceNode::Number(value) => DeviceNode::Number(-value),
                node => DeviceNode::Negate(Box::new(node)),
            },
            Node::Abs(operand) => DeviceNode::Abs(Box::new(self.node(operand)?)),
            Node::CalendarOf(function, operand) => {
                DeviceNode::Calendar(*function, Box::new(self.node(operand)?))
            }
            Node::Binary(binary) => DeviceNode::Binary(Box::new(DeviceBinary {
                op: binary.op,
                returns_bool: binary.returns_bool,
                keeps_right: binary.left.value_type() == ValueType::Scalar
                    && binary.right.value_type() == ValueType::InstantVector,
                left: self.node(&binary.left)?,
                right: self.node(&binary.right)?,
            })),
            Node::Aggregate(_) | Node::Absent(_) | Node::AbsentOverTime(_) => {
                return Err(PlanError::new(Problem::Misplaced, expr.span));
            }
        })
    }

    fn slot(&mut self, selector: &Selector, window_ms: i64) -> Result<u8, PlanError> {
        let same = |known: &SelectorPlan| {
            known.selector.property == selector.property && known.selector.matchers == selector.matchers
        };
        if let Some(slot) = self.0.iter().position(same) {
            self.0[slot].window_ms = self.0[slot].window_ms.max(window_ms);
            return Ok(slot as u8);
        }
        if self.0.len() == SELECTORS_MAX {
            return Err(PlanError::new(Problem::TooManySelectors, selector.span));
        }
        self.0.push(SelectorPlan { selector: selector.clone(), window_ms, needs_samples: false });
        Ok((self.0.len() - 1) as u8)
    }

    /// Returns one bit for each selector that picks a device; what it costs is paid once per device.
    pub(crate) fn picks(&self, labels: &crate::labels::DeviceLabels) -> u64 {
        let selector_mask =
            self.0.iter().enumerate().filter(|(_, plan)| plan.selector.picks(|name| labels.label(name)));
        selector_mask.fold(0, |bits, (slot, _)| bits | (1 << slot))
    }

    /// Returns the picked selectors that read a property.
    pub(crate) fn of_property(
        &self,
        selector_mask: u64,
        property: PropertyId,
    ) -> impl Iterator<Item = &SelectorPlan> + '_ {
        self.plans(selector_mask).filter(move |plan| plan.selector.property == property)
    }

    /// Returns the picked selectors.
    pub(crate) fn selector_mask(&self, selector_mask: u64) -> impl Iterator<Item = &Selector> + '_ {
        self.plans(selector_mask).map(|plan| &plan.selector)
    }

    fn plans(&self, selector_mask: u64) -> impl Iterator<Item = &SelectorPlan> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter(move |(slot, _)| selector_mask & (1 << slot) != 0)
            .map(|(_, plan)| plan)
    }
}

impl DeviceNode {
    /// Reports whether the value has to be looked at again at every instant.
    pub(super) fn moves(&self, selectors: &Selectors) -> bool {
        match self {
            Self::Number(_) => false,
            Self::Clock(function) => clock::moves_with_time(*function),
            Self::Latest(slot) => {
                let plan = selectors.0.get(usize::from(*slot));
                plan.is_some_and(|plan| plan.selector.property == DEVICE_SILENT_SECONDS)
            }
            Self::Over(function, ..) => functions::moves_with_time(*function),
            Self::Negate(operand) | Self::Abs(operand) | Self::Calendar(_, operand) => {
                operand.moves(selectors)
            }
            // Those say until when they hold.
            Self::Binary(binary) if binary.is_steady(selectors) => false,
            Self::Binary(binary) => binary.left.moves(selectors) || binary.right.moves(selectors),
        }
    }
}

impl DeviceBinary {
    /// Returns what is compared with a number, and the number.
    pub(super) fn against_number(&self) -> Option<(&DeviceNode, f64)> {
        match (&self.left, &self.right) {
            (node, DeviceNode::Number(limit)) | (DeviceNode::Number(limit), node) => Some((node, *limit)),
            _ => None,
        }
    }

    /// Reports whether it compares the sun's elevation, or for how long a device has been silent, with a number.
    fn is_steady(&self, selectors: &Selectors) -> bool {
        let compared = self.against_number().filter(|_| self.op.is_comparison());
        compared.is_some_and(|(node, _)| match node {
            DeviceNode::Clock(function) => *function == ClockFunction::SunElevation,
            node => matches!(node, DeviceNode::Latest(_)) && node.moves(selectors),
        })
    }
}

impl FleetNode {
    /// Returns the operands, left before right.
    pub(crate) fn children(&self) -> Vec<&FleetNode> {
        match &self.kind {
            FleetKind::Aggregate(_, _, operand)
            | FleetKind::Absent(_, operand)
            | FleetKind::Negate(operand)
            | FleetKind::Abs(operand)
            | FleetKind::Calendar(_, operand) => vec![operand],
            FleetKind::Binary(binary) => vec![&binary.left, &binary.right],
            FleetKind::Number(_) | FleetKind::Clock(_) | FleetKind::Each(_) | FleetKind::Groups(..) => {
                Vec::new()
            }
        }
    }

    pub(super) fn reads_clock(&self) -> bool {
        matches!(self.kind, FleetKind::Clock(_)) || self.children().into_iter().any(Self::reads_clock)
    }
}
