//! Identities of people, devices and displays, and what they may do.
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
mod lock;
mod names;
mod origins;
mod password;
mod password_error;
mod people;
mod person;
pub mod quality;
mod refusals;
mod secret;
mod sign_in;
mod throttle;
mod tickets;
mod turn;

pub use authorize::{Action, Principal, Resource, Via, authorize};
pub use config::Config;
pub use displays::DISPLAY_TOKENS_MAX;
pub use grants::{CredentialPrincipal, CredentialRefusal, GatewayMembership, Grants};
pub use password::{PASSWORD_LEN_MAX, PASSWORD_LEN_MIN, Passwords};
pub use password_error::PasswordError;
pub use people::{Identity, SESSIONS_PER_USER_MAX, USERS_MAX};
pub use person::{IdentityError, NewUser, SignInError, SignedIn, USER_NAME_LEN_MAX, UserChange};
pub use quality::Weakness;
pub use secret::{TOKEN_KEY_BYTES, TokenKey, hash_secret, is_token, new_token};
pub use turn::{SignInFrom, Turn};

pub use ioc_records::{NoRandom, Role, UnknownRole, random_bytes};
