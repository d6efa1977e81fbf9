//! The fold holds what it promises for every order of events, live, replayed and from every snapshot.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop where it stands")]
use ioc_alerts::{
    AlertCommand, AlertEvent, AlertFold, Applied, Cleared, CommandError, Decision, EventBody, Fired, Ignored,
    NOTES_MAX, Noted, Opened, Recalled, RecalledNotes, Restated, RuleDecision, Shown, Subject, Taken,
};
use ioc_model::{
    Alert, AlertId, Condition, Evidence, Fingerprint, Severity, Transition, TransitionKind, alert::Note,
};
use proptest::prelude::*;

/// Few alerts, so that events meet.
const ALERTS: u128 = 4;

fn id(n: u128) -> AlertId {
    AlertId::new(1_000 + n as i64, n)
}

fn subject(n: u128) -> Subject {
    Subject {
        fingerprint: Fingerprint(n as u64),
        rule: "HighWater".into(),
        severity: Severity::High,
        domain: None,
        device: "WL-1".parse().ok(),
        ward: Some("19789".into()),
        labels: [("device".to_owned(), "WL-1".to_owned())].into(),
        active_since: 1_000,
    }
}

fn alert() -> impl Strategy<Value = Alert> {
    let states = prop::sample::select(Condition::ALL);
    let times = any::<(Option<i64>, Option<i64>, Option<i64>, Option<i64>)>();
    let people = (prop::option::of("[a-z]{1,3}"), prop::option::of("[a-z]{1,3}"));
    let notes = prop_oneof![9 => 0usize..4, 1 => NOTES_MAX - 2..NOTES_MAX + 3];
    (0..ALERTS, states, times, people, notes, any::<bool>()).prop_map(
        |(n, state, (firing_since, cleared_at, acknowledged_at, resolved_at), people, notes, no_data)| {
            let Subject { fingerprint, rule, severity, domain, device, ward, labels, active_since } =
                subject(n);
            Alert {
                id: id(n),
                fingerprint,
                rule,
                severity,
                state,
                domain,
                device,
                ward,
                labels,
                value: Some(3.5),
                summary: Default::default(),
                event_time: 1,
                arrival_time: 2,
                decision_time: 3,
                active_since,
                firing_since,
                cleared_at,
                acknowledged_by: people.0,
                acknowledged_at,
                resolved_by: people.1,
                resolved_at,
                notes: (0..notes).map(note).collect(),
                no_data,
                evidence: Evidence::default(),
            }
        },
    )
}

fn note(n: usize) -> Note {
    Note { at: n as i64, by: "lan".into(), text: format!("note {n}") }
}

fn decision() -> impl Strategy<Value = Decision> {
    (0u64..50, 0i64..5_000, any::<bool>(), any::<bool>()).prop_map(|(cause, time, no_data, has_evidence)| {
        Decision {
            cause,
            event_time: time,
            arrival_time: time + 1,
            decision_time: time + 2,
            no_data,
            evidence: has_evidence.then(|| Evidence { expr: format!("x > {time}"), ..Evidence::default() }),
        }
    })
}

fn taken() -> impl Strategy<Value = Taken> {
    ("[a-z]{1,3}", prop::option::of(prop_oneof![9 => ".{0,20}", 1 => "x{4001}"]))
        .prop_map(|(by, why)| Taken { by, why })
}

