//! Fair shares: how much one caller may take of what all callers need. Pure arithmetic; time is an argument, locks
//! and atomics are the callers' own.
//!
//! | Type | Bounds |
//! |---|---|
//! | [`Network`] | what counts as one address: an IPv4 address, or an IPv6 network |
//! | [`Rate`] | a flow (messages, readings, bytes, tries) by a generic cell rate algorithm over one number |
//! | [`Rates`] | the same flow of many callers, in bounded memory |
//! | [`Shares`] | places (connections, queries, checks): in all, for each caller, and some kept for reserved callers |
use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    time::Duration,
};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Length of the IPv6 prefix that one subscriber usually has to itself, in bits.
pub const IPV6_PREFIX_DEFAULT: u8 = 64;

/// What counts as one address: an IPv4 address, or an IPv6 network. An IPv6 subscriber has 2^64 addresses, so that a
/// bound on single ones would bound nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    /// Bits of `first` that count.
    prefix: u8,
}

impl Network {
    /// Returns the network of `address`: an IPv4 address (also one written as IPv6) stands for itself, an IPv6 address
    /// for its first `ipv6_prefix` bits, at most 128.
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self { first: address.into(), prefix: 32 },
            IpAddr::V6(address) => {
                let prefix = ipv6_prefix.min(128);
                let mask = u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0);
                Self { first: Ipv6Addr::from_bits(address.to_bits() & mask).into(), prefix }
            }
        }
    }
}

impl Network {
    /// Reports whether it is larger than any private network can be (10.0.0.0/8, fc00::/7), such as 0.0.0.0/0.
    pub fn is_wider_than_private(&self) -> bool {
        const IPV4: u8 = 8;
        const IPV6: u8 = 7;
        self.prefix < if self.first.is_ipv4() { IPV4 } else { IPV6 }
    }

    /// Reports whether `address` lies in it; an IPv4 address written as IPv6 is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                first.to_bits() == address.to_bits() & ipv4_mask(self.prefix)
            }
            (IpAddr::V6(_), IpAddr::V6(_)) => *self == Self::of(address, self.prefix),
            _ => false,
        }
    }
}

fn ipv4_mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(u32::from(32 - prefix.min(32))).unwrap_or(0)
}

/// A text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a network; write an address or a network such as 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32"
)]
pub struct InvalidNetwork {
    text: String,
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// Reads an address, or an address and the length of its prefix after a slash.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork { text: text.chars().take(60).collect() };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse::<u8>).map_err(|_| invalid())?;
        if prefix > longest {
            return Err(invalid());
        }
        match address {
            IpAddr::V4(first) => {
                let first = Ipv4Addr::from_bits(first.to_bits() & ipv4_mask(prefix));
                Ok(Self { first: first.into(), prefix })
            }
            // IPv4 written as IPv6: the first 96 bits say only that.
            IpAddr::V6(first) if first.to_ipv4_mapped().is_some() && prefix >= 96 => {
                format!("{}/{}", address.to_canonical(), prefix - 96).parse()
            }
            IpAddr::V6(_) => Ok(Self::of(address, prefix)),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            IpAddr::V4(address) if self.prefix == 32 => address.fmt(f),
            IpAddr::V4(address) => write!(f, "{address}/{}", self.prefix),
            IpAddr::V6(address) => write!(f, "{address}/{}", self.prefix),
        }
    }
}

/// How fast something may flow, and how much of it at once.
///
/// A generic cell rate algorithm: a caller's whole state is one number, the time at which its allowance will be full
/// again, in nanoseconds of any clock that does not go back. A state of 0 is a caller that was never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that one unit costs; 0 means no limit.
    interval_ns: u64,
    burst: u64,
}

