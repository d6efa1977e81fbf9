//! What is left of a message whose syntax is broken: JSON with the good parts, and what was left out.
//!
//! The reader that decodes takes JSON alone; this one runs when it gave up. It knows the shape of a message, passes
//! over what is wrong up to the next comma or brace, and copies the rest:
//!
//! - a fault inside a member costs that member;
//! - a bracket, comma or quote too few costs no more than what cannot be told apart for it. Where quotes no longer
//!   pair up, reading goes on at the next text that looks like a member or an object of the array;
//! - a value is copied only when it is complete: a number at the very end may have lost digits, as may one that something
//!   else than a comma, a bracket, a brace or white space follows;
//! - an object ends where a brace and one of its names begin another one, whatever was passed before.
//!
//! What was lost may have held the time or the quality of an object; [`Wound::is_in_doubt`] says so. It may also have held
//! the end of one object and the beginning of the next: [`Wound::is_mixed`] says so where their parts were met. The same holds for what
//! stands beside the objects: digits there may be the time of one that was closed too early. Work is bounded by a small
//! multiple of the message's length.
mod lex;
mod object;

use ioc_model::RejectReason;
use lex::Cursor;

/// Faults of one message that are kept apart; further ones go without saying.
const DAMAGES_MAX: usize = 2000;

/// A message without its faults.
#[derive(Debug)]
pub(super) struct Mended {
    /// A JSON array of what the message held.
    pub(super) text: String,
    /// Whether the message was an array.
    pub(super) is_array: bool,
    /// What was left out.
    pub(super) damages: Vec<Damage>,
    /// One per element of the array.
    wounds: Vec<Wound>,
}

/// What comes next in an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Object,
    Comma,
    /// Either: something was passed over.
    Any,
}

/// One fault of the syntax.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) reason: RejectReason,
    pub(super) detail: String,
}

/// What happened to one object of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wound {
    /// Something of it was left out.
    pub(super) is_wounded: bool,
    /// It may have been its time or a quality.
    pub(super) is_in_doubt: bool,
    /// Its values may be of another object than its time.
    pub(super) is_mixed: bool,
}

impl Mended {
    pub(super) fn wound(&self, position: usize) -> Wound {
        self.wounds.get(position).copied().unwrap_or_default()
    }
}

/// Mends a message. `not_utf8` is the position of the first byte that is not UTF-8; such bytes stand as U+FFFD in
/// `text`.
pub(super) fn mend(text: &str, not_utf8: Option<usize>) -> Mended {
    let mut mender = Mender::new(text, not_utf8);
    mender.document();
    let Mender { cursor, out, mut damages, wounds, is_array, .. } = mender;
    if let Some(at) = cursor.comment {
        let detail = format!("byte {at}: a comment; JSON has none");
        damages.push(Damage { reason: RejectReason::Malformed, detail });
    }
    Mended { text: out, is_array, damages, wounds }
}

struct Mender<'a> {
    cursor: Cursor<'a>,
    out: String,
    damages: Vec<Damage>,
    wounds: Vec<Wound>,
    /// The wound of the current element.
    wound: Wound,
    not_utf8: Option<usize>,
    is_array: bool,
    /// The end was reached within something, which has been said.
    is_cut: bool,
    /// A brace opened within an object: what follows may be the next one, or the rest of this one.
    is_next_in_doubt: bool,
    /// The message began as an array.
    began_as_array: bool,
    /// The current element has its time.
    has_ts: bool,
    /// The current element has its values.
    has_values: bool,
    /// An element ended without its brace: what follows may be the rest of it.
    has_lost: bool,
    /// A name was broken off between them.
    has_gap: bool,
    /// What stands outside of all objects may be the time or the quality of any of them.
    is_all_in_doubt: bool,
}

