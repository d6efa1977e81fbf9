//! One MQTT connection: dials, sends with a bounded number in flight, keeps what is not acknowledged, dials again.
use super::{
    RunConfig, RunMeters,
    backlog::{Backlog, Message},
};
use crate::{connections::Login, dice::Dice};
use rumqttc::{
    AsyncClient, ConnectionError, Event as MqttEvent, EventLoop, MqttOptions, Outgoing, Packet, QoS,
};
use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// Publishes that wait for their PUBACK.
const IN_FLIGHT_MAX: usize = 16;
/// Largest packet either way: an array of back-filled readings is below.
const PACKET_MAX: usize = 64 * 1024;
/// Back-off between attempts.
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// First connections are spread over this time.
const FIRST_SPREAD: Duration = Duration::from_millis(1_500);
/// How long a stop waits for the last PUBACKs.
const STOP_GRACE: Duration = Duration::from_millis(1_500);

/// One connection and what it has to send.
pub(super) struct Link {
    client_id: String,
    login: Login,
    config: RunConfig,
    meters: Arc<RunMeters>,
    dice: Dice,
    backlog: Backlog,
    in_flight: VecDeque<InFlight>,
}

/// A publish that is not acknowledged; its packet id is known once it is on the wire.
struct InFlight {
    packet_id: Option<u16>,
    message: Message,
}

/// The reason for the end of a session.
enum Ended {
    /// The run is over.
    Stopped,
    /// The scenario cut it.
    Cut,
    /// The broker or the network did.
    Failed { after_connack: bool },
}

/// What came first.
enum Woken {
    Polled(Result<MqttEvent, ConnectionError>),
    Message,
    Line,
    Stop,
}

impl Link {
    pub(super) fn new(client_id: String, login: Login, config: RunConfig, meters: Arc<RunMeters>) -> Self {
        let dice = Dice::new(0).named("link").named(&client_id);
        let (backlog, in_flight) = (Backlog::default(), VecDeque::new());
        Self { client_id, login, config, meters, dice, backlog, in_flight }
    }

    /// Serves until `stop`; what arrives while the line is away is kept, within bounds.
    pub(super) async fn serve(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        mut line: watch::Receiver<bool>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut failures = 0;
        let mut not_before = Instant::now() + FIRST_SPREAD.mul_f64(self.dice.of(0).unit());
        while !*stop.borrow() {
            let is_open = *line.borrow_and_update();
            if !is_open || Instant::now() < not_before {
                tokio::select! {
                    () = sleep_until(not_before), if is_open => {}
                    message = messages.recv() => match message {
                        Some(message) => self.keep(message),
                        None => break,
                    },
                    changed = line.changed() => if changed.is_err() { break },
                    changed = stop.changed() => if changed.is_err() { break },
                }
                continue;
            }
            match Box::pin(self.session(&mut messages, &mut line, &mut stop)).await {
                Ended::Stopped => break,
                Ended::Cut => (failures, not_before) = (0, Instant::now()),
                Ended::Failed { after_connack } => {
                    failures = if after_connack { 1 } else { failures + 1 };
                    not_before = Instant::now() + self.back_off(failures);
                }
            }
        }
    }

    fn keep(&mut self, message: Message) {
        self.meters.lost.fetch_add(self.backlog.push(message), Ordering::Relaxed);
    }

    /// Doubles with each failure; half of it is by chance, so that a fleet does not come back in step.
    fn back_off(&self, failures: u32) -> Duration {
        let full = BACK_OFF_FIRST.saturating_mul(1 << failures.min(8)).min(BACK_OFF_MAX);
        full.mul_f64(0.5 + 0.5 * self.dice.of(u64::from(failures)).unit())
    }

    fn options(&self) -> MqttOptions {
        let mut options = MqttOptions::new(&self.client_id, &self.config.host, self.config.port);
        options.set_credentials(&self.login.username, &self.login.password);
        options.set_keep_alive(self.config.keep_alive.max(Duration::from_secs(1)));
        options.set_clean_session(true);
        options.set_inflight(IN_FLIGHT_MAX as u16);
        options.set_max_packet_size(PACKET_MAX, PACKET_MAX);
        options
    }