/// There is too little left for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// When the same can be had if nothing else is taken.
    pub wait: Duration,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { interval_ns: 0, burst: 0 };

    /// Returns `per_second` units a second, up to `burst` at once (at least 1). 0 a second means no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval_ns = NANOS_PER_SECOND.checked_div(u64::from(per_second)).unwrap_or(0);
        Self { interval_ns, burst: u64::from(burst.max(1)) }
    }

    /// Reports whether nothing is limited.
    pub fn is_unlimited(self) -> bool {
        self.interval_ns == 0
    }

    /// Takes `units` at `now_ns` from a caller whose state is `state`. Returns the new state. What exceeds the burst
    /// by itself is let through when the allowance is full, and paid for afterwards: else it could never pass.
    ///
    /// Errors: [`Exceeded`]; the state stays as it was.
    pub fn take(self, state: u64, units: u64, now_ns: u64) -> Result<u64, Exceeded> {
        if self.is_unlimited() {
            return Ok(state);
        }
        let cost = self.cost(units);
        let begin = state.max(now_ns);
        let latest_begin = now_ns.saturating_add(self.cost(self.burst)).saturating_sub(cost).max(now_ns);
        if begin > latest_begin {
            return Err(Exceeded { wait: Duration::from_nanos(begin - latest_begin) });
        }
        Ok(begin.saturating_add(cost))
    }

    /// Takes `units` for the first moment at which they can be had, so that callers get their turns in the order in
    /// which they asked. Returns the new state and how long the caller has to wait.
    ///
    /// Errors: [`Exceeded`] when that is longer than `patience`, with the time after which it is not; the state stays
    /// as it was.
    pub fn reserve(
        self,
        state: u64,
        units: u64,
        now_ns: u64,
        patience: Duration,
    ) -> Result<(u64, Duration), Exceeded> {
        match self.take(state, units, now_ns) {
            Ok(state) => Ok((state, Duration::ZERO)),
            Err(Exceeded { wait }) => match wait.checked_sub(patience) {
                None | Some(Duration::ZERO) => Ok((self.charge(state, units, now_ns), wait)),
                Some(wait) => Err(Exceeded { wait }),
            },
        }
    }

    /// Charges `units` at `now_ns` that were used already: the caller may be in debt afterwards. Returns the new state.
    pub fn charge(self, state: u64, units: u64, now_ns: u64) -> u64 {
        if self.is_unlimited() { state } else { state.max(now_ns).saturating_add(self.cost(units)) }
    }

    /// Gives `units` back that were taken and not used. Returns the new state.
    pub fn give_back(self, state: u64, units: u64) -> u64 {
        state.saturating_sub(self.cost(units))
    }

    fn cost(self, units: u64) -> u64 {
        self.interval_ns.saturating_mul(units)
    }
}

/// Most callers whose state is remembered at once.
const CALLERS_MAX: usize = 65_536;

/// What is left of one [`Rate`] for each of many callers.
///
/// Bounded: when there are too many, those whose allowance is full again are forgotten, which changes nothing for
/// them; if all have taken something, all are, so that one flood of addresses cannot take memory without end.
#[derive(Debug)]
pub struct Rates<K> {
    rate: Rate,
    states: HashMap<K, u64>,
}

impl<K: Eq + Hash> Rates<K> {
    /// Returns full allowances for everybody.
    pub fn new(rate: Rate) -> Self {
        Self { rate, states: HashMap::new() }
    }

    /// Takes `units` of `caller`'s allowance at `now_ns`, on a clock that does not go back.
    ///
    /// Errors: [`Exceeded`]; nothing is taken.
    pub fn take(&mut self, caller: K, units: u64, now_ns: u64) -> Result<(), Exceeded> {
        if self.rate.is_unlimited() {
            return Ok(());
        }
        if self.states.len() >= CALLERS_MAX && !self.states.contains_key(&caller) {
            self.states.retain(|_, state| *state > now_ns);
            if self.states.len() >= CALLERS_MAX {
                self.states.clear();
            }
        }
        let state = self.states.entry(caller).or_insert(0);
        *state = self.rate.take(*state, units, now_ns)?;
        Ok(())
    }

    /// Returns how many callers are remembered.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Reports whether no caller is remembered.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

/// Whether a caller may use the reserved places: people who are signed in and health checks may, strangers may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareClass {
    /// May use every place.
    Reserved,
    /// May use the places that are not reserved.
    Ordinary,
}

/// A bound that is reached: there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// This caller has its share.
    Caller,
    /// All places that it may use are taken.
    All,
}

/// How many places there are, and how many each caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareLimits {
    /// Places in all.
    pub total: usize,
    /// The part of them that is for [`ShareClass::Reserved`] alone.
    pub reserved: usize,
    /// Most places of one caller.
    pub each: usize,
}

/// Counts the places that callers have. Holds an entry only for callers that have one.
#[derive(Debug)]
pub struct Shares<K> {
    limits: ShareLimits,
    taken: usize,
    callers: HashMap<K, usize>,
}

impl<K: Eq + Hash> Shares<K> {
    /// Returns empty counts.
    pub fn new(limits: ShareLimits) -> Self {
        Self { limits, taken: 0, callers: HashMap::new() }
    }

    /// Takes a place for `caller`, to be given back with [`Shares::give_back`].
    ///
    /// Errors: [`Full`] says whose bound was reached.
    pub fn take(&mut self, caller: K, class: ShareClass) -> Result<(), Full> {
        if self.of(&caller) >= self.limits.each {
            return Err(Full::Caller);
        }
        let open_to_it = match class {
            ShareClass::Reserved => self.limits.total,
            ShareClass::Ordinary => self.limits.total.saturating_sub(self.limits.reserved),
        };
        if self.taken >= open_to_it {
            return Err(Full::All);
        }
        self.take_over(caller);
        Ok(())
    }

