//! The book of alarms owns every alert that can still change. Rules write their decisions into it and operators their
//! actions, one after the other behind one mutex and each on its own thread: an alert need not wait for another thread to
//! wake up. Each transition goes to the journal. The book tells nobody: everyone learns of a transition by following the
//! journal, so nothing is told that is not on disk.
mod fit;
mod merge;
mod written;
#[cfg(test)]
pub(crate) use merge::tests as tests_support;

pub use merge::{Action, ActionError, NOTE_LEN_MAX, NOTES_MAX};
pub use written::Written;

use crate::followers::Nudge;
use ioc_journal::{AppendError, Health, Journal, Offset};
use ioc_model::{Alert, AlertId, Condition, RecordKind, Transition};
use ioc_rules::{Outlet, RuleTransition};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Operator actions under way at once; beyond it the API answers 503.
const ACTIONS_MAX: usize = 256;
/// How long the book waits for the journal before it looks again whether it should stop.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// Cleared alerts that wait for the archive to have them. Beyond it the oldest go, and an action on one of those may find
/// it as it was before.
const FINISHED_MAX: usize = 100_000;

/// A transition is not in the journal.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("it cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Alerts that the book no longer holds.
pub struct Archive {
    /// Finds one by id.
    pub find: Box<dyn Fn(AlertId) -> Option<Alert> + Send>,
    /// Says up to which transition it is complete.
    pub through: Box<dyn Fn() -> Offset + Send>,
}

/// The answer to an operator's action: the alert after it, and where the journal has it.
pub type Outcome = Result<(Offset, Alert), ActionError>;

/// See the module.
pub struct Book {
    journal: Journal,
    pages: Mutex<Pages>,
    actions: AtomicUsize,
    hurry: AtomicBool,
    written: Written,
    urgent: Nudge,
}

impl Book {
    /// Opens the book with the alerts that were unfinished when the last process ended. Who tells of transitions is
    /// urged to look at each.
    pub fn open(journal: Journal, unfinished: Vec<Alert>, archive: Archive, urgent: Nudge) -> Self {
        let alerts = unfinished.into_iter().map(|alert| (alert.id, (0, alert))).collect();
        Self {
            journal,
            pages: Mutex::new(Pages { alerts, finished: VecDeque::new(), archive }),
            actions: AtomicUsize::new(0),
            hurry: AtomicBool::new(false),
            written: Written::default(),
            urgent,
        }
    }

    /// Returns what counts the decisions that were written down.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// Tells the book that the end is near: what a journal without space does not take is left to the next start, which
    /// decides it again. Until then nobody who waits for the book could end.
    pub fn hurry(&self) {
        self.hurry.store(true, Relaxed);
    }

    /// Does `action` to alert `id` in the name of `by`, and waits until it is on disk. Blocks.
    ///
    /// Errors: [`ActionError`] says why it does not apply.
    pub fn act(&self, id: AlertId, action: &Action, by: &str, at: i64) -> Outcome {
        let _turn = Turn::take(&self.actions)?;
        let (offset, alert) = self.apply(id, action, by, at)?;
        let durable = self.journal.wait_durable(offset, Duration::from_secs(10));
        durable.map_err(|error| ActionError::Journal(error.to_string()))?;
        Ok((offset, alert))
    }

    fn apply(&self, id: AlertId, action: &Action, by: &str, at: i64) -> Outcome {
        let mut pages = self.pages();
        let known = pages.find(id).ok_or(ActionError::NotFound)?;
        let transition = merge::act(&known, action, by, at)?;
        let alert = transition.alert.clone();
        let offset =
            self.write(&mut pages, transition).map_err(|error| ActionError::Journal(error.to_string()))?;
        Ok((offset, alert))
    }

    fn decide(&self, decision: RuleTransition) {
        let mut pages = self.pages();
        let known = if decision.begins { None } else { pages.find(decision.alert.id) };
        let transition = Transition {
            transition: decision.kind,
            at: decision.at_ms,
            by: None,
            cause: Some(decision.cause),
            alert: merge::decide(known.as_ref(), decision.alert),
        };
        match self.write(&mut pages, transition) {
            Ok(offset) => self.written.add(offset),
            Err(error) => {
                tracing::error!(%error, "a decision of the rules could not be journaled before the stop; it is decided again at the next start")
            }
        }
    }

