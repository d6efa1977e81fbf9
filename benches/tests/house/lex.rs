//! Rust source as tokens: enough to find modules and paths, without comments and literals.
use std::{iter::Peekable, str::Chars};

/// One token and the line that it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Word(String),
    Mark(char),
    /// A string, character or number, or a lifetime.
    Other,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Returns the tokens of a source text. Comments, and with them links in documentation, are left out.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source.chars().peekable(), line: 1 };
    let mut found = Vec::new();
    while let Some(token) = lexer.next_token() {
        found.push(token);
    }
    found
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Option<Token> {
        loop {
            let line = self.line;
            let first = self.bump()?;
            let kind = match first {
                '/' if self.rest.peek() == Some(&'/') => {
                    self.skip_line();
                    continue;
                }
                '/' if self.rest.peek() == Some(&'*') => {
                    self.skip_block();
                    continue;
                }
                white if white.is_whitespace() => continue,
                '"' => self.string(),
                '\'' => self.quote(),
                first if is_word(first) => self.word(first),
                mark => Kind::Mark(mark),
            };
            return Some(Token { kind, line });
        }
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn skip_line(&mut self) {
        while self.bump().is_some_and(|next| next != '\n') {}
    }

    /// Skips a block comment, of which the first slash was read; comments nest.
    fn skip_block(&mut self) {
        let mut depth = 0_usize;
        let mut last = '/';
        while let Some(next) = self.bump() {
            match (last, next) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    last = next;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            last = ' ';
        }
    }

    /// Reads a string with escapes, of which the first quote was read.
    fn string(&mut self) -> Kind {
        while let Some(next) = self.bump() {
            match next {
                '\\' => drop(self.bump()),
                '"' => break,
                _ => {}
            }
        }
        Kind::Other
    }

    /// Reads a character or a lifetime, of which the quote was read.
    fn quote(&mut self) -> Kind {
        let first = self.bump();
        if first == Some('\\') {
            self.bump();
            while self.bump().is_some_and(|next| next != '\'') {}
        } else if self.rest.peek() == Some(&'\'') {
            self.bump();
        }
        // What is left of a lifetime would read as a word.
        else {
            while self.rest.next_if(|next| is_word(*next)).is_some() {}
        }
        Kind::Other
    }

    /// Reads a word, a number, or a string with a prefix such as `br#`.
    fn word(&mut self, first: char) -> Kind {
        let mut word = String::from(first);
        while let Some(next) = self.rest.next_if(|next| is_word(*next)) {
            word.push(next);
        }
        match self.rest.peek() {
            Some('"') if matches!(word.as_str(), "b" | "c") => {
                self.bump();
                self.string()
            }
            Some('\'') if word == "b" => {
                self.bump();
                self.quote()
            }
            Some('"' | '#') if matches!(word.as_str(), "r" | "br" | "cr") => self.raw(),
            _ if first.is_ascii_digit() => Kind::Other,
            _ => Kind::Word(word),
        }
    }

    /// Reads a raw string or a raw word, of which the prefix was read.
    fn raw(&mut self) -> Kind {
        let mut hashes = 0;
        while self.rest.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        if self.rest.next_if_eq(&'"').is_none() {
            return match self.bump() {
                Some(first) if is_word(first) => self.word(first),
                _ => Kind::Other,
            };
        }
        while let Some(next) = self.bump() {
            if next == '"' && (0..hashes).all(|_| self.rest.next_if_eq(&'#').is_some()) {
                break;
            }
        }
        Kind::Other
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

#[test]
fn words_are_found_outside_comments_and_literals() {
    let words = |source: &str| {
        let tokens = tokens(source);
        tokens.iter().filter_map(Token::word).collect::<Vec<_>>().join(" ")
    };
    let table = [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("a \"b \\\" c\" d", "a d"),
        ("r\"a\\\" b r#\"c \" d\"# e br##\"f\"# g\"## h", "b e h"),
        ("b'a' 'b' '\\'' '\\u{41}' c", "c"),
        ("&'a str, 'x: loop", "str loop"),
        ("r#type 1_000u64 0x1f a1", "type a1"),
        ("/// [`crate::a`]\nb", "b"),
    ];
    for (source, expected) in table {
        assert_eq!(words(source), expected, "{source}");
    }
    assert_eq!(tokens("\"a\nb\"\n/*\n*/ c").last().map(|token| token.line), Some(4));
}
