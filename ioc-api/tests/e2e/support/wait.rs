//! The one way to wait: a condition, looked at again and again, with a deadline.
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything that should come soon may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often is looked.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Looks until `look` finds something; says `what` was waited for when it does not come soon.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, look)
}

/// As [`until`], with a deadline of its own.
pub(crate) fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        thread::sleep(POLL);
    }
}
