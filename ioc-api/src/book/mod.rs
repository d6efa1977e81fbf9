//! The book of alarms: one thread that owns every alert that can still change. It takes decisions of the rules
//! and actions of operators, one after the other, and writes each transition to the journal. It tells nobody:
//! everyone learns of a transition by following the journal, so nothing is told that is not on disk.
mod merge;
mod written;
#[cfg(test)]
pub(crate) use merge::tests as tests_support;

pub use merge::{Action, ActionError, NOTE_LEN_MAX, NOTES_MAX};
pub use written::Written;

use crate::followers::Nudge;
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use ioc_journal::{AppendError, Journal, Offset};
use ioc_model::{Alert, AlertId, Condition, RecordKind, Transition};
use ioc_rules::RuleTransition;
use std::{collections::HashMap, sync::Arc, thread, time::Duration};

/// Operator actions waiting for the book; when full, the API answers 503.
const ACTIONS_MAX: usize = 256;
/// How long the book waits for the journal before it looks again whether it should stop.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// Finds an alert that the book no longer holds, by id.
pub type Lookup = Arc<dyn Fn(AlertId) -> Option<Alert> + Send + Sync>;

/// The answer to an operator's action: the alert after it, and where the journal has it.
pub type Outcome = Result<(Offset, Alert), ActionError>;

struct Request {
    id: AlertId,
    action: Action,
    by: String,
    at: i64,
    answer: Sender<Outcome>,
}

/// Sends operators' actions to the book.
#[derive(Clone)]
pub struct BookHandle {
    requests: Sender<Request>,
    journal: Journal,
}

impl BookHandle {
    /// Does `action` to alert `id` in the name of `by`, and waits until it is on disk. Blocks.
    ///
    /// Errors: [`ActionError`] says why it does not apply.
    pub fn act(&self, id: AlertId, action: Action, by: &str, at: i64) -> Outcome {
        let stopped = || ActionError::Journal("the alert book is busy or stopping; try again".into());
        let (answer, outcome) = bounded(1);
        let request = Request { id, action, by: by.to_owned(), at, answer };
        self.requests.try_send(request).map_err(|_| stopped())?;
        let (offset, alert) = outcome.recv().map_err(|_| stopped())??;
        let durable = self.journal.wait_durable(offset, Duration::from_secs(10));
        durable.map_err(|error| ActionError::Journal(error.to_string()))?;
        Ok((offset, alert))
    }
}

/// The running book.
pub struct Book {
    handle: BookHandle,
    stop: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Book {
    /// Starts the book with the alerts that were unfinished when the last process ended. Each decision that it writes
    /// down is noted in `written`; who tells of transitions is urged to look at each.
    ///
    /// Errors: the operating system refuses a thread.
    pub fn start(
        journal: Journal,
        written: Written,
        unfinished: Vec<Alert>,
        decisions: Receiver<RuleTransition>,
        lookup: Lookup,
        urgent: Nudge,
    ) -> std::io::Result<Self> {
        let (requests, requested) = bounded(ACTIONS_MAX);
        let (stop, stopped) = bounded(1);
        let alerts = unfinished.into_iter().map(|alert| (alert.id, alert)).collect();
        let mut pages =
            Pages { journal: journal.clone(), alerts, lookup, urgent, written, stopped: stopped.clone() };
        let thread = thread::Builder::new()
            .name("alert-book".into())
            .spawn(move || pages.run(decisions, &requested, &stopped))?;
        Ok(Self { handle: BookHandle { requests, journal }, stop, thread })
    }

    /// Returns what the API needs.
    pub fn handle(&self) -> BookHandle {
        self.handle.clone()
    }

    /// Ends the book after it has written what the rules had already decided.
    pub fn stop(self) {
        let _ = self.stop.try_send(());
        if self.thread.join().is_err() {
            tracing::error!("the alert book ended with a panic");
        }
    }
}

struct Pages {
    journal: Journal,
    alerts: HashMap<AlertId, Alert>,
    lookup: Lookup,
    urgent: Nudge,
    written: Written,
    stopped: Receiver<()>,
}

impl Pages {
    fn run(
        &mut self,
        mut decisions: Receiver<RuleTransition>,
        requests: &Receiver<Request>,
        stopped: &Receiver<()>,
    ) {
        loop {
            select! {
                recv(decisions) -> decision => match decision {
                    Ok(decision) => self.decide(decision),
                    // The engine ended; operators may still act.
                    Err(_) => decisions = never(),
                },
                recv(requests) -> request => match request {
                    Ok(request) => self.answer(request),
                    Err(_) => return,
                },
                recv(stopped) -> _ => break,
            }
        }
        while let Ok(decision) = decisions.try_recv() {
            self.decide(decision);
        }
    }

    fn decide(&mut self, decision: RuleTransition) {
        let known = self.alerts.get(&decision.alert.id).cloned().or_else(|| (self.lookup)(decision.alert.id));
        let transition = Transition {
            transition: decision.kind,
            at: decision.at_ms,
            by: None,
            cause: Some(decision.cause),
            alert: merge::decide(known.as_ref(), decision.alert),
        };
        match self.write(transition) {
            Ok(offset) => self.written.add(offset),
            Err(error) => {
                tracing::error!(%error, "a decision of the rules could not be journaled before the stop; it is decided again at the next start")
            }
        }
    }

    fn answer(&mut self, request: Request) {
        let outcome = self.act(&request);
        // The asker may have gone; the action stands either way.
        let _ = request.answer.send(outcome);
    }

    fn act(&mut self, request: &Request) -> Outcome {
        let known = self.alerts.get(&request.id).cloned().or_else(|| (self.lookup)(request.id));
        let known = known.ok_or(ActionError::NotFound)?;
        let transition = merge::act(&known, &request.action, &request.by, request.at)?;
        let alert = transition.alert.clone();
        let offset = self.write(transition).map_err(|error| ActionError::Journal(error.to_string()))?;
        Ok((offset, alert))
    }

    /// Appends to the journal; waits while it is full, so that no transition is ever dropped.
    fn write(&mut self, transition: Transition) -> Result<Offset, AppendError> {
        let json = serde_json::to_vec(&transition).unwrap_or_default();
        let offset = loop {
            match self.journal.append(RecordKind::Transition, |out| out.extend_from_slice(&json)) {
                Err(AppendError::Full) if self.stopped.is_empty() => {
                    let _ = self.journal.wait_durable(self.journal.durable() + 1, JOURNAL_RETRY);
                }
                other => break other?,
            }
        };
        self.urgent.urge(offset);
        self.keep(transition.alert);
        Ok(offset)
    }

    /// Keeps what can still change; a finished alert is found again in the records.
    fn keep(&mut self, alert: Alert) {
        match alert.state {
            Condition::Cleared => self.alerts.remove(&alert.id),
            Condition::Pending | Condition::Firing => self.alerts.insert(alert.id, alert),
        };
    }
}
