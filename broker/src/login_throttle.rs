//! Guessing at tokens is slowed: the answer to a wrong one waits, longer with each. A right one is never kept waiting, so
//! that nobody is locked out by others who guess at its name or from its address.
//!
//! Failures are counted for an account at an address, for an account wherever they come from, and for an address whatever
//! names it tries; the longest of the three waits counts.
use ioc_model::share::{Network, Rate};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// An answer waits no longer.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// Callers remembered; then those go that have failed least.
const ENTRIES_MAX: usize = 16_384;
/// Characters of a user name that are kept as a key; names that differ only after them share one entry.
const NAME_CHARS_MAX: usize = 128;

/// A key that failures are counted under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Caller {
    /// One account at one address: four failures cost nothing (a typing error, a token just rotated), then one a second.
    Pair(Network, Box<str>),
    /// One account at all addresses.
    Account(Box<str>),
    /// One address: more, since many devices may be behind it.
    Address(Network),
}

impl Caller {
    fn rate(&self) -> Rate {
        match self {
            Self::Pair(..) => Rate::new(1, 4),
            Self::Account(_) => Rate::new(2, 20),
            Self::Address(_) => Rate::new(20, 200),
        }
    }
}

/// Counts failures: by caller the state of its [`Rate`]. The lock is taken once per wrong token, for a few lines.
#[derive(Debug, Default)]
pub(crate) struct LoginThrottle {
    states: Mutex<HashMap<Caller, u64>>,
}

impl LoginThrottle {
    /// Notes a wrong token at `now_ns`. Returns how long its answer has to wait, which may be more than [`WAIT_MAX`].
    pub(crate) fn failed(&self, address: Network, account: &str, now_ns: u64) -> Duration {
        let account: Box<str> = account.chars().take(NAME_CHARS_MAX).collect::<String>().into();
        let callers =
            [Caller::Pair(address, account.clone()), Caller::Account(account), Caller::Address(address)];
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() + callers.len() > ENTRIES_MAX {
            forget_some(&mut states, now_ns);
        }
        callers.into_iter().map(|caller| charge(&mut states, caller, now_ns)).max().unwrap_or_default()
    }
}

fn charge(states: &mut HashMap<Caller, u64>, caller: Caller, now_ns: u64) -> Duration {
    let rate = caller.rate();
    let state = states.entry(caller).or_default();
    let wait = rate.take(*state, 1, now_ns).err().map_or(Duration::ZERO, |exceeded| exceeded.wait);
    // Beyond the longest wait the debt grows no further: who stops guessing is soon forgiven.
    if wait <= WAIT_MAX {
        *state = rate.charge(*state, 1, now_ns);
    }
    wait
}

/// Forgets the half that owes least, at least all who owe nothing.
fn forget_some(states: &mut HashMap<Caller, u64>, now_ns: u64) {
    let mut owed: Vec<u64> = states.values().copied().collect();
    let middle = owed.len() / 2;
    let median = *owed.select_nth_unstable(middle).1;
    states.retain(|_, state| *state > median.max(now_ns));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::share::IPV6_PREFIX_DEFAULT;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const SECOND: u64 = 1_000_000_000;

    fn address(last: u8) -> Network {
        Network::of(Ipv4Addr::new(10, 0, 0, last).into(), IPV6_PREFIX_DEFAULT)
    }

    #[test]
    fn only_the_failing_pair_is_slowed() {
        let throttle = LoginThrottle::default();
        let fail = |last, account| throttle.failed(address(last), account, SECOND);
        assert!((0..4).all(|_| fail(1, "a").is_zero()));
        assert_eq!(fail(1, "a"), Duration::from_secs(1));
        assert_eq!(fail(1, "a"), Duration::from_secs(2));
        assert_eq!(fail(1, "b"), Duration::ZERO);
        assert_eq!(fail(2, "a"), Duration::ZERO);
        assert_eq!(throttle.failed(address(1), "a", 60 * SECOND), Duration::ZERO);
    }

    #[test]
    fn an_account_is_guessed_at_no_faster_from_many_addresses_nor_an_address_with_many_names() {
        let throttle = LoginThrottle::default();
        let waits: Vec<_> = (0..40).map(|last| throttle.failed(address(last), "a", SECOND)).collect();
        assert!(waits[..20].iter().all(Duration::is_zero));
        assert!(waits[20..].iter().all(|wait| !wait.is_zero()));
        let throttle = LoginThrottle::default();
        let names = (0..400).map(|name| throttle.failed(address(1), &name.to_string(), SECOND));
        assert_eq!(names.filter(Duration::is_zero).count(), 200);
    }

    #[test]
    fn who_guesses_on_cannot_push_the_end_away() {
        let throttle = LoginThrottle::default();
        let longest = (0..1_000).map(|_| throttle.failed(address(1), "a", SECOND)).max();
        assert!(longest.is_some_and(|wait| wait > WAIT_MAX && wait <= WAIT_MAX * 2));
        assert_eq!(throttle.failed(address(1), "a", 60 * SECOND), Duration::ZERO);
    }

    #[test]
    fn a_flood_of_names_is_forgotten_before_who_failed_often() {
        let throttle = LoginThrottle::default();
        for _ in 0..8 {
            throttle.failed(address(1), "a", SECOND);
        }
        for name in 0..4 * ENTRIES_MAX {
            throttle.failed(address(2), &format!("x{name}"), SECOND);
        }
        assert!(throttle.states.lock().unwrap().len() <= ENTRIES_MAX);
        assert!(!throttle.failed(address(1), "a", SECOND).is_zero());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_table_is_bounded(names in prop::collection::vec((0_u8..20, any::<u16>(), 0_u64..SECOND), 0..2_000)) {
            let (throttle, mut now) = (LoginThrottle::default(), SECOND);
            for (last, name, pause) in names {
                now += pause;
                let wait = throttle.failed(address(last), &name.to_string(), now);
                prop_assert!(wait <= WAIT_MAX * 2);
            }
            prop_assert!(throttle.states.lock().unwrap().len() <= ENTRIES_MAX);
        }
    }
}
