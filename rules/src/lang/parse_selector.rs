//! The part of the parser for selectors: label lists, matchers, windows, and what else may stand behind an operand.
use super::{
    ast::Span,
    check::Operand,
    lexer::Token,
    matcher::{MatchOp, Matcher},
    parser::{Parse, Parser},
};
use std::sync::Arc;

impl Parser<'_> {
    /// Parses `(a, b)`; a comma may stand behind the last one. Returns the span of the parentheses.
    pub(super) fn label_names(&mut self) -> Parse<(Vec<Arc<str>>, Span)> {
        let start = self.expect("(")?;
        let mut names = Vec::new();
        loop {
            if let Some(end) = self.take(")") {
                return Ok((names, start.to(end)));
            }
            names.push(self.label_name()?);
            if !self.next_is(")") {
                self.expect(",")?;
            }
        }
    }

    fn label_name(&mut self) -> Parse<Arc<str>> {
        match &self.peek().token {
            Token::Word(word) if !word.contains(':') => {
                let name = word.as_str().into();
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected("a label name")),
        }
    }

    pub(super) fn selector(&mut self, word: &str) -> Parse<Operand> {
        let name = self.advance();
        let (mut matchers, mut end) = (Vec::new(), name);
        if self.take("{").is_some() {
            loop {
                if let Some(close) = self.take("}") {
                    end = close;
                    break;
                }
                matchers.extend(self.matcher()?);
                if !self.next_is("}") {
                    self.take(",").ok_or_else(|| self.unexpected("\",\" or \"}\""))?;
                }
            }
        }
        Ok(self.check.selector(word, name, matchers, name.to(end)))
    }

    /// Parses `name="text"`; `None` when it means nothing and that was reported.
    fn matcher(&mut self) -> Parse<Option<Matcher>> {
        let start = self.span();
        let name = self.label_name()?;
        let op = match &self.peek().token {
            Token::Symbol("=") => MatchOp::Equal,
            Token::Symbol("!=") => MatchOp::NotEqual,
            Token::Symbol("=~") => MatchOp::Regex,
            Token::Symbol("!~") => MatchOp::NotRegex,
            _ => return Err(self.unexpected("one of = != =~ !~")),
        };
        self.advance();
        let Token::Text(value) = self.peek().token.clone() else {
            return Err(self.unexpected("a text in quotes"));
        };
        let value_span = self.advance();
        Ok(self.check.matcher(&name, start, op, &value, value_span))
    }

    /// Parses windows, and refuses what else may stand behind an operand.
    pub(super) fn postfix(&mut self, mut operand: Operand) -> Parse<Operand> {
        loop {
            if let Some(open) = self.take("[") {
                operand = self.window(operand, open)?;
            } else if let Some((_, span)) = self.take_word(&["offset"]) {
                if self.take("-").is_none() {
                    self.take("+");
                }
                let end = self.window_length()?.1;
                operand = self.check.refuse_operand(span.to(end), "\"offset\"");
            } else if let Some(span) = self.take("@") {
                operand = self.check.refuse_operand(span, "the \"@\" modifier");
                self.primary()?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn window(&mut self, operand: Operand, open: Span) -> Parse<Operand> {
        let (ms, length) = self.window_length()?;
        if self.take(":").is_some() {
            if !self.next_is("]") {
                self.window_length()?;
            }
            let end = self.expect("]")?;
            return Ok(self.check.refuse_operand(open.to(end), "a subquery"));
        }
        let end = self.expect("]")?;
        Ok(self.check.window(operand, ms, length, end))
    }

    /// Parses `5m`, or seconds as a number; returns milliseconds.
    fn window_length(&mut self) -> Parse<(i64, Span)> {
        match self.peek().token {
            Token::Duration(ms) => Ok((ms, self.advance())),
            Token::Number(seconds) => Ok(((seconds * 1000.0) as i64, self.advance())),
            _ => Err(self.unexpected("a duration such as 5m")),
        }
    }
}