    /// Appends to the journal; waits while it is full, so that no transition is ever dropped.
    fn write(&self, pages: &mut Pages, mut transition: Transition) -> Result<Offset, WriteError> {
        let json = fit::encode(&mut transition)?;
        let offset = loop {
            match self.journal.append(RecordKind::Transition, |out| out.extend_from_slice(&json)) {
                Err(AppendError::Full) if !self.is_hopeless() => {
                    let _ = self.journal.wait_durable(self.journal.durable() + 1, JOURNAL_RETRY);
                }
                other => break other?,
            }
        };
        self.urgent.urge(offset);
        pages.keep(offset, transition.alert);
        Ok(offset)
    }

    fn is_hopeless(&self) -> bool {
        self.hurry.load(Relaxed) && self.journal.health() != Health::Ok
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A page is put in whole or not at all.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Book {
    fn tell(&self, decision: RuleTransition) -> bool {
        self.decide(decision);
        true
    }
}

/// One of the places for actions under way.
struct Turn<'b>(&'b AtomicUsize);

impl<'b> Turn<'b> {
    fn take(actions: &'b AtomicUsize) -> Result<Self, ActionError> {
        let turn = Self(actions);
        match actions.fetch_add(1, Relaxed) < ACTIONS_MAX {
            true => Ok(turn),
            false => Err(ActionError::Journal("the alert book is busy; try again".into())),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Pages {
    /// What can still change, or is not in the archive yet, with the offset of its last transition.
    alerts: HashMap<AlertId, (Offset, Alert)>,
    /// Of these, what was cleared, in the order of the offsets.
    finished: VecDeque<(Offset, AlertId)>,
    archive: Archive,
}

impl Pages {
    fn find(&self, id: AlertId) -> Option<Alert> {
        self.alerts.get(&id).map(|(_, alert)| alert.clone()).or_else(|| (self.archive.find)(id))
    }

    /// Keeps what can still change, and what the archive does not have yet: it would tell an alert that has just been
    /// cleared as firing.
    fn keep(&mut self, offset: Offset, alert: Alert) {
        if alert.state == Condition::Cleared {
            self.finished.push_back((offset, alert.id));
        }
        self.alerts.insert(alert.id, (offset, alert));
        let through = (self.archive.through)();
        while let Some((offset, id)) = self.finished.front().copied()
            && (offset <= through || self.finished.len() > FINISHED_MAX)
        {
            self.finished.pop_front();
            // Somebody may have written a note since, which comes later in the queue.
            if self.alerts.get(&id).is_some_and(|(last, _)| *last == offset) {
                self.alerts.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_journal::JournalConfig;
    use ioc_model::TransitionKind;
    use merge::tests::firing;

    fn decision(alert: Alert, kind: TransitionKind) -> RuleTransition {
        RuleTransition { kind, at_ms: 1, cause: 1, alert, begins: false, withdrawn_pending: false }
    }

    #[test]
    fn an_alert_that_was_just_cleared_stays_cleared_whoever_acts_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(JournalConfig::new(dir.path())).unwrap();
        let archive = Archive {
            // The archive is behind: it has not heard of the end.
            find: Box::new(|id| Some(firing()).filter(|alert| alert.id == id)),
            through: Box::new(|| 0),
        };
        let book = Book::open(journal.clone(), Vec::new(), archive, Nudge::default());
        let cleared = Alert { state: Condition::Cleared, cleared_at: Some(2), ..firing() };
        assert!(book.tell(decision(firing(), TransitionKind::Firing)));
        assert!(book.tell(decision(cleared, TransitionKind::Cleared)));
        let (_, alert) = book.act(firing().id, &Action::Acknowledge, "lan", 3).unwrap();
        assert_eq!((alert.state, alert.cleared_at), (Condition::Cleared, Some(2)));
        let again = book.act(firing().id, &Action::Acknowledge, "mai", 4).unwrap_err();
        assert_eq!(again.to_string(), "lan already acknowledged this alert");
        assert!(book.written().has(2, &journal));
    }

    #[test]
    fn what_the_archive_has_is_let_go() {
        let archive = Archive { find: Box::new(|_| None), through: Box::new(|| 7) };
        let mut pages = Pages { alerts: HashMap::new(), finished: VecDeque::new(), archive };
        let cleared = |n| Alert { id: AlertId::new(1, n), state: Condition::Cleared, ..firing() };
        pages.keep(6, cleared(1));
        pages.keep(8, cleared(2));
        pages.keep(9, Alert { id: AlertId::new(1, 3), ..firing() });
        let mut kept: Vec<_> = pages.alerts.values().map(|(offset, _)| *offset).collect();
        kept.sort_unstable();
        assert_eq!(kept, [8, 9]);
    }
}
