//! Where each byte of a scalar's value stands in the file: escapes, folded lines and indentation in between.
use super::yaml::Place;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Plain, `|` and `>`: characters stand for themselves, white space may be folded.
    Bare,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
}

/// Returns, for each byte of `value` and its end, the byte of `text` where it stands; `place` is the scalar's.
///
/// Shape: `value.len() + 1` numbers, never decreasing, all within `place`.
pub(crate) fn offsets(text: &str, place: Place, value: &str) -> Vec<usize> {
    let style = style(text, place);
    let mut raw = Raw { text, at: place.start + usize::from(style != Style::Bare), end: place.end };
    let mut offsets = Vec::with_capacity(value.len() + 1);
    for c in value.chars() {
        let at = match style {
            Style::Double => raw.find_escaped(c),
            Style::Single => raw.find_single(c),
            Style::Bare => raw.find(c),
        };
        offsets.extend(std::iter::repeat_n(at, c.len_utf8()));
    }
    offsets.push(raw.at.min(place.end));
    offsets
}

fn style(text: &str, place: Place) -> Style {
    let quote = text.get(place.start..).and_then(|rest| rest.chars().next());
    match quote {
        Some('"') if !follows_block_header(text, place.start) => Style::Double,
        Some('\'') if !follows_block_header(text, place.start) => Style::Single,
        _ => Style::Bare,
    }
}

/// Reports whether the line before is that of `|` or `>`: what looks like a quote is then text.
fn follows_block_header(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end_matches([' ', '\t']);
    let Some(lines) = before.strip_suffix('\n') else { return false };
    let header = lines.trim_end().lines().last().unwrap_or("");
    let header = header.split(" #").next().unwrap_or(header).trim_end();
    header.trim_end_matches(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit()).ends_with(['|', '>'])
}

/// A position in the file that walks along with the value.
struct Raw<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl Raw<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..self.end).and_then(|rest| rest.chars().next())
    }

    /// Finds `c`: as it stands, or behind white space that the value does not have; a blank of the value may
    /// itself stand for folded white space that was passed already.
    fn find(&mut self, c: char) -> usize {
        while let Some(found) = self.peek() {
            if found == c {
                let at = self.at;
                self.at += c.len_utf8();
                return at;
            }
            if !found.is_whitespace() {
                break;
            }
            self.at += found.len_utf8();
        }
        self.at.min(self.end)
    }

    fn find_single(&mut self, c: char) -> usize {
        let at = self.find(c);
        if c == '\'' && self.peek() == Some('\'') {
            self.at += 1;
        }
        at
    }

    fn find_escaped(&mut self, c: char) -> usize {
        // A backslash at the end of a line continues it.
        while self.text.get(self.at..self.end).is_some_and(|rest| rest.starts_with("\\\n")) {
            self.at += 2;
            while self.peek().is_some_and(|c| matches!(c, ' ' | '\t')) {
                self.at += 1;
            }
        }
        if self.peek() != Some('\\') {
            return self.find(c);
        }
        let at = self.at;
        let kind = self.text.get(at + 1..self.end).and_then(|rest| rest.chars().next());
        let digits = match kind {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        self.at = (at + 1 + kind.map_or(0, char::len_utf8) + digits).min(self.end);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::yaml::{Value, parse};
    use proptest::prelude::*;

    /// Returns what stands in the file where `needle` stands in the value of `k`.
    fn found(text: &str, needle: &str) -> (usize, String) {
        let root = parse(text).unwrap();
        let Value::Mapping(entries) = root.value else { panic!("{text}") };
        let (_, node) = entries.into_iter().next().unwrap();
        let Value::Scalar(value) = node.value else { panic!("{text}") };
        let at = value.find(needle).unwrap();
        let map = offsets(text, node.place, &value);
        (map[at], text[map[at]..map[at + needle.len()]].trim_end().to_owned())
    }

    #[test]
    fn every_style_is_mapped() {
        let cases = [
            "k: one bad two",
            "k: 'it''s bad two'",
            "k: \"one \\\"x\\\" \\u0111 bad two\"",
            "k: \"one \\\n    bad two\"",
            "k: |\n  one\n    # x\n  bad two\n",
            "k: >-\n  one\n  two\n\n  bad\n  three\n",
            "k: one\n  two\n  bad three",
            "k: |-\n  \"x\" one\n  bad\n",
            "k: |2-\n    one\n  bad\n",
            "k:\n  \"one bad two\"",
        ];
        for text in cases {
            assert_eq!(found(text, "bad"), (text.find("bad").unwrap(), "bad".into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn offsets_stay_in_place_and_in_order(text in "[ab\"'\\\\ \n|>-]{0,40}", value in "[ab\"'\\\\ \n]{0,40}") {
            let place = Place { start: text.len() / 3, end: text.len() };
            let map = offsets(&text, place, &value);
            prop_assert_eq!(map.len(), value.len() + 1);
            prop_assert!(map.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(map.iter().all(|at| (place.start..=place.end).contains(at)));
        }
    }
}
