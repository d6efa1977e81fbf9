//! Who may work out a hash now. It takes 19 MiB and tens of milliseconds of a core, which is the point of it, and which
//! is why few are worked out at once and why each caller has a share of those that wait.
use super::{PasswordError, throttle::Caller};
use ioc_model::share::{Network, ShareClass, ShareLimits, Shares};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Hashes that wait or are worked out. A network of strangers has a few places; some are for known people and our own
/// work alone.
const PLACES: ShareLimits = ShareLimits { total: 192, reserved: 64, each: 64 };
/// Most hashes at the same time, on however many cores.
const RUNNING_MAX: usize = 4;

/// Lets a bounded number of callers work; those with reserved places go first.
#[derive(Debug)]
pub(super) struct Gate {
    inside: Mutex<Inside>,
    freed: Condvar,
    running_max: usize,
}

#[derive(Debug)]
struct Inside {
    places: Shares<Share>,
    running: usize,
    reserved_waiting: usize,
}

/// Whose share it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Share {
    /// Our own work.
    Own,
    Known(Caller),
    Strangers(Network),
}

impl Share {
    fn of(caller: Option<&Caller>) -> Self {
        match caller {
            None => Self::Own,
            Some(caller) => caller.crowd().map_or_else(|| Self::Known(caller.clone()), Self::Strangers),
        }
    }
}

/// The right to work; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn<'g> {
    gate: &'g Gate,
    share: Share,
}

impl Default for Gate {
    fn default() -> Self {
        // Half of the cores: devices and alerts need theirs, whoever signs in.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new((cores / 2).clamp(1, RUNNING_MAX))
    }
}

impl Gate {
    fn new(running_max: usize) -> Self {
        let inside = Inside { places: Shares::new(PLACES), running: 0, reserved_waiting: 0 };
        Self { inside: Mutex::new(inside), freed: Condvar::new(), running_max }
    }

    /// Waits for a turn. Blocks.
    ///
    /// Errors: [`PasswordError::Busy`] when this caller's places are taken.
    pub(super) fn enter(&self, caller: Option<&Caller>) -> Result<Turn<'_>, PasswordError> {
        let class = caller.map_or(ShareClass::Reserved, Caller::share_class);
        let share = Share::of(caller);
        let mut inside = self.inside();
        inside.places.take(share.clone(), class).map_err(|_| PasswordError::Busy)?;
        let is_reserved = class == ShareClass::Reserved;
        inside.reserved_waiting += usize::from(is_reserved);
        let must_wait = |inside: &mut Inside| {
            inside.running >= self.running_max || (!is_reserved && inside.reserved_waiting > 0)
        };
        inside = self.freed.wait_while(inside, must_wait).unwrap_or_else(PoisonError::into_inner);
        inside.reserved_waiting -= usize::from(is_reserved);
        inside.running += 1;
        drop(inside);
        // Strangers may have waited for this one to go in.
        self.freed.notify_all();
        Ok(Turn { gate: self, share })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Counts are changed in whole.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.running -= 1;
        inside.places.give_back(&self.share);
        drop(inside);
        // All of them: which of them may go depends on who waits.
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn stranger(n: u8) -> Caller {
        Caller::Stranger("mai".to_owned(), Network::of([10, 0, 0, n].into(), 64))
    }

    fn wait_for(gate: &Gate, condition: impl Fn(&Inside) -> bool) {
        while !condition(&gate.inside()) {
            thread::yield_now();
        }
    }

    #[test]
    fn no_more_than_the_gate_allows_work_at_once() {
        let gate = Gate::new(1);
        let turn = gate.enter(None).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(None).is_ok());
            wait_for(&gate, |inside| inside.reserved_waiting == 1);
            assert_eq!(gate.inside().running, 1);
            drop(turn);
            assert!(waiting.join().unwrap());
        });
        let inside = gate.inside();
        assert_eq!((inside.running, inside.places.taken()), (0, 0));
    }

    #[test]
    fn known_callers_go_before_strangers_who_came_first() {
        let gate = Gate::new(1);
        let turn = gate.enter(None).unwrap();
        let (order, came) = mpsc::channel();
        thread::scope(|scope| {
            let gate = &gate;
            let first = order.clone();
            scope.spawn(move || {
                let _turn = gate.enter(Some(&stranger(1))).unwrap();
                first.send("stranger").unwrap();
            });
            wait_for(gate, |inside| inside.places.taken() == 2);
            scope.spawn(move || {
                let _turn = gate.enter(None).unwrap();
                order.send("known").unwrap();
            });
            wait_for(gate, |inside| inside.reserved_waiting == 1);
            drop(turn);
        });
        assert_eq!(came.iter().collect::<Vec<_>>(), ["known", "stranger"]);
    }

    #[test]
    fn each_network_has_a_share_and_some_places_are_reserved() {
        let gate = Gate::new(1);
        let mut inside = gate.inside();
        let mut taken = 0;
        for network in 0..20 {
            let share = Share::of(Some(&stranger(network)));
            while inside.places.take(share.clone(), ShareClass::Ordinary).is_ok() {
                taken += 1;
            }
            assert!(inside.places.of(&share) <= PLACES.each);
        }
        assert_eq!(taken, PLACES.total - PLACES.reserved);
        assert!(inside.places.take(Share::Own, ShareClass::Reserved).is_ok());
    }
}
