//! Slows down those who guess passwords, and nobody else. Time is an argument, and monotonic.
//!
//! There is no lock-out: a try waits for its turn in a lane, and is sent away only after [`PATIENCE`], to come again. A
//! right password gives back what it took; a wrong one leaves its cost, which grows. The lanes are those of the origin
//! that a try comes from:
//!
//! | Origin | Lanes | Who can slow it |
//! |---|---|---|
//! | browser in which this person has signed in (a cookie of its own) | one of its own | whoever sits at it |
//! | network from which this person has signed in | one of its own | who guesses this account from this network |
//! | stranger | account and network; account (first tries and others apart); network | the same, a flood of networks against this account, a flood from this network |
//!
//! So who guesses an account from elsewhere never slows its owner where the owner is known. Two in one network, at one
//! account and in browsers without a past share a lane, in the order of asking: whoever has asked for a try for longest
//! gets the next turn ([`patience`]), and a try is the same as long as its password is ([`super::tickets`]). So guessers,
//! however many and however hasty, are each served once or twice before someone who asks with the right password is.
//!
//! Places are counted beside the lanes, so that tries that wait stay few: each account and origin has some, each network
//! of strangers more, and some are kept for known origins.
//!
//! A name that does not exist has the lanes of a stranger. Whoever floods a network could tell from the waits which
//! people have signed in from that same network before; that is less than what any of its screens shows.
use super::{
    lanes::{Cost, Flow, Lane, Lanes},
    origins::{Origin, Origins},
    tickets::{Ticket, Tickets},
};
use ioc_model::share::{Exceeded, Full, Network, Rate, ShareClass, ShareLimits, Shares};
use std::time::Duration;

/// The longest that a try waits for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How often a waiting try looks whether its turn has come.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// How far ahead a turn may be claimed, as a part of the time that a try has been asked for.
const AHEAD: u32 = 20;
/// Tries at one account from one origin come at once up to this many seconds' worth.
const BURST: u32 = 15;
/// Tries of all strangers at one account, and of the strangers of one network, that come at once.
const STRANGERS_BURST: u32 = 60;
/// Tries a second of the strangers of one network, whatever the account.
const NETWORK_PER_SECOND: u32 = 5;
/// Tries of a network at an account that count as first ones.
const FIRST_TRIES: u32 = 3;
/// When whoever has too many tries under way may come again.
const AGAIN: Duration = Duration::from_secs(2);
const LANES: usize = 1 << 16;

/// Tries that are waiting or being checked, of one account from one origin.
const PLACES: ShareLimits = ShareLimits { total: 1024, reserved: 256, each: 64 };
/// The same, of all strangers of one network.
const NETWORK_PLACES: ShareLimits = ShareLimits { total: 1024, reserved: 0, each: 128 };

/// One origin and one account.
fn own() -> Flow {
    Flow { rate: Rate::new(1, BURST), grows: true }
}

/// All strangers at one account.
fn account() -> Flow {
    Flow { rate: Rate::new(1, STRANGERS_BURST), grows: false }
}

/// The strangers of one network.
fn network() -> Flow {
    Flow { rate: Rate::new(NETWORK_PER_SECOND, STRANGERS_BURST), grows: false }
}

/// Returns how far ahead a turn may be claimed by a try that has been asked for since `since_ns`: when a turn comes up,
/// it is within the reach of the oldest first.
fn patience(since_ns: u64, now_ns: u64) -> Duration {
    (Duration::from_nanos(now_ns.saturating_sub(since_ns)) / AHEAD).min(PATIENCE)
}

/// Who wants to try a password.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// The person's name, or what was typed when there is no such person.
    pub(super) account: String,
    /// Where from.
    pub(super) network: Network,
    /// The secret of the browser, if it has one.
    pub(super) browser: Option<Origin>,
    /// Which try it is, see [`LoginThrottle::ticket`].
    pub(super) ticket: Ticket,
}

