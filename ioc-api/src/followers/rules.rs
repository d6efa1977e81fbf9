//! Gives committed observations and connection states to the rule engine, and a tick every second in between, so
//! that data and time reach it in one order.
use super::Work;
use crate::clock::{monotonic_ms, now_ms};
use ioc_journal::{Batch, Journal, Offset, Record};
use ioc_model::{Presence, RecordKind, message::MessageView};
use ioc_rules::{Engine, Feed, Input};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Time between ticks, in milliseconds.
const TICK_MS: i64 = 1000;

/// Says that devices were registered or changed. Rules hear of it with the next tick: many that are registered one
/// after the other are looked up once. A device that speaks before is taken in when it does. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct RegistryChanged(Arc<AtomicBool>);

impl RegistryChanged {
    /// Says it.
    pub fn tell(&self) {
        self.0.store(true, Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

/// See the module.
pub struct Rules {
    engine: Arc<Engine>,
    journal: Journal,
    changed: RegistryChanged,
    taken: Offset,
    committed_ms: i64,
    next_tick_ms: i64,
}

impl Rules {
    /// Feeds `engine` from `journal`.
    pub fn new(engine: Arc<Engine>, journal: Journal, changed: RegistryChanged) -> Self {
        Self { engine, journal, changed, taken: 0, committed_ms: 0, next_tick_ms: 0 }
    }

    fn tick_if_due(&mut self) {
        let monotonic_ms = monotonic_ms();
        if monotonic_ms >= self.next_tick_ms {
            self.next_tick_ms = monotonic_ms + TICK_MS;
            if self.changed.take()
                && let Err(error) = self.engine.devices_changed()
            {
                tracing::error!(%error, "rules do not see the changed registry");
            }
            // While catching up, time must not run ahead of the data: silence would be ours, not theirs.
            let caught_up = self.taken >= self.journal.durable();
            let now_ms = if caught_up { now_ms() } else { self.committed_ms };
            // A stopped engine was reported by `take`.
            let _ = self.engine.offer(&Input::Tick { now_ms, monotonic_ms });
        }
    }
}

/// Gives the engine one record. What rules do not read only moves them on.
fn offer(feed: &mut Feed<'_>, record: &Record<'_>, committed_ms: i64) {
    let offset = record.offset;
    match record.kind {
        RecordKind::Message => {
            if let Ok(message) = MessageView::parse(record.payload)
                && let Some(device) = message.device
            {
                let observations = message.observations();
                return feed.message(offset, committed_ms, device, message.arrival_ms, observations);
            }
        }
        RecordKind::Presence => {
            if let Ok(presence) = Presence::decode(record.payload) {
                return feed.offer(&Input::Presence { offset, committed_ms, presence });
            }
        }
        RecordKind::Transition | RecordKind::OperatorAction => {}
    }
    feed.other(offset);
}

impl Work for Rules {
    fn take(&mut self, batch: &Batch) {
        let committed_ms = batch.committed_ms();
        (self.taken, self.committed_ms) = (batch.last(), committed_ms);
        let mut feed = self.engine.feed();
        for record in batch.records() {
            offer(&mut feed, &record, committed_ms);
        }
        if let Err(error) = feed.flush() {
            tracing::error!(%error, "rules no longer see what devices send");
        }
    }

    fn idle(&mut self) {
        self.tick_if_due();
    }

    fn safe(&mut self, _taken: Offset) -> Option<Offset> {
        Some(self.engine.processed())
    }
}
