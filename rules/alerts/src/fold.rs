//! All alerts that can still change, computed from the events that led to them.
//!
//! A cleared alert stays for a while and is let go by a rule that depends on nothing but the events: so all folds of the
//! same events, live or replayed, hold the same alerts.
use crate::{
    command::{AlertCommand, CommandError, check},
    decision::RuleDecision,
    event::{AlertEvent, EventBody, Noted, Taken},
    life::{Ignored, after},
    recall,
    wire::{Decoded, EventError, decode},
};
use ioc_model::{Alert, AlertId, Condition, Transition};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Changes of cleared alerts that are remembered: an alert whose last change is not among them is let go.
pub const FINISHED_KEPT: usize = 4_096;

/// One alert, with what the fold knows about it. Clones are cheap.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertState {
    /// The alert.
    pub alert: Arc<Alert>,
    /// Newest journal offset that decided one of its transitions; 0 when none is known.
    pub cause: u64,
    /// Journal offset of its last event.
    pub seq: u64,
}

/// What an event did.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It changed an alert, and this is told.
    Told(Box<Transition>),
    /// It changed an alert, and nothing is told.
    Quiet,
    /// It changed nothing.
    Ignored(Ignored),
    /// It is of a newer program: kept, and skipped.
    Unknown,
}

/// Counts events that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// About an alert in no state for it, or about one that is not known.
    pub ignored: u64,
    /// Of kinds or versions that this program does not know.
    pub unknown: u64,
}

/// Computes alerts from events. Clones share what has not changed since.
#[derive(Debug, Clone, Default)]
pub struct AlertFold {
    pub(crate) through: u64,
    /// Newest event of an alert that was let go.
    pub(crate) let_go_through: u64,
    pub(crate) alerts: BTreeMap<AlertId, AlertState>,
    /// Changes of cleared alerts, in order.
    pub(crate) finished: VecDeque<(u64, AlertId)>,
    pub(crate) tally: Tally,
}

impl AlertFold {
    /// Begins with states that an archive has, which is complete up to journal offset `through`. Those of cleared alerts
    /// come in the order of their last events.
    pub fn starting_with(states: impl IntoIterator<Item = AlertState>, through: u64) -> Self {
        let mut fold = Self { through, ..Self::default() };
        states.into_iter().for_each(|state| fold.keep(state));
        fold
    }

    /// Returns the journal offset up to which events are folded.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// Notes that nothing up to journal offset `through` is missing.
    pub fn reach(&mut self, through: u64) {
        self.through = through.max(self.through);
    }

    /// Returns the newest journal offset of an event about an alert that is no longer here.
    pub fn let_go_through(&self) -> u64 {
        self.let_go_through
    }

    /// Returns how many events changed nothing since the fold began.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Finds an alert.
    pub fn get(&self, id: AlertId) -> Option<&AlertState> {
        self.alerts.get(&id)
    }

    /// Returns every alert that is here, by id.
    pub fn states(&self) -> impl Iterator<Item = &AlertState> {
        self.alerts.values()
    }

    /// Folds one record of the journal, the one at offset `seq`.
    ///
    /// Errors: the bytes are no event; the fold goes on without it.
    pub fn apply_bytes(
        &mut self,
        seq: u64,
        bytes: &[u8],
    ) -> Result<(Applied, Option<AlertEvent>), EventError> {
        match decode(bytes)? {
            Decoded::Event(event) => Ok((self.apply(seq, &event), Some(*event))),
            Decoded::Unknown { .. } if seq <= self.through => Ok((Applied::Ignored(Ignored::Repeated), None)),
            Decoded::Unknown { .. } => {
                self.tally.unknown += 1;
                self.reach(seq);
                Ok((Applied::Unknown, None))
            }
        }
    }

    /// Folds one event, which the journal has at offset `seq`. One that was folded before changes nothing.
    pub fn apply(&mut self, seq: u64, event: &AlertEvent) -> Applied {
        if seq <= self.through {
            return Applied::Ignored(Ignored::Repeated);
        }
        self.through = seq;
        let known = self.alerts.get(&event.alert);
        match after(known.map(|known| &*known.alert), event) {
            Ok(next) => {
                let cause = next.cause.unwrap_or(0).max(known.map_or(0, |known| known.cause));
                let told = next.transition(event);
                self.keep(AlertState { alert: Arc::new(next.alert), cause, seq });
                told.map_or(Applied::Quiet, |transition| Applied::Told(Box::new(transition)))
            }
            Err(ignored) => {
                self.tally.ignored += 1;
                Applied::Ignored(ignored)
            }
        }
    }

    fn keep(&mut self, state: AlertState) {
        if state.alert.state == Condition::Cleared {
            self.finished.push_back((state.seq, state.alert.id));
        }
        self.alerts.insert(state.alert.id, state);
        while self.finished.len() > FINISHED_KEPT
            && let Some((seq, id)) = self.finished.pop_front()
        {
            // A later change comes later in the queue.
            if self.alerts.get(&id).is_some_and(|state| state.seq == seq) {
                self.alerts.remove(&id);
                self.let_go_through = seq.max(self.let_go_through);
            }
        }
    }

    /// Makes the event that carries a decision of a rule.
    pub fn decide(&self, decision: RuleDecision) -> AlertEvent {
        let known = self.alerts.get(&decision.alert.id).map(|known| Arc::clone(&known.alert));
        decision.into_event(known.as_deref())
    }

    /// Makes the event that carries a command of `by` at `at`, milliseconds since the epoch.
    ///
    /// Errors: [`CommandError`] says why it does not apply; [`CommandError::NotFound`] also for an alert that was let go, see
    /// [`Self::recall`].
    pub fn command(
        &self,
        id: AlertId,
        command: AlertCommand,
        by: &str,
        at: i64,
    ) -> Result<AlertEvent, CommandError> {
        let known = self.alerts.get(&id).ok_or(CommandError::NotFound)?;
        check(&known.alert, &command)?;
        let by = by.to_owned();
        let body = match command {
            AlertCommand::Acknowledge { why } => EventBody::Acknowledged(Taken { by, why }),
            AlertCommand::Resolve { why } => EventBody::Resolved(Taken { by, why }),
            AlertCommand::Note { text } => EventBody::Noted(Noted { by, text }),
        };
        Ok(AlertEvent { alert: id, at, body })
    }

    /// Makes the events that bring back an alert that was let go, at `at`, milliseconds since the epoch; none when it is here.
    /// They are folded before whatever happens to it.
    pub fn recall(&self, alert: Alert, cause: u64, at: i64) -> Vec<AlertEvent> {
        match self.alerts.contains_key(&alert.id) {
            true => Vec::new(),
            false => recall::events(alert, cause, at),
        }
    }
}
