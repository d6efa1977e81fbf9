use super::{SqliteRecords, migrations};
use crate::{
    ANONYMOUS, AlertEventRow, AlertQuery, Alerts, Audit, AuditEntry, AuditTrail, CredentialRow, DeviceRow,
    OriginRow, Quarantine, QuarantineQuery, QuarantineRow, Reach, RecordsBackend, RecordsError, Registry,
    Role, Sequenced, SessionRow, Sessions, UserRow, Users,
};
use ioc_model::{
    Alert, AlertId, Condition, CredentialKind, DeviceIndex, Domain, Evidence, Fingerprint, Parent,
    ParentKind, RejectReason, Rejection, Severity, Transition, TransitionKind, alert::Text,
};
use std::{collections::BTreeMap, sync::Arc};

fn open(dir: &tempfile::TempDir) -> SqliteRecords {
    SqliteRecords::open(&dir.path().join("records.sqlite")).unwrap()
}

fn entries(records: &SqliteRecords, before: Option<u64>, limit: usize) -> Vec<AuditEntry> {
    records.audit(before, limit, &|_| true).unwrap().items
}

/// Reports whether someone restricted to `own` (nothing = not restricted) sees what concerns all of `about` (nothing = everything).
fn covers<T: PartialEq>(own: &[T], about: &[T]) -> bool {
    own.is_empty() || (!about.is_empty() && about.iter().all(|one| own.contains(one)))
}

fn audit(action: &str) -> Audit {
    Audit::new(1, "cli:root", action, "x")
}

fn device(index: u32) -> DeviceRow {
    DeviceRow {
        index: DeviceIndex(index),
        id: format!("LUM-{index}").parse().unwrap(),
        domain: Domain::from_static("lighting"),
        kind: "luminaire".to_owned(),
        lat: 16.46,
        lon: 107.59,
        parent: (index > 0).then(|| Parent { kind: ParentKind::Cabinet, id: "CAB-1".parse().unwrap() }),
        labels: BTreeMap::from([("street".to_owned(), "Lê Lợi".to_owned())]),
        retired: false,
        created_ms: 5,
    }
}

fn credential(index: u32) -> CredentialRow {
    CredentialRow {
        id: format!("LUM-{index}").parse().unwrap(),
        kind: CredentialKind::Device,
        token_hash: [index as u8; 32],
        generation: 1,
        devices: vec![],
        disabled: false,
        created_ms: 5,
    }
}

fn alert(n: u128, state: Condition) -> Alert {
    let at = 1000 + n as i64;
    Alert {
        id: AlertId::new(at, n),
        fingerprint: Fingerprint(n as u64),
        rule: "LampOut".to_owned(),
        severity: Severity::Medium,
        state,
        domain: Some(Domain::from_static("lighting")),
        device: Some(format!("LUM-{n}").parse().unwrap()),
        ward: Some("19753".to_owned()),
        labels: BTreeMap::new(),
        value: Some(1.0),
        summary: Text::default(),
        event_time: at,
        arrival_time: at,
        decision_time: at,
        active_since: at,
        firing_since: (state != Condition::Pending).then_some(at),
        cleared_at: (state == Condition::Cleared).then_some(at + 10),
        acknowledged_by: None,
        acknowledged_at: None,
        resolved_by: None,
        resolved_at: None,
        notes: vec![],
        no_data: false,
        evidence: Evidence::default(),
    }
}

fn transition(n: u128, state: Condition, cause: u64) -> Transition {
    let kind = match state {
        Condition::Pending => TransitionKind::Pending,
        Condition::Firing => TransitionKind::Firing,
        Condition::Cleared => TransitionKind::Cleared,
    };
    Transition { transition: kind, at: 1000 + n as i64, by: None, cause: Some(cause), alert: alert(n, state) }
}