fn body(n: u128) -> impl Strategy<Value = EventBody> {
    let shown = || Shown { value: Some(7.5), summary: Default::default() };
    let kinds = prop::sample::select(TransitionKind::ALL);
    prop_oneof![
        (alert(), kinds.clone(), 0i64..9_000, any::<Option<u64>>()).prop_map(
            |(alert, transition, at, cause)| {
                EventBody::Imported(Box::new(Transition { transition, at, by: None, cause, alert }))
            }
        ),
        (alert(), any::<u64>())
            .prop_map(|(alert, cause)| EventBody::Recalled(Box::new(Recalled { cause, alert }))),
        (0usize..4, 0usize..9).prop_map(|(from, count)| {
            EventBody::RecalledNotes(RecalledNotes { from, notes: (0..count).map(note).collect() })
        }),
        decision().prop_map(move |decision| {
            EventBody::Pending(Box::new(Opened { subject: subject(n), shown: shown(), decision }))
        }),
        (decision(), any::<bool>(), any::<i64>()).prop_map(move |(decision, begins, since)| {
            let subject = begins.then(|| subject(n));
            EventBody::Firing(Box::new(Fired { subject, since, shown: shown(), decision }))
        }),
        (decision(), any::<i64>())
            .prop_map(|(decision, since)| EventBody::Cleared(Box::new(Cleared { since, decision }))),
        decision().prop_map(|decision| EventBody::NoDataChanged(Box::new(decision))),
        (alert(), kinds, any::<u64>()).prop_map(|(alert, transition, cause)| {
            EventBody::Restated(Box::new(Restated { transition, cause, alert }))
        }),
        taken().prop_map(EventBody::Acknowledged),
        taken().prop_map(EventBody::Resolved),
        ("[a-z]{1,3}", ".{0,20}").prop_map(|(by, text)| EventBody::Noted(Noted { by, text })),
    ]
}

fn event() -> impl Strategy<Value = AlertEvent> {
    (0..ALERTS).prop_flat_map(|n| {
        (body(n), 0i64..9_000).prop_map(move |(body, at)| match body {
            EventBody::Imported(transition) => AlertEvent::imported(*transition),
            body => AlertEvent { alert: id(n), at, body },
        })
    })
}

fn assert_legal(alert: &Alert) -> Result<(), TestCaseError> {
    prop_assert_eq!(alert.acknowledged_by.is_some(), alert.acknowledged_at.is_some());
    prop_assert_eq!(alert.resolved_by.is_some(), alert.resolved_at.is_some());
    prop_assert!(alert.notes.len() <= NOTES_MAX);
    match alert.state {
        Condition::Pending => {
            prop_assert_eq!((alert.firing_since, alert.cleared_at), (None, None));
            prop_assert!(alert.acknowledged_at.is_none() && alert.resolved_at.is_none());
        }
        Condition::Firing => prop_assert!(alert.firing_since.is_some() && alert.cleared_at.is_none()),
        Condition::Cleared => prop_assert!(alert.cleared_at.is_some()),
    }
    Ok(())
}

fn same(one: &AlertFold, other: &AlertFold) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.to_snapshot().unwrap(), other.to_snapshot().unwrap());
    Ok(())
}

