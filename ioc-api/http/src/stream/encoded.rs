//! A transition, ready to be told.
use super::protocol::ServerMessage;
use axum::extract::ws::Utf8Bytes;
use ioc_model::Transition;
use ioc_records::Sequenced;
use std::sync::Arc;

/// A transition with its message, which is made once, while the disk is at work, and not by each screen. Clones share it.
#[derive(Debug, Clone)]
pub struct EncodedTransition {
    /// Journal offset of the transition record.
    pub seq: u64,
    /// What happened.
    pub transition: Arc<Transition>,
    /// The message about it.
    pub message: Utf8Bytes,
}

impl From<Sequenced> for EncodedTransition {
    fn from(Sequenced { seq, transition }: Sequenced) -> Self {
        let message = ServerMessage::Alert {
            seq,
            transition: transition.transition,
            at: transition.at,
            by: transition.by.as_deref(),
            alert: &transition.alert,
        };
        let message = message.to_json().into();
        Self { seq, transition, message }
    }
}
