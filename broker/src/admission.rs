//! How many connections there may be: in all, from one address, and not yet authenticated.
use crate::{Limits, handle::Handle, meters::CloseReason};
use ioc_model::share::{Full, Network, ShareClass, ShareLimits, Shares};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts connections. The lock is taken when one comes, authenticates or goes, for a few lines.
#[derive(Debug)]
pub(crate) struct Admission {
    unauthenticated_max: usize,
    unauthenticated_each: usize,
    state: Mutex<AdmissionState>,
}

#[derive(Debug)]
struct AdmissionState {
    connections: Shares<Network>,
    unauthenticated: Unauthenticated,
    arrivals: u64,
}

/// Connections that have not authenticated, of each address by order of arrival.
#[derive(Debug)]
struct Unauthenticated {
    counts: Shares<Network>,
    of: HashMap<Network, BTreeMap<u64, Arc<Handle>>>,
}

impl Unauthenticated {
    fn enter(&mut self, address: Network, arrival: u64, handle: &Arc<Handle>) {
        // Room was made before.
        if self.counts.take(address, ShareClass::Ordinary).is_ok() {
            self.of.entry(address).or_default().insert(arrival, Arc::clone(handle));
        }
    }

    fn leave(&mut self, address: Network, arrival: u64) {
        let Some(theirs) = self.of.get_mut(&address) else { return };
        if theirs.remove(&arrival).is_some() {
            self.counts.give_back(&address);
        }
        if theirs.is_empty() {
            self.of.remove(&address);
        }
    }

    /// Closes the oldest of `address`; reports whether there was one.
    fn evict_oldest_of(&mut self, address: Network) -> bool {
        let Some((arrival, handle)) = self.of.get(&address).and_then(BTreeMap::first_key_value) else {
            return false;
        };
        handle.close(CloseReason::UnauthenticatedCap);
        let arrival = *arrival;
        self.leave(address, arrival);
        true
    }

    /// Closes the oldest of the address that has most of them; reports whether there was one.
    fn evict(&mut self) -> bool {
        let largest = self.counts.largest().copied();
        largest.is_some_and(|address| self.evict_oldest_of(address))
    }
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    admission: Arc<Admission>,
    address: Network,
    arrival: u64,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let connections = ShareLimits {
            total: limits.connections_max,
            reserved: 0,
            each: limits.connections_per_address_max,
        };
        let unauthenticated_max = limits.unauthenticated_max;
        let unauthenticated_each = limits.unauthenticated_per_address_max.min(unauthenticated_max);
        let unauthenticated =
            ShareLimits { total: unauthenticated_max, reserved: 0, each: unauthenticated_each };
        let unauthenticated = Unauthenticated { counts: Shares::new(unauthenticated), of: HashMap::new() };
        let state = AdmissionState { connections: Shares::new(connections), unauthenticated, arrivals: 0 };
        Self { unauthenticated_max, unauthenticated_each, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a new connection in. Where there is no room an unauthenticated one goes for it: the oldest of its own
    /// address when that has its share of them, else the oldest of the address that has most.
    ///
    /// Errors: which cap is reached.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: Network,
        handle: &Arc<Handle>,
    ) -> Result<ConnectionPermit, CloseReason> {
        let mut state = self.state();
        let AdmissionState { connections, unauthenticated, arrivals } = &mut *state;
        match connections.take(address, ShareClass::Ordinary) {
            Ok(()) => {}
            Err(Full::Caller) => return Err(CloseReason::AddressCap),
            // The place of the one that goes is free once it is gone; until then there is one more than allowed.
            Err(Full::All) if unauthenticated.evict() => connections.take_over(address),
            Err(Full::All) => return Err(CloseReason::ConnectionCap),
        }
        if unauthenticated.counts.of(&address) >= self.unauthenticated_each {
            unauthenticated.evict_oldest_of(address);
        } else if unauthenticated.counts.taken() >= self.unauthenticated_max {
            unauthenticated.evict();
        }
        *arrivals += 1;
        unauthenticated.enter(address, *arrivals, handle);
        Ok(ConnectionPermit { admission: Arc::clone(self), address, arrival: *arrivals })
    }

