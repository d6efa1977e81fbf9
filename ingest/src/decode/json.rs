//! A reader of JSON text that borrows, allocates only for escapes and errors, and knows no tree.
//!
//! It accepts exactly what RFC 8259 does, with two differences: nesting deeper than [`DEPTH_MAX`] is
//! refused, and in the place of a value anything without quotes is read as [`Raw::Bare`]. C's `printf` writes
//! `nan`, JavaScript `NaN`, careless code `01`: the value is refused by itself, the good ones beside it are kept.
use std::borrow::Cow;

/// What is expected where a member of an object begins.
pub(super) const NAME: &str = "a name in double quotes";

/// Deepest nesting of a value; ours needs none.
pub(super) const DEPTH_MAX: usize = 16;

/// Where reading stopped, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Byte position in the text.
    pub(super) at: usize,
    /// What was expected there.
    pub(super) expected: &'static str,
}

/// A value, not yet interpreted.
#[derive(Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Null,
    Bool(bool),
    /// As written; of the grammar of JSON numbers.
    Number(&'a str),
    /// Anything else without quotes, as in `nan`, `-inf` or `01`; not JSON.
    Bare(&'a str),
    Text(Cow<'a, str>),
    Array,
    Object,
}

/// Reports whether a value without quotes ends before this byte. A slash begins a comment, which JSON has not.
pub(super) const fn ends_unquoted(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']' | b'/')
}

#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // A byte order mark says nothing in UTF-8 (RFC 8259 §8.1).
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0 }
    }

    /// Position of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the text from `start` up to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Checks what follows an element, up to the end of the message, and takes nothing.
    pub(super) fn check_rest(&self, in_array: bool) -> Result<(), Fault> {
        let mut reader = self.clone();
        while in_array && reader.another(b']', "',' or ']' behind an object")? {
            reader.value()?;
        }
        reader.end()
    }

    fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.at, expected })
    }

    /// Passes white space and returns the byte behind it without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let white = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += white.unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn require(&mut self, byte: u8, expected: &'static str) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { self.fault(expected) }
    }

    /// Reads the name of a member and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, Fault> {
        if self.peek() != Some(b'"') {
            return self.fault(NAME);
        }
        let key = self.string()?;
        self.require(b':', "':' after the name")?;
        Ok(key)
    }

    /// After a member or element: says whether another one follows; takes the comma or `close`.
    pub(super) fn another(&mut self, close: u8, expected: &'static str) -> Result<bool, Fault> {
        if self.take(b',') {
            return Ok(true);
        }
        self.require(close, expected).map(|()| false)
    }

    /// Checks that nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("nothing more: the message was complete"),
        }
    }

    /// Reads any value; arrays and objects are checked and passed over.
    pub(super) fn value(&mut self) -> Result<Raw<'a>, Fault> {
        self.value_within(DEPTH_MAX)
    }

    /// Reads a value that is no array.
    pub(super) fn scalar(&mut self, expected: &'static str) -> Result<Raw<'a>, Fault> {
        if self.peek() == Some(b'[') { self.fault(expected) } else { self.value() }
    }

    fn value_within(&mut self, depth: usize) -> Result<Raw<'a>, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(Raw::Text),
            Some(b'[' | b'{') if depth == 0 => self.fault("less nesting"),
            Some(b'[') => self.array(depth - 1).map(|()| Raw::Array),
            Some(b'{') => self.object(depth - 1).map(|()| Raw::Object),
            _ => self.unquoted(),
        }
    }

    /// Reads a value that stands without quotes and brackets: a number, a word, or something that is not JSON.
    fn unquoted(&mut self) -> Result<Raw<'a>, Fault> {
        let start = self.at;
        let is_number = self.number();
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| ends_unquoted(*byte)).unwrap_or(rest.len());
        let has_more = rest.first().is_some_and(|byte| !ends_unquoted(*byte));
        match &self.text[start..self.at] {
            "" => self.fault("a value"),
            number if is_number && !has_more => Ok(Raw::Number(number)),
            "null" => Ok(Raw::Null),
            "true" => Ok(Raw::Bool(true)),
            "false" => Ok(Raw::Bool(false)),
            other => Ok(Raw::Bare(other)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value_within(depth)?;
            if !self.another(b']', "',' or ']'")? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.key()?;
            self.value_within(depth)?;
            if !self.another(b'}', "',' or '}'")? {
                return Ok(());
            }
        }
    }

    /// Passes a number of JSON's grammar; reports whether there was one.
    fn number(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes.get(self.at) == Some(&b'-'));
        let has_whole = match bytes.get(self.at) {
            Some(b'0') => {
                self.at += 1;
                true
            }
            _ => self.digits(),
        };
        let mut is_number = has_whole;
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_number &= self.digits();
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            is_number &= self.digits();
        }
        is_number
    }

    /// Passes digits; reports whether there was one.
    fn digits(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count > 0
    }

    /// Reads a string whose opening quote comes next.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0..0x20) => return self.fault("no control character; write it as \\n, \\t or \\u00xx"),
                Some(_) => self.at += 1,
                None => return self.fault("the closing double quote"),
            }
        }
    }

    /// Reads the rest of a string that began at `start` and has its first escape here.
    fn escaped(&mut self, start: usize) -> Result<String, Fault> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            let plain = self.at;
            while matches!(self.text.as_bytes().get(self.at), Some(byte) if !matches!(byte, b'"' | b'\\' | 0..0x20))
            {
                self.at += 1;
            }
            out.push_str(&self.text[plain..self.at]);
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return self.fault("no control character; write it as \\n, \\t or \\u00xx"),
                None => return self.fault("the closing double quote"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 1;
        let found = match self.text.as_bytes().get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.code_point();
            }
            _ => return self.fault("one of \" \\ / b f n r t u after the backslash"),
        };
        self.at += 1;
        Ok(found)
    }

    /// Reads the four digits of `\uXXXX`, and a second escape where the first is half a pair.
    fn code_point(&mut self) -> Result<char, Fault> {
        let first = self.hex4()?;
        if (0xD800..0xDC00).contains(&first) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let pair = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return char::from_u32(pair).map_or_else(|| self.fault("a character"), Ok);
            }
        }
        char::from_u32(first).map_or_else(|| self.fault("the other half of a surrogate pair"), Ok)
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return self.fault("four hexadecimal digits") };
        self.at += 4;
        Ok(digits.iter().fold(0, |value, digit| value * 16 + char::from(*digit).to_digit(16).unwrap_or(0)))
    }
}