fn rejected(seq: u64, reason: RejectReason) -> QuarantineRow {
    QuarantineRow {
        seq,
        at_ms: seq as i64,
        device: seq.is_multiple_of(2).then(|| "LUM-1".parse().unwrap()),
        credential: "GW-1".to_owned(),
        topic: "ioc/v1/lighting/LUM-1/telemetry".to_owned(),
        items: vec![Rejection { reason, detail: "vì sao".to_owned() }],
        bytes: vec![0xff, 0],
        bytes_len: 2,
    }
}

#[test]
fn devices_and_credentials_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    records
        .insert_devices(&[device(0), device(1)], &[credential(0), credential(1)], &audit("device.add"))
        .unwrap();
    let rotated = CredentialRow { generation: 2, token_hash: [9; 32], disabled: true, ..credential(1) };
    records.update_credential(&rotated, &audit("device.rotate")).unwrap();
    drop(records);
    let records = open(&dir);
    assert_eq!(records.devices().unwrap(), [device(0), device(1)]);
    assert_eq!(records.credentials().unwrap(), [credential(0), rotated]);
    let actions: Vec<String> = entries(&records, None, 9).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, ["device.rotate", "device.add"]);
}

#[test]
fn a_refused_change_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    records.insert_devices(&[device(0)], &[credential(0)], &audit("device.add")).unwrap();
    let twin = DeviceRow { index: DeviceIndex(2), ..device(0) };
    let error = records.insert_devices(&[device(1), twin], &[], &audit("device.add")).unwrap_err();
    assert!(matches!(error, RecordsError::Exists { what: "device", .. }), "{error}");
    let error = records.insert_devices(&[device(2)], &[], &audit("device.add")).unwrap_err();
    assert!(matches!(error, RecordsError::Corrupt { .. }), "{error}");
    let error = records.update_credential(&credential(7), &audit("device.rotate")).unwrap_err();
    assert!(matches!(error, RecordsError::Missing { .. }), "{error}");
    assert_eq!(records.devices().unwrap().len(), 1);
    assert_eq!(entries(&records, None, 9).len(), 1);
}

#[test]
fn the_audit_trail_is_listed_newest_first_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    for n in 0..5 {
        records.append_audit(&Audit { at_ms: n, ..audit(&n.to_string()) }).unwrap();
    }
    let first = entries(&records, None, 2);
    let second = entries(&records, first.last().map(|entry| entry.id), 9);
    let actions: Vec<&str> = first.iter().chain(&second).map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["4", "3", "2", "1", "0"]);
    records.prune_audit(3).unwrap();
    assert_eq!(entries(&records, None, 9).len(), 2);
}

#[test]
fn an_admin_of_one_field_reads_the_entries_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let reach = |domains: &[Domain], wards: &[&str]| Reach {
        domains: domains.to_vec(),
        wards: wards.iter().map(|ward| (*ward).to_owned()).collect(),
    };
    let lists = [
        ("city", reach(&[], &[])),
        ("light", reach(&[Domain::from_static("lighting")], &[])),
        ("light in a ward", reach(&[Domain::from_static("lighting")], &["19753"])),
        ("both", reach(&[Domain::from_static("lighting"), Domain::from_static("traffic")], &[])),
        ("ward", reach(&[], &["19753"])),
    ];
    for (action, about) in &lists {
        records.append_audit(&audit(action).about(about.clone())).unwrap();
    }
    let table: [(Reach, &[&str]); 4] = [
        (reach(&[], &[]), &["ward", "both", "light in a ward", "light", "city"]),
        (reach(&[Domain::from_static("lighting")], &[]), &["light in a ward", "light"]),
        (reach(&[Domain::from_static("traffic")], &[]), &[]),
        (reach(&[], &["19753"]), &["ward", "light in a ward"]),
    ];
    for (of, expected) in table {
        let shows = |about: &Reach| covers(&of.domains, &about.domains) && covers(&of.wards, &about.wards);
        let mut actions = Vec::new();
        let mut before = None;
        loop {
            let page = records.audit(before, 1, &shows).unwrap();
            actions.extend(page.items.into_iter().map(|entry| entry.action));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(actions, expected, "{of:?}");
    }
}

