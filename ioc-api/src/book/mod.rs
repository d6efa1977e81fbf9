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
use ioc_journal::{AppendError, Health, Journal, Offset};
use ioc_model::{Alert, AlertId, Condition, RecordKind, Transition};
use ioc_rules::RuleTransition;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// Operator actions waiting for the book; when full, the API answers 503.
const ACTIONS_MAX: usize = 256;
/// How long the book waits for the journal before it looks again whether it should stop.
const JOURNAL_RETRY: Duration = Duration::from_millis(200);

/// Cleared alerts that wait for the archive to have them. Beyond it the oldest go, and an action on one of those may find
/// it as it was before.
const FINISHED_MAX: usize = 100_000;

/// Alerts that the book no longer holds.
pub struct Archive {
    /// Finds one by id.
    pub find: Box<dyn Fn(AlertId) -> Option<Alert> + Send>,
    /// Says up to which transition it is complete.
    pub through: Box<dyn Fn() -> Offset + Send>,
}

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
    hurry: Arc<AtomicBool>,
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
        archive: Archive,
        urgent: Nudge,
    ) -> std::io::Result<Self> {
        let (requests, requested) = bounded(ACTIONS_MAX);
        let (stop, stopped) = bounded(1);
        let hurry = Arc::<AtomicBool>::default();
        let mut pages = Pages {
            journal: journal.clone(),
            alerts: unfinished.into_iter().map(|alert| (alert.id, (0, alert))).collect(),
            finished: VecDeque::new(),
            archive,
            urgent,
            written,
            hurry: Arc::clone(&hurry),
        };
        let thread = thread::Builder::new()
            .name("alert-book".into())
            .spawn(move || pages.run(decisions, &requested, &stopped))?;
        Ok(Self { handle: BookHandle { requests, journal }, stop, hurry, thread })
    }

    /// Returns what the API needs.
    pub fn handle(&self) -> BookHandle {
        self.handle.clone()
    }

    /// Tells the book that the end is near: what a journal without space does not take is left to the next start, which
    /// decides it again. Until then nobody who waits for the book could end.
    pub fn hurry(&self) {
        self.hurry.store(true, Relaxed);
    }

    /// Ends the book after it has written what the rules had already decided.
    pub fn stop(self) {
        self.hurry();
        let _ = self.stop.try_send(());
        if self.thread.join().is_err() {
            tracing::error!("the alert book ended with a panic");
        }
    }
}

struct Pages {
    journal: Journal,
    /// What can still change, or is not in the archive yet, with the offset of its last transition.
    alerts: HashMap<AlertId, (Offset, Alert)>,
    /// Of these, what was cleared, in the order of the offsets.
    finished: VecDeque<(Offset, AlertId)>,
    archive: Archive,
    urgent: Nudge,
    written: Written,
    hurry: Arc<AtomicBool>,
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

    fn find(&self, id: AlertId) -> Option<Alert> {
        self.alerts.get(&id).map(|(_, alert)| alert.clone()).or_else(|| (self.archive.find)(id))
    }

    fn decide(&mut self, decision: RuleTransition) {
        let known = if decision.begins { None } else { self.find(decision.alert.id) };
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
        let known = self.find(request.id).ok_or(ActionError::NotFound)?;
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
                Err(AppendError::Full) if !self.is_hopeless() => {
                    let _ = self.journal.wait_durable(self.journal.durable() + 1, JOURNAL_RETRY);
                }
                other => break other?,
            }
        };
        self.urgent.urge(offset);
        self.keep(offset, transition.alert);
        Ok(offset)
    }

    fn is_hopeless(&self) -> bool {
        self.hurry.load(Relaxed) && self.journal.health() != Health::Ok
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
        let (decide, decisions) = bounded(8);
        let archive = Archive {
            // The archive is behind: it has not heard of the end.
            find: Box::new(|id| Some(firing()).filter(|alert| alert.id == id)),
            through: Box::new(|| 0),
        };
        let written = Written::default();
        let book =
            Book::start(journal.clone(), written, Vec::new(), decisions, archive, Nudge::default()).unwrap();
        let cleared = Alert { state: Condition::Cleared, cleared_at: Some(2), ..firing() };
        decide.send(decision(firing(), TransitionKind::Firing)).unwrap();
        decide.send(decision(cleared, TransitionKind::Cleared)).unwrap();
        journal.wait_durable(2, Duration::from_secs(30)).unwrap();
        let handle = book.handle();
        let (_, alert) = handle.act(firing().id, Action::Acknowledge, "lan", 3).unwrap();
        assert_eq!((alert.state, alert.cleared_at), (Condition::Cleared, Some(2)));
        let again = handle.act(firing().id, Action::Acknowledge, "mai", 4).unwrap_err();
        assert_eq!(again.to_string(), "lan already acknowledged this alert");
        book.stop();
    }

    #[test]
    fn what_the_archive_has_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(JournalConfig::new(dir.path())).unwrap();
        let archive = Archive { find: Box::new(|_| None), through: Box::new(|| 7) };
        let mut pages = Pages {
            journal,
            alerts: HashMap::new(),
            finished: VecDeque::new(),
            archive,
            urgent: Nudge::default(),
            written: Written::default(),
            hurry: Arc::default(),
        };
        let cleared = |n| Alert { id: AlertId::new(1, n), state: Condition::Cleared, ..firing() };
        pages.keep(6, cleared(1));
        pages.keep(8, cleared(2));
        pages.keep(9, Alert { id: AlertId::new(1, 3), ..firing() });
        let mut kept: Vec<_> = pages.alerts.values().map(|(offset, _)| *offset).collect();
        kept.sort_unstable();
        assert_eq!(kept, [8, 9]);
    }
}
