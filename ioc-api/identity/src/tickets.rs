//! How long each try has been asked for, also when its client was sent away in between.
//!
//! A try is recognised by its password: whoever has the right one comes again with the same, and a guesser goes on to
//! the next. So patience counts for the one and not for the other, though both are strangers in the same network.
use ioc_model::share::Network;
use std::hash::{BuildHasher, RandomState};

/// Tries remembered at once.
const SLOTS: usize = 1 << 14;
/// A try that was not asked for during this time begins anew.
const FORGET_NS: u64 = 60 * 1_000_000_000;

/// Stands for an account, a network and a password. It means nothing outside this process, and does not last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[cfg(test)]
impl From<u64> for Ticket {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    ticket: u64,
    first_ns: u64,
    last_ns: u64,
}

/// Tries by ticket, in the same memory whoever asks: two that share a slot make each other young.
pub(super) struct Tickets {
    slots: Box<[Slot]>,
    key: RandomState,
}

impl Default for Tickets {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); SLOTS].into(), key: RandomState::new() }
    }
}

impl Tickets {
    /// Returns the ticket of a try.
    pub(super) fn of(&self, account: &str, network: Network, password: &str) -> Ticket {
        Ticket(self.key.hash_one((account, network, password)))
    }

    /// Notes that a try is asked for. Returns since when it has been.
    pub(super) fn ask(&mut self, Ticket(ticket): Ticket, now_ns: u64) -> u64 {
        let slot = self.slot(ticket);
        let is_same = slot.ticket == ticket && now_ns.saturating_sub(slot.last_ns) <= FORGET_NS;
        let first_ns = if is_same { slot.first_ns.min(now_ns) } else { now_ns };
        *slot = Slot { ticket, first_ns, last_ns: now_ns };
        first_ns
    }

    /// Forgets a try that had its turn.
    pub(super) fn end(&mut self, Ticket(ticket): Ticket) {
        let slot = self.slot(ticket);
        if slot.ticket == ticket {
            *slot = Slot::default();
        }
    }

    fn slot(&mut self, ticket: u64) -> &mut Slot {
        let place = (ticket % self.slots.len() as u64) as usize;
        &mut self.slots[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_try_grows_old_while_it_is_asked_for_and_is_young_after_its_turn() {
        let mut tickets = Tickets::default();
        let network = Network::of([10, 0, 0, 1].into(), 64);
        let own = tickets.of("mai", network, "right");
        for (account, password) in [("mai", "wrong"), ("lan", "right")] {
            assert_ne!(own, tickets.of(account, network, password));
        }
        assert_eq!(tickets.ask(own, SECOND), SECOND);
        assert_eq!(tickets.ask(own, 50 * SECOND), SECOND);
        assert_eq!(tickets.ask(own, 100 * SECOND), SECOND);
        assert_eq!(tickets.ask(own, 161 * SECOND), 161 * SECOND, "left alone for a minute");
        tickets.end(own);
        assert_eq!(tickets.ask(own, 162 * SECOND), 162 * SECOND);
    }
}