impl<'a> Mender<'a> {
    fn new(text: &'a str, not_utf8: Option<usize>) -> Self {
        Self {
            cursor: Cursor::new(text),
            out: String::with_capacity(text.len() + 2),
            damages: Vec::new(),
            wounds: Vec::new(),
            wound: Wound::default(),
            not_utf8,
            is_array: false,
            is_cut: false,
            is_next_in_doubt: false,
            began_as_array: false,
            has_ts: false,
            has_values: false,
            has_lost: false,
            has_gap: false,
            is_all_in_doubt: false,
        }
    }

    fn document(&mut self) {
        self.out.push('[');
        if !matches!(self.cursor.peek(), Some(b'{' | b'[')) {
            self.damage("", "'{' or '['");
            self.pass_outside();
        }
        let mut is_open = self.cursor.take(b'[');
        (self.is_array, self.began_as_array) = (is_open, is_open);
        let (mut next, mut has_inner, mut inner) = (Next::Object, false, 0usize);
        while let Some(byte) = self.cursor.peek() {
            next = match byte {
                b'{' => {
                    if next == Next::Comma {
                        self.damage(
                            "",
                            if is_open { "','" } else { "nothing more: several objects stand in an array" },
                        );
                        self.is_array = true;
                    }
                    self.cursor.at += 1;
                    let is_next = std::mem::take(&mut self.is_next_in_doubt);
                    self.element(Wound { is_wounded: is_next, is_in_doubt: is_next, is_mixed: false })
                }
                b',' if is_open => {
                    if next == Next::Object {
                        self.damage("", "an object");
                    }
                    self.cursor.at += 1;
                    Next::Object
                }
                b']' if inner > 0 => {
                    self.cursor.at += 1;
                    inner -= 1;
                    Next::Comma
                }
                b']' if is_open => {
                    if next == Next::Object && !self.wounds.is_empty() {
                        self.damage("", "an object behind the comma");
                    }
                    self.cursor.at += 1;
                    is_open = false;
                    Next::Comma
                }
                b'[' if !is_open => {
                    self.damage("", "nothing more: the message was complete");
                    self.cursor.at += 1;
                    (is_open, self.is_array) = (true, true);
                    Next::Object
                }
                b'[' => {
                    self.damage("", "an object: arrays do not nest");
                    self.cursor.at += 1;
                    (has_inner, inner) = (true, inner + 1);
                    Next::Any
                }
                _ if is_open => self.stray(next),
                _ => {
                    self.damage("", "nothing more: the message was complete");
                    self.cursor.at += usize::from(byte == b',');
                    self.doubt_closed();
                    self.pass_outside();
                    Next::Any
                }
            }
        }
        if is_open && !self.is_cut && !has_inner {
            self.damage("", "']'");
        }
        self.out.push(']');
        if self.is_all_in_doubt {
            self.wounds.iter_mut().for_each(|wound| wound.is_in_doubt = true);
        }
    }

    /// Passes what stands outside of the array or object up to the next one. It may be the time of what stands beside it; what
    /// stands first or last may be that of all.
    fn pass_outside(&mut self) {
        let start = self.cursor.at;
        self.cursor.go_to_bracket();
        let passed = &self.cursor.text[start..self.cursor.at];
        let is_end = self.cursor.at == self.cursor.text.len();
        let is_first = self.wounds.is_empty();
        let is_quoted = passed.contains(['"', '\'']);
        // A quality has no digits, nor has a name that was cut off; a quote in front of all may be one too many.
        if has_digit(passed) || is_quoted && (!is_first || passed.contains(':')) {
            // Behind an array one of whose objects lacks its brace it is likely to be the rest of that one.
            let is_rest = self.has_lost && self.began_as_array;
            self.is_all_in_doubt |= is_first || is_end && !is_rest;
            self.is_next_in_doubt = true;
            self.doubt_last();
        }
    }

