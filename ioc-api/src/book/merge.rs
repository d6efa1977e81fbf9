//! How a transition changes an alert: pure functions, so that the journal, the book and the tests agree.
use ioc_model::{Alert, Condition, Transition, TransitionKind, alert::Note};

/// Longest note in characters.
pub const NOTE_LEN_MAX: usize = 4000;
/// Most notes on one alert.
pub const NOTES_MAX: usize = 200;
/// Most bytes of JSON in all notes on one alert: each of its transitions carries them, and must fit a journal record.
const NOTES_BYTES_MAX: usize = 256 * 1024;

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take the alert.
    Acknowledge,
    /// Close it, with a last word if there is one.
    Resolve {
        /// The last word.
        note: Option<String>,
    },
    /// Write something down.
    Note {
        /// What.
        text: String,
    },
}

/// Why an operator's action does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No such alert.
    #[error("no alert has this id")]
    NotFound,
    /// Somebody was faster.
    #[error("{by} already acknowledged this alert")]
    AlreadyAcknowledged {
        /// Who.
        by: String,
    },
    /// It is closed.
    #[error("this alert is already resolved")]
    AlreadyResolved,
    /// Not yet an alert.
    #[error("this alert is still pending; it can be acted on once it fires")]
    Pending,
    /// Nothing, or a novel.
    #[error("a note must have 1 to {NOTE_LEN_MAX} characters")]
    NoteLength,
    /// A diary.
    #[error("the notes of this alert are full: at most {NOTES_MAX}, and {} KiB", NOTES_BYTES_MAX / 1024)]
    TooManyNotes,
    /// The journal takes nothing at the moment.
    #[error("the journal takes nothing at the moment: {0}")]
    Journal(String),
}

/// Applies what a rule decided to what is known of the alert, keeping what people did to it.
pub(super) fn decide(known: Option<&Alert>, decided: Alert) -> Alert {
    let Some(known) = known else { return decided };
    Alert {
        acknowledged_by: known.acknowledged_by.clone(),
        acknowledged_at: known.acknowledged_at,
        resolved_by: known.resolved_by.clone(),
        resolved_at: known.resolved_at,
        notes: known.notes.clone(),
        ..decided
    }
}

/// Applies an operator's action.
///
/// Errors: [`ActionError`] says why it does not apply.
pub(super) fn act(known: &Alert, action: &Action, by: &str, at: i64) -> Result<Transition, ActionError> {
    let mut alert = known.clone();
    if known.state == Condition::Pending && !matches!(action, Action::Note { .. }) {
        return Err(ActionError::Pending);
    }
    let transition = match action {
        Action::Acknowledge => {
            if known.resolved_at.is_some() {
                return Err(ActionError::AlreadyResolved);
            }
            if let Some(by) = &known.acknowledged_by {
                return Err(ActionError::AlreadyAcknowledged { by: by.clone() });
            }
            alert.acknowledged_by = Some(by.to_owned());
            alert.acknowledged_at = Some(at);
            TransitionKind::Acknowledged
        }
        Action::Resolve { note } => {
            if known.resolved_at.is_some() {
                return Err(ActionError::AlreadyResolved);
            }
            if let Some(text) = note {
                add_note(&mut alert, text, by, at)?;
            }
            alert.resolved_by = Some(by.to_owned());
            alert.resolved_at = Some(at);
            TransitionKind::Resolved
        }
        Action::Note { text } => {
            add_note(&mut alert, text, by, at)?;
            TransitionKind::Noted
        }
    };
    Ok(Transition { transition, at, by: Some(by.to_owned()), cause: None, alert })
}

fn add_note(alert: &mut Alert, text: &str, by: &str, at: i64) -> Result<(), ActionError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NOTE_LEN_MAX {
        return Err(ActionError::NoteLength);
    }
    let bytes: usize = alert.notes.iter().map(|note| json_len(&note.text)).sum();
    if alert.notes.len() >= NOTES_MAX || bytes + json_len(text) > NOTES_BYTES_MAX {
        return Err(ActionError::TooManyNotes);
    }
    alert.notes.push(Note { at, by: by.to_owned(), text: text.to_owned() });
    Ok(())
}

fn json_len(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ioc_model::{AlertId, Fingerprint, Severity};

    /// A firing alert to act on.
    pub(crate) fn firing() -> Alert {
        Alert {
            id: AlertId::new(1_000, 7),
            fingerprint: Fingerprint(9),
            rule: "kim_long_bao_dong_3".into(),
            severity: Severity::Critical,
            state: Condition::Firing,
            domain: None,
            device: None,
            ward: None,
            labels: Default::default(),
            value: Some(3.6),
            summary: Default::default(),
            event_time: 1_000,
            arrival_time: 1_001,
            decision_time: 1_002,
            active_since: 1_000,
            firing_since: Some(1_002),
            cleared_at: None,
            acknowledged_by: None,
            acknowledged_at: None,
            resolved_by: None,
            resolved_at: None,
            notes: Vec::new(),
            no_data: false,
            evidence: Default::default(),
        }
    }

    #[test]
    fn acknowledging_stands_beside_the_condition() {
        let transition = act(&firing(), &Action::Acknowledge, "lan", 2_000).unwrap();
        assert_eq!(transition.transition, TransitionKind::Acknowledged);
        assert_eq!(transition.alert.state, Condition::Firing);
        let cleared = Alert { state: Condition::Cleared, cleared_at: Some(3_000), ..firing() };
        let merged = decide(Some(&transition.alert), cleared);
        assert_eq!(merged.acknowledged_by.as_deref(), Some("lan"));
        assert_eq!(merged.state, Condition::Cleared);
    }

    #[test]
    fn the_second_operator_is_told_who_was_first() {
        let taken = act(&firing(), &Action::Acknowledge, "lan", 2_000).unwrap().alert;
        let refused = act(&taken, &Action::Acknowledge, "minh", 2_001).unwrap_err();
        assert_eq!(refused.to_string(), "lan already acknowledged this alert");
    }

    #[test]
    fn a_resolved_alert_stays_resolved_when_its_rule_goes_on() {
        let note = Some("Đã đóng cống".to_owned());
        let closed = act(&firing(), &Action::Resolve { note }, "lan", 2_000).unwrap().alert;
        assert!(!closed.is_open());
        assert!(!decide(Some(&closed), firing()).is_open());
        assert_eq!(closed.notes[0].text, "Đã đóng cống");
        assert_eq!(act(&closed, &Action::Acknowledge, "x", 3_000), Err(ActionError::AlreadyResolved));
    }

    #[test]
    fn notes_fit_a_journal_record() {
        let mut alert = firing();
        // Six bytes each, once written.
        let text = format!("a{}b", "\u{1}".repeat(NOTE_LEN_MAX - 2));
        let note = |alert: &Alert| {
            act(alert, &Action::Note { text: text.clone() }, "lan", 1).map(|noted| noted.alert)
        };
        let full = loop {
            match note(&alert) {
                Ok(noted) => alert = noted,
                Err(error) => break error,
            }
        };
        assert_eq!(full, ActionError::TooManyNotes);
        assert!(serde_json::to_vec(&alert).unwrap().len() < ioc_journal::RECORD_LEN_MAX / 2);
    }

    #[test]
    fn notes_have_bounds() {
        for text in ["", "  ", &"x".repeat(NOTE_LEN_MAX + 1)] {
            let action = Action::Note { text: text.to_owned() };
            assert_eq!(act(&firing(), &action, "lan", 1), Err(ActionError::NoteLength));
        }
    }
}
