//! Names of connections within their thread.

/// Names a connection of one reactor; never reused for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}
