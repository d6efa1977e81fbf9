//! A reader of JSON text that borrows, allocates only for escapes and errors, and knows no tree.
//!
//! It accepts exactly what RFC 8259 does, with two differences: nesting deeper than [`DEPTH_MAX`] is
//! refused, and in the place of a value the words `NaN`, `Infinity` and `-Infinity` are read as
//! [`Raw::NotFinite`]. Many firmwares write them; refusing that one value keeps the good ones beside it.
use std::borrow::Cow;

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
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite(&'a str),
    Text(Cow<'a, str>),
    Array,
    Object,
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Position of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn fault<T>(&self, expected: &'static str) -> Result<T, Fault> {
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
            return self.fault("a name in double quotes");
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

    fn value_within(&mut self, depth: usize) -> Result<Raw<'a>, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(Raw::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Raw::Bool(true)),
            Some(b'f') => self.word("false", Raw::Bool(false)),
            Some(b'n') => self.word("null", Raw::Null),
            Some(b'N') => self.not_finite("NaN"),
            Some(b'I') => self.not_finite("Infinity"),
            Some(b'[' | b'{') if depth == 0 => self.fault("less nesting"),
            Some(b'[') => self.array(depth - 1).map(|()| Raw::Array),
            Some(b'{') => self.object(depth - 1).map(|()| Raw::Object),
            _ => self.fault("a value"),
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

    fn word(&mut self, word: &'static str, raw: Raw<'a>) -> Result<Raw<'a>, Fault> {
        match self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(raw)
            }
            false => self.fault("a value"),
        }
    }

    fn not_finite(&mut self, word: &'static str) -> Result<Raw<'a>, Fault> {
        self.word(word, Raw::NotFinite(word))
    }

    fn number(&mut self) -> Result<Raw<'a>, Fault> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        if bytes[self.at..].starts_with(b"-Infinity") {
            return self.word("-Infinity", Raw::NotFinite("-Infinity"));
        }
        self.at += usize::from(bytes[self.at] == b'-');
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Raw::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { self.fault("a digit") } else { Ok(()) }
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
