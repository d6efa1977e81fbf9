//! Bringing an alert back that the fold has let go: somebody writes a note on one that ended long ago. The log has the state
//! again before the command, so that whoever follows it needs nothing else.
use crate::event::{AlertEvent, EventBody, Recalled, RecalledNotes};
use ioc_model::{Alert, alert::Note};

/// Bytes of notes that go into one event, as they are in memory; JSON takes six times as many at most.
const NOTES_BYTES: usize = 24 * 1024;

/// Returns the events that bring `alert` back, at `at` milliseconds since the epoch.
pub(crate) fn events(mut alert: Alert, cause: u64, at: i64) -> Vec<AlertEvent> {
    let id = alert.id;
    let mut portions = portions(std::mem::take(&mut alert.notes)).into_iter();
    alert.notes = portions.next().unwrap_or_default();
    let mut from = alert.notes.len();
    let first = EventBody::Recalled(Box::new(Recalled { cause, alert }));
    let further = portions.map(|notes| {
        let portion = RecalledNotes { from, notes };
        from += portion.notes.len();
        EventBody::RecalledNotes(portion)
    });
    std::iter::once(first).chain(further).map(|body| AlertEvent { alert: id, at, body }).collect()
}

/// Splits notes into portions, each of at least one note.
fn portions(notes: Vec<Note>) -> Vec<Vec<Note>> {
    let mut portions: Vec<Vec<Note>> = Vec::new();
    let mut bytes = usize::MAX;
    for note in notes {
        bytes = bytes.saturating_add(note.text.len());
        match portions.last_mut().filter(|_| bytes <= NOTES_BYTES) {
            Some(portion) => portion.push(note),
            None => {
                bytes = note.text.len();
                portions.push(vec![note]);
            }
        }
    }
    portions
}
