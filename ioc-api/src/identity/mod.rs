//! Who is who and who may what.
//!
//! Owns passwords (argon2id), sessions, display tokens, MQTT credentials, and [`may`], the one function that
//! decides. Leaves keeping them to [`crate::records`] and asking to those who serve requests. Time is an
//! argument everywhere.
mod grants;
mod may;
mod password;
mod people;
mod person;
mod role;
mod secret;
mod throttle;

pub use grants::{Grants, Lineage};
pub use may::{Action, Caller, Object, Via, may};
pub use password::{PASSWORD_LEN_MAX, PASSWORD_LEN_MIN, PasswordError, Passwords};
pub use people::{DISPLAY_TOKENS_MAX, Identity, SESSIONS_PER_USER_MAX, USER_NAME_LEN_MAX, USERS_MAX};
pub use person::{IdentityError, NewUser, SignInError, SignedIn, UserChange};
pub use role::{Role, UnknownRole};
pub use secret::{NoRandom, TOKEN_KEY_BYTES, TokenKey, hash_secret, new_token, random_bytes};
