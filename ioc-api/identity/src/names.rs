//! Names of people and screens. Two spellings that people take for the same name are the same name.
//!
//! What is typed is folded as in the UsernameCaseMapped profile of RFC 8265: wide forms become plain ones, capitals
//! small, and spaces around are dropped, since keyboards of phones add them. What is left must be ASCII, so that no two
//! names look alike.
use super::person::{IdentityError, USER_NAME_LEN_MAX};
use ioc_model::text::nfkc;

/// Characters of a name that is not one, in messages and in the audit trail.
const SHOWN_LEN: usize = 80;

/// Actors of the audit trail that are not people, and what begins the names of other actors (`cli:root`).
const RESERVED: [&str; 6] = ["system", "anonymous", "cli", "display", "device", "ioc"];

/// Returns the one form under which a name is kept and found.
pub(super) fn canonical(name: &str) -> String {
    // Longer than any name in any form: nothing is found, and nothing large is worked on.
    let bounded: String = name.chars().take(4 * USER_NAME_LEN_MAX).collect();
    nfkc(&bounded).trim().to_lowercase()
}

/// Returns the canonical form of a new name.
///
/// Errors: it cannot be one, or is an actor of the audit trail.
pub(super) fn new_name(name: &str) -> Result<String, IdentityError> {
    let canonical = canonical(name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    if !(1..=USER_NAME_LEN_MAX).contains(&canonical.len()) || !canonical.bytes().all(fits) {
        return Err(IdentityError::Name(shown(name)));
    }
    if is_path_step(&canonical) {
        return Err(IdentityError::PathStep(canonical));
    }
    match is_reserved(&canonical) {
        true => Err(IdentityError::Reserved(canonical)),
        false => Ok(canonical),
    }
}

/// Reports whether browsers and proxies take this for a step in a path (RFC 3986 §5.2.4): what has this name in an address
/// is never asked for.
fn is_path_step(canonical: &str) -> bool {
    matches!(canonical, "." | "..")
}

/// Reports whether this is an actor of the audit trail that is not a person.
pub(super) fn is_reserved(canonical: &str) -> bool {
    RESERVED.contains(&canonical)
}

/// Returns a name that was typed as it may be shown: bounded, and without what would move the cursor.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_LEN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        for spelling in
            ["mai", "Mai", "MAI", " mai ", "ｍａｉ", "ＭＡＩ", "mai\u{3000}", "\tmai", "mai\u{a0}"]
        {
            assert_eq!(new_name(spelling).unwrap(), "mai", "{spelling:?}");
        }
        for name in ["mai.le", "mai_le", "le-mai", "mai@hue", "0", &"x".repeat(64)] {
            assert_eq!(new_name(name).unwrap(), *name);
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        let long = "x".repeat(65);
        let bad = [
            "",
            " ",
            "a b",
            "a\u{a0}b",
            "a/b",
            "a:b",
            "cli:root",
            "display:wall",
            "mái",
            "mai\u{301}",
            "ma\u{131}",
            "m\u{430}i",
            "mai\u{200b}",
            "mai\0",
            "a\nb",
            "🙂",
            &long,
        ];
        for name in bad {
            assert!(matches!(new_name(name), Err(IdentityError::Name(_))), "{name:?}");
        }
        for name in [".", "..", " .. ", "．．", "․", "‥"] {
            assert!(matches!(new_name(name), Err(IdentityError::PathStep(_))), "{name:?}");
        }
        for name in ["...", ".a", "a..", "@.", "-"] {
            assert_eq!(new_name(name).unwrap(), name);
        }
        for name in ["system", "System", " ANONYMOUS ", "ｓｙｓｔｅｍ", "cli", "display"] {
            assert!(matches!(new_name(name), Err(IdentityError::Reserved(_))), "{name:?}");
        }
    }

    #[test]
    fn what_is_shown_of_a_name_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN_LEN);
    }

    proptest! {
        #[test]
        fn a_name_is_found_under_whatever_it_was_given(name in "\\PC{0,20}") {
            if let Ok(name) = new_name(&name) {
                prop_assert_eq!(new_name(&name).unwrap(), name.clone());
                prop_assert_eq!(canonical(&name.to_uppercase()), name);
            }
        }
    }
}