/// Whose places and lanes a try takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Someone at an origin where the person has signed in.
    Known(String, Origin),
    /// Anyone else in a network who tries an account.
    Stranger(String, Network),
}

impl Caller {
    /// Returns whether the reserved places are for them.
    pub(super) fn share_class(&self) -> ShareClass {
        match self {
            Self::Known(..) => ShareClass::Reserved,
            Self::Stranger(..) => ShareClass::Ordinary,
        }
    }

    /// Returns the network, for strangers.
    pub(super) fn crowd(&self) -> Option<Network> {
        match self {
            Self::Known(..) => None,
            Self::Stranger(_, network) => Some(*network),
        }
    }
}

/// A try that has a place and, once it has taken something from its lanes, a turn. Given back with [`LoginThrottle::end`].
#[derive(Debug)]
pub(super) struct Try {
    pub(super) caller: Caller,
    claim: Claim,
    /// Since when it has been asked for.
    since_ns: u64,
    taken: Vec<(Which, Flow, Cost)>,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The password was right, or was not looked at.
    Free,
    /// The password was wrong, or nobody waited for the answer.
    Spent,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Too many wrong passwords; worth asking again after this time.
    Guessing(Duration),
    /// Too many at once, though none of theirs was wrong.
    Busy,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    /// The only lane of someone known.
    Own,
    Pair(usize),
    Account(usize),
    Network(usize),
}

/// Gives out turns.
pub(super) struct LoginThrottle {
    pub(super) origins: Origins,
    pairs: Lanes,
    accounts: Lanes,
    networks: Lanes,
    places: Shares<Caller>,
    crowds: Shares<Network>,
    tickets: Tickets,
}

impl Default for LoginThrottle {
    fn default() -> Self {
        let lanes = || Lanes::new(LANES);
        Self {
            origins: Origins::default(),
            pairs: lanes(),
            accounts: lanes(),
            networks: lanes(),
            places: Shares::new(PLACES),
            crowds: Shares::new(NETWORK_PLACES),
            tickets: Tickets::default(),
        }
    }
}

impl LoginThrottle {
    /// Returns the ticket of a try.
    pub(super) fn ticket(&self, account: &str, network: Network, password: &str) -> Ticket {
        self.tickets.of(account, network, password)
    }

    /// Gives a place to whoever claims a turn, which [`LoginThrottle::turn`] gives.
    ///
    /// Errors: [`NoTurn`]; nothing was taken then.
    pub(super) fn begin(&mut self, claim: Claim, now_ns: u64) -> Result<Try, NoTurn> {
        let caller = self.caller(&claim);
        if let Err(full) = self.take_place(&caller) {
            return Err(match full {
                Full::Caller => self.refusal(&claim, &caller, now_ns),
                Full::All => NoTurn::Busy,
            });
        }
        let since_ns = self.tickets.ask(claim.ticket, now_ns);
        Ok(Try { caller, claim, since_ns, taken: Vec::new() })
    }

    /// Gives the next turn that is in the try's reach; returns how long to wait until it begins.
    ///
    /// Errors: [`Exceeded`]; asked again later, it is in reach.
    pub(super) fn turn(&mut self, waiting: &mut Try, now_ns: u64) -> Result<Duration, Exceeded> {
        let mut longest = Duration::ZERO;
        for (which, flow) in self.lanes_of(&waiting.claim, &waiting.caller, now_ns) {
            let Some(lane) = self.lane(which, &waiting.caller) else { continue };
            match lane.take(flow, now_ns, patience(waiting.since_ns, now_ns)) {
                Ok((wait, cost)) => {
                    longest = longest.max(wait);
                    waiting.taken.push((which, flow, cost));
                }
                Err(exceeded) => {
                    self.give_back_lanes(waiting);
                    return Err(exceeded);
                }
            }
        }
        Ok(longest)
    }

