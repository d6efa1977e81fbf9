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
enum MemberOutcome {
    Kept { is_number: bool },
    Dropped,
    Ended(End),
}

/// Where an object stands.
struct ObjectState {
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
        let mut state = ObjectState { level, is_empty: true, has_comma: false, number: None };
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
                    if !self.is_closed_early(level) {
                        return End::Closed;
                    }
                    self.cursor.at -= 1;
                    self.damage(level.place(), "no brace before the last of the members");
                    self.wound.is_in_doubt = true;
                    self.cursor.at += 1;
                    state.has_comma = self.cursor.take(b',');
                }
                Some(b']') if self.is_surplus(level) => {
                    self.damage(level.place(), "no bracket behind a value");
                    self.cursor.at += 1;
                    if let Some(length) = state.number.take().filter(|_| level != Level::Element) {
                        self.out.truncate(length);
                        state.is_empty = self.out.ends_with('{');
                    }
                    state.has_comma = self.cursor.take(b',');
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
                        MemberOutcome::Kept { is_number } => state.number = is_number.then_some(length),
                        MemberOutcome::Dropped => state.number = None,
                        MemberOutcome::Ended(end) => return end,
                    }
                    state.has_comma = self.cursor.take(b',');
                }
            }
        }
    }

    /// Reports whether the brace that was passed is one too many: what belongs into the object follows.
    fn is_closed_early(&mut self, level: Level) -> bool {
        let Some(name) = self.cursor.name_behind_comma() else { return false };
        match level {
            Level::Element => self.has_ts && !self.has_values && !self.began_as_array && name == "values",
            Level::Values => !KEYS.contains(&name) && self.cursor.are_values_ahead(),
            Level::Quality => false,
        }
    }

    /// Reports whether the bracket that comes next is one too many. Otherwise it stands in the place of a brace.
    fn is_surplus(&mut self, level: Level) -> bool {
        self.cursor.at += 1;
        let is_key = self.cursor.name_behind_comma().map(|name| KEYS.contains(&name));
        let closings = self.cursor.closings();
        self.cursor.at -= 1;
        match level {
            Level::Element => is_key == Some(true),
            Level::Values | Level::Quality => is_key == Some(false) || closings > 1,
        }
    }

    fn member(&mut self, state: &mut ObjectState) -> MemberOutcome {
        let start = self.cursor.at;
        let key = match self.key() {
            Ok(key) => key,
            Err(expected) => return self.misnamed(start, state, expected),
        };
        let name = &key[1..key.len() - 1];
        let place = format!("{}.{}", state.level.place(), excerpt(name));
        if state.level == Level::Element {
            self.meet(name);
        }
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
        if self.cursor.is_at_key() {
            self.damage(&place, "a value");
            self.doubt(state.level, Some(name));
            return if state.level == Level::Element {
                MemberOutcome::Dropped
            } else {
                MemberOutcome::Ended(End::Up)
            };
        }
        match self.cursor.value() {
            Ok(value) => self.complete(start, key, value, &place, state),
            Err(expected) => {
                self.damage(&place, expected);
                let is_list = self.cursor.is_list_open();
                match expected {
                    UNBALANCED if is_list => self.lose(start, state.level, true),
                    UNTERMINATED => self.lose(start, state.level, true),
                    UNBALANCED => self.lose(start, state.level, false),
                    _ => self.leave(start, state.level, Some(name)),
                }
            }
        }
    }

    /// Notes which member begins. What stands twice, or behind a name that was broken off, may be of another object, with
    /// another time.
    fn meet(&mut self, name: &str) {
        let behind = self.cursor.text[self.cursor.at..].chars().next();
        let is_whole = behind.is_none_or(|c| c.is_ascii_whitespace() || ":=,;}".contains(c));
        let is_broken = !is_whole || name.contains(['{', '}', '[', ']', ',', ':']);
        let is_known = |key: &&str| name.strip_prefix(*key).is_some_and(|rest| rest.starts_with(':'));
        if is_broken && !KEYS.iter().any(is_known) {
            self.has_gap |= self.has_ts != self.has_values;
            return;
        }
        let seen = match name {
            "ts" => &mut self.has_ts,
            "values" => &mut self.has_values,
            _ => return,
        };
        let is_twice = std::mem::replace(seen, true);
        self.wound.is_mixed |= is_twice || self.has_gap;
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
    fn misnamed(&mut self, start: usize, state: &mut ObjectState, expected: &'static str) -> MemberOutcome {
        let behind = std::mem::replace(&mut self.cursor.at, start);
        let bytes = self.cursor.text.as_bytes();
        let is_digit = bytes[start].is_ascii_digit();
        // A name without its opening quote: what was lost before it may have been the end of an object.
        let is_broken = bytes[start] != b'\'' && bytes.get(behind) == Some(&b'"');
        let is_harmless = matches!(&self.cursor.text[start..behind], "seq" | "quality");
        if is_broken && !is_harmless && state.level == Level::Element {
            self.has_gap |= self.has_ts != self.has_values;
        }
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
    fn inner(&mut self, key: &str, level: Level, place: &str, state: &mut ObjectState) -> MemberOutcome {
        self.cursor.at += 1;
        self.copy(key, "{", state);
        let end = self.members(level);
        self.out.push('}');
        let behind = self.cursor.at;
        match end {
            End::Lost => MemberOutcome::Ended(End::Lost),
            End::Closed if !self.is_delimited(place) => {
                self.has_gap |= self.has_ts != self.has_values;
                self.leave(behind, state.level, None)
            }
            End::Closed | End::Up => MemberOutcome::Kept { is_number: false },
        }
    }

    /// Copies a member whose value was passed, if it ends there.
    fn complete(
        &mut self,
        start: usize,
        key: &str,
        value: Value<'_>,
        place: &str,
        state: &mut ObjectState,
    ) -> MemberOutcome {
        let name = &key[1..key.len() - 1];
        if value.is_number && self.cursor.is_glued() {
            self.damage(place, "',' behind the number, which may have lost digits");
            self.doubt(state.level, Some(name));
            return MemberOutcome::Dropped;
        }
        if !self.is_delimited(place) {
            return self.leave(start, state.level, Some(name));
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
            return MemberOutcome::Dropped;
        }
        self.copy(key, value.copy(), state);
        MemberOutcome::Kept { is_number: value.is_number }
    }

    fn copy(&mut self, key: &str, value: &str, state: &mut ObjectState) {
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
    fn leave(&mut self, start: usize, level: Level, name: Option<&str>) -> MemberOutcome {
        if !self.cursor.skip() {
            return self.lose(start, level, true);
        }
        self.note_passed(start, level);
        self.doubt(level, name);
        MemberOutcome::Dropped
    }

    /// Looks at what was passed over beside the values: what has the digits of a time may have held that of another object.
    fn note_passed(&mut self, start: usize, level: Level) {
        const TIME_DIGITS: usize = 8;
        let passed = self.cursor.text.get(start..self.cursor.at).unwrap_or_default();
        let has_time = passed.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() >= TIME_DIGITS);
        self.has_gap |= level == Level::Element && has_time && self.has_ts != self.has_values;
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
    fn lose(&mut self, start: usize, level: Level, members_wanted: bool) -> MemberOutcome {
        self.wound.is_in_doubt = true;
        let found = self.cursor.resume(start, members_wanted);
        self.note_passed(start, level);
        match found {
            Some(Found::Member(name)) if level != Level::Element && KEYS.contains(&name) => {
                MemberOutcome::Ended(End::Up)
            }
            Some(Found::Member(_)) => MemberOutcome::Dropped,
            Some(Found::Element) => MemberOutcome::Ended(End::Lost),
            None => {
                self.is_cut = true;
                MemberOutcome::Ended(End::Lost)
            }
        }
    }
}