    /// Ends all connections that have not authenticated.
    pub(crate) fn close_unauthenticated(&self, reason: CloseReason) {
        for handle in self.state().unauthenticated.of.values().flat_map(BTreeMap::values) {
            handle.close(reason);
        }
    }
}

impl ConnectionPermit {
    /// Notes that the client has authenticated.
    pub(crate) fn authenticated(&self) {
        self.admission.state().unauthenticated.leave(self.address, self.arrival);
    }

    /// Returns a number that no other connection of this process has.
    pub(crate) fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Returns where the client comes from.
    pub(crate) fn address(&self) -> Network {
        self.address
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.connections.give_back(&self.address);
        state.unauthenticated.leave(self.address, self.arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::share::IPV6_PREFIX_DEFAULT;

    fn admission(connections: usize, per_address: usize, unauthenticated: usize) -> Arc<Admission> {
        Arc::new(Admission::new(&Limits {
            connections_max: connections,
            connections_per_address_max: per_address,
            unauthenticated_max: unauthenticated,
            ..Limits::default()
        }))
    }

    fn address(text: &str) -> Network {
        Network::of(text.parse().unwrap(), IPV6_PREFIX_DEFAULT)
    }

    #[test]
    fn the_oldest_unauthenticated_goes_and_the_newest_gets_in() {
        let (admission, handles) = (admission(100, 100, 2), [(); 4].map(|()| Arc::new(Handle::new())));
        let permits: Vec<_> =
            handles.iter().map(|handle| admission.admit(address("::1"), handle).unwrap()).collect();
        let closing: Vec<_> = handles.iter().map(|handle| handle.closing()).collect();
        let evicted = Some(CloseReason::UnauthenticatedCap);
        assert_eq!(closing, [evicted, evicted, None, None]);
        drop(permits);
        assert_eq!(admission.state().connections.taken(), 0);
        assert!(
            admission.state().unauthenticated.of.is_empty()
                && admission.state().unauthenticated.counts.taken() == 0
        );
    }

    #[test]
    fn caps_hold_for_all_and_for_one_address() {
        let (admission, handle) = (admission(3, 2, 10), Arc::new(Handle::new()));
        let enter = |from: &str| {
            let permit = admission.admit(address(from), &handle);
            if let Ok(permit) = &permit {
                permit.authenticated();
            }
            permit.map_err(|reason| reason.as_str())
        };
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("10.0.0.1").unwrap();
        assert_eq!(enter("10.0.0.1").err(), Some("address_cap"));
        let _third = enter("10.0.0.2").unwrap();
        assert_eq!(enter("10.0.0.3").err(), Some("connection_cap"));
        drop(first);
        assert!(enter("10.0.0.1").is_ok());
    }

    #[test]
    fn a_flood_of_one_address_evicts_its_own() {
        let (admission, handles) = (admission(100, 50, 8), [(); 60].map(|()| Arc::new(Handle::new())));
        let enter = |from: &str, handle| admission.admit(address(from), handle).unwrap();
        let _victims: Vec<_> = handles[..2].iter().map(|handle| enter("10.0.0.1", handle)).collect();
        let _flood: Vec<_> = handles[10..50].iter().map(|handle| enter("10.0.0.2", handle)).collect();
        assert!(handles[..2].iter().all(|handle| handle.closing().is_none()));
        let left = handles[10..50].iter().filter(|handle| handle.closing().is_none()).count();
        assert_eq!(left, 6);
        let _newest = enter("10.0.0.3", &handles[59]);
        assert!(handles[..2].iter().chain([&handles[59]]).all(|handle| handle.closing().is_none()));
    }

    #[test]
    fn beyond_the_cap_of_all_an_unauthenticated_connection_makes_room() {
        let (admission, handles) = (admission(2, 2, 2), [(); 3].map(|()| Arc::new(Handle::new())));
        let unauthenticated = admission.admit(address("10.0.0.1"), &handles[0]).unwrap();
        let second = admission.admit(address("10.0.0.2"), &handles[1]).unwrap();
        second.authenticated();
        let third = admission.admit(address("10.0.0.3"), &handles[2]).unwrap();
        assert_eq!(handles[0].closing(), Some(CloseReason::UnauthenticatedCap));
        drop((unauthenticated, second, third));
        assert_eq!(admission.state().connections.taken(), 0);
    }
}
