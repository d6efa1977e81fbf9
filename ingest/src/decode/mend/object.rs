//! Objects whose members are copied or passed over.
use super::{
    super::json::NAME,
    Mender,
    lex::{Found, KEYS, UNBALANCED, UNTERMINATED, Value},
};
use crate::quarantine::excerpt;
use ioc_model::RejectReason;

/// Which object of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Element,
    Values,
    Quality,
}

impl Level {
    const fn place(self) -> &'static str {
        match self {
            Self::Element => "",
            Self::Values => ".values",
            Self::Quality => ".quality",
        }
    }
}

/// How an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its brace.
    Closed,
    /// Within it a member of the object around it was found.
    Up,
    /// Without its brace: the next element or the end of the message follows.
    Lost,
}

/// What became of a member.
enum Outcome {
    Kept { is_number: bool },
    Dropped,
    Ended(End),
}

/// Where an object stands.
struct State {
    level: Level,
    /// Nothing was copied yet.
    is_empty: bool,
    /// A comma stands before what comes next.
    has_comma: bool,
    /// Length of the copy before the last member, when that was a number.
    number: Option<usize>,
}

impl<'a> Mender<'a> {
    /// Copies the members of an object whose brace was passed, up to its end.
    pub(super) fn members(&mut self, level: Level) -> End {
        let mut state = State { level, is_empty: true, has_comma: false, number: None };
        loop {
            match self.cursor.peek() {
                None => {
                    if !std::mem::replace(&mut self.is_cut, true) {
                        self.damage(level.place(), "'}'");
                    }
                    self.wound.is_in_doubt = true;
                    return End::Lost;
                }
                Some(b'}') => {
                    if state.has_comma {
                        self.damage(level.place(), NAME);
                    }
                    self.cursor.at += 1;
                    return End::Closed;
                }
                Some(b']') if level != Level::Element => {
                    self.damage(level.place(), "'}'");
                    self.cursor.at += 1;
                    return End::Closed;
                }
                Some(b'{' | b']') => {
                    self.damage(level.place(), "'}'");
                    self.wound.is_in_doubt = true;
                    self.is_next_in_doubt = true;
                    return End::Lost;
                }
                Some(b',') => {
                    self.damage(level.place(), NAME);
                    self.cursor.at += 1;
                    state.has_comma = false;
                }
                Some(_) => {
                    let length = self.out.len();
                    match self.member(&mut state) {
                        Outcome::Kept { is_number } => state.number = is_number.then_some(length),
                        Outcome::Dropped => state.number = None,
                        Outcome::Ended(end) => return end,
                    }
                    state.has_comma = self.cursor.take(b',');
                }
            }
        }
    }

    fn member(&mut self, state: &mut State) -> Outcome {
        let start = self.cursor.at;
        let key = match self.key() {
            Ok(key) => key,
            Err(expected) => return self.misnamed(start, state, expected),
        };
        let name = &key[1..key.len() - 1];
        let place = format!("{}.{}", state.level.place(), excerpt(name));
        if !self.cursor.take(b':') {
            self.damage(&place, "':' after the name");
            return self.leave(start, state.level, None);
        }
        let inner = match (state.level, name) {
            (Level::Element, "values") => Some(Level::Values),
            (Level::Element, "quality") => Some(Level::Quality),
            _ => None,
        };
        if let Some(inner) = inner.filter(|_| self.cursor.peek() == Some(b'{')) {
            return self.inner(key, inner, &place, state);
        }
        match self.cursor.value() {
            Ok(value) => self.complete(start, key, value, &place, state),
            Err(expected) => {
                self.damage(&place, expected);
                match expected {
                    UNTERMINATED => self.lose(start, state.level, true),
                    UNBALANCED => self.lose(start, state.level, false),
                    _ => self.leave(start, state.level, Some(name)),
                }
            }
        }
    }

    /// Passes a name and returns it with its quotes.
    ///
    /// Errors: what was expected.
    fn key(&mut self) -> Result<&'a str, &'static str> {
        match self.cursor.peek() {
            Some(b'"') => self.cursor.string().map(|key| key.text),
            Some(b'\'') => {
                self.cursor.single_quoted();
                Err(NAME)
            }
            _ => {
                let start = self.cursor.at;
                self.cursor.unquoted();
                if self.cursor.at == start {
                    self.cursor.step();
                }
                Err(NAME)
            }
        }
    }

