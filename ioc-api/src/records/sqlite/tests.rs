use super::SqliteRecords;
use crate::records::{
    AlertQuery, Alerts, Audit, AuditTrail, CredentialRow, DeviceRow, Quarantine, QuarantineQuery,
    QuarantineRow, RecordsBackend, RecordsError, Registry, Sequenced,
};
use ioc_ingest::{Parent, ParentKind};
use ioc_model::{
    Alert, AlertId, Condition, CredentialKind, DeviceIndex, Domain, Evidence, Fingerprint, RejectReason,
    Rejection, Severity, Transition, TransitionKind, alert::Text,
};
use std::collections::BTreeMap;

fn open(dir: &tempfile::TempDir) -> SqliteRecords {
    SqliteRecords::open(&dir.path().join("records.sqlite")).unwrap()
}

fn audit(action: &str) -> Audit {
    Audit::new(1, "cli:root", action, "x")
}

fn device(index: u32) -> DeviceRow {
    DeviceRow {
        index: DeviceIndex(index),
        id: format!("LUM-{index}").parse().unwrap(),
        domain: Domain::Lighting,
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
        domain: Some(Domain::Lighting),
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
    let actions: Vec<String> =
        records.audit(None, 9).unwrap().into_iter().map(|entry| entry.action).collect();
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
    assert_eq!(records.audit(None, 9).unwrap().len(), 1);
}

#[test]
fn the_audit_trail_is_listed_newest_first_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    for n in 0..5 {
        records.append_audit(&Audit { at_ms: n, ..audit(&n.to_string()) }).unwrap();
    }
    let first = records.audit(None, 2).unwrap();
    let second = records.audit(first.last().map(|entry| entry.id), 9).unwrap();
    let actions: Vec<&str> = first.iter().chain(&second).map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["4", "3", "2", "1", "0"]);
    records.prune_audit(3).unwrap();
    assert_eq!(records.audit(None, 9).unwrap().len(), 2);
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

#[test]
fn transitions_are_applied_once_and_listed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let records = open(&dir);
    let batch = vec![
        Sequenced::new(3, transition(1, Condition::Pending, 2)),
        Sequenced::new(5, transition(1, Condition::Firing, 4)),
        Sequenced::new(6, transition(2, Condition::Pending, 5)),
    ];
    records.apply_transitions(&batch[..2], 5).unwrap();
    records.apply_transitions(&batch, 8).unwrap();
    records.apply_transitions(&batch, 8).unwrap();
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
        .apply_transitions(
            &[Sequenced::new(5, transition(1, Condition::Firing, 4)), Sequenced::new(6, acknowledged)],
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
    records.apply_transitions(&batch, 4).unwrap();
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
    assert_eq!(rules(AlertQuery { domains: vec![Domain::Parking], ..all.clone() }), [0u64; 0]);
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
    records.apply_transitions(&batch, 2).unwrap();
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
    records.apply_transitions(&[Sequenced::new(3, transition(1, Condition::Firing, 2))], 9).unwrap();
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
    assert!(
        error
            .to_string()
            .ends_with("has records version 99, this program knows up to 1; run a newer version")
    );
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
                    .apply_transitions(
                        &[Sequenced::new(n, transition(u128::from(n), Condition::Firing, n))],
                        n,
                    )
                    .unwrap();
            });
        });
        for _ in 0..8 {
            scope.spawn(|| (0..20).for_each(|_| assert!(records.audit(None, 100).is_ok())));
        }
    });
    assert_eq!(records.audit(None, 100).unwrap().len(), 50);
    assert_eq!(records.alerts(&AlertQuery { limit: 100, ..AlertQuery::default() }).unwrap().len(), 50);
}
