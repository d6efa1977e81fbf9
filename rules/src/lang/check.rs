//! The meaning of an expression: names resolved, types and label pairing checked, nodes built. Errors are
//! collected; what is broken is passed on as [`Operand::Broken`], so that one mistake is reported once.
use super::vocabulary::{DEVICE_SILENT_SECONDS, Vocabulary};
use super::{
    ast::{
        Aggregate, Binary, BinaryOp, Expr, Grouping, Matching, Node, RangeSelector, Selector, Span, ValueType,
    },
    duration::format_duration,
    error::LangError,
    functions::{self, Called, Function},
    matcher::{MatchOp, Matcher},
    pairing,
    suggest::{did_you_mean, nearest},
};

/// Longest window of a range selector, in milliseconds: what one series may keep in memory.
pub const WINDOW_MS_MAX: i64 = 7 * 24 * 3_600_000;

/// An operand as the parser passes it around.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    /// A value; `outer` includes enclosing parentheses.
    Expr { expr: Expr, outer: Span },
    /// A range vector; only functions take it.
    Range(RangeSelector),
    /// A string literal; nothing takes it yet.
    Text(Span),
    /// Reported already.
    Broken,
}

impl Operand {
    /// Widens the outer span to the parentheses around it.
    pub(crate) fn in_parentheses(self, parentheses: Span) -> Self {
        match self {
            Self::Expr { expr, .. } => Self::Expr { expr, outer: parentheses },
            Self::Range(range) => Self::Range(RangeSelector { span: parentheses, ..range }),
            other => other,
        }
    }

    /// Takes the value out; an error unless it was reported already.
    pub(crate) fn into_expr(self) -> Result<Expr, Option<LangError>> {
        match self {
            Self::Expr { expr, .. } => Ok(expr),
            Self::Range(range) => Err(Some(
                LangError::new(
                    range.span,
                    "a window has many values; a number or an instant vector is needed",
                )
                .with_help("put a function around it, as in avg_over_time(…)"),
            )),
            Self::Text(span) => Err(Some(LangError::new(span, "a text has no place here"))),
            Self::Broken => Err(None),
        }
    }

    fn outer(&self) -> Span {
        match self {
            Self::Expr { outer, .. } => *outer,
            Self::Range(range) => range.span,
            Self::Text(span) => *span,
            Self::Broken => Span::default(),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Expr { expr, .. } => match expr.value_type() {
                ValueType::Scalar => "a scalar",
                ValueType::InstantVector => "an instant vector",
            },
            Self::Range(_) => "a range vector",
            Self::Text(_) => "a text",
            Self::Broken => "nothing",
        }
    }
}

/// What stood between an operator and its right operand.
#[derive(Debug, Default)]
pub(crate) struct Modifiers {
    /// `bool`.
    pub(crate) returns_bool: Option<Span>,
    /// `on()`.
    pub(crate) pairing: Option<LabelPairing>,
}

/// `on()`.
#[derive(Debug)]
pub(crate) struct LabelPairing {
    pub(crate) span: Span,
}

