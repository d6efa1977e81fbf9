//! Who has a place, and who makes room. Pure: time is an argument.
use ioc_model::share::{Full, Network, Rate, Rates, ShareClass, ShareLimits, Shares};
use std::{cmp::Reverse, collections::HashMap, sync::Arc};

/// A connection that has waited this long is the first to make room; a younger one is given the time that a request
/// takes to arrive.
const PATIENCE_NS: u64 = 2_000_000_000;
/// Connections beyond the rate of their network whose head is read all the same: those of one network, and in all. What
/// they ask for decides whether they are served, see [`Admitted::is_over_rate`].
const OVERFLOW_EACH: usize = 64;
const OVERFLOW: usize = 512;

/// How many connections there may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// In all.
    pub connections: usize,
    /// Of these, only for callers that are known.
    pub reserved: usize,
    /// Of one network while its callers are not known. A trusted proxy has no such bound.
    pub per_network: usize,
    /// Of one known caller.
    pub per_caller: usize,
    /// New connections of one network.
    pub rate: Rate,
    /// Length of the IPv6 prefix that counts as one network, in bits.
    pub ipv6_prefix: u8,
    /// Proxies that speak for many.
    pub proxies: Arc<[Network]>,
}

impl Limits {
    /// Reports whether `address` is a proxy that speaks for many.
    pub fn is_proxy(&self, address: std::net::IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }
}

/// Number of a connection; never used again.
pub type Id = u64;

/// Whose share a connection counts in while its caller is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Network(Network),
    /// A proxy's connection stands for itself.
    Proxy(Id),
    /// A network beyond its rate.
    Overflow(Network),
}

#[derive(Debug)]
struct Entry {
    source: Source,
    accepted_ns: u64,
    /// Since when it waits for a request; `None` while one is answered.
    waiting_ns: Option<u64>,
    caller: Option<Arc<str>>,
}

/// A place was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The new connection.
    pub id: Id,
    /// Connections that lost theirs.
    pub evicted: Vec<Id>,
    /// Its network opens connections faster than it may: only health checks and people who are known are served.
    pub is_over_rate: bool,
}

/// No place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many new connections of this network.
    Rate,
    /// Every place belongs to a known caller.
    Full,
}

/// Every connection and its place.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    entries: HashMap<Id, Entry>,
    /// Connections whose callers are not known.
    unknown: Shares<Source>,
    known: Shares<Arc<str>>,
    /// Connections beyond the rate whose callers are not known.
    overflow: Shares<Network>,
    rates: Rates<Network>,
    /// TLS handshakes beyond the rate, which cost more than an answer.
    handshakes: Rates<Network>,
    next: Id,
}

impl Table {
    /// Returns an empty table.
    pub fn new(limits: Limits) -> Self {
        let unknown = ShareLimits {
            total: limits.connections.saturating_sub(limits.reserved).max(1),
            reserved: 0,
            each: limits.per_network.max(1),
        };
        let known = ShareLimits { total: limits.connections, reserved: 0, each: limits.per_caller };
        let overflow = ShareLimits { total: OVERFLOW, reserved: 0, each: OVERFLOW_EACH };
        Self {
            overflow: Shares::new(overflow),
            rates: Rates::new(limits.rate),
            handshakes: Rates::new(limits.rate),
            limits,
            entries: HashMap::new(),
            unknown: Shares::new(unknown),
            known: Shares::new(known),
            next: 0,
        }
    }

