//! The bytes of an event: JSON `{"v":1,"kind":11,"alert":"…","at":…,"body":{…}}`.
//!
//! `kind` is a number of [`EventBody::number`], never a position in an enum, so that kinds can be added in any order. A
//! reader keeps what it does not know: an event of an unknown kind, or of a newer version of the format, is
//! [`Decoded::Unknown`] and not an error.
use crate::{
    event::{AlertEvent, EventBody},
    fit,
};
use ioc_model::AlertId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the format that is written.
const VERSION: u32 = 1;
/// Most bytes of an encoded event.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What bytes of the journal come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// An event.
    Event(Box<AlertEvent>),
    /// An event of a newer program: kept, and skipped.
    Unknown {
        /// Version of its format.
        v: u32,
        /// Number of its kind.
        kind: u32,
    },
}

/// Bytes are no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is larger than an event may be.
    #[error("an alert event has {0} bytes; at most {EVENT_BYTES_MAX} are read")]
    TooLarge(usize),
    /// It is not what [`encode`] writes.
    #[error("an alert event cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// An event cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is no JSON.
    #[error("an alert event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is too large, even with shortened texts.
    #[error("an alert event has {0} bytes with shortened texts; at most {EVENT_BYTES_MAX} are written")]
    TooLarge(usize),
}

#[derive(Serialize)]
struct Written<'e, B> {
    v: u32,
    kind: u32,
    alert: AlertId,
    at: i64,
    body: &'e B,
}

#[derive(Deserialize)]
struct Head {
    v: u32,
    kind: u32,
}

#[derive(Deserialize)]
struct Read<B> {
    alert: AlertId,
    at: i64,
    body: B,
}

/// Returns the bytes of an event. One that would be larger than [`EVENT_BYTES_MAX`] is shortened, so that what is written
/// and what `event` says afterwards are the same.
///
/// Errors: [`EncodeError`]; a decision within the limits of the rule language always fits.
pub fn encode(event: &mut AlertEvent) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = to_json(event)?;
    for cut in fit::CUTS {
        if bytes.len() <= EVENT_BYTES_MAX {
            break;
        }
        fit::shorten(&mut event.body, cut);
        bytes = to_json(event)?;
    }
    match bytes.len() {
        0..=EVENT_BYTES_MAX => Ok(bytes),
        len => Err(EncodeError::TooLarge(len)),
    }
}

fn to_json(event: &AlertEvent) -> serde_json::Result<Vec<u8>> {
    match &event.body {
        EventBody::Imported(body) => write(event, body),
        EventBody::Recalled(body) => write(event, body),
        EventBody::RecalledNotes(body) => write(event, body),
        EventBody::Pending(body) => write(event, body),
        EventBody::Firing(body) => write(event, body),
        EventBody::Cleared(body) => write(event, body),
        EventBody::NoDataChanged(body) => write(event, body),
        EventBody::Restated(body) => write(event, body),
        EventBody::Acknowledged(body) | EventBody::Resolved(body) => write(event, body),
        EventBody::Noted(body) => write(event, body),
    }
}

fn write<B: Serialize>(event: &AlertEvent, body: &B) -> serde_json::Result<Vec<u8>> {
    let kind = event.body.number();
    serde_json::to_vec(&Written { v: VERSION, kind, alert: event.alert, at: event.at, body })
}

/// Reads an event.
///
/// Errors: [`EventError`] when `bytes` are not what a version of [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<Decoded, EventError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge(bytes.len()));
    }
    let Head { v, kind } = serde_json::from_slice(bytes)?;
    if v != VERSION {
        return Ok(Decoded::Unknown { v, kind });
    }
    match kind {
        1 => imported(bytes),
        2 => read(bytes, |body| EventBody::Recalled(Box::new(body))),
        3 => read(bytes, EventBody::RecalledNotes),
        10 => read(bytes, |body| EventBody::Pending(Box::new(body))),
        11 => read(bytes, |body| EventBody::Firing(Box::new(body))),
        12 => read(bytes, |body| EventBody::Cleared(Box::new(body))),
        13 => read(bytes, |body| EventBody::NoDataChanged(Box::new(body))),
        14 => read(bytes, |body| EventBody::Restated(Box::new(body))),
        20 => read(bytes, EventBody::Acknowledged),
        21 => read(bytes, EventBody::Noted),
        22 => read(bytes, EventBody::Resolved),
        _ => Ok(Decoded::Unknown { v, kind }),
    }
}

fn read<B: DeserializeOwned>(bytes: &[u8], body: impl FnOnce(B) -> EventBody) -> Result<Decoded, EventError> {
    let Read { alert, at, body: read } = serde_json::from_slice(bytes)?;
    Ok(Decoded::Event(Box::new(AlertEvent { alert, at, body: body(read) })))
}

/// Reads a whole state, whose alert is the event's, whatever the head says.
fn imported(bytes: &[u8]) -> Result<Decoded, EventError> {
    let Read { body, .. } = serde_json::from_slice(bytes)?;
    Ok(Decoded::Event(Box::new(AlertEvent::imported(body))))
}
