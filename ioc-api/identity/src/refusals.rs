//! Refused sign-ins in the audit trail. The first of a name and a network has an entry at once, what follows within a
//! minute is counted into one: a guesser writes a few lines, however busy.
use super::names;
use ioc_model::share::Network;
use ioc_records::{ANONYMOUS, Audit, Reach};
use std::collections::HashMap;

/// Names and networks told apart in a minute; what is beyond is counted together.
const KEPT_APART_MAX: usize = 256;

/// Refused sign-ins since the last entry about them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: HashMap<(String, Network), Count>,
    others: u64,
}

#[derive(Debug)]
struct Count {
    further: u64,
    reach: Reach,
}

impl Refusals {
    /// Counts a refused sign-in with this name. Returns its entry if it is the first; `reach` is that of the person, if
    /// there is one.
    pub(super) fn note(&mut self, name: &str, network: Network, reach: Reach, now_ms: i64) -> Option<Audit> {
        let key = (names::shown(name), network);
        if let Some(count) = self.counts.get_mut(&key) {
            count.further += 1;
            return None;
        }
        if self.counts.len() >= KEPT_APART_MAX {
            self.others += 1;
            return None;
        }
        let audit = Audit::new(now_ms, ANONYMOUS, "session.refused", &key.0).about(reach.clone());
        self.counts.insert(key, Count { further: 0, reach });
        Some(audit.with_detail(format!("from {network}")))
    }

    /// Returns entries about what was counted since, and begins anew.
    pub(super) fn flush(&mut self, now_ms: i64) -> Vec<Audit> {
        let further = self.counts.drain().filter(|(_, count)| count.further > 0);
        let mut audits: Vec<Audit> = further
            .map(|((name, network), Count { further, reach })| {
                let audit = Audit::new(now_ms, ANONYMOUS, "session.refused", name).about(reach);
                audit.with_detail(format!("from {network}, {further} more within a minute"))
            })
            .collect();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            let audit = Audit::new(now_ms, ANONYMOUS, "session.refused", "other names");
            audits.push(audit.with_detail(format!("{others} within a minute, from many networks or names")));
        }
        audits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: u8) -> Network {
        Network::of([10, 0, 0, n].into(), 64)
    }

    #[test]
    fn a_minute_of_guesses_is_two_entries() {
        let mut refusals = Refusals::default();
        let rows: Vec<_> =
            (0..500).filter_map(|n| refusals.note("mai", network(1), Reach::default(), n)).collect();
        assert_eq!((rows.len(), rows[0].detail.as_str()), (1, "from 10.0.0.1"));
        let rows = refusals.flush(60_000);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].detail, "from 10.0.0.1, 499 more within a minute");
        assert!(refusals.note("mai", network(1), Reach::default(), 60_001).is_some(), "a new minute");
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_counted() {
        let mut refusals = Refusals::default();
        let note = |n: usize| refusals.note(&format!("user{n}"), network(1), Reach::default(), 0);
        assert_eq!((0..10_000).filter_map(note).count(), KEPT_APART_MAX);
        let rows = refusals.flush(0);
        assert_eq!(rows.len(), 1, "nobody was refused twice");
        assert!(rows[0].detail.starts_with("9744 within a minute"), "{}", rows[0].detail);
        assert!(refusals.flush(0).is_empty());
    }

    #[test]
    fn what_was_typed_is_bounded_and_cannot_forge_lines() {
        let mut refusals = Refusals::default();
        let audit = refusals.note(&"x\n".repeat(5000), network(1), Reach::default(), 0).unwrap();
        assert!(audit.object.chars().count() <= 80 && !audit.object.contains('\n'));
    }
}
