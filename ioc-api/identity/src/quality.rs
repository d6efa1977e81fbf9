//! Which new passwords are refused, and why. Those that people have already are never judged.
use super::{
    local_words::{NAMES, PLACES_AND_WORK},
    password::{PASSWORD_LEN_MAX, PASSWORD_LEN_MIN, prepare},
};
use ioc_model::text::fold;
use std::collections::HashSet;
use zxcvbn::{Score, feedback::Warning, zxcvbn};

/// Letters and digits that a password needs beside names, which are tried with some more behind them.
const BESIDE_NAMES_MIN: usize = 6;
/// More names than these are a sentence of their own.
const NAMES_MAX: usize = 2;
/// Shorter words are in every password.
const WORD_LEN_MIN: usize = 3;

/// Why a new password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer than [`PASSWORD_LEN_MIN`] characters.
    #[error("a password must have at least {PASSWORD_LEN_MIN} characters")]
    Short,
    /// More than [`PASSWORD_LEN_MAX`] bytes.
    #[error("a password must have at most {PASSWORD_LEN_MAX} bytes in UTF-8")]
    Long,
    /// A character that no sign-in page can be given.
    #[error("a password cannot hold tabs, line breaks or other control characters")]
    Control,
    /// On a list of leaked passwords, or close to one.
    #[error("this password is close to one that is on every list of common passwords; {ADVICE}")]
    Common,
    /// A word or a name.
    #[error("this password is a word or a name by itself; {ADVICE}")]
    Word,
    /// Neighbouring keys.
    #[error("this password follows the rows of the keyboard; {ADVICE}")]
    Keyboard,
    /// The same again and again.
    #[error("this password repeats a few characters; {ADVICE}")]
    Repeat,
    /// As in `abc` or `6543`.
    #[error("this password is a sequence; {ADVICE}")]
    Sequence,
    /// Dates and years.
    #[error("this password is mostly a date or a year; {ADVICE}")]
    Date,
    /// None of these by itself.
    #[error("this password is easy to guess from the user name, the city or common words; {ADVICE}")]
    Guessable,
}

/// What would be right.
const ADVICE: &str =
    "use four or more words that have nothing to do with each other, or let `ioc user passwd` make one";

impl Weakness {
    /// Returns its stable name, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Short => "password-short",
            Self::Long => "password-long",
            Self::Control => "password-control",
            Self::Common => "password-common",
            Self::Word => "password-word",
            Self::Keyboard => "password-keyboard",
            Self::Repeat => "password-repeat",
            Self::Sequence => "password-sequence",
            Self::Date => "password-date",
            Self::Guessable => "password-guessable",
        }
    }
}

/// Judges a new password of the person `name`. `city` are names of places in it.
///
/// Errors: [`Weakness`] says what would be right.
pub fn judge<'c>(
    password: &str,
    name: &str,
    city: impl IntoIterator<Item = &'c str>,
) -> Result<(), Weakness> {
    let password = prepare(password);
    if password.len() > PASSWORD_LEN_MAX {
        return Err(Weakness::Long);
    }
    if password.chars().count() < PASSWORD_LEN_MIN {
        return Err(Weakness::Short);
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    let words = words(name, city);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The lists know no marks: "mật khẩu" is guessed as "mat khau", with spaces or without.
    let plain = fold(&password);
    let joined: String = plain.split_whitespace().collect();
    if is_little_beside_names(&plain, &words) {
        return Err(Weakness::Guessable);
    }
    [password, plain, joined].iter().try_for_each(|form| judge_form(form, &words))
}

/// Returns what is guessed first, the likeliest before the others: the person's own name and its parts, words of the
/// center, frequent names, places; without marks, and without spaces.
fn words<'c>(name: &str, city: impl IntoIterator<Item = &'c str>) -> Vec<String> {
    let name = fold(name);
    let parts = name.split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty());
    let mut words: Vec<String> = [joined(&name), name.clone()].into_iter().collect();
    words.extend(parts.map(str::to_owned));
    words.extend(PLACES_AND_WORK.iter().chain(&NAMES).map(|word| (*word).to_owned()));
    words.extend(city.into_iter().map(joined));
    let mut known = HashSet::new();
    words.retain(|word| !word.is_empty() && known.insert(word.clone()));
    words
}