    /// Ends a try that was given no turn in all its time.
    pub(super) fn give_up(&mut self, waiting: Try, now_ns: u64) -> NoTurn {
        self.tickets.ask(waiting.claim.ticket, now_ns);
        let refusal = self.refusal(&waiting.claim, &waiting.caller, now_ns);
        self.give_back_place(&waiting.caller);
        refusal
    }

    fn take_place(&mut self, caller: &Caller) -> Result<(), Full> {
        self.places.take(caller.clone(), caller.share_class())?;
        let Some(network) = caller.crowd() else { return Ok(()) };
        self.crowds.take(network, caller.share_class()).inspect_err(|_| self.places.give_back(caller))
    }

    /// Gives back what a turn took: its place, and the lanes unless a wrong password was tried.
    pub(super) fn end(&mut self, mut turn: Try, outcome: Outcome) {
        self.give_back_place(&turn.caller);
        match outcome {
            Outcome::Free => self.give_back_lanes(&mut turn),
            Outcome::Spent => {
                for (which, ..) in &turn.taken {
                    if let Some(lane) = self.lane(*which, &turn.caller) {
                        lane.note_wrong();
                    }
                }
                // Whoever left before had no turn, and may come back.
                if !turn.taken.is_empty() {
                    self.tickets.end(turn.claim.ticket);
                }
            }
        }
    }

    fn give_back_place(&mut self, caller: &Caller) {
        self.places.give_back(caller);
        if let Some(network) = caller.crowd() {
            self.crowds.give_back(&network);
        }
    }

    fn give_back_lanes(&mut self, turn: &mut Try) {
        for (which, flow, cost) in turn.taken.drain(..) {
            if let Some(lane) = self.lane(which, &turn.caller) {
                lane.give_back(flow, cost);
            }
        }
    }

    /// Returns why a caller has to come again.
    fn refusal(&mut self, claim: &Claim, caller: &Caller, now_ns: u64) -> NoTurn {
        let lanes = self.lanes_of(claim, caller, now_ns);
        let saw_wrong = lanes
            .into_iter()
            .any(|(which, _)| self.lane(which, caller).is_some_and(|lane| lane.saw_wrong(now_ns)));
        if saw_wrong { NoTurn::Guessing(AGAIN) } else { NoTurn::Busy }
    }

    /// Finds the origin that counts: the browser before the network, because fewer can sit at it.
    fn caller(&self, claim: &Claim) -> Caller {
        let origins = claim.browser.into_iter().chain([Origin::network(claim.network)]);
        let known = { origins }.find(|origin| self.origins.knows(&claim.account, *origin));
        match known {
            Some(origin) => Caller::Known(claim.account.clone(), origin),
            None => Caller::Stranger(claim.account.clone(), claim.network),
        }
    }

    fn lanes_of(&mut self, claim: &Claim, caller: &Caller, now_ns: u64) -> Vec<(Which, Flow)> {
        if matches!(caller, Caller::Known(..)) {
            return vec![(Which::Own, own())];
        }
        let pair = self.pairs.place((&claim.account, claim.network));
        // Who was never wrong here does not stand behind those who were, however many networks they have.
        let is_first = self.pairs.at(pair).tries(now_ns) < FIRST_TRIES;
        let of_account = self.accounts.place((&claim.account, is_first));
        let of_network = self.networks.place(claim.network);
        vec![
            (Which::Pair(pair), own()),
            (Which::Account(of_account), account()),
            (Which::Network(of_network), network()),
        ]
    }

    fn lane(&mut self, which: Which, caller: &Caller) -> Option<&mut Lane> {
        match (which, caller) {
            (Which::Own, Caller::Known(user, origin)) => self.origins.lane(user, *origin),
            (Which::Own, Caller::Stranger(..)) => None,
            (Which::Pair(place), _) => Some(self.pairs.at(place)),
            (Which::Account(place), _) => Some(self.accounts.at(place)),
            (Which::Network(place), _) => Some(self.networks.at(place)),
        }
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
