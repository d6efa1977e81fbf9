use super::*;
use crate::fixtures::firing;
use ioc_alerts::FINISHED_KEPT;
use ioc_journal::{JournalConfig, Visibility};
use ioc_model::{Condition, RecordKind, TransitionKind};

fn decision(alert: Alert, kind: TransitionKind) -> RuleTransition {
    RuleTransition { kind, at_ms: 1, cause: 1, alert, begins: false, withdrawn_pending: false }
}

fn cleared() -> Alert {
    Alert { state: Condition::Cleared, cleared_at: Some(2), ..firing() }
}

/// An archive that has one alert, as of `through`.
fn archive(alert: Alert, through: Offset) -> Archive {
    Archive {
        find: Box::new(move |id| Some(alert.clone()).filter(|alert| alert.id == id)),
        through: Box::new(move || through),
    }
}

fn journal(dir: &tempfile::TempDir) -> SharedLog {
    ioc_journal::open(JournalConfig::new(dir.path())).unwrap().0
}

fn start(journal: &SharedLog, fold: AlertFold, archive: Archive) -> AlertThread {
    AlertThread::start(journal.clone(), fold, archive, Wakeup::default()).unwrap()
}

fn acknowledge() -> AlertCommand {
    AlertCommand::Acknowledge { why: None }
}

#[test]
fn an_alert_that_was_just_cleared_stays_cleared_whoever_acts_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir);
    // The archive is behind: it has not heard of the end.
    let alerts = start(&journal, AlertFold::default(), archive(firing(), 0));
    assert!(alerts.emit(decision(firing(), TransitionKind::Firing)));
    assert!(alerts.emit(decision(cleared(), TransitionKind::Cleared)));
    let (_, alert) = alerts.act(firing().id, acknowledge(), "lan", 3).unwrap();
    assert_eq!((alert.state, alert.cleared_at), (Condition::Cleared, Some(2)));
    let again = alerts.act(firing().id, acknowledge(), "mai", 4).unwrap_err();
    assert_eq!(again.to_string(), "lan already acknowledged this alert");
    assert!(alerts.written().has(2, &journal));
    alerts.close();
}

#[test]
fn an_alert_that_was_let_go_is_brought_back_once_the_archive_has_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir);
    let mut fold = AlertFold::default();
    for n in 0..=FINISHED_KEPT as u64 {
        let alert = Alert { id: AlertId::new(1, u128::from(n)), ..cleared() };
        let decision = RuleDecision { kind: TransitionKind::Cleared, at: 1, cause: 1, alert };
        fold.apply(n + 1, &fold.decide(decision));
    }
    assert_eq!(fold.let_go_through(), 1);
    let behind = start(&journal, fold, archive(cleared(), 0));
    let refused = behind.act(cleared().id, acknowledge(), "lan", 3).unwrap_err();
    assert_eq!(refused.to_string(), "the records are behind at the moment; try again");
    behind.close();
    let alerts = start(&journal, AlertFold::default(), archive(cleared(), 0));
    let unknown = alerts.act(AlertId::new(1, 1), acknowledge(), "lan", 3).unwrap_err();
    assert_eq!(unknown, ActionError::Refused(CommandError::NotFound));
    let (offset, alert) = alerts.act(cleared().id, acknowledge(), "lan", 3).unwrap();
    assert_eq!((offset, alert.acknowledged_by.as_deref()), (2, Some("lan")));
    alerts.close();
    let batch = journal.follow(1, Visibility::Durable).next(COMMAND_TIMEOUT).unwrap().unwrap();
    assert!(batch.records().all(|record| record.kind == RecordKind::AlertEvent));
}

#[test]
fn after_its_end_nothing_is_taken_and_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir);
    let alerts = start(&journal, AlertFold::default(), archive(firing(), 0));
    alerts.close();
    alerts.close();
    assert!(!alerts.emit(decision(firing(), TransitionKind::Firing)));
    let refused = alerts.act(firing().id, acknowledge(), "lan", 3).unwrap_err();
    assert_eq!(refused, ActionError::ended());
    assert_eq!(journal.durable(), 0);
}
