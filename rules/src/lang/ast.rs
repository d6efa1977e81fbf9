//! The expression tree, as the parser hands it out: names resolved, types checked, matchers compiled.
//!
//! The tree cannot hold what the evaluator would have to refuse: a range vector stands only inside the function
//! that reads it, every function is a variant, parentheses are gone (the shape says it), and a minus before a
//! number is part of the number.
use super::matcher::Matcher;
use ioc_model::PropertyId;
use std::sync::Arc;

/// Bytes `start..end` of the expression's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One behind the last byte.
    pub end: usize,
}

impl Span {
    /// Builds the span of bytes `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Returns the smallest span that holds both.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// What an expression yields at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number without labels.
    Scalar,
    /// Any number of samples, each with its labels.
    InstantVector,
}

/// A node of the tree.
///
/// Two are equal when they mean the same; where they stand in the text does not count.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Where it stands, without enclosing parentheses.
    pub span: Span,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// The kinds of nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A number; may be negative, infinite or NaN. Scalar.
    Number(f64),
    /// The newest value of each matching series within its look-back. Instant vector.
    Selector(Selector),
    /// Minus a vector or a scalar; drops the metric name.
    Negate(Box<Expr>),
    /// Two operands and an operator.
    Binary(Box<Binary>),
    /// Many series into one per group. Instant vector.
    Aggregate(Box<Aggregate>),
    /// One value per series from its window; drops the metric name, except `last_over_time`. Instant vector.
    OverRange(RangeFunction, RangeSelector),
    /// The absolute value of each sample; drops the metric name. Instant vector.
    Abs(Box<Expr>),
    /// One sample of value 1 when the operand is empty, else nothing; labels from [`Node::absent_labels`].
    Absent(Box<Expr>),
    /// One sample of value 1 when no series has a sample in its window, else nothing; labels as above.
    AbsentOverTime(RangeSelector),
    /// A function of time alone.
    Clock(ClockFunction),
    /// `hour(v)` and `day_of_week(v)`: each sample's value, in seconds since the epoch, taken as an instant.
    CalendarOf(CalendarFunction, Box<Expr>),
}

/// Picks series: a property, and label matchers that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The property that the metric name stands for.
    pub property: PropertyId,
    /// The metric name.
    pub name: Arc<str>,
    /// As written; a label that a series does not have counts as empty.
    pub matchers: Vec<Matcher>,
    /// Where it stands.
    pub span: Span,
}

/// A selector and how far back it looks: samples with `t - window_ms < ts <= t`, as in Prometheus 3.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSelector {
    /// Which series.
    pub selector: Selector,
    /// How far back, in milliseconds; at least 1.
    pub window_ms: i64,
    /// Where it stands, brackets included.
    pub span: Span,
}

/// A binary operation.
///
/// Vector with vector: both sides have at most one sample for the same labels (metric name aside), pairs without
/// partner are dropped. Vector with scalar: each sample by itself. Comparisons keep the left sample's value
/// where they hold (of the vector, when one side is a scalar), unless `returns_bool`. Arithmetic, and
/// comparison with `returns_bool`, drop the metric name.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// `bool` behind a comparison: 0 or 1 instead of keeping and dropping. Always set between two scalars.
    pub returns_bool: bool,
    /// Which labels must be equal; anything else than [`Matching::SameLabels`] only for set operators.
    pub matching: Matching,
    /// Left operand.
    pub left: Expr,
    /// Right operand.
    pub right: Expr,
}

/// Which labels pair the two sides of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matching {
    /// All, metric name aside.
    SameLabels,
    /// None (`on()`): any sample on one side pairs with every sample of the other. Only for set operators of
    /// which at least one side reads no series.
    Anything,
}

/// The binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, by IEEE 754: division by zero is infinite or NaN.
    Divide,
    /// `%`, the sign of the dividend.
    Modulo,
    /// `^`
    Power,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `and`: left samples that have a partner on the right.
    And,
    /// `or`: left samples, and right samples that have no partner on the left.
    Or,
    /// `unless`: left samples that have no partner on the right.
    Unless,
}

impl BinaryOp {
    /// Reports whether it is `and`, `or` or `unless`.
    pub const fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Reports whether it compares.
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    /// Returns how it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
}

/// An aggregation over groups of series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// How the values of a group become one.
    pub op: AggregateOp,
    /// Which labels make a group.
    pub grouping: Grouping,
    /// What is aggregated; an instant vector.
    pub operand: Expr,
}

/// The aggregations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

/// Which labels make a group; the label names are sorted and unique. The metric name is never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// These labels; `By([])` is one group of all, also when nothing is written.
    By(Vec<Arc<str>>),
    /// All labels but these.
    Without(Vec<Arc<str>>),
}

/// Functions of one series' window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeFunction {
    /// `avg_over_time`; the catalogue's averaging (energy for decibels) is not applied: as in Prometheus.
    AvgOverTime,
    /// `min_over_time`
    MinOverTime,
    /// `max_over_time`
    MaxOverTime,
    /// `sum_over_time`
    SumOverTime,
    /// `count_over_time`
    CountOverTime,
    /// `last_over_time`; keeps the metric name.
    LastOverTime,
    /// `rate`: increase per second of a counter, extrapolated, resets handled.
    Rate,
    /// `increase`: `rate` times the window's length.
    Increase,
    /// `delta`: difference of a gauge, extrapolated.
    Delta,
    /// `deriv`: slope per second of a gauge by simple linear regression.
    Deriv,
}

/// Functions of time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockFunction {
    /// `time()`: seconds since the epoch. Scalar.
    Time,
    /// `hour()`: 0 to 23, UTC. One sample without labels, as all that follow.
    Hour,
    /// `day_of_week()`: 0 (Sunday) to 6, UTC.
    DayOfWeek,
    /// `local_hour()`: 0 to 23 in the city's time zone.
    LocalHour,
    /// `local_day_of_week()`: 0 (Sunday) to 6 in the city's time zone.
    LocalDayOfWeek,
    /// `sun_elevation()`: degrees above the horizon at the city's coordinates, negative at night.
    SunElevation,
}

impl ClockFunction {
    /// Reports whether Prometheus does not know it.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::LocalHour | Self::LocalDayOfWeek | Self::SunElevation)
    }
}

/// Parts of an instant, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarFunction {
    /// `hour(v)`
    Hour,
    /// `day_of_week(v)`
    DayOfWeek,
}

impl Expr {
    /// Returns what it yields.
    pub fn value_type(&self) -> ValueType {
        match &self.node {
            Node::Number(_) | Node::Clock(ClockFunction::Time) => ValueType::Scalar,
            Node::Negate(operand) => operand.value_type(),
            Node::Binary(binary) => match (binary.left.value_type(), binary.right.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::InstantVector,
            },
            _ => ValueType::InstantVector,
        }
    }
}
