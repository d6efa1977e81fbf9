//! The life of alerts, told by events: what earlier versions wrote, what is let go and comes back, what does not fit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop where it stands")]
use ioc_alerts::{
    AlertCommand, AlertEvent, AlertFold, AlertState, Applied, CommandError, Decoded, EVENT_BYTES_MAX,
    EventBody, EventError, FINISHED_KEPT, Ignored, NOTE_CHARS_MAX, RuleDecision, decode, encode,
};
use ioc_model::{
    Alert, AlertId, Condition, Transition, TransitionKind,
    alert::{EvidencePart, EvidenceSample, Note},
};

/// What the version before this crate wrote into its journal, one transition a line.
const EARLIER: &str = include_str!("fixtures/transitions.jsonl");

fn earlier() -> Vec<Transition> {
    EARLIER.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn firing() -> Alert {
    earlier().remove(0).alert
}

fn decided(kind: TransitionKind, alert: Alert) -> RuleDecision {
    RuleDecision { kind, at: 5, cause: 3, alert }
}

fn opened() -> AlertFold {
    let mut fold = AlertFold::default();
    let event = fold.decide(decided(TransitionKind::Firing, firing()));
    assert!(matches!(fold.apply(1, &event), Applied::Told(_)));
    fold
}

fn cleared(n: u128) -> Alert {
    Alert { id: AlertId::new(1, n), state: Condition::Cleared, cleared_at: Some(9), ..firing() }
}

#[test]
fn transitions_of_earlier_versions_are_taken_over_as_they_are() {
    let mut fold = AlertFold::default();
    for (seq, transition) in (1..).zip(earlier()) {
        let Applied::Told(told) = fold.apply(seq, &AlertEvent::imported(transition.clone())) else {
            panic!("{transition:?} is not told")
        };
        assert_eq!(*told, transition);
    }
    let of = |rule: &str, device: &str| -> AlertState {
        let is_it = |state: &&AlertState| {
            state.alert.rule == rule && state.alert.device.as_ref().is_some_and(|id| id.as_str() == device)
        };
        fold.states().find(is_it).unwrap().clone()
    };
    let (first, second, third) = (of("HighWater", "WL-1"), of("HighWater", "WL-2"), of("HighWater", "WL-3"));
    assert_eq!((first.alert.state, first.alert.notes.len(), first.cause), (Condition::Cleared, 2, 10));
    assert_eq!((second.alert.state, second.cause), (Condition::Cleared, 33));
    assert_eq!(second.alert.acknowledged_by.as_deref(), Some("lan"));
    assert_eq!((third.alert.state, third.alert.is_open()), (Condition::Firing, false));
    assert_eq!(of("WaterStaysHigh", "WL-4").alert.state, Condition::Pending);
}

#[test]
fn decisions_are_written_as_what_changed() {
    let mut fold = opened();
    let silent = Alert { no_data: true, decision_time: 77, ..firing() };
    let event = fold.decide(decided(TransitionKind::Firing, silent));
    let EventBody::NoDataChanged(decision) = &event.body else { panic!("{event:?}") };
    assert!(decision.no_data && decision.evidence.is_none());
    fold.apply(2, &event);
    let over = Alert { state: Condition::Cleared, cleared_at: Some(9), ..firing() };
    let event = fold.decide(decided(TransitionKind::Cleared, over));
    assert!(matches!(event.body, EventBody::Cleared(_)), "{event:?}");
    assert!(encode(&mut event.clone()).unwrap().len() < 400, "labels and evidence are not repeated");
}

#[test]
fn a_decision_that_no_change_leads_to_is_carried_whole() {
    let fold = opened();
    let renamed =
        Alert { rule: "Renamed".into(), state: Condition::Cleared, cleared_at: Some(9), ..firing() };
    let event = fold.decide(decided(TransitionKind::Cleared, renamed.clone()));
    let EventBody::Restated(restated) = &event.body else { panic!("{event:?}") };
    assert_eq!(restated.alert, renamed);
    // Nobody here has heard of it: a decision about it is whole, too.
    let unknown = AlertFold::default().decide(decided(TransitionKind::Cleared, cleared(7)));
    assert!(matches!(unknown.body, EventBody::Restated(_)), "{unknown:?}");
}

#[test]
fn the_second_person_is_told_who_was_first() {
    let mut fold = opened();
    let acknowledge = || AlertCommand::Acknowledge { why: None };
    let event = fold.command(firing().id, acknowledge(), "lan", 6).unwrap();
    // Both were made before either was folded: the log has both, the first counts.
    let late = fold.command(firing().id, acknowledge(), "minh", 7).unwrap();
    fold.apply(2, &event);
    assert_eq!(fold.apply(3, &late), Applied::Ignored(Ignored::OutOfTurn));
    assert_eq!(fold.tally().ignored, 1);
    let refused = fold.command(firing().id, acknowledge(), "minh", 8).unwrap_err();
    assert_eq!(refused.to_string(), "lan already acknowledged this alert");
}

#[test]
fn notes_are_bounded_one_by_one_and_together() {
    let mut fold = opened();
    for text in ["", "  ", &"x".repeat(NOTE_CHARS_MAX + 1)] {
        let refused = fold.command(firing().id, AlertCommand::Note { text: text.to_owned() }, "lan", 1);
        assert_eq!(refused, Err(CommandError::NoteLength));
    }
    // Six bytes each, once written.
    let text = format!("a{}b", "\u{1}".repeat(NOTE_CHARS_MAX - 2));
    for seq in 2.. {
        match fold.command(firing().id, AlertCommand::Note { text: text.clone() }, "lan", 1) {
            Ok(mut event) => {
                assert!(encode(&mut event).unwrap().len() < EVENT_BYTES_MAX / 4);
                fold.apply(seq, &event);
            }
            Err(refused) => {
                assert_eq!(refused, CommandError::TooManyNotes);
                break;
            }
        }
    }
    // Brought back, they take several events.
    let alert = (*fold.get(firing().id).unwrap().alert).clone();
    let mut restored = AlertFold::default();
    let events = restored.recall(alert.clone(), 3, 9);
    assert!(events.len() > 1);
    for (seq, mut event) in (1..).zip(events) {
        let written = event.clone();
        encode(&mut event).unwrap();
        assert_eq!(event, written, "nothing is shortened");
        assert_eq!(restored.apply(seq, &event), Applied::Quiet);
    }
    assert_eq!(*restored.get(alert.id).unwrap().alert, alert);
}

#[test]
fn cleared_alerts_are_let_go_in_order_and_come_back() {
    let mut fold = opened();
    let count = FINISHED_KEPT as u64 + 1;
    for n in 1..=count {
        let event = fold.decide(decided(TransitionKind::Cleared, cleared(u128::from(n))));
        fold.apply(n + 1, &event);
    }
    let first = cleared(1);
    assert_eq!(fold.states().count(), FINISHED_KEPT + 1, "one firing, and the newest that were cleared");
    assert_eq!((fold.get(first.id), fold.let_go_through()), (None, 2));
    let note = || AlertCommand::Note { text: "again".into() };
    assert_eq!(fold.command(first.id, note(), "lan", 1), Err(CommandError::NotFound));
    let mut seq = count + 1;
    for event in fold.recall(first.clone(), 3, 1) {
        seq += 1;
        assert_eq!(fold.apply(seq, &event), Applied::Quiet);
    }
    assert!(fold.recall(first.clone(), 3, 1).is_empty(), "it is here");
    let event = fold.command(first.id, note(), "lan", 1).unwrap();
    let Applied::Told(told) = fold.apply(seq + 1, &event) else { panic!("a note is told") };
    assert_eq!((told.transition, told.alert.notes.len()), (TransitionKind::Noted, 1));
}

#[test]
fn what_is_let_go_is_the_same_live_and_from_a_snapshot() {
    let mut live = opened();
    let mut restored = AlertFold::default();
    for n in 1..=2 * FINISHED_KEPT as u64 {
        if n == FINISHED_KEPT as u64 / 2 {
            restored = AlertFold::from_snapshot(&live.to_snapshot().unwrap()).unwrap();
        }
        let event = live.decide(decided(TransitionKind::Cleared, cleared(u128::from(n))));
        live.apply(n + 1, &event);
        // Before the snapshot was taken it is folded already, or there is nothing yet to fold into.
        if restored.through() > 0 {
            restored.apply(n + 1, &event);
        }
    }
    assert_eq!(live.states().count(), FINISHED_KEPT + 1);
    assert_eq!(live.let_go_through(), restored.let_go_through());
    assert!(live.to_snapshot().unwrap() == restored.to_snapshot().unwrap());
}

#[test]
fn what_a_newer_program_wrote_is_skipped_and_counted() {
    let mut fold = opened();
    for (seq, text) in [(5, r#"{"v":1,"kind":999,"shelf":{}}"#), (6, r#"{"v":2,"kind":10}"#)] {
        assert!(matches!(decode(text.as_bytes()), Ok(Decoded::Unknown { .. })));
        assert_eq!(fold.apply_bytes(seq, text.as_bytes()).unwrap(), (Applied::Unknown, None));
    }
    assert_eq!((fold.tally().unknown, fold.through()), (2, 6));
    for text in ["", "{}", "[]", r#"{"v":1}"#, r#"{"v":1,"kind":20}"#, r#"{"v":1,"kind":-1}"#] {
        assert!(matches!(fold.apply_bytes(7, text.as_bytes()), Err(EventError::Malformed(_))), "{text}");
    }
    assert!(matches!(decode(&vec![b' '; EVENT_BYTES_MAX + 1]), Err(EventError::TooLarge(_))));
}

#[test]
fn numbers_of_kinds_never_change() {
    let fold = opened();
    let number = |alert: Alert, kind| fold.decide(decided(kind, alert)).body.number();
    let other = Alert { id: AlertId::new(1, 1), ..firing() };
    let pending = Alert { state: Condition::Pending, firing_since: None, ..other.clone() };
    let over = Alert { state: Condition::Cleared, cleared_at: Some(1), ..firing() };
    assert_eq!(number(pending, TransitionKind::Pending), 10);
    assert_eq!(number(other, TransitionKind::Firing), 11);
    assert_eq!(number(over.clone(), TransitionKind::Cleared), 12);
    assert_eq!(number(firing(), TransitionKind::Firing), 13);
    assert_eq!(number(Alert { rule: "R".into(), ..firing() }, TransitionKind::Firing), 14);
    let command = |command| fold.command(firing().id, command, "lan", 1).unwrap().body.number();
    assert_eq!(command(AlertCommand::Acknowledge { why: None }), 20);
    assert_eq!(command(AlertCommand::Note { text: "x".into() }), 21);
    assert_eq!(command(AlertCommand::Resolve { why: None }), 22);
    assert_eq!(AlertEvent::imported(earlier().remove(0)).body.number(), 1);
    let mut notes = AlertFold::default().recall(over, 1, 1);
    assert_eq!(notes.remove(0).body.number(), 2);
    // The bytes say so, too.
    let mut event = fold.command(firing().id, AlertCommand::Note { text: "x".into() }, "lan", 1).unwrap();
    let text = String::from_utf8(encode(&mut event).unwrap()).unwrap();
    let id = firing().id;
    assert_eq!(
        text,
        format!(r#"{{"v":1,"kind":21,"alert":"{id}","at":1,"body":{{"by":"lan","text":"x"}}}}"#)
    );
}

type Excess = (&'static str, fn(&mut Alert, String));

/// Makes one part of an alert far too large.
const EXCESSES: [Excess; 8] = [
    ("summary", |alert, text| alert.summary.vi = text),
    ("rule", |alert, text| alert.rule = text),
    ("ward", |alert, text| alert.ward = Some(text)),
    ("label", |alert, text| _ = alert.labels.insert("team".into(), text)),
    ("label name", |alert, text| _ = alert.labels.insert(text, String::new())),
    ("expr", |alert, text| alert.evidence.expr = text),
    ("series", |alert, text| {
        alert.evidence.samples = vec![EvidenceSample { series: text, ts: 1, value: 1.0 }; 20];
    }),
    ("part", |alert, text| alert.evidence.parts = vec![EvidencePart { expr: text, value: None }; 20]),
];

fn assert_fits(what: &str, event: AlertEvent) {
    let mut large = event;
    let bytes = encode(&mut large).unwrap();
    assert!(bytes.len() <= EVENT_BYTES_MAX, "{what}: {}", bytes.len());
    let Decoded::Event(read) = decode(&bytes).unwrap() else { panic!("{what} is not known") };
    assert_eq!(*read, large, "{what}: what is written is what is folded");
}

#[test]
fn whatever_is_too_large_is_shortened_and_the_alert_is_kept() {
    // Three bytes a letter, six as JSON for each control character.
    let text = "ế\u{1}".repeat(EVENT_BYTES_MAX / 8);
    let mut all = firing();
    for (what, make) in EXCESSES {
        let mut alert = firing();
        make(&mut alert, text.clone());
        make(&mut all, text.clone());
        assert_fits(what, AlertFold::default().decide(decided(TransitionKind::Firing, alert)));
    }
    let short = "\u{1}".repeat(500);
    (0..100).for_each(|n| _ = all.labels.insert(format!("{n}{short}"), short.clone()));
    all.notes = vec![Note { at: 1, by: "lan".into(), text: "\u{1}".repeat(NOTE_CHARS_MAX) }; 100];
    assert_fits("everything", AlertFold::default().decide(decided(TransitionKind::Firing, all.clone())));
    assert_fits("restated", opened().decide(decided(TransitionKind::Cleared, all.clone())));
    let transition = Transition {
        transition: TransitionKind::Noted,
        at: 1,
        by: Some("lan".into()),
        cause: None,
        alert: all,
    };
    assert_fits("imported", AlertEvent::imported(transition));
}