    /// Connects and sends until something ends it; what was not acknowledged goes back to the backlog.
    async fn session(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
        line: &mut watch::Receiver<bool>,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        let (client, mut mqtt) = AsyncClient::new(self.options(), IN_FLIGHT_MAX);
        mqtt.network_options.set_tcp_nodelay(true);
        let mut connected = false;
        self.backlog.join();
        let ended = loop {
            match self.wait(&client, &mut mqtt, connected, messages, line, stop).await {
                Woken::Polled(Ok(event)) => {
                    if matches!(event, MqttEvent::Incoming(Packet::ConnAck(_))) {
                        connected = true;
                        self.meters.connected.fetch_add(1, Ordering::Relaxed);
                    }
                    self.track(&event);
                }
                Woken::Polled(Err(error)) => {
                    tracing::debug!(client = self.client_id, %error, "connection failed");
                    break Ended::Failed { after_connack: connected };
                }
                Woken::Line if !*line.borrow() => break Ended::Cut,
                Woken::Stop => break Ended::Stopped,
                Woken::Line | Woken::Message => {}
            }
        };
        if connected {
            if matches!(ended, Ended::Stopped) {
                // Past the grace the broker sees a lost connection instead; nothing else depends on it.
                let _ = timeout(STOP_GRACE, self.finish(&client, &mut mqtt)).await;
            }
            self.meters.connected.fetch_sub(1, Ordering::Relaxed);
        }
        let unsent = self.in_flight.drain(..).map(|in_flight| in_flight.message);
        self.meters.lost.fetch_add(self.backlog.put_back(unsent), Ordering::Relaxed);
        ended
    }

    /// Waits for the next thing to do. The poll is never abandoned half way except at the end of the session:
    /// messages that arrive meanwhile are handed to the client while it is pending.
    async fn wait(
        &mut self,
        client: &AsyncClient,
        mqtt: &mut EventLoop,
        connected: bool,
        messages: &mut mpsc::Receiver<Message>,
        line: &mut watch::Receiver<bool>,
        stop: &mut watch::Receiver<bool>,
    ) -> Woken {
        let mut poll = pin!(mqtt.poll());
        loop {
            if connected {
                self.feed(client);
            }
            let woken = tokio::select! {
                polled = &mut poll => Woken::Polled(polled),
                message = messages.recv() => match message {
                    Some(message) => {
                        self.keep(message);
                        Woken::Message
                    }
                    None => Woken::Stop,
                },
                changed = line.changed() => if changed.is_ok() { Woken::Line } else { Woken::Stop },
                changed = stop.changed() => match changed {
                    Ok(()) if !*stop.borrow() => Woken::Message,
                    _ => Woken::Stop,
                },
            };
            match woken {
                Woken::Message => {}
                Woken::Line if *line.borrow() => {}
                woken => return woken,
            }
        }
    }

    /// Hands messages to the client while fewer than [`IN_FLIGHT_MAX`] wait for their PUBACK.
    fn feed(&mut self, client: &AsyncClient) {
        while self.in_flight.len() < IN_FLIGHT_MAX {
            let Some(message) = self.backlog.pop() else { return };
            let sent = client.try_publish(&*message.topic, QoS::AtLeastOnce, false, message.payload.clone());
            if sent.is_err() {
                // Cannot happen while in_flight bounds what is in the client's queue; keep the message all the same.
                self.backlog.put_back([message].into_iter());
                return;
            }
            self.in_flight.push_back(InFlight { packet_id: None, message });
        }
    }

    /// Follows publishes from the queue over the wire to their PUBACK.
    fn track(&mut self, event: &MqttEvent) {
        match event {
            MqttEvent::Outgoing(Outgoing::Publish(id)) => {
                if let Some(next) = self.in_flight.iter_mut().find(|in_flight| in_flight.packet_id.is_none())
                {
                    next.packet_id = Some(*id);
                }
            }
            MqttEvent::Incoming(Packet::PubAck(ack)) => {
                let is_it = |in_flight: &InFlight| in_flight.packet_id == Some(ack.pkid);
                if let Some(position) = self.in_flight.iter().position(is_it) {
                    self.in_flight.remove(position);
                    self.meters.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }

    /// Waits for the last PUBACKs, then disconnects.
    async fn finish(&mut self, client: &AsyncClient, mqtt: &mut EventLoop) {
        while !self.in_flight.is_empty() {
            match mqtt.poll().await {
                Ok(event) => self.track(&event),
                Err(_) => return,
            }
        }
        if client.try_disconnect().is_ok() {
            // The event loop ends with an error once the packet is out.
            while mqtt.poll().await.is_ok() {}
        }
    }
}
