//! What decoding a message looks at beside its bytes.
use super::{
    Context, DecodeLimits,
    property::Properties,
    sequence::{Delivery, SequenceMemory},
};
use crate::DeviceClocks;
use std::cell::Cell;

/// Everything that reading an element needs to know.
pub(super) struct Scope<'a> {
    pub(super) properties: &'a Properties,
    pub(super) sequences: &'a SequenceMemory,
    pub(super) clocks: &'a DeviceClocks,
    pub(super) limits: &'a DecodeLimits,
    pub(super) context: &'a Context<'a>,
    pub(super) delivery: Delivery<'a>,
    /// The syntax of the whole message is known to be right.
    pub(super) is_checked: Cell<bool>,
    /// The message is an array.
    pub(super) in_array: Cell<bool>,
}
