//! An expression with its text: what it reads and when it must be looked at again.
use super::ast::{Binary, Expr, Node, RangeSelector, Selector};
use std::sync::Arc;

/// An expression and the text that it was parsed from.
#[derive(Debug, Clone)]
pub struct Query {
    /// As written; spans of `expr` point into it.
    pub text: Arc<str>,
    /// The checked tree.
    pub expr: Expr,
}

impl Query {
    /// Returns the text of a node of this query, enclosing parentheses left out.
    pub fn text_of(&self, expr: &Expr) -> &str {
        self.text.get(expr.span.start..expr.span.end).unwrap_or("")
    }
}

/// One selector of an expression, and how far back it looks.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// Which series.
    pub selector: &'a Selector,
    /// `None`: the newest value within the look-back of the device's kind.
    pub window_ms: Option<i64>,
    /// Its absence matters: under `absent` or `absent_over_time`.
    pub absence: bool,
}

/// Which series one result of an expression depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// On none: numbers and clocks only.
    Clock,
    /// On one device's: each device can be evaluated by itself, and yields at most one sample.
    Device,
    /// On many devices': aggregation or absence.
    Fleet,
}

impl Expr {
    /// Visits the node and all below it, outermost first, left before right.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// Returns the operands, left before right.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Negate(operand)
            | Node::Abs(operand)
            | Node::Absent(operand)
            | Node::CalendarOf(_, operand) => vec![operand],
            Node::Binary(binary) => vec![&binary.left, &binary.right],
            Node::Aggregate(aggregate) => vec![&aggregate.operand],
            Node::Number(_)
            | Node::Selector(_)
            | Node::OverRange(..)
            | Node::AbsentOverTime(_)
            | Node::Clock(_) => Vec::new(),
        }
    }

    /// Returns every selector with its window, in the order of the text.
    pub fn reads(&self) -> Vec<Read<'_>> {
        let mut reads = Vec::new();
        collect_reads(self, false, &mut reads);
        reads
    }

    /// Returns which series one result depends on.
    pub fn scope(&self) -> Scope {
        let own = match &self.node {
            Node::Selector(_) | Node::OverRange(..) => Scope::Device,
            Node::Aggregate(_) | Node::Absent(_) | Node::AbsentOverTime(_) => Scope::Fleet,
            _ => Scope::Clock,
        };
        self.children().into_iter().map(Expr::scope).fold(own, Ord::max)
    }

    /// Reports whether it asks for the absence of series.
    pub fn asks_absence(&self) -> bool {
        matches!(self.node, Node::Absent(_) | Node::AbsentOverTime(_))
            || self.children().into_iter().any(Expr::asks_absence)
    }

    /// Reports whether every result surely has no labels: scalars, clocks, aggregates over all.
    pub fn has_no_labels(&self) -> bool {
        use super::ast::Grouping;
        match &self.node {
            Node::Number(_) | Node::Clock(_) => true,
            Node::Aggregate(aggregate) => aggregate.grouping == Grouping::By(Vec::new()),
            Node::Binary(binary) if binary.op == super::ast::BinaryOp::Or => no_labels(binary),
            Node::Binary(binary) if binary.op.is_set() => binary.left.has_no_labels(),
            Node::Binary(binary) => no_labels(binary),
            Node::Negate(operand) | Node::Abs(operand) | Node::CalendarOf(_, operand) => {
                operand.has_no_labels()
            }
            Node::Absent(_) | Node::AbsentOverTime(_) => self.node.absent_labels().is_empty(),
            Node::Selector(_) | Node::OverRange(..) => false,
        }
    }
}

fn no_labels(binary: &Binary) -> bool {
    binary.left.has_no_labels() && binary.right.has_no_labels()
}

fn collect_reads<'a>(expr: &'a Expr, absence: bool, out: &mut Vec<Read<'a>>) {
    match &expr.node {
        Node::Selector(selector) => out.push(Read { selector, window_ms: None, absence }),
        Node::OverRange(_, range) => out.push(range.read(absence)),
        Node::AbsentOverTime(range) => out.push(range.read(true)),
        Node::Absent(operand) => collect_reads(operand, true, out),
        _ => expr.children().into_iter().for_each(|child| collect_reads(child, absence, out)),
    }
}

impl RangeSelector {
    fn read(&self, absence: bool) -> Read<'_> {
        Read { selector: &self.selector, window_ms: Some(self.window_ms), absence }
    }
}

impl Node {
    /// Returns the labels of an absence sample: those that the selector asks for by one `=` each, sorted by
    /// name; none when `absent` is asked of anything but a selector. Empty for all other nodes.
    pub fn absent_labels(&self) -> Vec<(Arc<str>, Arc<str>)> {
        match self {
            Self::AbsentOverTime(range) => range.selector.pinned_labels(),
            Self::Absent(operand) => match &operand.node {
                Self::Selector(selector) => selector.pinned_labels(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

impl Selector {
    fn pinned_labels(&self) -> Vec<(Arc<str>, Arc<str>)> {
        use super::matcher::MatchOp;
        let once = |name: &str| self.matchers.iter().filter(|m| *m.name == *name).count() == 1;
        let pinned =
            self.matchers.iter().filter(|m| m.op == MatchOp::Equal && !m.value.is_empty() && once(&m.name));
        let mut labels: Vec<_> = pinned.map(|m| (Arc::clone(&m.name), Arc::clone(&m.value))).collect();
        labels.sort();
        labels
    }

    /// Reports whether it may read devices of a kind: the one that it asks for, else those that report its property.
    pub(crate) fn may_read(&self, kind: &ioc_model::DeviceKind) -> bool {
        use super::matcher::MatchOp;
        let pinned = self.matchers.iter().find(|m| *m.name == *"kind" && m.op == MatchOp::Equal);
        match pinned {
            Some(matcher) => *matcher.value == *kind.name,
            None => kind.properties.iter().any(|name| **name == *self.name),
        }
    }

    /// Reports whether a series with these labels is picked; `label` answers `""` for labels that are not there.
    pub fn picks<'l>(&self, label: impl Fn(&str) -> &'l str) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(label(&matcher.name)))
    }
}
