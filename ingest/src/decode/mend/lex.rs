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
    /// Returns what stands for it in the mended text: of an array only what it is matters, of an object also its names.
    pub(super) fn copy(self) -> &'a str {
        match self.text.as_bytes().first() {
            Some(b'[') => "[]",
            Some(b'{') if Reader::new(self.text).value().is_err() => "{}",
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
                [b'/', b'*', ..] => rest[2..].find("*/").map(|end| self.at + end + 4),
                [b'/', b'/', ..] => rest.find('\n').map(|end| self.at + end),
                _ => return rest.bytes().next(),
            };
            self.comment = self.comment.or(Some(self.at));
            // One without end is likely to be damage, and no reason to lose the objects behind it.
            self.at = end.unwrap_or_else(|| self.object_from(self.at + 2));
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
        let mut depth = 0usize;
        for comma in start + 1..self.text.len() {
            if !self.pay(1) {
                break;
            }
            if self.is_object(comma) {
                self.at = comma;
                return Some(Found::Element);
            }
            if let Some(element) = self.element_behind(comma) {
                self.at = element;
                return Some(Found::Element);
            }
            if members_wanted && let Some(key) = self.key_at(comma) {
                self.at = comma;
                return Some(Found::Member(key));
            }
            match self.bytes().get(comma) {
                Some(b'{') => depth += 1,
                Some(b'}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Behind a brace members are those of something else.
            if members_wanted
                && depth == 0
                && let Some((at, name)) = self.member_behind(comma)
            {
                self.at = at;
                return Some(Found::Member(name));
            }
        }
        self.at = self.text.len();
        None
    }

    /// Reports whether an object of a message begins here: a brace and one of its names.
    fn is_object(&self, brace: usize) -> bool {
        if self.bytes().get(brace) != Some(&b'{') {
            return false;
        }
        let behind = self.text.get(self.behind_white(brace + 1)..).and_then(|text| text.strip_prefix('"'));
        let is_named = |text: &str| {
            KEYS.iter().any(|key| text.strip_prefix(key).is_some_and(|rest| rest.starts_with('"')))
        };
        behind.is_some_and(is_named)
    }

    /// Returns the name of an object of a message that stands here with its quotes and colon.
    fn key_at(&self, quote: usize) -> Option<&'static str> {
        let text = self.text.get(quote..)?.strip_prefix('"')?;
        let key =
            KEYS.into_iter().find(|key| text.strip_prefix(key).is_some_and(|rest| rest.starts_with('"')))?;
        (self.bytes().get(self.behind_white(quote + key.len() + 2)) == Some(&b':')).then_some(key)
    }

    /// Reports whether a name of an object of a message comes next, with its colon.
    pub(super) fn is_at_key(&mut self) -> bool {
        self.peek() == Some(b'"') && self.key_at(self.at).is_some()
    }

    /// Returns the position of the next object of a message, or of the end.
    fn object_from(&mut self, from: usize) -> usize {
        let len = self.text.len();
        if self.pay(len - from) { (from..len).find(|at| self.is_object(*at)).unwrap_or(len) } else { len }
    }

    /// Reports whether what was passed since `start` holds an object of a message with values: a closing brace or bracket
    /// was lost before it, or became an opening one.
    fn passed_an_object(&mut self, start: usize) -> bool {
        let end = self.at;
        self.pay(end - start)
            && self.text[start..end].contains("\"values\"")
            && (start..end).any(|at| self.is_object(at))
    }

    /// Returns the name of the member behind the comma here, if there is one.
    pub(super) fn name_behind_comma(&mut self) -> Option<&'a str> {
        let comma = self.behind_white(self.at);
        self.member_behind(comma).map(|(_, name)| name)
    }

    /// Counts the closing braces that stand together here, up to two.
    pub(super) fn closings(&self) -> usize {
        let first = self.behind_white(self.at);
        if self.bytes().get(first) != Some(&b'}') {
            return 0;
        }
        1 + usize::from(self.bytes().get(self.behind_white(first + 1)) == Some(&b'}'))
    }

    /// Reports whether the members behind the comma here end with a brace that closes `values`: another one follows, or a
    /// member that stands beside `values`.
    pub(super) fn are_values_ahead(&mut self) -> bool {
        let (start, mut depth) = (self.at, 0usize);
        let mut at = start;
        let end = loop {
            match self.bytes().get(at) {
                Some(b'"') => match self.string_end(at) {
                    Some(end) => at = end - 1,
                    None => return false,
                },
                Some(b'{' | b'[') => depth += 1,
                Some(b'}') if depth == 0 => break at + 1,
                Some(b'}' | b']') if depth > 0 => depth -= 1,
                Some(b']') | None => return false,
                Some(_) => {}
            }
            at += 1;
            if !self.pay(1) {
                return false;
            }
        };
        self.at = end;
        let is_closed =
            self.closings() > 0 || self.name_behind_comma().is_some_and(|name| KEYS.contains(&name));
        self.at = start;
        is_closed
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

    /// Reports whether a name or a brace stands here without anything between it and what was passed.
    pub(super) fn is_glued(&mut self) -> bool {
        match self.bytes().get(self.at) {
            Some(b'{') => true,
            Some(b'"') => self.is_at_member(),
            _ => false,
        }
    }

    /// Reports whether a bracket stands here before a simple value.
    pub(super) fn is_list_open(&self) -> bool {
        let next = self.behind_white(self.at + 1);
        self.bytes().get(self.at) == Some(&b'[')
            && !matches!(self.bytes().get(next), Some(b'{' | b'[') | None)
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
            Some(b'{' | b'[') => {
                let value = self.nested()?;
                if self.passed_an_object(start) { Err(UNBALANCED) } else { Ok(value) }
            }
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
        let from = self.at + 1;
        let end = line.find('\'').map_or(0, |end| end + 1);
        // An apostrophe each before and behind an object do not make a text of it.
        let holds_object = (from..from + end).any(|at| self.is_object(at));
        self.at = if holds_object { from } else { from + end };
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
                // Whatever was passed over, a member of the object begins.
                Some(b'"') if self.key_at(self.at).is_some() => return false,
                Some(b'"') => {
                    // Right behind a word: the quote that seems to open closes something.
                    let is_glued = start == self.at && start > 0 && !ends_unquoted(self.bytes()[start - 1]);
                    let Some(end) = self.string_end(self.at).filter(|_| !is_glued) else { return false };
                    self.at = end;
                    quoted_end = Some(end);
                }
                Some(b'{' | b'[') => {
                    let from = self.at;
                    if self.nested().is_err_and(|expected| expected == UNBALANCED)
                        || self.passed_an_object(from)
                    {
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
