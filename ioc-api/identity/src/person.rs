//! What is asked and answered about people and their sign-ins.
use super::{NoRandom, PasswordError, Principal, Role, Weakness};
use ioc_model::{Domain, catalogue::UnknownDomain};
use ioc_records::RecordsError;
use std::time::Duration;

/// Longest name, in bytes.
pub const USER_NAME_LEN_MAX: usize = 64;

/// What was asked about a person could not be done.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// A new password that is easy to guess.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// A name that cannot be one.
    #[error("{0:?} is not a name; use 1 to {USER_NAME_LEN_MAX} of a-z 0-9 _ . @ -, without marks and spaces")]
    Name(String),
    /// A name that means something else in an address.
    #[error(
        "{0:?} means another place in an address, so browsers could not name it; use a letter or digit, too"
    )]
    PathStep(String),
    /// A name that stands for someone else in the audit trail.
    #[error("{0:?} stands for the system itself in the audit trail; choose another name")]
    Reserved(String),
    /// A ward that the city does not have.
    #[error("the city has no ward {0:?}; GET /api/v1/areas lists their codes")]
    UnknownWard(String),
    /// A domain that the city does not have.
    #[error(transparent)]
    UnknownDomain(#[from] UnknownDomain),
    /// Nobody could manage people any more.
    #[error(
        "{0} is the only admin of the whole city; make someone else admin of all domains and wards first"
    )]
    LastAdmin(String),
    /// Too many of them.
    #[error("there are already {max} {what}; remove one first")]
    TooMany {
        /// As in "users".
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
}

/// A sign-in that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong name, wrong password, or may not sign in: which of them is not told.
    #[error("wrong user name or password")]
    Refused,
    /// Too many failures.
    #[error("too many failed sign-ins; wait {} s", wait.as_secs().max(1))]
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// It could not be decided.
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

/// A sign-in that succeeded.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session id for the cookie; nobody keeps it but the browser.
    pub secret: String,
    /// The secret by which the browser is known at the next sign-in; kept by the browser, too.
    pub browser: String,
    /// Who it is.
    pub caller: Principal,
    /// When it ends, milliseconds since the epoch.
    pub expires_ms: i64,
    /// Whether it survives a restart; `false` while the disk is full.
    pub durable: bool,
}

/// A person to add.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Sign-in name.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
    /// Only these domains; empty = all.
    pub domains: Vec<Domain>,
    /// Only these wards; empty = all.
    pub wards: Vec<String>,
    /// See [`super::quality`].
    pub password: String,
}

/// What to change about a person; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// What they may do at most.
    pub role: Option<Role>,
    /// Only these domains; empty = all.
    pub domains: Option<Vec<Domain>>,
    /// Only these wards; empty = all.
    pub wards: Option<Vec<String>>,
    /// A new password; ends all sign-ins.
    pub password: Option<String>,
    /// Whether they may not sign in; `true` ends all sign-ins.
    pub disabled: Option<bool>,
}
