//! Locks of what is in memory.
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock whose holder cannot have left anything half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
