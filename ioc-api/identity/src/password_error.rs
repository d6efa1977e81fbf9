//! Why a password could not be hashed or checked.
use super::NoRandom;

/// A password that could not be hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
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
