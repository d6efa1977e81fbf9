//! Text into tokens with byte spans.
use super::{ast::Span, duration::parse_duration, error::LangError};

/// Longest expression in bytes.
pub const EXPR_LEN_MAX: usize = 16 * 1024;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A number.
    Number(f64),
    /// `5m`, in milliseconds.
    Duration(i64),
    /// A string literal, escapes resolved.
    Text(String),
    /// A name or keyword, as written.
    Word(String),
    /// Brackets, commas and operators.
    Symbol(&'static str),
    /// Behind the last one.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// Longer symbols first, so that `=~` is not read as `=`.
const SYMBOLS: [&str; 25] = [
    "=~", "!~", "==", "!=", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ":", "=", "<", ">", "+", "-", "*",
    "/", "%", "^", "@", ";",
];

/// Splits an expression into tokens, the last one [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Lexeme>, LangError> {
    if text.len() > EXPR_LEN_MAX {
        let message = format!("expression of {} bytes is too long; at most {EXPR_LEN_MAX}", text.len());
        return Err(LangError::new(Span::new(0, text.len()), message));
    }
    let mut lexemes = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(text, at);
        let Some(first) = text[at..].chars().next() else { break };
        let (token, end) = match first {
            '"' | '\'' | '`' => string(text, at)?,
            '0'..='9' => number(text, at)?,
            '.' if text[at + 1..].starts_with(|c: char| c.is_ascii_digit()) => number(text, at)?,
            'a'..='z' | 'A'..='Z' | '_' | ':' if first != ':' || starts_name(&text[at + 1..]) => {
                word(text, at)
            }
            _ => symbol(text, at, first)?,
        };
        lexemes.push(Lexeme { token, span: Span::new(at, end) });
        at = end;
    }
    lexemes.push(Lexeme { token: Token::End, span: Span::new(text.len(), text.len()) });
    Ok(lexemes)
}

/// Skips white space and `#` comments.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        at += rest.len() - trimmed.len();
        if !trimmed.starts_with('#') {
            return at;
        }
        at += trimmed.find('\n').unwrap_or(trimmed.len());
    }
}

/// `:` begins a name only when a name goes on behind it; in `[5m:1m]` it stands alone.
fn starts_name(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn word(text: &str, at: usize) -> (Token, usize) {
    let len =
        text[at..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')).count();
    (Token::Word(text[at..at + len].into()), at + len)
}

fn symbol(text: &str, at: usize, first: char) -> Result<(Token, usize), LangError> {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text[at..].starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), at + symbol.len()));
    }
    let error =
        LangError::new(Span::new(at, at + first.len_utf8()), format!("unexpected character {first:?}"));
    Err(match first {
        '&' => error.with_help("write \"and\""),
        '|' => error.with_help("write \"or\""),
        '!' => error.with_help("write \"unless\" or \"!=\""),
        _ => error,
    })
}

/// Reads digits, letters, dots and the sign of an exponent, then decides between number and duration.
fn number(text: &str, at: usize) -> Result<(Token, usize), LangError> {
    let bytes = text.as_bytes();
    let mut end = at;
    let is_hex = text[at..].starts_with("0x") || text[at..].starts_with("0X");
    while end < bytes.len() {
        let after_exponent = end > at && !is_hex && matches!(bytes[end - 1], b'e' | b'E');
        match bytes[end] {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'_' => end += 1,
            b'+' | b'-' if after_exponent => end += 1,
            _ => break,
        }
    }
    let (written, span) = (&text[at..end], Span::new(at, end));
    let bad = || {
        LangError::new(span, format!("{written:?} is neither a number nor a duration"))
            .with_help("numbers look like 0.5, 1e3 or 0x1F, durations like 90s or 1h30m")
    };
    let token = if let Some(digits) = written.strip_prefix("0x").or_else(|| written.strip_prefix("0X")) {
        u64::from_str_radix(&without_underscores(digits).ok_or_else(bad)?, 16)
            .ok()
            .map(|value| Token::Number(value as f64))
    } else if written.ends_with(|c: char| c.is_ascii_alphabetic()) {
        parse_duration(written).ok().map(Token::Duration)
    } else {
        without_underscores(written).ok_or_else(bad)?.parse().ok().map(Token::Number)
    };
    Ok((token.ok_or_else(bad)?, end))
}

/// Underscores may stand between digits only.
fn without_underscores(digits: &str) -> Option<String> {
    let parts: Vec<&str> = digits.split('_').collect();
    let inner = parts.windows(2).all(|pair| {
        pair[0].ends_with(|c: char| c.is_ascii_hexdigit())
            && pair[1].starts_with(|c: char| c.is_ascii_hexdigit())
    });
    inner.then(|| parts.concat())
}

