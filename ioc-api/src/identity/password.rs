//! Human passwords: argon2id, and never more of it at once than the machine can stand.
use super::secret::{NoRandom, random_bytes};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::sync::{Condvar, Mutex, PoisonError};

/// Shortest password, in characters (NIST SP 800-63B asks for at least 8).
pub const PASSWORD_LEN_MIN: usize = 10;
/// Longest password, in bytes.
pub const PASSWORD_LEN_MAX: usize = 256;
/// Passwords hashed at the same time; each takes 19 MiB and some 20 ms of a core.
const HASHING_MAX: usize = 2;
/// Sign-ins that wait for one of those; more are told to come back.
const WAITING_MAX: usize = 32;
const SALT_BYTES: usize = 16;

/// A password that could not be hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Shorter than [`PASSWORD_LEN_MIN`] characters or longer than [`PASSWORD_LEN_MAX`] bytes.
    #[error("a password must have {PASSWORD_LEN_MIN} to {PASSWORD_LEN_MAX} characters")]
    Length,
    /// Too many at once.
    #[error("too many sign-ins at once; try again in a few seconds")]
    Busy,
    /// The hash function refused.
    #[error("the password could not be hashed")]
    Hash,
    /// No random numbers for the salt.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// Hashes and checks passwords; blocks for as long as that takes.
#[derive(Debug, Default)]
pub struct Passwords {
    gate: Mutex<Gate>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    running: usize,
    waiting: usize,
}

/// The right to hash; given back when dropped.
struct Turn<'a>(&'a Passwords);

impl Passwords {
    /// Hashes a new password into a PHC string.
    ///
    /// Errors: [`PasswordError`]; the length is checked first.
    pub fn hash(&self, password: &str) -> Result<String, PasswordError> {
        if password.chars().count() < PASSWORD_LEN_MIN || password.len() > PASSWORD_LEN_MAX {
            return Err(PasswordError::Length);
        }
        let salt = random_bytes::<SALT_BYTES>()?;
        let _turn = self.turn()?;
        let hash: PasswordHash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|_| PasswordError::Hash)?;
        Ok(hash.to_string())
    }

    /// Says whether `password` has this PHC string; a string that cannot be read fits none.
    ///
    /// Errors: [`PasswordError::Busy`].
    pub fn verify(&self, password: &str, phc: &str) -> Result<bool, PasswordError> {
        let Ok(hash) = PasswordHash::new(phc) else { return Ok(false) };
        if password.len() > PASSWORD_LEN_MAX {
            return Ok(false);
        }
        let _turn = self.turn()?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }

    fn turn(&self) -> Result<Turn<'_>, PasswordError> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.waiting >= WAITING_MAX {
            return Err(PasswordError::Busy);
        }
        gate.waiting += 1;
        gate = self
            .freed
            .wait_while(gate, |gate| gate.running >= HASHING_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        gate.waiting -= 1;
        gate.running += 1;
        Ok(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_verify_only_against_their_own_hash() {
        let passwords = Passwords::default();
        let phc = passwords.hash("một mật khẩu dài").unwrap();
        assert!(phc.starts_with("$argon2id$"), "{phc}");
        assert_eq!(passwords.verify("một mật khẩu dài", &phc), Ok(true));
        assert_eq!(passwords.verify("một mật khẩu ngắn", &phc), Ok(false));
        assert_eq!(passwords.verify("anything", "not a hash"), Ok(false));
        assert_ne!(passwords.hash("một mật khẩu dài").unwrap(), phc);
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        let passwords = Passwords::default();
        assert_eq!(passwords.hash("mật khẩu"), Err(PasswordError::Length));
        assert_eq!(passwords.hash(&"x".repeat(300)), Err(PasswordError::Length));
    }

    #[test]
    fn no_more_than_the_gate_allows_hash_at_once() {
        let passwords = Passwords::default();
        let turns: Vec<_> = (0..HASHING_MAX).map(|_| passwords.turn().unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| passwords.turn().is_ok());
            while passwords.gate.lock().unwrap().waiting == 0 {
                std::thread::yield_now();
            }
            assert_eq!(passwords.gate.lock().unwrap().running, HASHING_MAX);
            drop(turns);
            assert!(waiting.join().unwrap());
        });
    }
}
