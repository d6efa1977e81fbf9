//! The kinds of journal records.

/// What a journal record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A device message: [`crate::Message`], binary.
    Message = 1,
    /// A transition of an alert: [`crate::Transition`], JSON. Earlier versions wrote it; now it is only read.
    Transition = 2,
    /// A device came online or went offline: [`crate::Presence`], binary.
    Presence = 3,
    /// Something a person or the CLI did that the journal must order: JSON.
    OperatorAction = 4,
    /// Something that happened to an alert, as the package `ioc-alerts` encodes it: JSON with a version and a kind.
    AlertEvent = 5,
}

impl RecordKind {
    /// Returns the kind with this number.
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Message),
            2 => Some(Self::Transition),
            3 => Some(Self::Presence),
            4 => Some(Self::OperatorAction),
            5 => Some(Self::AlertEvent),
            _ => None,
        }
    }
}
