//! Whether the start is complete: what the journal holds has reached history, last values and rules.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Tells whether the start is complete.
#[derive(Debug, Clone, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// Notes that the start is complete.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Reports whether the start is complete.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
