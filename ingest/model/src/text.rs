//! Text that came from outside, brought to one form before it is compared.
//!
//! Vietnamese keyboards write "ế" as one code point (NFC) or as three (NFD), and both look the same. Compare
//! names with [`nfc`], and what people search with [`fold`].
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfc_quick};

/// Returns `text` with composed characters (NFC). Borrows when it is so already.
pub fn nfc(text: &str) -> Cow<'_, str> {
    // The quick check looks every character up in a table.
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

/// Returns `text` with composed characters, wide and other compatible forms as plain ones (NFKC). For names that may
/// not look alike; elsewhere it loses meaning (`m³` becomes `m3`).
pub fn nfkc(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfkc().collect()),
    }
}

/// Returns `text` with decomposed characters (NFD).
pub fn nfd(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfd().collect()),
    }
}

/// Returns `text` as it is searched for: lower case, without marks, `đ` as `d`, wide and other compatible
/// forms as plain ones. Two texts that differ may fold to the same, so this is not for identity.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Some capitals become a letter and a mark ("İ"), some compatible forms decompose to capitals ("K").
    let lower = text.nfkd().flat_map(char::to_lowercase);
    lower.nfkd().filter(|c| !is_combining_mark(*c)).map(plain_d).collect()
}

/// Longest text that a label, a name or a code may have, in bytes.
pub const TEXT_LEN_MAX: usize = 256;

/// Checks a text that is shown, logged and compared: not longer than [`TEXT_LEN_MAX`], no control characters.
///
/// Errors: what is wrong and what would be right, as the rest of a sentence.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() <= TEXT_LEN_MAX && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(format!("has {} bytes; expected at most {TEXT_LEN_MAX} without control characters", text.len()))
}

/// The Vietnamese letter has no decomposition; Eth and the African D look like its capital and are mistaken for it.
fn plain_d(c: char) -> char {
    match c {
        'đ' | 'ð' | 'ɖ' => 'd',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_a_name_are_one() {
        let (composed, decomposed) = ("Huế", "Hue\u{302}\u{301}");
        assert_ne!(composed, decomposed);
        assert_eq!(nfc(decomposed), composed);
        assert!(matches!(nfc(composed), Cow::Borrowed(_)));
        assert!(matches!(nfc("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn wide_letters_of_a_name_are_plain_and_nothing_else_is_lost() {
        assert_eq!(nfkc("ｍａｉ　ＬＥ"), "mai LE");
        assert_eq!(nfkc("Huế"), nfc("Huế"));
        assert_eq!(nfc(&nfd("Huế")), "Huế");
        assert_eq!(nfd("Huế").chars().count(), 5);
    }

    #[test]
    fn a_search_needs_no_marks() {
        let cases = [
            ("Phường Thuận Hóa", "phuong thuan hoa"),
            ("Phường Thuận Hoá", "phuong thuan hoa"),
            ("Đường Lê Lợi", "duong le loi"),
            ("ÐƯỜNG", "duong"),
            ("\u{189}a\u{300}", "da"),
            ("ＫＩＭ　Ｌｏｎｇ", "kim long"),
            ("İ", "i"),
            ("PM2.5 µg/m³", "pm2.5 μg/m3"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(fold(text), expected, "{text}");
            assert_eq!(fold(&text.nfd().collect::<String>()), expected, "{text} decomposed");
        }
    }

    #[test]
    fn texts_are_bounded_and_without_control_characters() {
        let bad = ["\n", "a\u{0}", "\u{85}", "\u{9b}31m", &"x".repeat(TEXT_LEN_MAX + 1)];
        assert!(bad.iter().all(|text| check(text).is_err()));
        assert!(["", "Lê Lợi", &"x".repeat(TEXT_LEN_MAX)].iter().all(|text| check(text).is_ok()));
    }

    proptest! {
        #[test]
        fn forms_do_not_matter(text in "\\PC{0,30}") {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(nfc(&decomposed), nfc(&text));
            prop_assert_eq!(fold(&decomposed), fold(&text));
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
