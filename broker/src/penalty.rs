//! Repeated wrong tokens slow an address down, for that credential and for no other.
use ioc_model::share::Network;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Wrong tokens that cost nothing: a typing error, a token just rotated.
const FREE_FAILURES: u32 = 3;
/// Delay after the first failure that costs; doubles with each.
const DELAY_FIRST: Duration = Duration::from_millis(250);
/// An attempt that would have to wait longer is refused unseen.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// Without a failure for this long all is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// (address, credential) pairs remembered; then the first one goes.
const ENTRIES_MAX: usize = 8_192;
/// Characters of a user name that are kept as a key; names that differ only after them share one entry.
const NAME_CHARS_MAX: usize = 128;

type Key = (Network, Box<str>);

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
    not_before: Instant,
}

/// The attempt would have to wait longer than [`WAIT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlowedDown;

/// Who failed how often. The lock is taken once per CONNECT, for a few lines.
#[derive(Debug, Default)]
pub(crate) struct Penalties {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// The keys of `entries`, oldest first.
    order: VecDeque<Key>,
}

fn key(address: Network, credential: &str) -> Key {
    (address, credential.chars().take(NAME_CHARS_MAX).collect::<String>().into())
}

fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        None | Some(0) => Duration::ZERO,
        Some(costly) => DELAY_FIRST.saturating_mul(1 << (costly - 1).min(16)).min(WAIT_MAX),
    }
}

impl Penalties {
    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how long an attempt at `now` has to wait before its token is looked at. Attempts made at the
    /// same time queue up one behind the other.
    ///
    /// Errors: [`SlowedDown`] when that is too long.
    pub(crate) fn wait(
        &self,
        address: Network,
        credential: &str,
        now: Instant,
    ) -> Result<Duration, SlowedDown> {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&key(address, credential)) else {
            return Ok(Duration::ZERO);
        };
        let wait = entry.not_before.saturating_duration_since(now);
        if wait > WAIT_MAX {
            return Err(SlowedDown);
        }
        entry.not_before = entry.not_before.max(now) + delay(entry.failures);
        Ok(wait)
    }

    /// Notes a wrong token.
    pub(crate) fn failed(&self, address: Network, credential: &str, now: Instant) {
        let mut table = self.table();
        let key = key(address, credential);
        if let Some(entry) = table.entries.get_mut(&key) {
            let forgotten = now.saturating_duration_since(entry.last) > FORGET_AFTER;
            entry.failures = if forgotten { 1 } else { entry.failures.saturating_add(1) };
            entry.last = now;
            entry.not_before = entry.not_before.max(now + delay(entry.failures));
            return;
        }
        if table.entries.len() >= ENTRIES_MAX
            && let Some(oldest) = table.order.pop_front()
        {
            table.entries.remove(&oldest);
        }
        table.order.push_back(key.clone());
        table.entries.insert(key, Entry { failures: 1, last: now, not_before: now });
    }

    /// Forgets the failures after a right token.
    pub(crate) fn succeeded(&self, address: Network, credential: &str) {
        let mut table = self.table();
        let key = key(address, credential);
        if table.entries.remove(&key).is_some() {
            table.order.retain(|other| *other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::share::IPV6_PREFIX_DEFAULT;
    use std::net::Ipv4Addr;

    fn address(last: u8) -> Network {
        Network::of(Ipv4Addr::new(10, 0, 0, last).into(), IPV6_PREFIX_DEFAULT)
    }

    #[test]
    fn only_the_failing_pair_is_slowed() {
        let (penalties, now) = (Penalties::default(), Instant::now());
        for _ in 0..=FREE_FAILURES {
            assert_eq!(penalties.wait(address(1), "a", now), Ok(Duration::ZERO));
            penalties.failed(address(1), "a", now);
        }
        assert_eq!(penalties.wait(address(1), "a", now), Ok(DELAY_FIRST));
        assert_eq!(penalties.wait(address(1), "b", now), Ok(Duration::ZERO));
        assert_eq!(penalties.wait(address(2), "a", now), Ok(Duration::ZERO));
        penalties.succeeded(address(1), "a");
        assert_eq!(penalties.wait(address(1), "a", now), Ok(Duration::ZERO));
    }

    #[test]
    fn attempts_at_once_queue_and_then_are_refused() {
        let (penalties, now) = (Penalties::default(), Instant::now());
        for _ in 0..10 {
            penalties.failed(address(1), "a", now);
        }
        let waits: Vec<_> = (0..4).map(|_| penalties.wait(address(1), "a", now)).collect();
        assert_eq!(waits[0], Ok(WAIT_MAX));
        assert!(waits[1..].iter().all(|wait| *wait == Err(SlowedDown)));
        let later = now + FORGET_AFTER + WAIT_MAX * 4;
        penalties.failed(address(1), "a", later);
        assert_eq!(penalties.wait(address(1), "a", later), Ok(Duration::ZERO));
    }

    #[test]
    fn the_table_is_bounded() {
        let (penalties, now) = (Penalties::default(), Instant::now());
        for name in 0..ENTRIES_MAX + 10 {
            penalties.failed(address(1), &name.to_string(), now);
        }
        let table = penalties.table();
        assert_eq!((table.entries.len(), table.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        assert!(!table.entries.contains_key(&key(address(1), "0")));
    }
}
