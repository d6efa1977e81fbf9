//! The identity of a rule's definition.
use crate::rule::RuleHash;

/// FNV-1a with 128 bits: the same on every machine and in every version, and wide enough never to collide by
/// accident. It guards against mistakes, not against attackers: who writes rules may write any rule.
pub(crate) struct Hasher(u128);

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

impl Hasher {
    pub(crate) fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    /// Adds a field with its length, so that `("ab", "c")` and `("a", "bc")` differ.
    pub(crate) fn field(&mut self, text: &str) {
        let len = (text.len() as u64).to_le_bytes();
        for byte in len.into_iter().chain(text.bytes()) {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) fn finish(self) -> RuleHash {
        RuleHash(self.0)
    }
}
