//! The place of one connection, and what the service learns of it.
use super::table::{Id, Refused, Table};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::Notify;

/// The table and the connections in it, shared by the acceptor and all connections; each lock is held for the length
/// of a lookup, and never both.
#[derive(Debug)]
pub(super) struct Places {
    table: Mutex<Table>,
    open: Mutex<HashMap<Id, Weak<Place>>>,
    begin: Instant,
}

impl Places {
    pub(super) fn new(table: Table) -> Arc<Self> {
        Arc::new(Self { table: Mutex::new(table), open: Mutex::default(), begin: Instant::now() })
    }

    /// Finds a place for a new connection. Returns it and how many others ended for it.
    ///
    /// Errors: [`Refused`].
    pub(super) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        tls: bool,
    ) -> Result<(Arc<Place>, usize), Refused> {
        let admitted = self.table().admit(address, tls, self.now_ns())?;
        let place = Arc::new(Place::new(Arc::clone(self), admitted.id, admitted.is_over_rate));
        let mut open = self.open();
        open.insert(admitted.id, Arc::downgrade(&place));
        let evicted: Vec<_> = admitted
            .evicted
            .iter()
            .filter_map(|id| open.remove(id).and_then(|place| place.upgrade()))
            .collect();
        // One of them may be the last to hold its place, which takes this lock.
        drop(open);
        evicted.iter().for_each(|place| place.end());
        Ok((place, admitted.evicted.len()))
    }

    /// Returns how many connections there are, and how many of them have known callers.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.table().counts()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Id, Weak<Place>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns nanoseconds of a clock that does not go back.
    fn now_ns(&self) -> u64 {
        // 585 years.
        self.begin.elapsed().as_nanos() as u64
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was received yet.
    New,
    /// Between requests.
    Idle,
    /// A request is answered.
    Busy,
    /// It is a stream now.
    Upgraded,
}

const PHASES: [Phase; 4] = [Phase::New, Phase::Idle, Phase::Busy, Phase::Upgraded];

/// Given back when the connection is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: Id,
    phase: AtomicU8,
    /// Grows with each request.
    requests: AtomicU64,
    lost: AtomicBool,
    over_rate: AtomicBool,
    /// Wakes the connection when it has lost its place.
    pub(super) wake: Notify,
}

impl Place {
    fn new(places: Arc<Places>, id: Id, is_over_rate: bool) -> Self {
        Self {
            places,
            id,
            phase: AtomicU8::new(0),
            requests: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            over_rate: AtomicBool::new(is_over_rate),
            wake: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Acquire)) % PHASES.len()]
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Notes that a request has arrived.
    pub(super) fn begin(&self) {
        self.set_phase(Phase::Busy);
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.places.table().begin(self.id);
    }

    /// Returns how many requests have arrived.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    /// Notes that it was answered.
    pub(super) fn finish(&self) {
        if self.phase() == Phase::Busy {
            self.set_phase(Phase::Idle);
            self.places.table().finish(self.id, self.places.now_ns());
        }
    }

    /// Ends the connection.
    fn end(&self) {
        self.lost.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Reports whether it was opened beyond the rate of its network, and nobody known speaks through it.
    pub(super) fn is_over_rate(&self) -> bool {
        self.over_rate.load(Ordering::Acquire)
    }

    /// Notes who speaks through it; see [`Peer::identified`].
    fn identify(&self, caller: &Arc<str>) -> bool {
        let keeps_place = self.places.table().identify(self.id, caller);
        if keeps_place {
            self.over_rate.store(false, Ordering::Release);
        }
        keeps_place
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open().remove(&self.id);
        self.places.table().remove(self.id);
    }
}

/// The other end of a connection; an extension of each request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The connection is encrypted by us.
    pub tls: bool,
    place: Option<Arc<Place>>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, tls: bool, place: Arc<Place>) -> Self {
        Self { address, tls, place: Some(place) }
    }

    /// Returns a peer without a connection, for requests that come from no socket.
    pub fn detached(address: SocketAddr) -> Self {
        Self { address, tls: false, place: None }
    }

    /// Notes who the caller is, so that the connection keeps its place when others make room. Returns whether it does:
    /// not when this caller has its share of places.
    pub fn identified(&self, caller: &Arc<str>) -> bool {
        self.place.as_ref().is_none_or(|place| place.identify(caller))
    }

    /// Reports whether the connection was opened beyond the rate of its network. Then whoever answers serves health
    /// checks and callers that are known, and tells all others so; the connection ends with the answer.
    pub fn is_over_rate(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_over_rate())
    }
}