#[test]
fn strangers_push_out_no_real_entries() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    records.append_audit(&audit("first")).unwrap();
    for n in 0..50 {
        let refused = Audit::new(n, ANONYMOUS, "session.refused", n.to_string());
        records.append_anonymous(&refused, 10).unwrap();
    }
    let all = entries(&records, None, 100);
    let objects: Vec<&str> =
        all.iter().filter(|entry| entry.actor == ANONYMOUS).map(|entry| entry.object.as_str()).collect();
    assert_eq!(objects, ["49", "48", "47", "46", "45", "44", "43", "42", "41", "40"]);
    assert_eq!(all.last().unwrap().action, "first");
}

#[test]
fn nothing_of_a_person_who_is_gone_is_left_for_the_next_of_that_name() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let user = UserRow {
        name: "mai".to_owned(),
        role: Role::Viewer,
        domains: vec![],
        wards: vec![],
        password_hash: String::new(),
        disabled: false,
        created_ms: 0,
    };
    let session = SessionRow { hash: [1; 32], user: "mai".to_owned(), created_ms: 0, expires_ms: 100 };
    let origin = OriginRow { user: "mai".to_owned(), origin: [2; 32], last_ms: 1 };
    records.insert_user(&user, &audit("user.add")).unwrap();
    records.insert_session(&session, &[origin], &audit("session.start")).unwrap();
    records.write("x", |transaction| Ok(transaction.execute("DELETE FROM users", []).unwrap())).unwrap();
    records.insert_user(&user, &audit("user.add")).unwrap();
    assert!(records.sessions(1).unwrap().is_empty());
    assert!(records.origins(0).unwrap().is_empty());
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    migrations::run_first(&old);
    old.execute(
        "INSERT INTO audit (at_ms, actor, action, object, detail) VALUES (1, 'an', 'user.add', 'lan', '')",
        [],
    )
    .unwrap();
    drop(old);
    let records = SqliteRecords::open(&path).unwrap();
    assert_eq!(entries(&records, None, 9).len(), 1);
    let lights = |reach: &Reach| !reach.domains.is_empty();
    assert!(records.audit(None, 9, &lights).unwrap().items.is_empty(), "what was before is the city's");
}

#[test]
fn quarantine_is_bounded_filtered_and_repeats_nothing_on_replay() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let rows: Vec<_> = (1..=6)
        .map(|seq| rejected(seq, if seq < 4 { RejectReason::Malformed } else { RejectReason::TooOld }))
        .collect();
    records.append_quarantine(&rows[..3], 3, 5).unwrap();
    records.append_quarantine(&rows, 10, 5).unwrap();
    records.append_quarantine(&rows, 10, 5).unwrap();
    assert_eq!(records.quarantined_through().unwrap(), 10);
    let seqs = |query: QuarantineQuery| -> Vec<u64> {
        records.quarantine(&query).unwrap().into_iter().map(|row| row.seq).collect()
    };
    let all = QuarantineQuery { limit: 10, ..QuarantineQuery::default() };
    assert_eq!(seqs(all.clone()), [6, 5, 4, 3, 2]);
    assert_eq!(seqs(QuarantineQuery { before: Some(4), ..all.clone() }), [3, 2]);
    assert_eq!(seqs(QuarantineQuery { reason: Some(RejectReason::Malformed), ..all.clone() }), [3, 2]);
    assert_eq!(seqs(QuarantineQuery { device: Some("LUM-1".to_owned()), ..all.clone() }), [6, 4, 2]);
    assert_eq!(records.quarantine(&all).unwrap()[0], rows[5]);
}

/// The events behind transitions.
fn rows(transitions: &[Sequenced]) -> Vec<AlertEventRow> {
    let row = |Sequenced { seq, transition }: &Sequenced| AlertEventRow {
        seq: *seq,
        alert: Some(transition.alert.id),
        at_ms: *seq as i64 * 1_000,
        json: format!("{{\"n\":{seq}}}"),
        transition: Some(Arc::clone(transition)),
        audit: transition.by.as_ref().map(|by| Audit::new(transition.at, by, "alert.note", "x")),
    };
    transitions.iter().map(row).collect()
}

