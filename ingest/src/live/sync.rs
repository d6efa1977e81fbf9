//! What writers and readers of a cell meet at. In tests with `--cfg loom` it is the model checker's, which runs a test in
//! every order of its threads that the memory model allows.
#[cfg(all(test, loom))]
pub(super) use loom::{hint, sync::atomic};
#[cfg(not(all(test, loom)))]
pub(super) use std::{hint, sync::atomic};
