//! Slows down those who guess passwords. Time is an argument.
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Wrong passwords for one name from one address before waiting begins.
const FREE_PER_NAME: u32 = 5;
/// Wrong passwords from one address, whatever the name.
const FREE_PER_ADDRESS: u32 = 20;
/// The first wait; each further failure doubles it.
const WAIT_FIRST_MS: i64 = 1000;
/// The longest wait.
const WAIT_MAX_MS: i64 = 5 * 60_000;
/// Failures are forgotten after this long without another.
const FORGET_MS: i64 = 15 * 60_000;
/// Names and addresses remembered; beyond it the oldest are forgotten.
const ENTRIES_MAX: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Name(String, IpAddr),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

/// Remembers failed sign-ins.
///
/// Counted per (name, address), so nobody can lock another person out from elsewhere, and per address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: HashMap<Key, Failures>,
}

impl Throttle {
    /// Returns how long a sign-in must wait; `None` when it may be tried now.
    pub(super) fn wait(&self, name: &str, address: IpAddr, now_ms: i64) -> Option<Duration> {
        let waits = keys(name, address).map(|(key, free)| {
            let failures = self.failures.get(&key).filter(|f| now_ms - f.last_ms < FORGET_MS);
            failures.map_or(0, |f| f.last_ms + wait_ms(f.count, free) - now_ms)
        });
        waits.into_iter().max().filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms as u64))
    }

    /// Counts a failed sign-in.
    pub(super) fn failed(&mut self, name: &str, address: IpAddr, now_ms: i64) {
        if self.failures.len() + 2 > ENTRIES_MAX {
            self.make_room(now_ms);
        }
        for (key, _) in keys(name, address) {
            let failures = self.failures.entry(key).or_insert(Failures { count: 0, last_ms: now_ms });
            if now_ms - failures.last_ms >= FORGET_MS {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last_ms = now_ms;
        }
    }

    /// Forgets the failures of a name after it signed in; those of its address fade by time only.
    pub(super) fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.failures.remove(&Key::Name(fold(name), household(address)));
    }

    fn make_room(&mut self, now_ms: i64) {
        self.failures.retain(|_, failures| now_ms - failures.last_ms < FORGET_MS);
        if self.failures.len() + 2 > ENTRIES_MAX {
            let mut times: Vec<i64> = self.failures.values().map(|failures| failures.last_ms).collect();
            let (_, median, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            let median = *median;
            self.failures.retain(|_, failures| failures.last_ms > median);
        }
    }
}

/// Returns whom an address stands for: an IPv6 network gives each of its hosts 2^64 addresses.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

fn keys(name: &str, address: IpAddr) -> [(Key, u32); 2] {
    let address = household(address);
    [(Key::Name(fold(name), address), FREE_PER_NAME), (Key::Address(address), FREE_PER_ADDRESS)]
}

/// Folds what people take for the same name, bounded in length.
fn fold(name: &str) -> String {
    name.chars().take(64).flat_map(char::to_lowercase).collect()
}

fn wait_ms(count: u32, free: u32) -> i64 {
    match count.checked_sub(free) {
        None => 0,
        Some(beyond) => WAIT_FIRST_MS.checked_shl(beyond.min(20)).unwrap_or(WAIT_MAX_MS).min(WAIT_MAX_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn waiting_begins_after_a_few_failures_doubles_and_ends() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_PER_NAME - 1 {
            throttle.failed("mai", HERE, 0);
            assert_eq!(throttle.wait("mai", HERE, 0), None);
        }
        throttle.failed("Mai", HERE, 0);
        assert_eq!(throttle.wait("mai", HERE, 0), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait("mai", HERE, 1000), None);
        throttle.failed("mai", HERE, 1000);
        assert_eq!(throttle.wait("mai", HERE, 1000), Some(Duration::from_secs(2)));
        for _ in 0..40 {
            throttle.failed("mai", HERE, 2000);
        }
        assert_eq!(throttle.wait("mai", HERE, 2000), Some(Duration::from_secs(300)));
        assert_eq!(throttle.wait("mai", HERE, 2000 + FORGET_MS), None);
    }

    #[test]
    fn others_are_not_slowed() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_PER_NAME {
            throttle.failed("mai", HERE, 0);
        }
        assert_eq!(throttle.wait("mai", THERE, 0), None);
        assert_eq!(throttle.wait("lan", HERE, 0), None);
        throttle.succeeded("mai", HERE);
        assert_eq!(throttle.wait("mai", HERE, 0), None);
    }

    #[test]
    fn guessing_many_names_from_one_address_is_slowed() {
        let mut throttle = Throttle::default();
        for guess in 0..FREE_PER_ADDRESS {
            throttle.failed(&format!("user{guess}"), HERE, 0);
        }
        assert!(throttle.wait("mai", HERE, 0).is_some());
    }

    #[test]
    fn a_network_is_one_guesser_however_many_addresses_it_has() {
        let mut throttle = Throttle::default();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 1, 2, 0, 0, 0, n]);
        for n in 0..FREE_PER_NAME as u16 {
            throttle.failed("mai", address(n), 0);
        }
        assert!(throttle.wait("mai", address(999), 0).is_some());
        assert_eq!(throttle.wait("mai", IpAddr::from([0x2001, 0xdb8, 1, 3, 0, 0, 0, 1]), 0), None);
        throttle.failed("lan", IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]), 0);
        assert!(throttle.failures.contains_key(&Key::Name("lan".into(), HERE)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        for guess in 0..2 * ENTRIES_MAX as i64 {
            throttle.failed(&format!("user{guess}"), HERE, guess);
        }
        assert!(throttle.failures.len() <= ENTRIES_MAX);
    }
}