#[test]
fn events_are_kept_once_with_their_audit_entries() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let noted = Transition { by: Some("lan".into()), ..transition(1, Condition::Firing, 0) };
    let batch = [Sequenced::new(3, transition(1, Condition::Firing, 2)), Sequenced::new(5, noted)];
    for _replay in 0..2 {
        records.apply_alert_events(&rows(&batch), 6).unwrap();
    }
    let quiet = AlertEventRow { transition: None, alert: None, ..rows(&[batch[0].clone()]).remove(0) };
    records.apply_alert_events(&[AlertEventRow { seq: 8, ..quiet }], 8).unwrap();
    let entries = entries(&records, None, 9);
    assert_eq!(entries.len(), 1, "what rules decide is no audit entry: {entries:?}");
    let kept = |after| -> Vec<u64> {
        records.alert_events_after(after, 9).unwrap().into_iter().map(|(seq, _)| seq).collect()
    };
    assert_eq!((kept(0), kept(3)), (vec![3, 5, 8], vec![5, 8]));
    assert_eq!(records.alert_events_after(3, 1).unwrap(), [(5, "{\"n\":5}".to_owned())]);
    assert_eq!(records.newest_transitions(1).unwrap(), batch[1..]);
    records.prune_alert_events(5_000).unwrap();
    assert_eq!(kept(0), [5, 8], "the list of alerts forgets apart from this");
    assert_eq!(records.transitions_after(0, 9).unwrap(), batch);
    records.prune_alert_events(i64::MAX).unwrap();
    assert_eq!(kept(0), [0u64; 0]);
}

#[test]
fn the_newest_snapshot_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    assert_eq!(records.alert_snapshot().unwrap(), None);
    for bytes in [[1, 2], [3, 4]] {
        records.keep_alert_snapshot(&bytes).unwrap();
        assert_eq!(records.alert_snapshot().unwrap(), Some(bytes.to_vec()));
    }
}

#[test]
fn transitions_are_applied_once_and_listed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let batch = vec![
        Sequenced::new(3, transition(1, Condition::Pending, 2)),
        Sequenced::new(5, transition(1, Condition::Firing, 4)),
        Sequenced::new(6, transition(2, Condition::Pending, 5)),
    ];
    records.apply_alert_events(&rows(&batch[..2]), 5).unwrap();
    records.apply_alert_events(&rows(&batch), 8).unwrap();
    records.apply_alert_events(&rows(&batch), 8).unwrap();
    assert_eq!(records.applied_through().unwrap(), 8);
    assert_eq!(records.transitions_after(0, 10).unwrap(), batch);
    assert_eq!(records.transitions_after(3, 1).unwrap(), batch[1..2]);
    assert_eq!(records.transitions_of(AlertId::new(1001, 1)).unwrap(), batch[..2]);
    let standing: Vec<_> =
        records.standing_alerts().unwrap().into_iter().map(|s| (s.alert.state, s.cause, s.seq)).collect();
    assert_eq!(standing, [(Condition::Firing, 4, 5), (Condition::Pending, 5, 6)]);
}

#[test]
fn an_operators_transition_does_not_hide_what_the_rule_had_seen() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let acknowledged = Transition { cause: None, ..transition(1, Condition::Firing, 0) };
    records
        .apply_alert_events(
            &rows(&[Sequenced::new(5, transition(1, Condition::Firing, 4)), Sequenced::new(6, acknowledged)]),
            6,
        )
        .unwrap();
    assert_eq!(records.standing_alerts().unwrap()[0].cause, 4);
}

