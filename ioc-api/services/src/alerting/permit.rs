//! Permits for commands of people.
use super::ActionError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Commands under way at once; beyond it the API answers 503.
const COMMANDS_MAX: usize = 256;

/// Counts the commands under way.
#[derive(Debug, Default)]
pub(super) struct Permits(AtomicUsize);

/// Allows one command, as long as it lives.
#[derive(Debug)]
pub(super) struct ActionPermit<'p>(&'p AtomicUsize);

impl Permits {
    /// Takes a permit.
    ///
    /// Errors: all are taken.
    pub(super) fn take(&self) -> Result<ActionPermit<'_>, ActionError> {
        let permit = ActionPermit(&self.0);
        match self.0.fetch_add(1, Relaxed) < COMMANDS_MAX {
            true => Ok(permit),
            false => Err(ActionError::busy()),
        }
    }
}

impl Drop for ActionPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_back_and_are_bounded() {
        let permits = Permits::default();
        for _ in 0..2 {
            let taken: Vec<_> = (0..COMMANDS_MAX).map(|_| permits.take().unwrap()).collect();
            assert_eq!(permits.take().unwrap_err(), ActionError::busy());
            assert_eq!(permits.take().unwrap_err(), ActionError::busy());
            drop(taken);
        }
    }
}