    /// Finds a place for a new connection from `address`, at the expense of older ones if need be. `tls` says that it
    /// begins with a handshake.
    ///
    /// Errors: [`Refused`].
    pub fn admit(&mut self, address: std::net::IpAddr, tls: bool, now_ns: u64) -> Result<Admitted, Refused> {
        let source = self.source(address, tls, now_ns)?;
        let is_over_rate = matches!(source, Source::Overflow(_));
        let mut evicted = Vec::new();
        self.take(source, &mut evicted, now_ns)?;
        // Not after one has made room already.
        if self.entries.len() >= self.limits.connections {
            let room = if is_over_rate { None } else { self.evict(|_| true, now_ns) };
            let Some(room) = room else {
                self.give_back(source);
                return Err(Refused::Full);
            };
            evicted.push(room);
        }
        let id = self.next;
        self.next += 1;
        let entry = Entry { source, accepted_ns: now_ns, waiting_ns: Some(now_ns), caller: None };
        self.entries.insert(id, entry);
        Ok(Admitted { id, evicted, is_over_rate })
    }

    fn source(&mut self, address: std::net::IpAddr, tls: bool, now_ns: u64) -> Result<Source, Refused> {
        if self.limits.is_proxy(address) {
            return Ok(Source::Proxy(self.next));
        }
        let network = Network::of(address, self.limits.ipv6_prefix);
        if self.rates.take(network, 1, now_ns).is_ok() {
            return Ok(Source::Network(network));
        }
        match tls && self.handshakes.take(network, 1, now_ns).is_err() {
            true => Err(Refused::Rate),
            false => Ok(Source::Overflow(network)),
        }
    }

    fn take(&mut self, source: Source, evicted: &mut Vec<Id>, now_ns: u64) -> Result<(), Refused> {
        if let Source::Overflow(network) = source {
            while let Err(full) = self.overflow.take(network, ShareClass::Ordinary) {
                // Whose head did not come in the meantime; never one that is served.
                let waits = |entry: &Entry| {
                    entry.waiting_ns.is_some()
                        && matches!(entry.source, Source::Overflow(of) if full == Full::All || of == network)
                };
                evicted.push(self.evict(waits, now_ns).ok_or(Refused::Rate)?);
            }
            return Ok(());
        }
        while let Err(full) = self.unknown.take(source, ShareClass::Ordinary) {
            let of_this = |entry: &Entry| match full {
                Full::All => !matches!(entry.source, Source::Overflow(_)),
                Full::Caller => entry.source == source,
            };
            evicted.push(self.evict(of_this, now_ns).ok_or(Refused::Full)?);
        }
        Ok(())
    }

    /// Takes the place of the connection that has the least claim to it among those that are not known: one that has
    /// waited for long before one that is being answered, one of a network with many before one of a network with
    /// few, an old one before a new one.
    fn evict(&mut self, may: impl Fn(&Entry) -> bool, now_ns: u64) -> Option<Id> {
        let candidates = self.entries.iter().filter(|(_, entry)| entry.caller.is_none() && may(entry));
        let claim = |entry: &Entry| {
            let idle = entry.waiting_ns.is_some_and(|since| now_ns.saturating_sub(since) >= PATIENCE_NS);
            (!idle, Reverse(self.unknown.of(&entry.source)), entry.accepted_ns)
        };
        let (id, _) = candidates.min_by_key(|(id, entry)| (claim(entry), **id))?;
        let id = *id;
        self.remove(id);
        Some(id)
    }

    /// Gives the place of a connection back; nothing happens when it has none.
    pub fn remove(&mut self, id: Id) {
        let Some(entry) = self.entries.remove(&id) else { return };
        match entry.caller {
            Some(caller) => self.known.give_back(&caller),
            None => self.give_back(entry.source),
        }
    }

    fn give_back(&mut self, source: Source) {
        match source {
            Source::Overflow(network) => self.overflow.give_back(&network),
            source => self.unknown.give_back(&source),
        }
    }

    /// Notes that a request has arrived. Returns false when the connection has lost its place.
    pub fn begin(&mut self, id: Id) -> bool {
        self.entries.get_mut(&id).map(|entry| entry.waiting_ns = None).is_some()
    }

