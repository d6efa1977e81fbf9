//! Keeps the last value of every property of every device, and who is connected.
use super::Consumer;
use crate::{clock::Clocks, ingress::Ingress};
use ioc_ingest::LiveState;
use ioc_journal::Batch;
use ioc_model::{Origin, Presence, RecordKind, message::MessageView};
use std::sync::Arc;

/// Follows the log and keeps last values up to date.
pub struct Live {
    live: Arc<LiveState>,
    ingress: Arc<Ingress>,
}

impl Live {
    /// Writes into `live`.
    pub fn new(live: Arc<LiveState>, ingress: Arc<Ingress>) -> Self {
        Self { live, ingress }
    }
}

impl Consumer for Live {
    fn take(&mut self, batch: &Batch) {
        let clocks = Clocks::read();
        for record in batch.records() {
            match record.kind {
                RecordKind::Message => {
                    let Ok(message) = MessageView::parse(record.payload) else { continue };
                    let Some(device) = message.device else { continue };
                    if message.origin == Origin::Device {
                        self.live.heard(device, clocks.arrival(message.arrival_ms));
                    }
                    if let Some(by_ms) = message.set_back_ms {
                        self.live.set_back(device, by_ms);
                    }
                    self.live.apply(device, message.observations(), message.arrival_ms);
                }
                RecordKind::Presence => {
                    let Ok(presence) = Presence::decode(record.payload) else { continue };
                    self.live.set_online(presence.device, presence.online, presence.at_ms);
                }
                RecordKind::Transition | RecordKind::OperatorAction | RecordKind::AlertEvent => {}
            }
        }
    }

    fn idle(&mut self) {
        self.ingress.flush_presence();
    }
}
