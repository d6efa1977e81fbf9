//! What is done to devices, credentials and people from the command line, the demo and the API: one set of
//! [`Operations`], whether the server runs (over the socket in its data directory) or not (on the directory
//! itself, under its lock).
//!
//! Owns the socket and its line protocol, and opens what server and command line both stand on. Leaves parsing flags and printing to [`crate::cli`].
mod client;
mod foundation;
mod operations;
mod protocol;
mod server;
mod unix_user;

pub use client::{AdminError, execute, execute_telling};
pub use foundation::{FoundationError, load_city, open_foundation};
pub use operations::{OperationError, Operations};
pub(crate) use protocol::chain;
pub use protocol::{Reply, Request, UserAdded};
pub use server::{AdminSocket, Answering, bind};
pub use unix_user::{current_unix_user, unix_user};