proptest! {
    #[test]
    fn any_order_of_events_gives_legal_alerts(events in prop::collection::vec(event(), 0..60)) {
        let mut fold = AlertFold::default();
        for (seq, event) in (1..).zip(&events) {
            if let Applied::Told(transition) = fold.apply(seq, event) {
                prop_assert_eq!(transition.alert.id, event.alert);
                prop_assert_eq!(&*fold.get(event.alert).unwrap().alert, &transition.alert);
            }
            prop_assert_eq!(fold.through(), seq);
            for state in fold.states() {
                assert_legal(&state.alert)?;
            }
        }
    }

    #[test]
    fn live_replayed_and_from_any_snapshot_are_the_same(
        events in prop::collection::vec(event(), 1..60), at: prop::sample::Index, gap in 1u64..5,
    ) {
        let at = at.index(events.len());
        let (mut live, mut replayed) = (AlertFold::default(), AlertFold::default());
        let mut snapshot = live.to_snapshot().unwrap();
        for (n, event) in events.iter().enumerate() {
            let seq = (n as u64 + 1) * gap;
            let told = live.apply(seq, event);
            let mut written = event.clone();
            let bytes = ioc_alerts::encode(&mut written).unwrap();
            let (again, read) = replayed.apply_bytes(seq, &bytes).unwrap();
            prop_assert_eq!(told, again);
            prop_assert_eq!(read.as_ref(), Some(event));
            if n == at {
                snapshot = live.to_snapshot().unwrap();
            }
        }
        same(&live, &replayed)?;
        let mut restored = AlertFold::from_snapshot(&snapshot).unwrap();
        for (n, event) in events.iter().enumerate() {
            let applied = restored.apply((n as u64 + 1) * gap, event);
            prop_assert_eq!(applied == Applied::Ignored(Ignored::Repeated), n <= at);
        }
        same(&live, &restored)?;
    }

    #[test]
    fn what_a_rule_decides_and_what_people_did_are_both_in_the_alert(
        events in prop::collection::vec(event(), 0..20), decided in alert(), cause in 0u64..99,
        kind in prop::sample::select(&[TransitionKind::Pending, TransitionKind::Firing, TransitionKind::Cleared][..]),
    ) {
        let mut fold = AlertFold::default();
        (1..).zip(&events).for_each(|(seq, event)| _ = fold.apply(seq, event));
        // Rules decide legal states, and know nothing of people.
        let state = match kind {
            TransitionKind::Pending => Condition::Pending,
            TransitionKind::Firing => Condition::Firing,
            _ => Condition::Cleared,
        };
        let known = fold.get(decided.id).map(|known| (*known.alert).clone());
        let firing_since = match state {
            Condition::Pending => None,
            Condition::Firing => decided.firing_since.or(Some(1)),
            Condition::Cleared => decided.firing_since,
        };
        let cleared_at = (state == Condition::Cleared).then_some(5);
        let decided = Alert {
            state, firing_since, cleared_at, acknowledged_by: None, acknowledged_at: None, resolved_by: None,
            resolved_at: None, notes: Vec::new(), ..decided
        };
        let decision = RuleDecision { kind, at: 4_000, cause, alert: decided.clone() };
        let event = fold.decide(decision);
        let Applied::Told(told) = fold.apply(1_000, &event) else { panic!("a decision is told: {event:?}") };
        prop_assert_eq!((told.transition, told.cause, told.by.as_deref()), (kind, Some(cause), None));
        let mut expected = decided;
        if let Some(known) = known.filter(|_| state != Condition::Pending) {
            expected.acknowledged_by = known.acknowledged_by;
            expected.acknowledged_at = known.acknowledged_at;
            expected.resolved_by = known.resolved_by;
            expected.resolved_at = known.resolved_at;
            expected.notes = known.notes;
        } else {
            expected.notes = told.alert.notes.clone();
        }
        prop_assert_eq!(&told.alert, &expected);
    }

    #[test]
    fn a_command_is_refused_or_changes_what_it_says(
        events in prop::collection::vec(event(), 0..20), n in 0..ALERTS, which in 0..3, text in ".{0,5}",
    ) {
        let mut fold = AlertFold::default();
        (1..).zip(&events).for_each(|(seq, event)| _ = fold.apply(seq, event));
        let command = match which {
            0 => AlertCommand::Acknowledge { why: None },
            1 => AlertCommand::Resolve { why: Some(text.clone()) },
            _ => AlertCommand::Note { text: text.clone() },
        };
        match fold.command(id(n), command, "mai", 7_000) {
            Ok(event) => {
                prop_assert_eq!(event.by(), Some("mai"));
                let Applied::Told(told) = fold.apply(500, &event) else { panic!("what was accepted applies") };
                prop_assert_eq!((told.by.as_deref(), told.at), (Some("mai"), 7_000));
                if which > 0 {
                    prop_assert_eq!(told.alert.notes.last().map(|note| &*note.text), Some(text.trim()));
                }
            }
            Err(CommandError::NotFound) => prop_assert!(fold.get(id(n)).is_none()),
            Err(_) => prop_assert!(fold.get(id(n)).is_some()),
        }
    }

    #[test]
    fn whatever_the_bytes_are_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..200), seq: u64) {
        let mut fold = AlertFold::default();
        let _ = fold.apply_bytes(seq, &bytes);
        let _ = AlertFold::from_snapshot(&bytes);
        prop_assert_eq!(fold.states().count(), 0);
    }

    #[test]
    fn a_byte_that_changes_gives_a_legal_alert_or_an_error(
        mut event in event(), at: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = ioc_alerts::encode(&mut event).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut fold = AlertFold::default();
        let _ = fold.apply_bytes(1, &bytes);
        for state in fold.states() {
            assert_legal(&state.alert)?;
        }
        let mut snapshot = fold.to_snapshot().unwrap();
        prop_assert!(AlertFold::from_snapshot(&snapshot).is_ok());
        let at = at % snapshot.len();
        snapshot[at] ^= 1;
        prop_assert!(AlertFold::from_snapshot(&snapshot).is_err());
    }
}