    /// Notes that a request was answered.
    pub fn finish(&mut self, id: Id, now_ns: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.waiting_ns = Some(now_ns);
        }
    }

    /// Notes who the caller is: the connection is no longer one of those that make room. Returns whether it is so;
    /// not when this caller has its share, nor when it has lost its place.
    pub fn identify(&mut self, id: Id, caller: &Arc<str>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        if entry.caller.as_ref() == Some(caller) {
            return true;
        }
        if self.known.take(Arc::clone(caller), ShareClass::Ordinary).is_err() {
            return entry.caller.is_some();
        }
        let source = entry.source;
        match entry.caller.replace(Arc::clone(caller)) {
            Some(before) => self.known.give_back(&before),
            None => self.give_back(source),
        }
        true
    }

    /// Returns how many connections there are, and how many of them have known callers.
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.known.taken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const SECOND: u64 = 1_000_000_000;

    fn limits() -> Limits {
        Limits {
            connections: 100,
            reserved: 40,
            per_network: 10,
            per_caller: 20,
            rate: Rate::UNLIMITED,
            ipv6_prefix: 64,
            proxies: Arc::new(["10.9.0.0/16".parse().unwrap()]),
        }
    }

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    fn wall() -> Arc<str> {
        "display:wall".into()
    }

    /// Whatever connections an attacker opens and however it uses them, a newcomer has the time of a request, and
    /// known callers keep their places.
    #[test]
    fn a_newcomer_gets_a_place_whatever_others_hold() {
        type Pattern = fn(u32) -> IpAddr;
        let patterns: [(&str, Pattern); 2] = [("one address", |_| address(1)), ("many addresses", address)];
        for (name, of) in patterns {
            for serving in [false, true] {
                let mut table = Table::new(limits());
                let known: Vec<Id> = (0..20)
                    .map(|n| {
                        let id = table.admit(address(70_000 + n), false, 0).unwrap().id;
                        assert!(table.identify(id, &wall()));
                        id
                    })
                    .collect();
                let attack = |table: &mut Table, n: u32, now| {
                    let admitted = table.admit(of(n), false, now).unwrap();
                    if serving {
                        table.begin(admitted.id);
                    }
                    admitted.evicted
                };
                for n in 0..2_100 {
                    attack(&mut table, n, u64::from(n) * SECOND / 100);
                }
                let now = 100 * SECOND;
                let victim = table.admit(address(90_000), false, now).unwrap().id;
                for n in 0..50 {
                    let evicted = attack(&mut table, 3_000 + n, now + u64::from(n));
                    assert!(!evicted.contains(&victim), "{name}, serving {serving}: after {n} more");
                }
                assert!(table.begin(victim));
                assert!(known.iter().all(|id| table.begin(*id)), "{name}: a wall lost its place");
            }
        }
    }

    #[test]
    fn one_network_makes_room_for_itself_alone() {
        let mut table = Table::new(limits());
        let other = table.admit(address(2), false, 0).unwrap().id;
        let first = table.admit(address(1), false, 1).unwrap().id;
        for n in 1..10 {
            assert!(table.admit(address(1), false, 1 + n).unwrap().evicted.is_empty());
        }
        assert_eq!(table.admit(address(1), false, 20).unwrap().evicted, [first]);
        assert!(table.begin(other) && !table.begin(first));
    }

    #[test]
    fn a_proxy_speaks_for_many_and_known_callers_have_the_reserved_places() {
        let mut table = Table::new(limits());
        let proxy: IpAddr = "10.9.1.1".parse().unwrap();
        let ids: Vec<Id> = (0..60).map(|n| table.admit(proxy, false, n).unwrap().id).collect();
        for id in &ids[..20] {
            assert!(table.identify(*id, &wall()));
        }
        assert!(!table.identify(ids[20], &wall()), "a caller has its share");
        assert!(table.identify(ids[20], &"mai".into()));
        assert_eq!(table.counts(), (60, 21));
        assert!(table.identify(ids[0], &"mai".into()), "another caller on the same connection");
        assert!(table.identify(ids[21], &wall()), "gave its place back");
    }

    #[test]
    fn when_all_are_known_a_further_one_is_told_so() {
        let mut table = Table::new(Limits { per_caller: 100, ..limits() });
        for n in 0..100 {
            let id = table.admit(address(n), false, 0).unwrap().id;
            assert!(table.identify(id, &wall()));
        }
        assert_eq!(table.admit(address(7), false, 0), Err(Refused::Full));
        let mut table = Table::new(Limits { rate: Rate::new(1, 2), ..limits() });
        assert!(
            table.admit(address(1), false, SECOND).is_ok() && table.admit(address(1), false, SECOND).is_ok()
        );
        assert!(table.admit(address(1), false, SECOND).unwrap().is_over_rate);
        assert!(!table.admit(address(2), false, SECOND).unwrap().is_over_rate);
    }

    #[test]
    fn beyond_the_rate_a_bounded_lane_reads_on_and_a_newcomer_in_it_has_its_time() {
        let mut table = Table::new(Limits { connections: 1_000, rate: Rate::new(1, 1), ..limits() });
        let other = table.admit(address(2), false, SECOND).unwrap().id;
        let mut ids = vec![table.admit(address(1), false, SECOND).unwrap().id];
        for n in 0..OVERFLOW_EACH {
            let admitted = table.admit(address(1), false, SECOND + n as u64).unwrap();
            assert!(admitted.is_over_rate && admitted.evicted.is_empty());
            ids.push(admitted.id);
        }
        // One that is served stays, whoever comes; of the others the oldest goes, and nobody else's.
        assert!(table.begin(ids[1]));
        let newer = table.admit(address(1), false, 2 * SECOND - 1).unwrap();
        assert_eq!(newer.evicted, [ids[2]]);
        assert!(table.begin(ids[0]) && table.begin(other));
        // Whoever proves to be known is in the lane no longer.
        assert!(table.identify(newer.id, &wall()));
        assert_eq!(table.overflow.taken(), OVERFLOW_EACH - 1);
        for id in ids.iter().chain([&newer.id, &other]) {
            table.begin(*id);
            table.remove(*id);
        }
        assert_eq!((table.counts(), table.overflow.taken(), table.unknown.taken()), ((0, 0), 0, 0));
    }

    #[test]
    fn a_lane_in_which_all_are_served_and_one_of_handshakes_are_full() {
        let mut table = Table::new(Limits { connections: 1_000, rate: Rate::new(1, 1), ..limits() });
        for _ in 0..=OVERFLOW_EACH {
            let id = table.admit(address(1), false, SECOND).unwrap().id;
            table.begin(id);
        }
        assert_eq!(table.admit(address(1), false, SECOND), Err(Refused::Rate));
        let mut admit = || table.admit(address(3), true, SECOND).map(|admitted| admitted.is_over_rate);
        assert_eq!((admit(), admit(), admit()), (Ok(false), Ok(true), Err(Refused::Rate)));
    }

    proptest! {
        /// Whatever happens, the counts are those of the connections, and within the bounds.
        #[test]
        fn the_counts_are_right(steps in prop::collection::vec((0_u8..5, 0_u32..30, 0_u64..40), 1..400)) {
            let mut table = Table::new(Limits { rate: Rate::new(1, 2), ..limits() });
            for (step, n, which) in steps {
                let now = table.next * SECOND / 4;
                match step {
                    0 | 1 => drop(table.admit(address(n), step == 1, now)),
                    2 => drop(table.identify(which, &format!("caller{}", n % 3).into())),
                    3 => table.remove(which),
                    _ => drop(table.begin(which)),
                }
                let (all, known) = table.counts();
                let identified = table.entries.values().filter(|entry| entry.caller.is_some()).count();
                prop_assert_eq!(known, identified);
                prop_assert_eq!(all, known + table.unknown.taken() + table.overflow.taken());
                prop_assert!(all <= 100 && table.unknown.taken() <= 60);
                let of = |n| table.unknown.of(&Source::Network(Network::of(address(n), 64)));
                let most = (0..30).map(of).max();
                prop_assert!(most <= Some(10));
            }
        }
    }
}
