//! Who is who and who may what.
//!
//! Owns passwords (argon2id), sessions, display tokens, MQTT credentials, and [`authorize`], the one function that
//! decides. Leaves keeping them to [`ioc_records`] and asking to those who serve requests. Time is an
//! argument everywhere.
mod authorize;
mod config;
mod directory;
mod displays;
mod gate;
mod grants;
mod lanes;
mod local_words;
mod names;
mod origins;
mod password;
mod people;
mod person;
pub mod quality;
mod refusals;
mod secret;
mod sign_in;
mod throttle;
mod tickets;

pub use authorize::{Action, Principal, Resource, Via, authorize};
pub use config::Config;
pub use displays::DISPLAY_TOKENS_MAX;
pub use grants::{CredentialPrincipal, CredentialRefusal, GatewayMembership, Grants};
pub use names::USER_NAME_LEN_MAX;
pub use password::{PASSWORD_LEN_MAX, PASSWORD_LEN_MIN, PasswordError, Passwords};
pub use people::{Identity, SESSIONS_PER_USER_MAX, USERS_MAX};
pub use person::{IdentityError, NewUser, SignInError, SignedIn, UserChange};
pub use quality::Weakness;
pub use secret::{TOKEN_KEY_BYTES, TokenKey, hash_secret, is_token, new_token};
pub use sign_in::{SignInFrom, Turn};

pub use ioc_records::{NoRandom, Role, UnknownRole, random_bytes};
