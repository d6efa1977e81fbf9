//! The certificates of our listeners.
mod certificate;
mod demo;
mod expiry;
mod watch;

pub use certificate::{Certificate, TlsError};
pub use demo::self_signed;
pub use watch::{renew, tell_expiry};
