//! Tells the world about committed transitions, in this order: the live stream, the city app over MQTT, the records.
//! Records that cannot be written hold back nobody until so many are missing that the stream's ring would lose some.
use super::{Projections, Work};
use crate::{
    clock::now_ms,
    records::{Records, Sequenced},
    stream::hub::{Hub, RING_MAX},
};
use ioc_broker::Broker;
use ioc_journal::{Batch, Offset};
use ioc_model::{Alert, RecordKind, Transition, TransitionKind, topic::ALERTS_PREFIX};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long to wait before the records are tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Transitions told at once.
const PART: usize = RING_MAX / 4;
/// Told transitions that the records lack, beyond which nothing more is told until they have them: who falls behind the
/// ring reads on from the records.
const UNRECORDED_MAX: usize = RING_MAX / 2;

/// See the module.
pub struct Alerts {
    records: Records,
    hub: Arc<Hub>,
    broker: Arc<Broker>,
    projections: Projections,
    stop: super::Stop,
    /// Told, and to be recorded.
    unrecorded: Vec<Sequenced>,
    /// When the records that could not be written are tried again.
    retry_at: Option<Instant>,
    /// The end came while too many could not be recorded.
    given_up: bool,
}

impl Alerts {
    /// Joins the parts; apps find the alerts that were open before the start retained again.
    pub fn new(
        records: Records,
        hub: Arc<Hub>,
        broker: Arc<Broker>,
        projections: Projections,
        stop: super::Stop,
    ) -> Self {
        let (unrecorded, retry_at) = (Vec::new(), None);
        let alerts = Self { records, hub, broker, projections, stop, unrecorded, retry_at, given_up: false };
        alerts.hub.for_each_open(|alert| alerts.tell_apps(alert));
        alerts
    }

    fn tell(&self, transitions: &[Sequenced]) {
        self.hub.publish(transitions.iter().cloned());
        // Screens first: where processors are few, their sessions may be waiting for this thread's.
        thread::yield_now();
        for Sequenced { transition, .. } in transitions {
            measure(transition);
            if transition.transition != TransitionKind::Pending && transition.alert.firing_since.is_some() {
                self.tell_apps(&transition.alert);
            }
        }
    }

    fn tell_apps(&self, alert: &Alert) {
        let domain = alert.domain.map_or("city", |domain| domain.as_str());
        let topic = format!("{ALERTS_PREFIX}{domain}/{}/{}", alert.severity, alert.id);
        let json = serde_json::to_vec(alert).unwrap_or_default();
        self.broker.publish(&topic, &json, alert.is_open());
        if !alert.is_open() {
            // An empty retained message takes the alert away for those who come later.
            self.broker.publish(&topic, b"", true);
        }
    }

    /// Writes what was told into the records, again and again while too much is missing there.
    fn record(&mut self) {
        while let Some(Sequenced { seq: through, .. }) = self.unrecorded.last() {
            match self.records.apply_transitions(&self.unrecorded, *through) {
                Ok(()) => {
                    self.hub.recorded(*through);
                    self.unrecorded.clear();
                    self.retry_at = None;
                    return;
                }
                Err(error) => tracing::error!(
                    %error,
                    missing = self.unrecorded.len(),
                    "transitions cannot be recorded; alerts are told all the same, up to {UNRECORDED_MAX} of them"
                ),
            }
            self.retry_at = Some(Instant::now() + RETRY);
            if self.unrecorded.len() < UNRECORDED_MAX {
                return;
            }
            self.given_up = self.stop.wait(RETRY);
            if self.given_up {
                return;
            }
        }
    }

    fn record_if_due(&mut self) {
        if self.unrecorded.len() >= UNRECORDED_MAX || self.retry_at.is_none_or(|at| Instant::now() >= at) {
            self.record();
        }
    }
}

/// Notes how long it took from what decided, a message's arrival or a moment in time, to here.
fn measure(transition: &Transition) {
    if transition.transition == TransitionKind::Firing {
        let seconds = (now_ms() - transition.at).max(0) as f64 / 1000.0;
        metrics::histogram!("ioc_alert_publish_delay_seconds").record(seconds);
    }
}

/// Returns the transitions of a batch.
pub fn transitions_of(batch: &Batch) -> Vec<Sequenced> {
    let mut transitions = Vec::new();
    for record in batch.records().filter(|record| record.kind == RecordKind::Transition) {
        match serde_json::from_slice(record.payload) {
            Ok(transition) => transitions.push(Sequenced::new(record.offset, transition)),
            Err(error) => {
                tracing::error!(offset = record.offset, %error, "a journaled transition cannot be read")
            }
        }
    }
    transitions
}

impl Work for Alerts {
    fn take(&mut self, batch: &Batch) {
        for part in transitions_of(batch).chunks(PART) {
            if self.given_up {
                // The next start finds it, as the place is kept by what the records have.
                return;
            }
            self.tell(part);
            self.unrecorded.extend_from_slice(part);
            self.record_if_due();
        }
    }

    fn idle(&mut self) {
        if !self.given_up {
            self.record_if_due();
        }
    }

    fn safe(&mut self, taken: Offset) -> Option<Offset> {
        if self.unrecorded.is_empty() {
            self.records.apply_transitions(&[], taken).ok()?;
        }
        self.projections.safe()
    }
}