/// Returns the letters and digits of a text, without marks.
fn joined(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Reports whether a password is a name or two with little beside them, as in `nguyen-admin1`.
fn is_little_beside_names(plain: &str, words: &[&str]) -> bool {
    let letters = joined(plain);
    let rest = beside_names(&letters, words);
    rest < BESIDE_NAMES_MIN && rest < letters.chars().count()
}

/// Returns how many letters are left when the longest pieces that are names are taken out of a text: `tranhung` is
/// `tran` and `hung`, and not `nhung` with something before it.
fn beside_names(letters: &str, words: &[&str]) -> usize {
    // The fewest left of the text up to a place, by how many names may be taken out of it.
    let mut fewest = vec![[usize::MAX; NAMES_MAX + 1]; letters.len() + 1];
    fewest[0] = [0; NAMES_MAX + 1];
    for (at, letter) in letters.char_indices() {
        let here = fewest[at];
        let next = &mut fewest[at + letter.len_utf8()];
        for (next, here) in next.iter_mut().zip(here) {
            *next = (*next).min(here.saturating_add(1));
        }
        let names =
            words.iter().filter(|word| word.len() >= WORD_LEN_MIN && letters[at..].starts_with(**word));
        for name in names {
            let after = &mut fewest[at + name.len()];
            for (after, here) in after[1..].iter_mut().zip(here) {
                *after = (*after).min(here);
            }
        }
    }
    fewest[letters.len()][NAMES_MAX]
}

/// Characters that are estimated at once. Beyond 27 neighbouring keys the estimator's numbers overflow; what is good
/// enough in one part is good enough as a whole.
const PART_LEN: usize = 24;

fn judge_form(form: &str, words: &[&str]) -> Result<(), Weakness> {
    let letters: Vec<char> = form.chars().collect();
    let mut first = None;
    for part in letters.chunks(PART_LEN) {
        match judge_part(&part.iter().collect::<String>(), words) {
            Ok(()) => return Ok(()),
            Err(weakness) => first = first.or(Some(weakness)),
        }
    }
    Err(first.unwrap_or(Weakness::Short))
}

fn judge_part(part: &str, words: &[&str]) -> Result<(), Weakness> {
    let found = zxcvbn(part, words);
    if found.score() >= Score::Three {
        return Ok(());
    }
    Err(found.feedback().and_then(|feedback| feedback.warning()).map_or(Weakness::Guessable, weakness))
}

fn weakness(warning: Warning) -> Weakness {
    match warning {
        Warning::ThisIsATop10Password
        | Warning::ThisIsATop100Password
        | Warning::ThisIsACommonPassword
        | Warning::ThisIsSimilarToACommonlyUsedPassword => Weakness::Common,
        Warning::AWordByItselfIsEasyToGuess
        | Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
        | Warning::CommonNamesAndSurnamesAreEasyToGuess => Weakness::Word,
        Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            Weakness::Keyboard
        }
        Warning::RepeatsLikeAaaAreEasyToGuess | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            Weakness::Repeat
        }
        Warning::SequencesLikeAbcAreEasyToGuess => Weakness::Sequence,
        Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess => Weakness::Date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        let table = [
            ("mật khẩu", Weakness::Short),
            ("short", Weakness::Short),
            ("", Weakness::Short),
            (&"x".repeat(300), Weakness::Long),
            (&"ế".repeat(100), Weakness::Long),
            ("tab\tand more words", Weakness::Control),
            ("nul\0and more words", Weakness::Control),
            ("password123", Weakness::Common),
            ("P@ssw0rd123", Weakness::Common),
            ("qwertyuiop", Weakness::Common),
            ("1234567890", Weakness::Common),
            ("aaaaaaaaaaaa", Weakness::Repeat),
            ("abcdefghijkl", Weakness::Sequence),
            ("mậtkhẩu123", Weakness::Guessable),
            ("mật khẩu 1", Weakness::Guessable),
            ("huephan.lan", Weakness::Guessable),
            ("phan.lan.1", Weakness::Guessable),
            ("admin admin", Weakness::Guessable),
        ];
        for (password, expected) in table {
            let found = judge(password, "phan.lan", ["Phường Thuận Hóa"]);
            let found = found.expect_err(password);
            let is_guessable = !matches!(found, Weakness::Short | Weakness::Long | Weakness::Control);
            let fits = found == expected || expected == Weakness::Guessable && is_guessable;
            assert!(fits, "{password:?}: {found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn names_with_little_beside_them_are_refused_whoever_they_belong_to() {
        let city = ["Vỹ Dạ", "Thuận Hóa", "Phong Điền"];
        let table = [
            ("u1", "nguyen-admin1"),
            ("u1", "Nguyễn-Admin1"),
            ("u1", "nguyễn admin 1"),
            ("nguyen.admin", "NguyenAdmin1!"),
            ("mai.phuong", "maiphuong99"),
            ("mai.phuong", "Phuong_Mai#1"),
            ("mai.phuong", "mai phương 99"),
            ("u1", "Trần Hưng 2026"),
            ("u1", "ioc-hue-2026"),
            ("u1", "SongHuong2026"),
            ("u1", "vyda123456"),
            ("u1", "Vỹ Dạ 12345"),
            ("u1", "ThuanHoa@123"),
            ("u1", "phong-dien-1"),
            ("le", "lelelelele1"),
            ("quoc", "quocquoc12"),
        ];
        for (name, password) in table {
            assert!(judge(password, name, city).is_err(), "{password:?} of {name}");
        }
        for (name, password) in [
            ("nguyen.admin", "sông Hương, cầu Trường Tiền"),
            ("mai", "con mèo xanh ngủ trên nóc nhà"),
            ("mai", "ba con voi uống trà đá"),
            ("an", "sáu quả trứng vịt lộn"),
            ("hue", "correct horse battery"),
        ] {
            assert_eq!(judge(password, name, city), Ok(()), "{password:?} of {name}");
        }
    }

    #[test]
    fn good_passwords_are_taken() {
        let good = [
            "correct horse battery",
            "sông Hương, cầu Trường Tiền",
            "một mật khẩu dài",
            "Zq8-vT2.kLm1",
            "pCQaZ3n0sVtJm1xW8e_k",
        ];
        for password in good {
            assert_eq!(judge(password, "mai", []), Ok(()), "{password}");
        }
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let all = [
            Weakness::Short,
            Weakness::Long,
            Weakness::Control,
            Weakness::Common,
            Weakness::Word,
            Weakness::Keyboard,
            Weakness::Repeat,
            Weakness::Sequence,
            Weakness::Date,
            Weakness::Guessable,
        ];
        let codes: std::collections::HashSet<_> = all.map(Weakness::code).into();
        assert_eq!(codes.len(), all.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Arithmetic is checked in tests, so that an overflow of the estimator would be seen.
        #[test]
        fn no_password_overflows_the_estimate(
            keys in "[1qaz2wsxQAZ!@4aAeE3$]{1,90}",
            walk in "(qwertyuiop|1qaz|asdfghjkl;|p@ssw0rd|4aA4aA){1,12}",
            anything in "\\PC{0,60}",
        ) {
            for password in [keys, walk, anything] {
                let _ = judge(&password, "mai", []);
            }
        }
    }

    #[test]
    fn nothing_that_is_typed_takes_long_or_panics() {
        for evil in
            ["a".repeat(256), "1a".repeat(128), "20262026".repeat(32), "ư̛".repeat(60), "\u{301}".repeat(100)]
        {
            let _ = judge(&evil, "mai", []);
        }
    }
}
