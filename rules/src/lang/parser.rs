//! Tokens into a checked tree: a Pratt parser with Prometheus' precedence. Syntax lives here, meaning in
//! `check`; a syntax error ends the parse, errors of meaning are collected.
use super::vocabulary::Vocabulary;
use super::{
    ast::{BinaryOp, Grouping, Span},
    check::{Checker, LabelPairing, Modifiers, Operand},
    error::LangError,
    functions,
    lexer::{Lexeme, Token, tokens},
    query::Query,
};

/// Deepest nesting of parentheses, calls and signs.
pub const DEPTH_MAX: usize = 64;
/// Most nodes of one expression.
pub const NODES_MAX: usize = 512;

/// Binding power of the operand of a sign: of `^` only, so that `-a^b` is `-(a^b)` and `-a*b` is `(-a)*b`.
const SIGN_POWER: u8 = 11;
/// Words that stand between expressions and can never begin one.
const CONNECTIVES: [&str; 12] = [
    "and",
    "or",
    "unless",
    "atan2",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
];

pub(super) type Parse<T> = Result<T, LangError>;

/// Parses and checks an expression.
///
/// Errors: all problems of meaning that were found, or the one of syntax that ended the parse behind them; in
/// the order of the text and never empty.
pub fn parse(text: &str, vocabulary: &dyn Vocabulary) -> Result<Query, Vec<LangError>> {
    let lexemes = tokens(text).map_err(|error| vec![error])?;
    let mut parser = Parser { text, lexemes, at: 0, depth: 0, check: Checker::new(vocabulary) };
    let parsed = parser.whole();
    let mut errors = parser.check.into_errors();
    match parsed {
        Ok(operand) if errors.is_empty() => match operand.into_expr() {
            Ok(expr) => return Ok(Query { text: text.into(), expr }),
            Err(error) => errors.extend(error),
        },
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    errors.sort_by_key(|error| error.span.start);
    errors.dedup();
    Err(errors)
}

pub(super) struct Parser<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme>,
    at: usize,
    depth: usize,
    pub(super) check: Checker<'a>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Parse<Operand> {
        let operand = self.expression(0)?;
        match &self.peek().token {
            Token::End => Ok(operand),
            Token::Symbol("=") => Err(self.unexpected("an operator").with_help("write \"==\" to compare")),
            Token::Symbol(")") => {
                Err(self.unexpected("an operator").with_help("remove it, or add the missing \"(\""))
            }
            _ => Err(self.unexpected("an operator")),
        }
    }

    pub(super) fn peek(&self) -> &Lexeme {
        // The last lexeme is `End` and never consumed.
        &self.lexemes[self.at.min(self.lexemes.len() - 1)]
    }

    fn peek_second(&self) -> &Token {
        &self.lexemes[(self.at + 1).min(self.lexemes.len() - 1)].token
    }

    pub(super) fn span(&self) -> Span {
        self.peek().span
    }

    /// Consumes the current token and returns its span.
    pub(super) fn advance(&mut self) -> Span {
        let span = self.span();
        self.at = (self.at + 1).min(self.lexemes.len() - 1);
        span
    }

    pub(super) fn next_is(&self, symbol: &str) -> bool {
        matches!(&self.peek().token, Token::Symbol(found) if *found == symbol)
    }

    pub(super) fn take(&mut self, symbol: &str) -> Option<Span> {
        self.next_is(symbol).then(|| self.advance())
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Parse<Span> {
        self.take(symbol).ok_or_else(|| self.unexpected(&format!("{symbol:?}")))
    }

    /// Consumes one of `words`, in any case.
    pub(super) fn take_word<'w>(&mut self, words: &[&'w str]) -> Option<(&'w str, Span)> {
        let Token::Word(found) = &self.peek().token else { return None };
        let word = words.iter().copied().find(|word| word.eq_ignore_ascii_case(found))?;
        Some((word, self.advance()))
    }

    pub(super) fn unexpected(&self, expected: &str) -> LangError {
        let Lexeme { token, span } = self.peek();
        let found = match token {
            Token::End => "the end of the expression".into(),
            _ => format!("{:?}", &self.text[span.start..span.end]),
        };
        LangError::new(*span, format!("expected {expected}, found {found}"))
    }

    /// Parses operands joined by operators that bind at least as strongly as `power`.
    fn expression(&mut self, power: u8) -> Parse<Operand> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(LangError::new(self.span(), format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let mut left = self.signed()?;
        while let Some((op, left_power, right_power)) = self.peek_operator()? {
            if left_power < power {
                break;
            }
            let op_span = self.advance();
            let modifiers = self.modifiers()?;
            let right = self.expression(right_power)?;
            left = self.check.binary(op, op_span, &modifiers, left, right);
            self.limit_nodes()?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn limit_nodes(&self) -> Parse<()> {
        match self.check.nodes() > NODES_MAX {
            true => Err(LangError::new(self.span(), format!("expression has more than {NODES_MAX} parts"))),
            false => Ok(()),
        }
    }

    /// Returns the operator that comes next and how strongly it binds to the left and to the right.
    fn peek_operator(&self) -> Parse<Option<(BinaryOp, u8, u8)>> {
        let op = match &self.peek().token {
            Token::Symbol(symbol) => operator(symbol),
            Token::Word(word) if word.eq_ignore_ascii_case("atan2") => {
                return Err(LangError::new(self.span(), "operator \"atan2\" is not supported yet"));
            }
            Token::Word(word) => operator(&word.to_ascii_lowercase()).filter(|op| op.is_set()),
            _ => None,
        };
        Ok(op.map(|op| match op {
            BinaryOp::Or => (op, 1, 2),
            BinaryOp::And | BinaryOp::Unless => (op, 3, 4),
            _ if op.is_comparison() => (op, 5, 6),
            BinaryOp::Add | BinaryOp::Subtract => (op, 7, 8),
            BinaryOp::Power => (op, 14, 13),
            _ => (op, 9, 10),
        }))
    }

    /// Parses what may stand between an operator and its right operand.
    fn modifiers(&mut self) -> Parse<Modifiers> {
        let mut modifiers =
            Modifiers { returns_bool: self.take_word(&["bool"]).map(|(_, span)| span), pairing: None };
        if let Some((word, span)) = self.take_word(&["on", "ignoring"]) {
            let (labels, end) = self.label_names()?;
            let span = span.to(end);
            match (word, labels.is_empty()) {
                ("on", true) => modifiers.pairing = Some(LabelPairing { span }),
                _ => self.check.refuse(span, &format!("vector matching with \"{word}(…)\""), None),
            }
        }
        if let Some((word, span)) = self.take_word(&["group_left", "group_right"]) {
            let end = if self.next_is("(") { self.label_names()?.1 } else { span };
            self.check.refuse(span.to(end), &format!("vector matching with {word:?}"), None);
        }
        Ok(modifiers)
    }

    fn signed(&mut self) -> Parse<Operand> {
        for sign in ["-", "+"] {
            if let Some(span) = self.take(sign) {
                let operand = self.expression(SIGN_POWER)?;
                return Ok(self.check.sign(sign == "-", span, operand));
            }
        }
        let operand = self.primary()?;
        self.limit_nodes()?;
        self.postfix(operand)
    }

    pub(super) fn primary(&mut self) -> Parse<Operand> {
        let span = self.span();
        match self.peek().token.clone() {
            Token::Number(value) => Ok(self.number(value)),
            Token::Duration(ms) => Ok(self.number(ms as f64 / 1000.0)),
            Token::Text(_) => Ok(Operand::Text(self.advance())),
            Token::Word(word) => self.named(&word),
            Token::Symbol("(") => {
                self.advance();
                let inner = self.expression(0)?;
                let end = self.expect(")")?;
                Ok(inner.in_parentheses(span.to(end)))
            }
            Token::Symbol("{") => {
                Err(LangError::new(span, "a selector needs the metric's name before \"{\""))
            }
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn number(&mut self, value: f64) -> Operand {
        let span = self.advance();
        self.check.number(value, span)
    }

    /// Parses what begins with a word: a number, an aggregation, a call or a selector.
    fn named(&mut self, word: &str) -> Parse<Operand> {
        if CONNECTIVES.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return Err(self.unexpected("an expression"));
        }
        let is_called = *self.peek_second() == Token::Symbol("(");
        let is_grouped = matches!(self.peek_second(), Token::Word(next) if is_grouping(next));
        let aggregates = functions::aggregation(word).is_some() || functions::is_refused_aggregation(word);
        if aggregates && (is_called || is_grouped) {
            return self.aggregation(word);
        }
        if is_called {
            return self.call(word);
        }
        let constants = [("inf", f64::INFINITY), ("nan", f64::NAN)];
        if let Some((_, value)) = constants.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            return Ok(self.number(value));
        }
        self.selector(word)
    }

    fn aggregation(&mut self, word: &str) -> Parse<Operand> {
        let name = self.advance();
        let before = self.grouping()?;
        let (arguments, mut end) = self.arguments()?;
        let mut grouping = before;
        if grouping.is_none() {
            grouping = self.grouping()?;
            end = grouping.as_ref().map_or(end, |(_, span)| *span);
        }
        let grouping = grouping.map_or(Grouping::By(Vec::new()), |(grouping, _)| grouping);
        Ok(self.check.aggregation(word, name, grouping, arguments, name.to(end)))
    }

    /// Parses `by (…)` or `without (…)` if it comes next.
    fn grouping(&mut self) -> Parse<Option<(Grouping, Span)>> {
        let Some((word, _)) = self.take_word(&["by", "without"]) else { return Ok(None) };
        let (mut labels, span) = self.label_names()?;
        labels.sort();
        labels.dedup();
        Ok(Some((if word == "by" { Grouping::By(labels) } else { Grouping::Without(labels) }, span)))
    }

    fn call(&mut self, word: &str) -> Parse<Operand> {
        let name = self.advance();
        let (arguments, end) = self.arguments()?;
        Ok(self.check.call(word, name, arguments, name.to(end)))
    }

    /// Parses `(a, b)`; returns the span of the closing parenthesis.
    fn arguments(&mut self) -> Parse<(Vec<Operand>, Span)> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if let Some(end) = self.take(")") {
            return Ok((arguments, end));
        }
        loop {
            arguments.push(self.expression(0)?);
            if let Some(end) = self.take(")") {
                return Ok((arguments, end));
            }
            self.take(",").ok_or_else(|| self.unexpected("\",\" or \")\""))?;
        }
    }
}

fn is_grouping(word: &str) -> bool {
    ["by", "without"].iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn operator(text: &str) -> Option<BinaryOp> {
    use BinaryOp::*;
    let all = [
        Add,
        Subtract,
        Multiply,
        Divide,
        Modulo,
        Power,
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
        And,
        Or,
        Unless,
    ];
    all.into_iter().find(|op| op.as_str() == text)
}
