//! Tells the world about transitions: the live stream, which gets them ready to be told before they are on disk, and the
//! city app over MQTT.
use super::{Consumer, Stop, alert_log::AlertLog};
use crate::clock::now_ms;
use ioc_alerts::AlertFold;
use ioc_broker::Broker;
use ioc_http::stream::hub::{Hub, RING_MAX};
use ioc_journal::{Batch, Offset, SharedLog, WaitError};
use ioc_model::{Alert, Domain, Transition, TransitionKind, topic::ALERTS_PREFIX};
use ioc_records::Sequenced;
use std::{sync::Arc, time::Duration};

/// Transitions told at once.
const PART: usize = RING_MAX / 4;
/// Transitions that the records lack, beyond which nothing more is told until they have them: who falls behind the
/// stream's ring reads on from the records.
const UNRECORDED_MAX: usize = RING_MAX / 2;
const _: () = assert!(UNRECORDED_MAX + PART < RING_MAX);
/// How long to wait for the disk or the records before looking whether it is time to stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// Follows the journal for the live stream and for apps.
pub struct Publisher {
    journal: SharedLog,
    log: AlertLog,
    hub: Arc<Hub>,
    broker: Arc<Broker>,
    stop: Stop,
}

impl Publisher {
    /// Joins the parts; goes on from `fold`. Apps find the alerts that were open before the start retained again.
    pub fn new(journal: SharedLog, fold: AlertFold, hub: Arc<Hub>, broker: Arc<Broker>, stop: Stop) -> Self {
        let tell = Self { journal, log: AlertLog::new(fold), hub, broker, stop };
        tell.hub.for_each_open(|alert| tell.tell_apps(alert));
        tell
    }

    fn tell_apps(&self, alert: &Alert) {
        let domain = alert.domain.as_ref().map_or("city", Domain::as_str);
        let topic = format!("{ALERTS_PREFIX}{domain}/{}/{}", alert.severity, alert.id);
        match serde_json::to_vec(alert) {
            Ok(json) => _ = self.broker.publish(&topic, &json, alert.is_open()),
            // What is retained stays: an empty message would take the alert away.
            Err(error) => {
                tracing::error!(alert = %alert.id, %error, "apps are not told of an alert: it is no JSON")
            }
        }
        if !alert.is_open() {
            // An empty retained message takes the alert away for those who come later.
            self.broker.publish(&topic, b"", true);
        }
    }

    /// Waits until the records lack less than the ring can make up for. Returns false when the end comes before.
    fn await_room(&self) -> bool {
        while self.hub.unrecorded() > UNRECORDED_MAX {
            if self.stop.is_stopped() {
                return false;
            }
            self.hub.await_records(PATIENCE);
        }
        true
    }

    /// Waits until `offset` is on disk. Returns false when the end comes before.
    fn await_disk(&self, offset: Offset) -> bool {
        loop {
            match self.journal.wait_durable(offset, PATIENCE) {
                Ok(()) => return true,
                Err(WaitError::Timeout) if !self.stop.is_stopped() => {}
                Err(_) => return false,
            }
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

impl Consumer for Publisher {
    fn take(&mut self, batch: &Batch) {
        for part in self.log.transitions(batch).chunks(PART) {
            if !self.await_room() {
                return;
            }
            self.hub.prepare(part.iter().cloned());
            if !part.last().is_some_and(|last| self.await_disk(last.seq)) {
                return;
            }
            for Sequenced { transition, .. } in part {
                measure(transition);
                if transition.transition != TransitionKind::Pending && transition.alert.firing_since.is_some()
                {
                    self.tell_apps(&transition.alert);
                }
            }
        }
    }
}
