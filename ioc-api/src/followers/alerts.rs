//! Tells the world about committed transitions, in this order: the records (so that who falls behind finds them),
//! the live stream, the city app over MQTT.
use super::{Projections, Work};
use crate::{
    clock::now_ms,
    records::Records,
    stream::hub::{Hub, Sequenced},
};
use ioc_broker::Broker;
use ioc_journal::{Batch, Offset};
use ioc_model::{Alert, RecordKind, Transition, TransitionKind, topic::ALERTS_PREFIX};
use std::{sync::Arc, time::Duration};

/// How long to wait before the records are tried again.
const RETRY: Duration = Duration::from_millis(500);

/// See the module.
pub struct Alerts {
    records: Records,
    hub: Arc<Hub>,
    broker: Arc<Broker>,
    projections: Projections,
    stop: super::Stop,
    /// The end came before transitions could be recorded.
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
        let alerts = Self { records, hub, broker, projections, stop, given_up: false };
        alerts.hub.for_each_open(|alert| alerts.tell_apps(alert));
        alerts
    }

    /// Writes the projection; without it nobody is told, so it is tried until it works.
    fn project(&self, transitions: &[(Offset, Transition)], through: Offset) -> bool {
        loop {
            match self.records.apply_transitions(transitions, through) {
                Ok(()) => return true,
                Err(error) => tracing::error!(%error, "transitions cannot be recorded; alerts wait"),
            }
            if self.stop.wait(RETRY) {
                return false;
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
}

/// Notes how long it took from what decided, a message's arrival or a moment in time, to here.
fn measure(transition: &Transition) {
    if transition.transition == TransitionKind::Firing {
        let seconds = (now_ms() - transition.at).max(0) as f64 / 1000.0;
        metrics::histogram!("ioc_alert_publish_delay_seconds").record(seconds);
    }
}

/// Returns the transitions of a batch with their offsets.
pub fn transitions_of(batch: &Batch) -> Vec<(Offset, Transition)> {
    let mut transitions = Vec::new();
    for record in batch.records().filter(|record| record.kind == RecordKind::Transition) {
        match serde_json::from_slice(record.payload) {
            Ok(transition) => transitions.push((record.offset, transition)),
            Err(error) => {
                tracing::error!(offset = record.offset, %error, "a journaled transition cannot be read")
            }
        }
    }
    transitions
}

impl Work for Alerts {
    fn take(&mut self, batch: &Batch) {
        let transitions = transitions_of(batch);
        // Nothing behind what could not be recorded is, so that the next start finds it.
        self.given_up = self.given_up || !transitions.is_empty() && !self.project(&transitions, batch.last());
        if transitions.is_empty() || self.given_up {
            return;
        }
        for (_, transition) in &transitions {
            measure(transition);
            if transition.transition != TransitionKind::Pending && transition.alert.firing_since.is_some() {
                self.tell_apps(&transition.alert);
            }
        }
        let sequenced = |(seq, transition)| Sequenced { seq, transition: Arc::new(transition) };
        self.hub.publish(transitions.into_iter().map(sequenced));
    }

    fn safe(&mut self, taken: Offset) -> Option<Offset> {
        if !self.given_up {
            self.records.apply_transitions(&[], taken).ok()?;
        }
        self.projections.safe()
    }
}
