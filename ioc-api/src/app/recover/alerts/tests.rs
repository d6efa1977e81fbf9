use super::*;
use crate::followers::Wakeup;
use ioc_alerts::AlertCommand;
use ioc_journal::JournalConfig;
use ioc_model::AlertId;
use ioc_records::{AlertQuery, SqliteRecords};
use ioc_services::alerting::{AlertThread, Archive};
use std::{fs, path::Path};

/// A directory of the version before events: its journal is three transitions ahead of its records.
const EARLIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version-1");
/// The last record of that journal, and of the records.
const ENDS: (Offset, Offset) = (37, 28);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => _ = fs::copy(entry.path(), to.join(entry.file_name())).unwrap(),
        }
    }
}

struct Directory {
    records: Records,
    journal: SharedLog,
    _dir: tempfile::TempDir,
}

fn earlier() -> Directory {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(EARLIER), dir.path());
    let records: Records = Arc::new(SqliteRecords::open(&dir.path().join("records.sqlite")).unwrap());
    let (journal, opened) = ioc_journal::open(JournalConfig::new(dir.path().join("journal"))).unwrap();
    assert_eq!((opened.last, records.applied_through().unwrap()), ENDS);
    Directory { records, journal, _dir: dir }
}

impl Directory {
    fn start(&self) -> AlertFold {
        project(&self.journal, &self.records, self.journal.durable(), &StartProgress::default()).unwrap()
    }

    fn alert(&self, rule: &str, device: &str) -> Alert {
        let query = AlertQuery { device: Some(device.to_owned()), limit: 9, ..AlertQuery::default() };
        self.records.alerts(&query).unwrap().into_iter().find(|alert| alert.rule == rule).unwrap()
    }

    /// Does something to an alert the way the running server does.
    fn act(&self, fold: &AlertFold, id: AlertId, command: AlertCommand) -> Alert {
        let archive = Archive { find: Box::new(|_| None), through: Box::new(|| 0) };
        let alerts =
            AlertThread::start(self.journal.clone(), fold.clone(), archive, Wakeup::default()).unwrap();
        let (_, alert) = alerts.act(id, command, "lan", 1_796_000_000_000).unwrap();
        alerts.close();
        alert
    }
}

fn states(fold: &AlertFold) -> Vec<AlertState> {
    fold.states().cloned().collect()
}

#[test]
fn a_directory_of_the_version_before_opens_with_its_alerts() {
    let directory = earlier();
    let fold = directory.start();
    let find = |rule: &str, device: &str| {
        let is_it = |state: &&AlertState| {
            state.alert.rule == rule && state.alert.device.as_ref().is_some_and(|id| id.as_str() == device)
        };
        fold.states().find(is_it).unwrap().clone()
    };
    let (second, third, fourth) =
        (find("HighWater", "WL-2"), find("HighWater", "WL-3"), find("HighWater", "WL-4"));
    assert_eq!((second.alert.state, second.cause), (Condition::Cleared, 33), "only the journal had its end");
    assert_eq!(second.alert.acknowledged_by.as_deref(), Some("lan"));
    assert_eq!(second.alert.notes[0].text, "đường bị ngập");
    assert_eq!((third.alert.resolved_by.as_deref(), third.cause), (Some("lan"), 19));
    assert!(fourth.alert.is_open());
    assert_eq!(find("HighWater", "WL-1").alert.notes.len(), 2, "cleared ones can be acted on, too");
    assert_eq!(find("WaterStaysHigh", "WL-4").alert.state, Condition::Pending);
    assert_eq!(open_alerts(&fold), [Alert::clone(&fourth.alert)]);
    assert_eq!(*second.alert, directory.alert("HighWater", "WL-2"), "the list says the same");
    let events = directory.records.alert_events_after(0, 99).unwrap();
    assert_eq!(events.len(), 3, "what the journal had more is kept as events");
    let restored = restored(&directory.records, &fold, 32).unwrap();
    let ended = restored.iter().filter(|restored| restored.alert.state == Condition::Cleared).count();
    assert_eq!((restored.len(), ended), (6, 2));
}

#[test]
fn a_start_finds_what_was_before_it_with_and_without_a_snapshot() {
    let directory = earlier();
    let first = directory.start();
    let snapshot = directory.records.alert_snapshot().unwrap().unwrap();
    assert_eq!(states(&AlertFold::from_snapshot(&snapshot).unwrap()), states(&first));

    // The journal goes ahead of the records, then the records have it; the snapshot stays behind.
    let id = directory.alert("HighWater", "WL-1").id;
    let noted = directory.act(&first, id, AlertCommand::Note { text: "kiểm tra lại".into() });
    let open = directory.alert("HighWater", "WL-4").id;
    let taken = directory.act(&directory.start(), open, AlertCommand::Acknowledge { why: None });
    let second = directory.start();
    assert_eq!((&*second.get(id).unwrap().alert, &*second.get(open).unwrap().alert), (&noted, &taken));
    assert_eq!(directory.records.alert_snapshot().unwrap().unwrap(), snapshot);
    assert_eq!(directory.records.alert(id).unwrap(), Some(noted));
    assert_eq!(directory.records.alert(open).unwrap(), Some(taken));
    let again = directory.start();
    assert_eq!((states(&again), again.through()), (states(&second), directory.journal.durable()));

    for damaged in [&b"no snapshot"[..], &snapshot[..snapshot.len() - 1]] {
        directory.records.keep_alert_snapshot(damaged).unwrap();
        assert_eq!(states(&directory.start()), states(&second), "the records have every alert");
        let kept = directory.records.alert_snapshot().unwrap().unwrap();
        assert!(AlertFold::from_snapshot(&kept).is_ok(), "and a new snapshot");
    }
}

#[test]
fn what_people_did_is_in_the_audit_trail_whenever_the_process_ended() {
    let directory = earlier();
    let fold = directory.start();
    let entries = || {
        let page = directory.records.audit(None, 99, &|_| true).unwrap();
        page.items.into_iter().filter(|entry| entry.action.starts_with("alert.")).collect::<Vec<_>>()
    };
    let before = entries().len();
    let id = directory.alert("HighWater", "WL-4").id;
    directory.act(&fold, id, AlertCommand::Acknowledge { why: None });
    assert_eq!(entries().len(), before, "the process ended here");
    for _start in 0..2 {
        directory.start();
        let entries = entries();
        assert_eq!(entries.len(), before + 1, "once, and none again for what the version before did");
        let newest = &entries[0];
        assert_eq!(
            (&*newest.actor, &*newest.action, newest.at),
            ("lan", "alert.acknowledge", 1_796_000_000_000)
        );
        assert_eq!(newest.object, id.to_string());
    }
}