    /// Takes a place for `caller` without looking at the bounds: one that somebody has was called in and is on its way
    /// back.
    pub fn take_over(&mut self, caller: K) {
        self.taken += 1;
        *self.callers.entry(caller).or_default() += 1;
    }

    /// Gives a place of `caller` back; nothing happens when it has none.
    pub fn give_back(&mut self, caller: &K) {
        let Some(count) = self.callers.get_mut(caller) else { return };
        *count -= 1;
        self.taken -= 1;
        if *count == 0 {
            self.callers.remove(caller);
        }
    }

    /// Returns the places of `caller`.
    pub fn of(&self, caller: &K) -> usize {
        self.callers.get(caller).copied().unwrap_or(0)
    }

    /// Returns the places taken in all.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Returns the caller with the most places, for making room at the expense of whoever takes most.
    pub fn largest(&self) -> Option<&K> {
        self.callers.iter().max_by_key(|(_, count)| **count).map(|(caller, _)| caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = NANOS_PER_SECOND;

    #[test]
    fn addresses_are_counted_as_their_owner_has_them() {
        let network = |text: &str| Network::of(text.parse().unwrap(), IPV6_PREFIX_DEFAULT);
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1").to_string(), "10.0.0.1");
        assert_eq!(network("2001:db8::1").to_string(), "2001:db8::/64");
        let wide = |text: &str| Network::of(text.parse().unwrap(), 48);
        assert_eq!(wide("2001:db8:0:1::1"), wide("2001:db8:0:2::1"));
        assert_eq!(Network::of("2001:db8::1".parse().unwrap(), 0).to_string(), "::/0");
        assert_eq!(Network::of("2001:db8::1".parse().unwrap(), 200).to_string(), "2001:db8::1/128");
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (rate, mut state) = (Rate::new(100, 1_000), 0);
        for _ in 0..1_000 {
            state = rate.take(state, 1, SECOND).unwrap();
        }
        assert_eq!(rate.take(state, 1, SECOND), Err(Exceeded { wait: Duration::from_millis(10) }));
        let mut taken = 0;
        while let Ok(next) = rate.take(state, 1, 2 * SECOND) {
            (state, taken) = (next, taken + 1);
        }
        assert_eq!(taken, 100);
    }

    #[test]
    fn what_is_larger_than_the_burst_passes_and_is_paid_for() {
        let rate = Rate::new(10, 10);
        let state = rate.take(0, 100, SECOND).unwrap();
        assert_eq!(rate.take(state, 1, SECOND), Err(Exceeded { wait: Duration::from_millis(9_100) }));
        assert!(rate.take(state, 10, 10 * SECOND).is_err());
        assert!(rate.take(state, 10, 11 * SECOND).is_ok());
    }

    #[test]
    fn debts_are_paid_before_more_is_given() {
        let rate = Rate::new(1, 1);
        let state = rate.charge(0, 5, SECOND);
        assert_eq!(rate.take(state, 1, SECOND), Err(Exceeded { wait: Duration::from_secs(5) }));
        assert_eq!(rate.give_back(state, 5), SECOND);
        assert_eq!(Rate::UNLIMITED.take(7, u64::MAX, 0), Ok(7));
    }

    #[test]
    fn each_has_a_share_and_some_places_are_reserved() {
        let mut shares = Shares::new(ShareLimits { total: 4, reserved: 1, each: 2 });
        shares.take("a", ShareClass::Ordinary).unwrap();
        shares.take("a", ShareClass::Ordinary).unwrap();
        assert_eq!(shares.take("a", ShareClass::Reserved), Err(Full::Caller));
        shares.take("b", ShareClass::Ordinary).unwrap();
        assert_eq!(shares.take("c", ShareClass::Ordinary), Err(Full::All));
        assert_eq!(shares.largest(), Some(&"a"));
        shares.take("c", ShareClass::Reserved).unwrap();
        assert_eq!(shares.take("d", ShareClass::Reserved), Err(Full::All));
        shares.give_back(&"a");
        shares.give_back(&"nobody");
        assert_eq!((shares.taken(), shares.of(&"a")), (3, 1));
        shares.take("d", ShareClass::Reserved).unwrap();
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        for text in ["10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "::/0", "0.0.0.0/0"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("10.1.2.3/8"), network("10.0.0.0/8"));
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert_eq!(network("::1"), Network::of("::1".parse().unwrap(), 128));
        let within = |text: &str, address: &str| network(text).contains(address.parse().unwrap());
        assert!(within("10.0.0.0/8", "10.9.9.9") && within("10.0.0.0/8", "::ffff:10.9.9.9"));
        assert!(
            !within("10.0.0.0/8", "11.0.0.1") && !within("10.0.0.0/8", "::1") && !within("::/0", "10.0.0.1")
        );
        assert!(within("2001:db8::/32", "2001:db8:1::1") && within("0.0.0.0/0", "9.9.9.9"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/", "10.0.0.0/-1", "[::1]"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_largest_private_networks_are_the_bound() {
        for (text, expected) in [
            ("0.0.0.0/0", true),
            ("128.0.0.0/1", true),
            ("10.0.0.0/7", true),
            ("::ffff:0.0.0.0/96", true),
            ("::/0", true),
            ("2000::/3", true),
            ("10.0.0.0/8", false),
            ("192.0.2.1", false),
            ("fc00::/7", false),
            ("2001:db8::/32", false),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().is_wider_than_private(), expected, "{text}");
        }
    }

    #[test]
    fn callers_are_forgotten_before_memory_is_full() {
        let mut rates = Rates::new(Rate::new(1, 1));
        for caller in 0..3 * CALLERS_MAX {
            rates.take(caller, 1, SECOND + caller as u64 * SECOND).unwrap();
            assert!(rates.len() <= CALLERS_MAX);
        }
        assert!(rates.take(3 * CALLERS_MAX - 1, 1, SECOND * 3 * CALLERS_MAX as u64).is_err());
    }

    proptest! {
        /// An address lies in each of its networks, and in no other of the same length.
        #[test]
        fn networks_have_their_addresses(bits: u128, other: u128, prefix in 0_u8..=128) {
            let address = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits));
            let network = Network::of(address(bits), prefix);
            prop_assert!(network.contains(address(bits)));
            let is_same = Network::of(address(other), prefix) == network;
            prop_assert_eq!(network.contains(address(other)), is_same);
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        }

        /// Whatever is asked for and when, no interval gives more than the burst, the rate's worth of it, and one
        /// request that may exceed the burst.
        #[test]
        fn nobody_gets_more_than_rate_and_burst(
            per_second in 1_u32..1_000,
            burst in 1_u32..1_000,
            asks in prop::collection::vec((0_u64..SECOND, 1_u64..2_000), 1..200),
        ) {
            let rate = Rate::new(per_second, burst);
            let (mut state, mut now, mut given, mut last) = (0, SECOND, 0, 0);
            for (pause, units) in asks {
                now += pause;
                if let Ok(next) = rate.take(state, units, now) {
                    (state, given, last) = (next, given + units, units);
                }
            }
            let flowed = (now - SECOND) * u64::from(per_second) / SECOND;
            prop_assert!(given <= u64::from(burst) + flowed + last + 1);
        }

        /// After the wait that it names, what was refused is given.
        #[test]
        fn a_named_wait_is_enough(per_second in 1_u32..1_000, burst in 1_u32..100, units in 1_u64..200, debt in 0_u64..500) {
            let rate = Rate::new(per_second, burst);
            let state = rate.charge(0, debt, SECOND);
            if let Err(Exceeded { wait }) = rate.take(state, units, SECOND) {
                prop_assert!(rate.take(state, units, SECOND + wait.as_nanos() as u64).is_ok());
            }
        }

        /// Turns come in the order of asking, no earlier than the rate allows, and no later than the patience.
        #[test]
        fn turns_are_given_in_order(
            per_second in 1_u32..100,
            burst in 1_u32..20,
            asks in prop::collection::vec((0_u64..SECOND / 10, 1_u64..5), 1..200),
        ) {
            let (rate, patience) = (Rate::new(per_second, burst), Duration::from_secs(3));
            let (mut state, mut now, mut given, mut last_turn) = (0, SECOND, 0, 0);
            for (pause, units) in asks {
                now += pause;
                if let Ok((next, wait)) = rate.reserve(state, units, now, patience) {
                    prop_assert!(wait <= patience);
                    let turn = now + wait.as_nanos() as u64;
                    // What is larger than the burst begins with a full allowance, so that it may be alone.
                    prop_assert!(turn >= last_turn || units < 5);
                    let flowed = (turn - SECOND) * u64::from(per_second) / SECOND;
                    given += units;
                    prop_assert!(given <= u64::from(burst) + flowed + units + 1);
                    (state, last_turn) = (next, turn);
                }
            }
        }

        /// Places are never given out beyond the bounds, and come back.
        #[test]
        fn places_are_counted(steps in prop::collection::vec((0_u8..5, any::<bool>(), any::<bool>()), 1..200)) {
            let limits = ShareLimits { total: 10, reserved: 3, each: 4 };
            let mut shares = Shares::new(limits);
            for (caller, takes, reserved) in steps {
                let class = if reserved { ShareClass::Reserved } else { ShareClass::Ordinary };
                if takes { let _ = shares.take(caller, class); } else { shares.give_back(&caller); }
                prop_assert!(shares.taken() <= limits.total);
                prop_assert!((0..5).all(|caller| shares.of(&caller) <= limits.each));
                prop_assert_eq!((0..5).map(|caller| shares.of(&caller)).sum::<usize>(), shares.taken());
            }
        }
    }
}
