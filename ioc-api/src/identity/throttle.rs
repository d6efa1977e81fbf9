//! Slows down those who guess passwords, and nobody else. Time is an argument, and monotonic.
//!
//! There is no lock-out: a try waits for its turn in a lane, and is refused only when that turn is more than
//! [`PATIENCE`] away. A right password gives back what it took; a wrong one leaves its cost, which grows. The lanes are
//! those of the origin that a try comes from:
//!
//! | Origin | Lanes | Who can slow it |
//! |---|---|---|
//! | browser in which this person has signed in (a cookie of its own) | one of its own | whoever sits at it |
//! | network from which this person has signed in | one of its own | who guesses this account from this network |
//! | stranger | account and network; account (first tries and others apart); network | the same, a flood of networks against this account, a flood from this network |
//!
//! So who guesses an account from elsewhere never slows its owner where the owner is known. Two in one network, at one
//! account and in browsers without a past cannot be told apart: they share a lane, in the order of asking.
//!
//! Places are counted beside the lanes, so that tries that wait stay few: each account and origin has some, each network
//! of strangers more, and some are kept for known origins.
//!
//! A name that does not exist has the lanes of a stranger. Whoever floods a network could tell from the waits which
//! people have signed in from that same network before; that is less than what any of its screens shows.
use super::{
    lanes::{Cost, Flow, Lane, Lanes},
    origins::{Origin, Origins},
};
use ioc_model::share::{Exceeded, Full, Network, Rate, ShareLimits, Shares, Standing};
use std::time::Duration;

/// The longest that a try waits for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
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
const PLACES: ShareLimits = ShareLimits { total: 1024, reserved: 256, each: 8 };
/// The same, of all strangers of one network.
const NETWORK_PLACES: ShareLimits = ShareLimits { total: 1024, reserved: 0, each: 64 };

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

/// Who wants to try a password.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// The person's name, or what was typed when there is no such person.
    pub(super) account: String,
    /// Where from.
    pub(super) network: Network,
    /// The secret of the browser, if it has one.
    pub(super) browser: Option<Origin>,
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
    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Known(..) => Standing::Reserved,
            Self::Stranger(..) => Standing::Ordinary,
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

/// A turn. Its place and lanes are given back with [`Throttle::end`].
#[derive(Debug)]
pub(super) struct Try {
    pub(super) caller: Caller,
    /// How long to wait until it begins.
    pub(super) wait: Duration,
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
    /// Too many tries; there is one again after this time.
    Wait(Duration),
    /// All places are taken.
    Busy,
}

impl From<Exceeded> for NoTurn {
    fn from(Exceeded { wait }: Exceeded) -> Self {
        Self::Wait(wait)
    }
}

impl From<Full> for NoTurn {
    fn from(full: Full) -> Self {
        match full {
            Full::Caller => Self::Wait(AGAIN),
            Full::All => Self::Busy,
        }
    }
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
pub(super) struct Throttle {
    pub(super) origins: Origins,
    pairs: Lanes,
    accounts: Lanes,
    networks: Lanes,
    places: Shares<Caller>,
    crowds: Shares<Network>,
}

impl Default for Throttle {
    fn default() -> Self {
        let lanes = || Lanes::new(LANES);
        Self {
            origins: Origins::default(),
            pairs: lanes(),
            accounts: lanes(),
            networks: lanes(),
            places: Shares::new(PLACES),
            crowds: Shares::new(NETWORK_PLACES),
        }
    }
}

impl Throttle {
    /// Gives a turn to whoever claims it.
    ///
    /// Errors: [`NoTurn`]; nothing was taken then.
    pub(super) fn begin(&mut self, claim: &Claim, now_ns: u64) -> Result<Try, NoTurn> {
        let caller = self.caller(claim);
        self.take_place(&caller)?;
        let mut turn = Try { caller, wait: Duration::ZERO, taken: Vec::new() };
        match self.take_lanes(claim, &mut turn, now_ns) {
            Ok(()) => Ok(turn),
            Err(refused) => {
                self.end(turn, Outcome::Free);
                Err(refused.into())
            }
        }
    }

    fn take_place(&mut self, caller: &Caller) -> Result<(), Full> {
        self.places.take(caller.clone(), caller.standing())?;
        let Some(network) = caller.crowd() else { return Ok(()) };
        self.crowds.take(network, caller.standing()).inspect_err(|_| self.places.give_back(caller))
    }

    /// Gives back what a turn took: its place, and the lanes unless a wrong password was tried.
    pub(super) fn end(&mut self, turn: Try, outcome: Outcome) {
        self.places.give_back(&turn.caller);
        if let Some(network) = turn.caller.crowd() {
            self.crowds.give_back(&network);
        }
        if outcome == Outcome::Spent {
            return;
        }
        for (which, flow, cost) in turn.taken {
            if let Some(lane) = self.lane(which, &turn.caller) {
                lane.give_back(flow, cost);
            }
        }
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

    fn take_lanes(&mut self, claim: &Claim, turn: &mut Try, now_ns: u64) -> Result<(), Exceeded> {
        for (which, flow) in self.lanes_of(claim, &turn.caller, now_ns) {
            let Some(lane) = self.lane(which, &turn.caller) else { continue };
            let (wait, cost) = lane.take(flow, now_ns, PATIENCE)?;
            turn.wait = turn.wait.max(wait);
            turn.taken.push((which, flow, cost));
        }
        Ok(())
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
