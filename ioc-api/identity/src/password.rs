//! Human passwords: argon2id, and never more of it at once than the machine can stand.
//!
//! A password is a text that people type, and keyboards write the same letters in different bytes. It is hashed in the
//! form of the OpaqueString profile of RFC 8265: composed characters (NFC), every kind of space as a plain one, capitals
//! left as they are.
use super::{gate::Gate, password_error::PasswordError, random_bytes, throttle::Caller};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use ioc_model::text::{nfc, nfd};

/// Shortest password, in characters (NIST SP 800-63B asks for at least 8).
pub const PASSWORD_LEN_MIN: usize = 10;
/// Longest password, in bytes of its hashed form.
pub const PASSWORD_LEN_MAX: usize = 256;
/// Longest password as typed, in bytes: a decomposed letter takes up to five times the bytes of the composed one.
const TYPED_LEN_MAX: usize = 5 * PASSWORD_LEN_MAX;
const SALT_BYTES: usize = 16;

/// Whether a password is the one that was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verified {
    /// It is not.
    No,
    /// It is, in the form in which passwords are hashed now.
    Yes,
    /// It is, and was hashed in another form: time to hash it again.
    Outdated,
}

impl Verified {
    /// Reports whether it is the right password.
    pub(super) fn is_right(self) -> bool {
        self != Self::No
    }
}

/// Hashes and checks passwords; blocks for as long as that takes.
#[derive(Debug, Default)]
pub struct Passwords {
    gate: Gate,
}

/// Returns a password in the form in which it is hashed.
pub(super) fn prepare(password: &str) -> String {
    let is_space = |c: char| c != ' ' && c.is_whitespace() && !c.is_control();
    let spaced: String = password.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    nfc(&spaced).into_owned()
}

/// Returns the forms in which a typed password may have been hashed, today's first. Those before today's form hashed
/// the bytes as they came.
fn forms(password: &str) -> Vec<String> {
    if password.len() > TYPED_LEN_MAX {
        return Vec::new();
    }
    let mut forms = vec![prepare(password)];
    for older in [password.to_owned(), nfd(password).into_owned(), nfc(password).into_owned()] {
        if !forms.contains(&older) {
            forms.push(older);
        }
    }
    forms.retain(|form| form.len() <= TYPED_LEN_MAX);
    forms
}

impl Passwords {
    /// Hashes a new password into a PHC string. Whether it is a good one is asked before; see [`super::quality`].
    ///
    /// Errors: [`PasswordError`].
    pub fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt = random_bytes::<SALT_BYTES>()?;
        let _turn = self.gate.enter(None)?;
        let hash: PasswordHash = Argon2::default()
            .hash_password_with_salt(prepare(password).as_bytes(), &salt)
            .map_err(|_| PasswordError::Hash)?;
        Ok(hash.to_string())
    }

    /// Reports whether `password` has this PHC string; a string that cannot be read fits none. `caller` is whose share
    /// of the processor it takes; `None` is our own.
    ///
    /// Errors: [`PasswordError::Busy`].
    pub(super) fn verify(
        &self,
        password: &str,
        phc: &str,
        caller: Option<&Caller>,
    ) -> Result<Verified, PasswordError> {
        let Ok(hash) = PasswordHash::new(phc) else { return Ok(Verified::No) };
        let _turn = self.gate.enter(caller)?;
        let fits = |form: &String| Argon2::default().verify_password(form.as_bytes(), &hash).is_ok();
        Ok(match forms(password).iter().position(fits) {
            None => Verified::No,
            Some(0) => Verified::Yes,
            Some(_) => Verified::Outdated,
        })
    }
}

/// Hashes the bytes as they are, as was done before there was one form.
#[cfg(test)]
pub(super) fn hash_bytes(password: &str) -> String {
    let hash: PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &[7; SALT_BYTES]).unwrap();
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_verify_only_against_their_own_hash() {
        let passwords = Passwords::default();
        let phc = passwords.hash("một mật khẩu dài").unwrap();
        let verify = |password: &str, phc: &str| passwords.verify(password, phc, None).unwrap();
        assert!(phc.starts_with("$argon2id$"), "{phc}");
        assert_eq!(verify("một mật khẩu dài", &phc), Verified::Yes);
        for other in ["một mật khẩu ngắn", "mot mat khau dai", "Một mật khẩu dài", "", "một mật khẩu dài "]
        {
            assert_eq!(verify(other, &phc), Verified::No, "{other}");
        }
        assert_eq!(verify("anything", "not a hash"), Verified::No);
        assert_eq!(verify(&"x".repeat(100_000), &phc), Verified::No);
        assert_ne!(passwords.hash("một mật khẩu dài").unwrap(), phc);
    }

    #[test]
    fn a_password_is_the_same_whatever_keyboard_wrote_it() {
        let passwords = Passwords::default();
        let composed = "sông Hương, cầu Trường Tiền";
        let decomposed = nfd(composed).into_owned();
        assert_ne!(composed, decomposed);
        let wide_spaces = composed.replace(' ', "\u{3000}");
        let hard_spaces = decomposed.replace(' ', "\u{a0}");
        let spellings = [composed, &decomposed, &wide_spaces, &hard_spaces];
        for hashed in spellings {
            let phc = passwords.hash(hashed).unwrap();
            for typed in spellings {
                assert_eq!(passwords.verify(typed, &phc, None), Ok(Verified::Yes), "{hashed:?} {typed:?}");
            }
        }
    }

    #[test]
    fn a_hash_of_bytes_as_they_came_still_verifies() {
        let passwords = Passwords::default();
        let composed = "sông Hương, cầu Trường Tiền";
        let decomposed = nfd(composed).into_owned();
        assert_eq!(passwords.verify(composed, &hash_bytes(composed), None), Ok(Verified::Yes));
        assert_eq!(passwords.verify(&decomposed, &hash_bytes(composed), None), Ok(Verified::Yes));
        assert_eq!(passwords.verify(&decomposed, &hash_bytes(&decomposed), None), Ok(Verified::Outdated));
        assert_eq!(passwords.verify(composed, &hash_bytes(&decomposed), None), Ok(Verified::Outdated));
        let wide = "một\u{3000}mật khẩu";
        assert_eq!(passwords.verify(wide, &hash_bytes(wide), None), Ok(Verified::Outdated));
    }

    proptest! {
        #[test]
        fn one_form_for_all_spellings(password in "\\PC{0,40}") {
            let prepared = prepare(&password);
            prop_assert_eq!(prepare(&prepared), prepared.clone());
            prop_assert_eq!(prepare(&nfd(&password)), prepared.clone());
            prop_assert!(forms(&password).len() <= 4);
            prop_assert_eq!(&forms(&password)[0], &prepared);
        }
    }
}
