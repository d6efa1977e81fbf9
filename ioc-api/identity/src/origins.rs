//! Where each person has signed in from: networks and browsers. A sign-in from there has a lane of its own, which
//! strangers cannot fill.
use super::{lanes::Lane, secret::hash_secret};
use ioc_model::share::Network;
use ioc_records::{ORIGINS_PER_USER_MAX, OriginRow, SecretHash};
use std::collections::{HashMap, hash_map::Entry};

/// An origin is forgotten after this long without a sign-in.
pub(super) const ORIGIN_KEEP_MS: i64 = 400 * DAY_MS;
/// How old the date of the last sign-in may get before it is written again.
const DATED_MS: i64 = DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// A network or a browser. Only its hash is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin(SecretHash);

impl Origin {
    /// Returns the origin of everyone in a network.
    pub(super) fn network(network: Network) -> Self {
        Self(hash_secret(&format!("network {network}")))
    }

    /// Returns the origin of the browser that holds this secret.
    pub(super) fn browser(secret: &str) -> Self {
        Self(hash_secret(&format!("browser {secret}")))
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    lane: Lane,
    last_ms: i64,
}

/// The origins of everyone, each with its lane.
#[derive(Debug, Default)]
pub(super) struct Origins {
    users: HashMap<String, HashMap<Origin, Known>>,
    /// How many people have signed in from each.
    people: HashMap<Origin, u32>,
}

impl Origins {
    /// Starts from what the records hold.
    pub(super) fn load(&mut self, rows: Vec<OriginRow>) {
        for OriginRow { user, origin, last_ms } in rows {
            let known = Known { lane: Lane::default(), last_ms };
            if self.users.entry(user).or_default().insert(Origin(origin), known).is_none() {
                *self.people.entry(Origin(origin)).or_default() += 1;
            }
        }
    }

    /// Reports whether anyone has signed in from there.
    pub(super) fn knows_anyone(&self, origin: Origin) -> bool {
        self.people.contains_key(&origin)
    }

    fn leave(people: &mut HashMap<Origin, u32>, origin: Origin) {
        if let Entry::Occupied(mut count) = people.entry(origin) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Returns the lane of an origin that the person has signed in from.
    pub(super) fn lane(&mut self, user: &str, origin: Origin) -> Option<&mut Lane> {
        self.users.get_mut(user)?.get_mut(&origin).map(|known| &mut known.lane)
    }

    /// Reports whether the person has signed in from there.
    pub(super) fn knows(&self, user: &str, origin: Origin) -> bool {
        self.users.get(user).is_some_and(|own| own.contains_key(&origin))
    }

    /// Remembers a sign-in. Returns the row to be written; `None` when what is written is recent enough.
    pub(super) fn remember(&mut self, user: &str, origin: Origin, now_ms: i64) -> Option<OriginRow> {
        let own = self.users.entry(user.to_owned()).or_default();
        let known = own.entry(origin).or_insert_with(|| {
            *self.people.entry(origin).or_default() += 1;
            Known { lane: Lane::default(), last_ms: i64::MIN }
        });
        if now_ms.saturating_sub(known.last_ms) < DATED_MS && now_ms >= known.last_ms {
            return None;
        }
        known.last_ms = now_ms;
        if own.len() > ORIGINS_PER_USER_MAX {
            let oldest = own.iter().min_by_key(|(_, known)| known.last_ms).map(|(origin, _)| *origin);
            if let Some(oldest) = oldest.filter(|oldest| own.remove(oldest).is_some()) {
                Self::leave(&mut self.people, oldest);
            }
        }
        Some(OriginRow { user: user.to_owned(), origin: origin.0, last_ms: now_ms })
    }

    /// Forgets all origins of a person: whoever knew the old password may have used them.
    pub(super) fn forget(&mut self, user: &str) {
        for origin in self.users.remove(user).unwrap_or_default().into_keys() {
            Self::leave(&mut self.people, origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser(n: usize) -> Origin {
        Origin::browser(&n.to_string())
    }

    #[test]
    fn origins_are_each_persons_own_and_bounded() {
        let mut origins = Origins::default();
        for n in 0..=ORIGINS_PER_USER_MAX {
            assert!(origins.remember("mai", browser(n), n as i64).is_some());
        }
        assert!(!origins.knows("mai", browser(0)), "the oldest went");
        assert!(origins.knows("mai", browser(1)));
        assert!(!origins.knows("lan", browser(1)));
        assert!(!origins.knows_anyone(browser(0)) && origins.knows_anyone(browser(1)));
        origins.remember("lan", browser(1), 1);
        origins.forget("mai");
        assert!(!origins.knows("mai", browser(1)) && origins.knows_anyone(browser(1)));
        origins.forget("lan");
        assert!(origins.people.is_empty());
    }

    #[test]
    fn a_row_is_written_once_a_day_and_after_the_clock_went_back() {
        let mut origins = Origins::default();
        assert!(origins.remember("mai", browser(1), DAY_MS).is_some());
        assert!(origins.remember("mai", browser(1), DAY_MS + 1).is_none());
        assert!(origins.remember("mai", browser(1), 2 * DAY_MS).is_some());
        assert!(origins.remember("mai", browser(1), DAY_MS).is_some());
    }
}
