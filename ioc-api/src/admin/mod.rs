//! What is done to devices, credentials and people from the command line, the demo and the API: one set of
//! [`Operations`], whether the server runs (over the socket in its data directory) or not (on the directory
//! itself, under its lock).
//!
//! Owns the operations, the socket and its line protocol, and [`Foundation`]: what server and command line
//! both stand on. Leaves parsing flags and printing to [`crate::cli`].
mod client;
mod foundation;
mod operations;
mod protocol;
mod server;
mod unix_user;

pub use client::{AdminError, execute, execute_telling};
pub use foundation::{CityFiles, Foundation, FoundationError, catalogue};
pub use operations::{NewCredential, OperationError, Operations};
pub(crate) use protocol::chain;
pub use protocol::{
    CredentialToken, DeviceAdded, DisplayTokenView, QuarantineView, Reply, Request, UserAdded, UserView,
};
pub use server::{AdminSocket, Answering, bind};
pub use unix_user::{current_unix_user, unix_user};