/// Reads a string literal: `"…"` and `'…'` with Go's escapes, `` `…` `` as it stands.
fn string(text: &str, at: usize) -> Result<(Token, usize), LangError> {
    let quote = text[at..].chars().next().unwrap_or('"');
    let open = || {
        LangError::new(Span::new(at, text.len()), "string is not closed")
            .with_help(format!("add {quote} at its end"))
    };
    let mut bytes = Vec::new();
    let mut rest = &text[at + 1..];
    loop {
        let c = rest.chars().next().ok_or_else(open)?;
        let place = text.len() - rest.len();
        rest = &rest[c.len_utf8()..];
        match c {
            _ if c == quote => {
                let end = text.len() - rest.len();
                let not_text =
                    |_| LangError::new(Span::new(at, end), "string is not UTF-8 after resolving its escapes");
                return Ok((Token::Text(String::from_utf8(bytes).map_err(not_text)?), end));
            }
            '\n' if quote != '`' => return Err(open()),
            '\\' if quote != '`' => rest = escape(text, place, rest, quote, &mut bytes)?,
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Resolves one escape; `rest` begins behind the backslash at byte `place`. Returns what follows it.
fn escape<'a>(
    text: &str,
    place: usize,
    rest: &'a str,
    quote: char,
    out: &mut Vec<u8>,
) -> Result<&'a str, LangError> {
    let bad = |len: usize| {
        let mut end = (place + 1 + len).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let span = Span::new(place, end);
        LangError::new(span, format!("unknown escape {}", &text[place..end]))
            .with_help("write \\\\ for a backslash")
    };
    let c = rest.chars().next().ok_or_else(|| bad(0))?;
    let simple = match c {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        _ if c == quote => Some(quote as u8),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Ok(&rest[1..]);
    }
    let (skip, digits, radix) = match c {
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        '0'..='7' => (0, 3, 8),
        _ => return Err(bad(c.len_utf8())),
    };
    let code = rest.get(skip..skip + digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
    let code =
        code.and_then(|text| u32::from_str_radix(text, radix).ok()).ok_or_else(|| bad(skip + digits))?;
    match c {
        'u' | 'U' => {
            let c = char::from_u32(code).ok_or_else(|| bad(skip + digits))?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => out.push(u8::try_from(code).map_err(|_| bad(skip + digits))?),
    }
    Ok(&rest[skip + digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Result<Token, String> {
        let mut lexemes = tokens(text).map_err(|error| error.to_string())?;
        assert_eq!(lexemes.len(), 2, "{text}: {lexemes:?}");
        Ok(lexemes.remove(0).token)
    }

    #[test]
    fn numbers_and_durations_are_told_apart() {
        let numbers = [
            ("0.5", 0.5),
            (".5", 0.5),
            ("1e3", 1e3),
            ("2E-1", 0.2),
            ("0x1F", 31.0),
            ("1_000", 1e3),
            ("5.", 5.0),
        ];
        for (text, value) in numbers {
            assert_eq!(only(text), Ok(Token::Number(value)), "{text}");
        }
        assert_eq!(only("1h30m"), Ok(Token::Duration(5_400_000)));
        for bad in ["1x", "1.2.3", "0xg", "1__0", "5mm", "1e"] {
            assert!(only(bad).unwrap_err().contains("neither a number nor a duration"), "{bad}");
        }
    }

    #[test]
    fn strings_resolve_escapes() {
        let cases = [
            (r#""a\"b\n""#, "a\"b\n"),
            (r"'it\'s'", "it's"),
            (r"`a\d`", r"a\d"),
            (r#""\u0111\x41\101""#, "đAA"),
            ("\"Huế\"", "Huế"),
        ];
        for (text, value) in cases {
            assert_eq!(only(text), Ok(Token::Text(value.into())), "{text}");
        }
        for bad in
            ["\"a", "'a\nb'", r#""\q""#, r#""\xZZ""#, r#""\uD800""#, r#""\xff""#, "\"\\ế\"", "\"\\x4ế\""]
        {
            assert!(only(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_and_comments() {
        let lexemes = tokens("a # b\n>= 5m").unwrap();
        let spans: Vec<_> = lexemes.iter().map(|lexeme| (lexeme.span.start, lexeme.span.end)).collect();
        assert_eq!(spans, [(0, 1), (6, 8), (9, 11), (11, 11)]);
        assert!(tokens("a && b").unwrap_err().to_string().contains("write \"and\""));
    }
}
