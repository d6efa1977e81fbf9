//! The alert as a fold over events.
//!
//! Rules append decisions and people append commands; [`AlertFold`] computes what every alert is from them, and nothing
//! else does. The fold is pure: time and journal offsets are arguments, and the same events give the same alerts on every
//! machine, at every start and from every snapshot.
//!
//! ```text
//! decision of a rule ─▶ AlertFold::decide ──┐
//!                                           ├─▶ AlertEvent ─▶ encode ─▶ log ─▶ decode ─▶ AlertFold::apply ─▶ Transition
//! command of a person ─▶ AlertFold::command ┘
//! ```
//!
//! | Module | Owns |
//! |---|---|
//! | `event` | what can happen to an alert |
//! | `wire` | the bytes of an event: `{v, kind, …}` with fixed numbers |
//! | `fit` | shortening what is larger than an event may be |
//! | `life` | how one event changes one alert |
//! | `command` | what people may do, and when it does not apply |
//! | `fold` | all alerts that can still change, and the events that led to them |
//! | `decision` | the event that carries a decision of a rule |
//! | `recall` | bringing an alert back that the fold has let go |
//! | `snapshot` | the bytes of a fold |
mod command;
mod decision;
mod event;
mod fit;
mod fold;
mod life;
mod recall;
mod snapshot;
mod wire;

pub use command::{AlertCommand, CommandError, NOTE_CHARS_MAX, NOTES_MAX};
pub use decision::RuleDecision;
pub use event::{
    AlertEvent, Cleared, Decision, EventBody, Fired, Noted, Opened, Recalled, RecalledNotes, Restated, Shown,
    Subject, Taken,
};
pub use fold::{AlertFold, AlertState, Applied, FINISHED_KEPT, Tally};
pub use life::Ignored;
pub use snapshot::{SNAPSHOT_VERSION, SnapshotError};
pub use wire::{Decoded, EVENT_BYTES_MAX, EncodeError, EventError, decode, encode};