/// Builds nodes and collects errors.
pub(crate) struct Checker<'a> {
    vocabulary: &'a dyn Vocabulary,
    errors: Vec<LangError>,
    nodes: usize,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(vocabulary: &'a dyn Vocabulary) -> Self {
        Self { vocabulary, errors: Vec::new(), nodes: 0 }
    }

    pub(crate) fn into_errors(self) -> Vec<LangError> {
        self.errors
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    fn fail(&mut self, error: LangError) -> Operand {
        self.errors.push(error);
        Operand::Broken
    }

    /// Reports something of PromQL that we do not have.
    pub(crate) fn refuse(&mut self, span: Span, what: &str, help: Option<String>) {
        self.errors.push(LangError { span, message: format!("{what} is not supported yet"), help });
    }

    /// Reports it and returns what stands for it.
    pub(crate) fn refuse_operand(&mut self, span: Span, what: &str) -> Operand {
        self.refuse(span, what, None);
        Operand::Broken
    }

    fn build(&mut self, node: Node, span: Span) -> Operand {
        self.nodes += 1;
        Operand::Expr { expr: Expr { node, span }, outer: span }
    }

    /// Takes the value out of an operand; `None` when it has none, which is reported.
    fn value(&mut self, operand: Operand) -> Option<Expr> {
        operand.into_expr().map_err(|error| self.errors.extend(error)).ok()
    }

    /// Takes an instant vector out of an argument; `None` when it is something else, which is reported.
    fn vector(&mut self, of: &str, operand: Operand) -> Option<Expr> {
        match operand {
            Operand::Expr { expr, .. } if expr.value_type() == ValueType::InstantVector => Some(expr),
            Operand::Broken => None,
            other => {
                let message = format!("{of} needs an instant vector, found {}", other.type_name());
                let error = LangError::new(other.outer(), message);
                self.errors.push(match other {
                    Operand::Range(_) => error.with_help("remove the window in brackets"),
                    _ => error,
                });
                None
            }
        }
    }

    pub(crate) fn number(&mut self, value: f64, span: Span) -> Operand {
        self.build(Node::Number(value), span)
    }

    pub(crate) fn sign(&mut self, is_minus: bool, sign: Span, operand: Operand) -> Operand {
        let outer = sign.to(operand.outer());
        let Some(expr) = self.value(operand) else { return Operand::Broken };
        match expr.node {
            Node::Number(value) => self.build(Node::Number(if is_minus { -value } else { value }), outer),
            _ if is_minus => self.build(Node::Negate(Box::new(expr)), outer),
            _ => Operand::Expr { expr, outer },
        }
    }

    pub(crate) fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        modifiers: &Modifiers,
        left: Operand,
        right: Operand,
    ) -> Operand {
        let span = left.outer().to(right.outer());
        let (left, right) = (self.value(left), self.value(right));
        let (Some(left), Some(right)) = (left, right) else { return Operand::Broken };
        let scalars = [&left, &right].map(|side| side.value_type() == ValueType::Scalar);
        if let Some(bool_span) = modifiers.returns_bool.filter(|_| !op.is_comparison()) {
            return self.fail(LangError::new(bool_span, "\"bool\" may only follow a comparison operator"));
        }
        if op.is_comparison() && scalars == [true, true] && modifiers.returns_bool.is_none() {
            let error = LangError::new(op_span, "a comparison between two scalars needs \"bool\"");
            return self.fail(error.with_help(format!("write {} bool", op.as_str())));
        }
        if op.is_set() && scalars.contains(&true) {
            let message = format!("{:?} needs an instant vector on both sides, found a scalar", op.as_str());
            return self.fail(LangError::new(op_span, message));
        }
        let on = modifiers.pairing.as_ref().map(|pairing| pairing.span);
        let matching = match scalars.contains(&true) {
            true if on.is_some() => {
                let message = "\"on()\" needs an instant vector on both sides";
                return self.fail(LangError::new(on.unwrap_or(op_span), message));
            }
            true => Ok(Matching::SameLabels),
            false => pairing::of(op, op_span, on, &left, &right),
        };
        match matching {
            Ok(matching) => {
                let returns_bool = modifiers.returns_bool.is_some();
                let binary = Binary { op, returns_bool, matching, left, right };
                self.build(Node::Binary(Box::new(binary)), span)
            }
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn aggregation(
        &mut self,
        word: &str,
        name: Span,
        grouping: Grouping,
        mut arguments: Vec<Operand>,
        span: Span,
    ) -> Operand {
        let Some(op) = functions::aggregation(word) else {
            return self.refuse_operand(name, &format!("aggregation {word:?}"));
        };
        if arguments.len() != 1 {
            return self.fail(wrong_count(span, word, "1 argument", arguments.len()));
        }
        let operand = arguments.pop().unwrap_or(Operand::Broken);
        let Some(operand) = self.vector(op.as_str(), operand) else { return Operand::Broken };
        self.build(Node::Aggregate(Box::new(Aggregate { op, grouping, operand })), span)
    }

    pub(crate) fn call(
        &mut self,
        word: &str,
        name: Span,
        mut arguments: Vec<Operand>,
        span: Span,
    ) -> Operand {
        let function = match functions::called(word) {
            Called::Function(function) => function,
            Called::Refused => return self.refuse_operand(name, &format!("function {word:?}")),
            Called::Unknown => return self.fail(unknown_function(word, name)),
        };
        let expected = match function {
            Function::Clock(_) => (0, "no argument"),
            Function::Calendar(..) if arguments.is_empty() => (0, "at most 1 argument"),
            Function::Calendar(..) => (1, "at most 1 argument"),
            _ => (1, "1 argument"),
        };
        if arguments.len() != expected.0 {
            return self.fail(wrong_count(span, word, expected.1, arguments.len()));
        }
        let argument = arguments.pop().unwrap_or(Operand::Broken);
        let node = match function {
            Function::Clock(clock) => Some(Node::Clock(clock)),
            Function::Calendar(clock, _) if expected.0 == 0 => Some(Node::Clock(clock)),
            Function::Calendar(_, part) => {
                self.vector(word, argument).map(|expr| Node::CalendarOf(part, Box::new(expr)))
            }
            Function::Abs => self.vector(word, argument).map(|expr| Node::Abs(Box::new(expr))),
            Function::Absent => self.vector(word, argument).map(|expr| Node::Absent(Box::new(expr))),
            Function::AbsentOverTime => self.range(word, argument).map(Node::AbsentOverTime),
            Function::Range(function) => {
                self.range(word, argument).map(|range| Node::OverRange(function, range))
            }
        };
        node.map_or(Operand::Broken, |node| self.build(node, span))
    }

    /// Takes a range vector out of an argument; `None` when it is something else, which is reported.
    fn range(&mut self, of: &str, operand: Operand) -> Option<RangeSelector> {
        match operand {
            Operand::Range(range) => Some(range),
            Operand::Broken => None,
            other => {
                let message = format!("{of} needs a range vector, found {}", other.type_name());
                let mut error = LangError::new(other.outer(), message);
                if let Operand::Expr { expr: Expr { node: Node::Selector(selector), .. }, .. } = &other {
                    error = error.with_help(format!("add a window, as in {}[5m]", selector.name));
                }
                self.errors.push(error);
                None
            }
        }
    }

    pub(crate) fn selector(&mut self, word: &str, name: Span, matchers: Vec<Matcher>, span: Span) -> Operand {
        match self.vocabulary.property(word) {
            Some(property) => {
                let selector = Selector { property, name: word.into(), matchers, span };
                self.build(Node::Selector(selector), span)
            }
            None => {
                let known = self.vocabulary.names();
                let help = did_you_mean(&nearest(word, known)).unwrap_or_else(|| {
                    "a metric is a property of the catalogue, device_online or device_silent_seconds".into()
                });
                self.fail(LangError::new(name, format!("unknown metric {word:?}")).with_help(help))
            }
        }
    }

    pub(crate) fn matcher(
        &mut self,
        name: &str,
        name_span: Span,
        op: MatchOp,
        value: &str,
        value_span: Span,
    ) -> Option<Matcher> {
        if name == "__name__" {
            let error = LangError::new(name_span, "the metric's name is not matched by a label");
            self.errors.push(error.with_help("write it before the braces"));
            return None;
        }
        let report = |error: regex::Error| {
            let reason = match error {
                regex::Error::CompiledTooBig(limit) => format!("it needs more than {limit} bytes compiled"),
                other => last_line(&other.to_string()),
            };
            self.errors.push(LangError::new(value_span, format!("regex {value:?} cannot be used: {reason}")));
        };
        Matcher::new(name, op, value).map_err(report).ok()
    }

    /// Puts a window behind a selector.
    pub(crate) fn window(&mut self, operand: Operand, ms: i64, length: Span, end: Span) -> Operand {
        let outer = operand.outer();
        match operand {
            Operand::Broken => Operand::Broken,
            Operand::Expr { expr: Expr { node: Node::Selector(selector), .. }, .. }
                if selector.property == DEVICE_SILENT_SECONDS =>
            {
                let message = format!("{} is computed when it is asked for and has no window", selector.name);
                let help = format!("compare it directly, as in {} > 300", selector.name);
                self.fail(LangError::new(outer.to(end), message).with_help(help))
            }
            Operand::Expr { expr: Expr { node: Node::Selector(selector), span }, .. } if span == outer => {
                if (1..=WINDOW_MS_MAX).contains(&ms) {
                    return Operand::Range(RangeSelector { selector, window_ms: ms, span: outer.to(end) });
                }
                let longest = format_duration(WINDOW_MS_MAX);
                self.fail(LangError::new(
                    length,
                    format!("a window must be longer than 0 and at most {longest}"),
                ))
            }
            _ => self.fail(LangError::new(outer.to(end), "only a selector can have a window in brackets")),
        }
    }
}

fn wrong_count(span: Span, name: &str, expected: &str, found: usize) -> LangError {
    LangError::new(span, format!("{name} takes {expected}, found {found}"))
}

fn unknown_function(word: &str, span: Span) -> LangError {
    let error = LangError::new(span, format!("unknown function {word:?}"));
    match did_you_mean(&nearest(word, functions::callable())) {
        Some(help) => error.with_help(help),
        None => {
            error.with_help(format!("known are {}", functions::callable().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// The regex crate draws a picture over several lines; the last one says it.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ").into()
}