    /// Passes a member whose name cannot be read.
    fn misnamed(&mut self, start: usize, state: &mut State, expected: &'static str) -> Outcome {
        let behind = std::mem::replace(&mut self.cursor.at, start);
        let is_digit = self.cursor.text.as_bytes()[start].is_ascii_digit();
        // "38,1": the number before the comma is not the one that was meant.
        let number = state.number.filter(|_| is_digit && state.has_comma);
        match number {
            Some(length) => {
                self.out.truncate(length);
                state.is_empty = self.out.ends_with('{');
                self.damage(state.level.place(), "a name; a number has a decimal point, as in 38.1");
            }
            None => self.damage(state.level.place(), expected),
        }
        self.cursor.at = behind;
        self.leave(start, state.level, None)
    }

    /// Copies `values` or `quality`, whose brace comes next.
    fn inner(&mut self, key: &str, level: Level, place: &str, state: &mut State) -> Outcome {
        self.cursor.at += 1;
        self.has_values |= level == Level::Values;
        self.copy(key, "{", state);
        let end = self.members(level);
        self.out.push('}');
        let behind = self.cursor.at;
        match end {
            End::Lost => Outcome::Ended(End::Lost),
            End::Closed if !self.is_delimited(place) => self.leave(behind, state.level, None),
            End::Closed | End::Up => Outcome::Kept { is_number: false },
        }
    }

    /// Copies a member whose value was passed, if it ends there.
    fn complete(
        &mut self,
        start: usize,
        key: &str,
        value: Value<'_>,
        place: &str,
        state: &mut State,
    ) -> Outcome {
        if !self.is_delimited(place) {
            return self.leave(start, state.level, Some(&key[1..key.len() - 1]));
        }
        if let Some(at) = self.not_utf8
            && [key, value.text].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER))
        {
            self.note(RejectReason::NotUtf8, || {
                format!(
                    "{}: not UTF-8 (the first such byte is {at}); payloads are JSON text in UTF-8",
                    &place[1..]
                )
            });
            self.doubt(state.level, None);
            return Outcome::Dropped;
        }
        self.copy(key, value.copy(), state);
        Outcome::Kept { is_number: value.is_number }
    }

    fn copy(&mut self, key: &str, value: &str, state: &mut State) {
        let comma = if std::mem::replace(&mut state.is_empty, false) { "" } else { "," };
        for part in [comma, key, ":", value] {
            self.out.push_str(part);
        }
    }

    /// Checks that a value ends here. A comma that is missing before a name costs nothing.
    fn is_delimited(&mut self, place: &str) -> bool {
        match self.cursor.peek() {
            Some(b',' | b'}' | b']' | b'{') | None => true,
            Some(b'"') if self.cursor.is_at_member() => {
                self.damage(place, "',' behind the value");
                true
            }
            _ => {
                self.damage(place, "',' or '}' behind the value");
                false
            }
        }
    }

    /// Goes to the end of a member that is left out.
    fn leave(&mut self, start: usize, level: Level, name: Option<&str>) -> Outcome {
        if !self.cursor.skip() {
            return self.lose(start, level, true);
        }
        self.doubt(level, name);
        Outcome::Dropped
    }

    /// Notes what may have been lost with a member of this name, or of one that cannot be read.
    fn doubt(&mut self, level: Level, name: Option<&str>) {
        self.wound.is_in_doubt |= match level {
            Level::Values => false,
            Level::Quality => true,
            Level::Element => name.is_none_or(|name| matches!(name, "ts" | "quality")),
        };
    }

    /// Goes on where quotes and brackets pair up again.
    fn lose(&mut self, start: usize, level: Level, members_wanted: bool) -> Outcome {
        self.wound.is_in_doubt = true;
        match self.cursor.resume(start, members_wanted) {
            Some(Found::Member(name)) if level != Level::Element && KEYS.contains(&name) => {
                Outcome::Ended(End::Up)
            }
            Some(Found::Member(_)) => Outcome::Dropped,
            Some(Found::Element) => Outcome::Ended(End::Lost),
            None => {
                self.is_cut = true;
                Outcome::Ended(End::Lost)
            }
        }
    }
}
