//! Moves over text that is nearly JSON.
use super::super::json::{DEPTH_MAX, Reader, ends_unquoted};

/// How often the message's length is looked through at most, all in all.
const PASSES_MAX: usize = 16;

/// Keys of an object of a message.
pub(super) const KEYS: [&str; 4] = ["ts", "values", "quality", "seq"];

/// A position in the text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Where the first comment stands.
    pub(super) comment: Option<usize>,
    /// Bytes that may still be looked at ahead of the position.
    budget: usize,
}

/// A value that is complete.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    /// Begins with a digit or a minus.
    pub(super) is_number: bool,
}

impl<'a> Value<'a> {
    /// Returns what stands for it in the mended text: of arrays and objects only what they are matters.
    pub(super) fn copy(self) -> &'a str {
        match self.text.as_bytes().first() {
            Some(b'[') => "[]",
            Some(b'{') => "{}",
            _ => self.text,
        }
    }
}

/// Where reading can go on after quotes no longer paired up.
pub(super) enum Found<'a> {
    /// At a member, of this name.
    Member(&'a str),
    /// At an object of the array.
    Element,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, comment: None, budget: PASSES_MAX * (text.len() + 64) }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// Passes white space and comments and returns the byte behind them.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            self.at = self.behind_white(self.at);
            let rest = &self.text[self.at..];
            let end = match rest.as_bytes() {
                [b'/', b'*', ..] => rest[2..].find("*/").map(|end| end + 4),
                [b'/', b'/', ..] => rest.find('\n'),
                _ => return rest.bytes().next(),
            };
            self.comment = self.comment.or(Some(self.at));
            self.at += end.unwrap_or(rest.len());
        }
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes one character.
    pub(super) fn step(&mut self) {
        self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
    }

    /// Goes to the next bracket or brace that opens, or to the end.
    pub(super) fn go_to_bracket(&mut self) {
        self.at = self.text[self.at..].find(['{', '[']).map_or(self.text.len(), |found| self.at + found);
    }

    /// Looks for where reading can go on: behind `start`, at an object or, if they are `wanted`, at a member.
    pub(super) fn resume(&mut self, start: usize, members_wanted: bool) -> Option<Found<'a>> {
        for comma in start + 1..self.text.len() {
            if !self.pay(1) {
                break;
            }
            if let Some(element) = self.element_behind(comma) {
                self.at = element;
                return Some(Found::Element);
            }
            if members_wanted && let Some((at, name)) = self.member_behind(comma) {
                self.at = at;
                return Some(Found::Member(name));
            }
        }
        self.at = self.text.len();
        None
    }

    /// Returns the position of an object, if the comma is one between objects.
    fn element_behind(&self, comma: usize) -> Option<usize> {
        let bytes = self.bytes();
        if bytes.get(comma) != Some(&b',') {
            return None;
        }
        let before = bytes[..comma].iter().rev().find(|byte| !is_white(**byte));
        let next = self.behind_white(comma + 1);
        (before == Some(&b'}') && bytes.get(next) == Some(&b'{')).then_some(next)
    }

    /// Returns position and name of a member, if the comma is one before a member with a plain name.
    fn member_behind(&self, comma: usize) -> Option<(usize, &'a str)> {
        if self.bytes().get(comma) != Some(&b',') {
            return None;
        }
        let at = self.behind_white(comma + 1);
        let name = self.text.get(at..)?.strip_prefix('"')?.split('"').next()?;
        let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let colon = self.behind_white(at + name.len() + 2);
        (is_plain && self.bytes().get(colon) == Some(&b':')).then_some((at, name))
    }

    /// Reports whether a member begins at a quote here.
    pub(super) fn is_at_member(&mut self) -> bool {
        let end = self.string_end(self.at);
        end.is_some_and(|end| self.bytes().get(self.behind_white(end)) == Some(&b':'))
    }

    fn behind_white(&self, from: usize) -> usize {
        let rest = self.bytes().get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| !is_white(*byte)).unwrap_or(rest.len())
    }

    /// Finds the end of the string that begins at `from`; `None` when it has none before the end of its line.
    pub(super) fn string_end(&mut self, from: usize) -> Option<usize> {
        let mut at = from + 1;
        let end = loop {
            match self.bytes().get(at) {
                Some(b'"') => break Some(at + 1),
                Some(b'\\') => at += 2,
                Some(b'\n') | None => break None,
                Some(_) => at += 1,
            }
        };
        let is_paid = self.pay(at.saturating_sub(from));
        end.filter(|_| is_paid)
    }

    /// Passes a value.
    ///
    /// Errors: what was expected; the position is then where the fault was noticed.
    pub(super) fn value(&mut self) -> Result<Value<'a>, &'static str> {
        let next = self.peek();
        let start = self.at;
        match next {
            Some(b'"') => self.string(),
            Some(b'\'') => {
                self.single_quoted();
                Err("double quotes around a text")
            }
            Some(b'{' | b'[') => self.nested(),
            _ => {
                self.unquoted();
                let is_number = matches!(next, Some(b'-' | b'0'..=b'9'));
                match &self.text[start..self.at] {
                    "" => Err("a value"),
                    // It may have been longer.
                    _ if self.at == self.text.len() => Err("the rest of a value"),
                    text => Ok(Value { text, is_number }),
                }
            }
        }
    }

    /// Passes a string and checks what is in it.
    pub(super) fn string(&mut self) -> Result<Value<'a>, &'static str> {
        let start = self.at;
        let end = self.string_end(start).ok_or(UNTERMINATED)?;
        self.at = end;
        let text = &self.text[start..end];
        match Reader::new(text).value() {
            Ok(_) => Ok(Value { text, is_number: false }),
            Err(fault) => Err(fault.expected),
        }
    }

    pub(super) fn unquoted(&mut self) {
        let rest = &self.bytes()[self.at..];
        self.at += rest.iter().position(|byte| ends_unquoted(*byte)).unwrap_or(rest.len());
    }

    /// Passes a text in single quotes, or the quote alone when there is no other one in the line.
    pub(super) fn single_quoted(&mut self) {
        let rest = &self.text[self.at + 1..];
        let line = rest.split('\n').next().unwrap_or_default();
        self.pay(line.len());
        self.at += 1 + line.find('\'').map_or(0, |end| end + 1);
    }

    /// Passes an array or object whose brackets pair up.
    fn nested(&mut self) -> Result<Value<'a>, &'static str> {
        let (start, mut open, mut deepest) = (self.at, Vec::new(), 0);
        let mut at = start;
        loop {
            match self.bytes().get(at) {
                Some(b'"') => at = self.string_end(at).ok_or(UNBALANCED)? - 1,
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(byte @ (b'}' | b']')) if open.pop() != Some(*byte) => return Err(UNBALANCED),
                Some(_) => {}
                None => return Err(UNBALANCED),
            }
            at += 1;
            deepest = deepest.max(open.len());
            if open.is_empty() {
                break;
            }
            if !self.pay(1) {
                return Err(UNBALANCED);
            }
        }
        self.at = at;
        match deepest > DEPTH_MAX {
            true => Err("less nesting"),
            false => Ok(Value { text: &self.text[start..at], is_number: false }),
        }
    }

    /// Goes to the comma or bracket that ends the member here. Returns false when quotes or brackets do not pair
    /// up on the way.
    pub(super) fn skip(&mut self) -> bool {
        let mut quoted_end = None;
        loop {
            let start = self.at;
            match self.peek() {
                Some(b',' | b'}' | b']') => return true,
                Some(b'"') => {
                    // Right behind a word: the quote that seems to open closes something.
                    let is_glued = start == self.at && start > 0 && !ends_unquoted(self.bytes()[start - 1]);
                    let Some(end) = self.string_end(self.at).filter(|_| !is_glued) else { return false };
                    self.at = end;
                    quoted_end = Some(end);
                }
                Some(b'{' | b'[') => {
                    if self.nested().is_err_and(|expected| expected == UNBALANCED) {
                        return false;
                    }
                }
                Some(b':' | b'/') => self.at += 1,
                Some(_) if quoted_end == Some(self.at) => return false,
                Some(_) => {
                    let from = self.at;
                    self.unquoted();
                    if !self.pay(self.at - from) {
                        return false;
                    }
                }
                None => return false,
            }
        }
    }

    /// Takes from the budget; returns whether there was enough.
    fn pay(&mut self, bytes: usize) -> bool {
        let is_enough = self.budget >= bytes;
        self.budget = self.budget.saturating_sub(bytes);
        is_enough
    }
}

/// A string without end: quotes may no longer pair up behind it.
pub(super) const UNTERMINATED: &str = "the closing double quote";
/// An array or object without end.
pub(super) const UNBALANCED: &str = "brackets that pair up";

const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
