//! What people may do to an alert, and when it does not apply.
use ioc_model::{Alert, Condition, alert::Note};

/// Longest note in characters.
pub const NOTE_CHARS_MAX: usize = 4000;
/// Most notes on one alert.
pub const NOTES_MAX: usize = 200;
/// Most bytes of JSON in the texts of all notes on one alert: each of its transitions is told with them.
const NOTES_BYTES_MAX: usize = 256 * 1024;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertCommand {
    /// Take the alert.
    Acknowledge {
        /// The reason, if one was given.
        why: Option<String>,
    },
    /// Close it.
    Resolve {
        /// The reason, if one was given.
        why: Option<String>,
    },
    /// Write something down.
    Note {
        /// The text.
        text: String,
    },
}

impl AlertCommand {
    /// Returns the text that the alert keeps as a note.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Acknowledge { why } | Self::Resolve { why } => why.as_deref(),
            Self::Note { text } => Some(text),
        }
    }
}

/// Why a command does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such alert.
    #[error("no alert has this id")]
    NotFound,
    /// Somebody was faster.
    #[error("{by} already acknowledged this alert")]
    AlreadyAcknowledged {
        /// User name.
        by: String,
    },
    /// It is closed.
    #[error("this alert is already resolved")]
    AlreadyResolved,
    /// It has not fired yet.
    #[error("this alert is still pending; it can be acted on once it fires")]
    Pending,
    /// The text is empty or too long.
    #[error("a note must have 1 to {NOTE_CHARS_MAX} characters")]
    NoteLength,
    /// There is no room for another note.
    #[error("the notes of this alert are full: at most {NOTES_MAX}, and {} KiB", NOTES_BYTES_MAX / 1024)]
    TooManyNotes,
}

/// Checks whether a command applies to an alert.
///
/// Errors: [`CommandError`] says why it does not.
pub(crate) fn check(alert: &Alert, command: &AlertCommand) -> Result<(), CommandError> {
    if let AlertCommand::Acknowledge { .. } | AlertCommand::Resolve { .. } = command {
        if alert.state == Condition::Pending {
            return Err(CommandError::Pending);
        }
        if alert.resolved_at.is_some() {
            return Err(CommandError::AlreadyResolved);
        }
    }
    if let (AlertCommand::Acknowledge { .. }, Some(by)) = (command, &alert.acknowledged_by) {
        return Err(CommandError::AlreadyAcknowledged { by: by.clone() });
    }
    command.text().map_or(Ok(()), |text| check_note(&alert.notes, text))
}

fn check_note(notes: &[Note], text: &str) -> Result<(), CommandError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NOTE_CHARS_MAX {
        return Err(CommandError::NoteLength);
    }
    match notes.len() < NOTES_MAX && bytes_of(notes) + json_len(text) <= NOTES_BYTES_MAX {
        true => Ok(()),
        false => Err(CommandError::TooManyNotes),
    }
}

/// Adds a note.
pub(crate) fn add_note(notes: &mut Vec<Note>, text: &str, by: &str, at: i64) {
    notes.push(Note { at, by: by.to_owned(), text: text.trim().to_owned() });
}

/// Forgets the oldest of more notes than an alert can have.
pub(crate) fn bound_notes(notes: &mut Vec<Note>) {
    let surplus = notes.len().saturating_sub(NOTES_MAX);
    notes.drain(..surplus);
    while bytes_of(notes) > NOTES_BYTES_MAX {
        notes.remove(0);
    }
}

fn bytes_of(notes: &[Note]) -> usize {
    notes.iter().map(|note| json_len(&note.text)).sum()
}

/// Returns the length of a text as JSON, in bytes: quotes, and what is escaped.
fn json_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_are_those_of_json(text in any::<String>()) {
            prop_assert_eq!(json_len(&text), serde_json::to_string(&text).unwrap().len());
        }
    }
}
