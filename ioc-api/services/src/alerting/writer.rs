//! What the alert thread does: one request after the other becomes events.
use super::{ActionError, ActionResult, Archive, Command, Request, Written};
use crate::Wakeup;
use crossbeam_channel::Receiver;
use ioc_alerts::{AlertEvent, AlertFold, CommandError, EncodeError, RuleDecision, encode};
use ioc_journal::{AppendError, Health, Offset, SharedLog};
use ioc_model::{Alert, AlertId, RecordKind};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long to wait for the journal before looking again whether to end.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// An event is not in the journal.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Owns the state of every alert that can still change.
pub(super) struct Writer {
    pub(super) journal: SharedLog,
    pub(super) fold: AlertFold,
    pub(super) archive: Archive,
    pub(super) written: Written,
    pub(super) appended: Wakeup,
    pub(super) is_ending: Arc<AtomicBool>,
}

impl Writer {
    /// Carries out requests until [`Request::Close`], or until nobody can send any.
    pub(super) fn run(&mut self, requests: &Receiver<Request>) {
        for request in requests {
            match request {
                Request::Decision(decision) => self.decide(*decision),
                Request::Command(command) => self.answer(*command),
                Request::Close => break,
            }
        }
    }

    fn decide(&mut self, decision: RuleDecision) {
        let event = self.fold.decide(decision);
        match self.write(event, None) {
            Ok(offset) => self.written.add(offset),
            Err(error) => {
                tracing::error!(%error, "a decision of the rules could not be journaled before the stop; it is decided again at the next start")
            }
        }
    }

    fn answer(&mut self, command: Command) {
        // Whoever has given up must not find it done later.
        if Instant::now() >= command.deadline {
            return;
        }
        let answer = command.answer.clone();
        // Given up meanwhile where this fails.
        let _ = answer.send(self.carry_out(command));
    }

    fn carry_out(&mut self, request: Command) -> ActionResult {
        let Command { alert: id, command, by, at_ms, deadline, .. } = request;
        if self.fold.get(id).is_none() {
            self.recall(id, at_ms, deadline)?;
        }
        let event = self.fold.command(id, command, &by, at_ms)?;
        let offset = self.write(event, Some(deadline)).map_err(ActionError::of_journal)?;
        let state = self.fold.get(id).ok_or(CommandError::NotFound)?;
        Ok((offset, Alert::clone(&state.alert)))
    }

    /// Brings an alert back that the fold has let go.
    fn recall(&mut self, id: AlertId, at_ms: i64, deadline: Instant) -> Result<(), ActionError> {
        let found = (self.archive.find)(id);
        // Until the archive has its end, it would come back as it was before.
        if (self.archive.through)() < self.fold.let_go_through() {
            return Err(ActionError::Unavailable("the records are behind at the moment; try again".into()));
        }
        let alert = found.ok_or(CommandError::NotFound)?;
        for event in self.fold.recall(alert, 0, at_ms) {
            self.write(event, Some(deadline)).map_err(ActionError::of_journal)?;
        }
        Ok(())
    }

    /// Appends an event and folds it; waits while the journal is full. Without a deadline none is ever dropped.
    fn write(&mut self, mut event: AlertEvent, deadline: Option<Instant>) -> Result<Offset, WriteError> {
        let before = event.clone();
        let bytes = encode(&mut event)?;
        if event != before {
            tracing::error!(alert = %event.alert, "an alert is too large for an event and is written with shortened texts");
        }
        let offset = self.append(&bytes, deadline)?;
        self.appended.notify(offset);
        self.fold.apply(offset, &event);
        Ok(offset)
    }

    fn append(&self, bytes: &[u8], deadline: Option<Instant>) -> Result<Offset, AppendError> {
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        loop {
            match self.journal.append(RecordKind::AlertEvent, |out| out.extend_from_slice(bytes)) {
                Err(AppendError::Full) if !self.is_hopeless() && !is_over() => {
                    let _ = self.journal.wait_durable(self.journal.durable() + 1, JOURNAL_RETRY);
                }
                other => return other,
            }
        }
    }

    fn is_hopeless(&self) -> bool {
        self.is_ending.load(Relaxed) && self.journal.health() != Health::Ok
    }
}
