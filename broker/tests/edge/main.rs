//! The edge over real sockets, with the access control and the journal in memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]
mod behaviour;
mod client;
mod doors;
mod durability;
mod hostile;
mod journal;
mod limits;
mod subscribers;
mod support;
mod waiting;