    /// Mends an object of the message, whose brace was passed.
    fn element(&mut self, wound: Wound) -> Next {
        self.begin_slot();
        (self.wound, self.has_ts, self.has_values, self.has_gap) = (wound, false, false, false);
        self.out.push('{');
        let end = self.members(object::Level::Element);
        self.out.push('}');
        // Without an array, a part that holds no values can only be about those of the others; one that lacks its brace may
        // have been any of them.
        let is_whole = end != object::End::Lost || self.cursor.peek().is_none();
        let is_apart = self.wound.is_wounded && !self.has_values && !self.began_as_array;
        self.is_all_in_doubt |= is_apart && is_whole;
        self.end_slot();
        self.has_lost |= end == object::End::Lost;
        if end == object::End::Lost { Next::Any } else { Next::Comma }
    }

    /// Passes something in an array that is no object. A value in the place of one stays, to be refused as such.
    fn stray(&mut self, next: Next) -> Next {
        if self.doubt_closed() {
            self.damage("", "'{'");
            // What stood before it may have been its time.
            return self.element(Wound { is_wounded: true, is_in_doubt: true, is_mixed: false });
        }
        let start = self.cursor.at;
        let value = self.cursor.value().and_then(|value| match self.cursor.peek() {
            Some(b',' | b']' | b'{') | None => Ok(value),
            _ => Err(lex::UNTERMINATED),
        });
        let behind = std::mem::replace(&mut self.cursor.at, start);
        if (value.is_err() || next != Next::Object) && has_digit(&self.cursor.text[start..behind]) {
            self.doubt_last();
        }
        match value {
            Ok(value) if next != Next::Comma => {
                self.begin_slot();
                self.wound.is_wounded = next == Next::Any;
                self.out.push_str(value.copy());
                self.end_slot();
            }
            Ok(_) => self.damage("", "','"),
            Err(expected) => self.damage("", expected),
        }
        match value {
            Err(lex::UNTERMINATED | lex::UNBALANCED) => self.cursor.step(),
            _ if behind == start => self.cursor.step(),
            _ => self.cursor.at = behind,
        }
        if value.is_ok() && next != Next::Comma { Next::Comma } else { Next::Any }
    }

    /// Reports whether a member stands here, outside of an object. The object before may have been closed too early,
    /// and this is its time or quality.
    fn doubt_closed(&mut self) -> bool {
        let is_member = self.cursor.peek() == Some(b'"') && self.cursor.is_at_member();
        if is_member {
            self.doubt_last();
        }
        is_member
    }

    fn doubt_last(&mut self) {
        if let Some(wound) = self.wounds.last_mut() {
            (wound.is_wounded, wound.is_in_doubt) = (true, true);
        }
    }

    fn begin_slot(&mut self) {
        self.wound = Wound::default();
        if !self.wounds.is_empty() {
            self.out.push(',');
        }
    }

    fn end_slot(&mut self) {
        self.wounds.push(std::mem::take(&mut self.wound));
    }

    /// Notes that something else was expected here.
    fn damage(&mut self, place: &str, expected: &str) {
        let at = self.cursor.at;
        let found = self.cursor.text[at..].chars().next();
        let shown = found.map_or_else(|| "the end".to_owned(), |found| format!("{found:?}"));
        let within = if place.is_empty() { String::new() } else { format!(", in {}", &place[1..]) };
        let (reason, what) = match self.not_utf8 {
            Some(_) if found == Some(char::REPLACEMENT_CHARACTER) => (RejectReason::NotUtf8, "not UTF-8"),
            _ => (RejectReason::Malformed, "not JSON"),
        };
        self.note(reason, || format!("{what} at byte {at}{within}: expected {expected}, found {shown}"));
    }

    fn note(&mut self, reason: RejectReason, detail: impl FnOnce() -> String) {
        self.wound.is_wounded = true;
        if self.damages.len() < DAMAGES_MAX {
            let index = if self.is_array { format!("[{}]: ", self.wounds.len()) } else { String::new() };
            self.damages.push(Damage { reason, detail: index + &detail() });
        }
    }
}

/// A time has digits.
fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