#[test]
fn alerts_are_filtered_and_paged_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let states = [Condition::Firing, Condition::Cleared, Condition::Pending, Condition::Firing];
    let batch: Vec<_> = states
        .iter()
        .zip(1u64..)
        .map(|(state, n)| Sequenced::new(n, transition(u128::from(n), *state, n)))
        .collect();
    records.apply_alert_events(&rows(&batch), 4).unwrap();
    let rules = |query: AlertQuery| -> Vec<u64> {
        records.alerts(&query).unwrap().into_iter().map(|alert| alert.fingerprint.0).collect()
    };
    let all = AlertQuery { limit: 10, ..AlertQuery::default() };
    assert_eq!(rules(all.clone()), [4, 2, 1]);
    assert_eq!(rules(AlertQuery { open: true, ..all.clone() }), [4, 1]);
    assert_eq!(rules(AlertQuery { limit: 1, ..all.clone() }), [4]);
    assert_eq!(rules(AlertQuery { before: Some(AlertId::new(1004, 4)), ..all.clone() }), [2, 1]);
    assert_eq!(rules(AlertQuery { device: Some("LUM-2".to_owned()), ..all.clone() }), [2]);
    assert_eq!(rules(AlertQuery { severities: vec![Severity::Critical], ..all.clone() }), [0u64; 0]);
    assert_eq!(rules(AlertQuery { severities: vec![Severity::Medium], ..all.clone() }), [4, 2, 1]);
    assert_eq!(rules(AlertQuery { domains: vec![Domain::from_static("parking")], ..all.clone() }), [0u64; 0]);
    assert_eq!(rules(AlertQuery { wards: vec!["19753".to_owned()], ..all.clone() }), [4, 2, 1]);
    assert_eq!(rules(AlertQuery { from_ms: Some(1013), ..all.clone() }), [4, 1]);
    assert_eq!(rules(AlertQuery { to_ms: Some(1002), ..all.clone() }), [1]);
    assert_eq!(records.alert(AlertId::new(1002, 2)).unwrap(), Some(alert(2, Condition::Cleared)));
    assert_eq!(records.alert(AlertId::new(9, 9)).unwrap(), None);
}

#[test]
fn what_is_forgotten_is_known_to_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let batch = [
        Sequenced::new(1, transition(1, Condition::Cleared, 1)),
        Sequenced::new(2, transition(2, Condition::Firing, 2)),
    ];
    records.apply_alert_events(&rows(&batch), 2).unwrap();
    records.prune_alerts(1000).unwrap();
    assert_eq!(records.forgotten_through().unwrap(), 0);
    records.prune_alerts(5000).unwrap();
    assert_eq!(records.forgotten_through().unwrap(), 1);
    assert_eq!(records.newest_transition().unwrap(), 2);
    assert_eq!(records.transitions_after(0, 10).unwrap(), batch[1..]);
    assert_eq!(records.alert(batch[0].transition.alert.id).unwrap(), None);
}

#[test]
fn projections_name_the_offset_that_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let firing = Sequenced::new(3, transition(1, Condition::Firing, 2));
    records.apply_alert_events(&rows(&[firing]), 9).unwrap();
    records.append_quarantine(&[], 7, 10).unwrap();
    assert_eq!(records.sync_projections().unwrap(), 7);
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let path = dir.path().join("records.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteRecords::open(&path).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("has records version 99, this program knows up to "), "{error}");
    assert!(error.ends_with("; run a newer version"), "{error}");
}

#[test]
fn readers_and_writers_work_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..50).for_each(|n| records.append_audit(&audit(&n.to_string())).unwrap()));
        scope.spawn(|| {
            (1..=50).for_each(|n| {
                records
                    .apply_alert_events(
                        &rows(&[Sequenced::new(n, transition(u128::from(n), Condition::Firing, n))]),
                        n,
                    )
                    .unwrap();
            });
        });
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| assert!(records.audit(None, 100, &|_| true).is_ok())));
        }
    });
    assert_eq!(entries(&records, None, 100).len(), 50);
    assert_eq!(records.alerts(&AlertQuery { limit: 100, ..AlertQuery::default() }).unwrap().len(), 50);
}
