//! How many connections there may be: in all, from one address, and not yet authenticated.
use crate::{Limits, handle::Handle, meters::CloseReason};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What counts as one address: an IPv4 address or an IPv6 /64 network, which one subscriber has to himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressKey {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl AddressKey {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(network(address)),
        }
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(*a, *b, *c, *d, 0, 0, 0, 0)),
        }
    }
}

fn network(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

/// Counts connections. The lock is taken when one comes, authenticates or goes, for a few lines.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    per_address_max: usize,
    unauthenticated_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: usize,
    /// Only addresses that have a connection.
    addresses: HashMap<AddressKey, usize>,
    /// By order of arrival.
    unauthenticated: BTreeMap<u64, Arc<Handle>>,
    arrivals: u64,
}

/// The place of one connection in the counts; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: AddressKey,
    arrival: u64,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            unauthenticated_max: limits.unauthenticated_max,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a new connection in. Where there is no room, the oldest unauthenticated one goes for it.
    ///
    /// Errors: which cap is reached.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: AddressKey,
        handle: &Arc<Handle>,
    ) -> Result<Place, CloseReason> {
        let mut state = self.state();
        if state.addresses.get(&address).is_some_and(|count| *count >= self.per_address_max) {
            return Err(CloseReason::AddressCap);
        }
        let full = state.connections >= self.connections_max;
        if full || state.unauthenticated.len() >= self.unauthenticated_max {
            match state.unauthenticated.pop_first() {
                Some((_, oldest)) => oldest.close(CloseReason::UnauthenticatedCap),
                None => return Err(CloseReason::ConnectionCap),
            }
        }
        state.arrivals += 1;
        let arrival = state.arrivals;
        state.connections += 1;
        *state.addresses.entry(address).or_default() += 1;
        state.unauthenticated.insert(arrival, Arc::clone(handle));
        Ok(Place { admission: Arc::clone(self), address, arrival })
    }
}

impl Admission {
    /// Ends all connections that have not authenticated.
    pub(crate) fn close_unauthenticated(&self, reason: CloseReason) {
        for handle in std::mem::take(&mut self.state().unauthenticated).into_values() {
            handle.close(reason);
        }
    }
}

impl Place {
    /// Says that the client has authenticated.
    pub(crate) fn authenticated(&self) {
        self.admission.state().unauthenticated.remove(&self.arrival);
    }

    /// Returns a number that no other connection of this process has.
    pub(crate) fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Returns where the client comes from.
    pub(crate) fn address(&self) -> AddressKey {
        self.address
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.connections -= 1;
        state.unauthenticated.remove(&self.arrival);
        if let Some(count) = state.addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, per_address: usize, unauthenticated: usize) -> Arc<Admission> {
        Arc::new(Admission::new(&Limits {
            connections_max: connections,
            connections_per_address_max: per_address,
            unauthenticated_max: unauthenticated,
            ..Limits::default()
        }))
    }

    fn address(text: &str) -> AddressKey {
        AddressKey::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_counted_as_their_owner_has_them() {
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1").to_string(), "10.0.0.1");
        assert_eq!(address("2001:db8::1").to_string(), "2001:db8::/64");
    }

    #[test]
    fn the_oldest_unauthenticated_goes_and_the_newest_gets_in() {
        let (admission, handles) = (admission(100, 100, 2), [(); 4].map(|()| Arc::new(Handle::new())));
        let places: Vec<_> =
            handles.iter().map(|handle| admission.admit(address("::1"), handle).unwrap()).collect();
        let closing: Vec<_> = handles.iter().map(|handle| handle.closing()).collect();
        let evicted = Some(CloseReason::UnauthenticatedCap);
        assert_eq!(closing, [evicted, evicted, None, None]);
        drop(places);
        assert_eq!(admission.state().connections, 0);
        assert!(admission.state().addresses.is_empty() && admission.state().unauthenticated.is_empty());
    }

    #[test]
    fn caps_hold_for_all_and_for_one_address() {
        let (admission, handle) = (admission(3, 2, 10), Arc::new(Handle::new()));
        let enter = |from: &str| {
            let place = admission.admit(address(from), &handle);
            if let Ok(place) = &place {
                place.authenticated();
            }
            place.map_err(|reason| reason.as_str())
        };
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("10.0.0.1").unwrap();
        assert_eq!(enter("10.0.0.1").err(), Some("address_cap"));
        let _third = enter("10.0.0.2").unwrap();
        assert_eq!(enter("10.0.0.3").err(), Some("connection_cap"));
        drop(first);
        assert!(enter("10.0.0.1").is_ok());
    }
}
