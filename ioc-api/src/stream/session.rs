//! One connection of the live stream: one task, no queue. It pulls transitions from the hub (or the records),
//! device states from the board and indicators from their watch, and writes at the client's own pace.
use super::{
    Feeds,
    board::{self, Changes},
    filter::Filter,
    hub::Since,
    protocol::{Channel, ClientMessage, PROTOCOL, ServerMessage, TableDevice},
    telling::Telling,
};
use crate::identity::{Action, Caller, Object, may};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use ioc_model::Alert;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// A client that takes longer for one message is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not subscribe in time is disconnected.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(1);
const STATE_PERIOD: Duration = Duration::from_millis(250);
/// Transitions written before the session looks at anything else.
const PAGE: usize = 256;
/// Most transitions a session catches up with at once; further behind, a snapshot serves it better.
const CATCH_UP_MAX: usize = 200_000;
/// WebSocket close codes (RFC 6455 §7.4.1): going away, policy violation.
const CLOSE_AWAY: u16 = 1001;
const CLOSE_POLICY: u16 = 1008;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client left.
    Client,
    /// It read too slowly.
    Slow,
    /// It sent something we do not understand.
    Protocol,
    /// Its sign-in ended.
    SignedOut,
    /// We stop.
    Shutdown,
}

/// What a session wakes up for.
enum Event {
    /// `None` when the client is gone.
    Received(Option<Message>),
    Transitions,
    States,
    Kpis(super::KpiFrame),
    Second,
    Stop,
}

struct Session {
    socket: WebSocket,
    feeds: Arc<Feeds>,
    caller: Caller,
    subscription: Option<Subscription>,
}

struct Subscription {
    alerts: bool,
    state: bool,
    kpi: bool,
    filter: Filter,
    /// The last transition that was sent or filtered away.
    seq: u64,
    /// What of the board was sent.
    version: u64,
    epoch: u32,
    /// Devices that pass the filter; `None` when all do.
    admitted: Option<HashSet<u32>>,
}

/// Serves one WebSocket until it ends, with what `caller` may see; `valid` says whether the sign-in still holds.
pub async fn serve(
    socket: WebSocket,
    feeds: Arc<Feeds>,
    caller: Caller,
    valid: impl Fn() -> bool + Send,
) -> End {
    let mut session = Session { socket, feeds, caller, subscription: None };
    match session.run(valid).await {
        Ok(end) | Err(end) => end,
    }
}

impl Session {
    async fn run(&mut self, valid: impl Fn() -> bool + Send) -> Result<End, End> {
        let mut transitions = self.feeds.hub.watch();
        let mut kpis = self.feeds.kpis.clone();
        let mut stopping = self.feeds.stopping.clone();
        let mut heartbeat = interval(HEARTBEAT);
        let mut states = interval(STATE_PERIOD);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        states.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let subscribe_until = Instant::now() + SUBSCRIBE_TIMEOUT;
        self.hello().await?;
        loop {
            let event = tokio::select! {
                message = self.socket.recv() => Event::Received(message.and_then(Result::ok)),
                _ = transitions.changed() => Event::Transitions,
                _ = states.tick() => Event::States,
                _ = kpis.changed() => Event::Kpis(kpis.borrow_and_update().clone()),
                _ = heartbeat.tick() => Event::Second,
                _ = stopping.changed() => Event::Stop,
            };
            match event {
                Event::Received(Some(message)) => self.receive(message).await?,
                Event::Received(None) => return Ok(End::Client),
                Event::Transitions => self.send_transitions().await?,
                Event::States => self.send_states().await?,
                Event::Kpis(frame) => self.send_kpis(&frame).await?,
                Event::Second if !valid() => {
                    self.close(CLOSE_POLICY, "signed out").await;
                    return Ok(End::SignedOut);
                }
                Event::Second if self.subscription.is_none() && Instant::now() > subscribe_until => {
                    return self.refuse("no subscribe message within 30 s".into()).await;
                }
                Event::Second => self.heartbeat().await?,
                Event::Stop => {
                    self.close(CLOSE_AWAY, "server stops").await;
                    return Ok(End::Shutdown);
                }
            }
        }
    }

    fn admits(&self, filter: &Filter, alert: &Alert) -> bool {
        let place = Object::Place { domain: alert.domain, ward: alert.ward.as_deref() };
        may(&self.caller, Action::Look, &place) && self.feeds.admits(filter, alert)
    }

    async fn hello(&mut self) -> Result<(), End> {
        let last_seq = self.feeds.hub.last();
        let hello = ServerMessage::Hello {
            last_seq,
            server_time: (self.feeds.now)(),
            protocol: PROTOCOL,
            build: self.feeds.build,
        };
        self.send(Message::text(hello.to_json())).await
    }

    async fn heartbeat(&mut self) -> Result<(), End> {
        let beat = ServerMessage::Heartbeat { t: (self.feeds.now)(), seq: self.feeds.hub.last() };
        self.send(Message::text(beat.to_json())).await
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Client),
            Message::Binary(_) => {
                return self.refuse("binary messages are not understood; send JSON text".into()).await;
            }
        };
        match serde_json::from_str(text) {
            Ok(ClientMessage::Subscribe { channels, filter, after }) => {
                self.subscribe(&channels, filter, after).await
            }
            Err(error) => {
                let right =
                    r#"{"type":"subscribe","channels":["alerts","state","kpi"],"filter":{},"after":0}"#;
                self.refuse(format!("not understood: {error}; expected {right}")).await
            }
        }
    }

    async fn subscribe(
        &mut self,
        channels: &[Channel],
        filter: Filter,
        after: Option<u64>,
    ) -> Result<(), End> {
        let wants = |channel| channels.contains(&channel);
        if wants(Channel::Alerts) && after.is_some_and(|after| after > self.feeds.hub.told()) {
            // As after a backup was restored: waiting for the number to come would miss everything before it.
            return self.resync("after is beyond the newest sequence number; subscribe without it").await;
        }
        let mut subscription = Subscription {
            alerts: wants(Channel::Alerts),
            state: wants(Channel::State),
            kpi: wants(Channel::Kpi),
            filter,
            seq: after.unwrap_or(0),
            version: 0,
            epoch: 0,
            admitted: None,
        };
        if subscription.alerts && after.is_none() {
            let (seq, mut alerts) = self.feeds.hub.snapshot();
            alerts.retain(|alert| self.admits(&subscription.filter, alert));
            subscription.seq = seq;
            self.send(Message::text(ServerMessage::Snapshot { seq, alerts }.to_json())).await?;
        }
        self.subscription = Some(subscription);
        self.send_transitions().await?;
        self.send_states().await?;
        let kpis = self.feeds.kpis.borrow().clone();
        self.send_kpis(&kpis).await
    }

    /// Sends every transition after the session's own place, from the ring or, further back, from the records.
    async fn send_transitions(&mut self) -> Result<(), End> {
        let mut read = 0;
        while let Some(subscription) = self.subscription.as_ref().filter(|subscription| subscription.alerts) {
            let seq = subscription.seq;
            let page = match self.feeds.hub.since(seq, PAGE) {
                Since::Ring(page) => page,
                Since::Behind if read >= CATCH_UP_MAX => return self.resync("too far behind").await,
                Since::Behind => match self.feeds.older(seq, PAGE).await {
                    // Nothing older is kept: what the ring has is all there is.
                    Some(page) if page.is_empty() => self.feeds.hub.oldest_page(seq, PAGE),
                    Some(page) => page,
                    None => return self.resync("the records cannot be read at the moment").await,
                },
            };
            if page.is_empty() {
                return Ok(());
            }
            read += page.len();
            for item in page {
                self.send_transition(item).await?;
            }
        }
        Ok(())
    }

    async fn send_transition(&mut self, item: Telling) -> Result<(), End> {
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        subscription.seq = item.seq;
        let alert = &item.transition.alert;
        match self.subscription.as_ref().is_some_and(|subscription| self.admits(&subscription.filter, alert))
        {
            true => self.send(Message::Text(item.message)).await,
            false => Ok(()),
        }
    }

    async fn send_states(&mut self) -> Result<(), End> {
        let Some(subscription) = self.subscription.as_ref().filter(|subscription| subscription.state) else {
            return Ok(());
        };
        let changes = self.feeds.board.since(subscription.version);
        if changes.version == subscription.version {
            return Ok(());
        }
        if changes.epoch != subscription.epoch {
            return self.send_table().await;
        }
        self.send_delta(&changes).await
    }

    async fn send_delta(&mut self, changes: &Changes) -> Result<(), End> {
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        subscription.version = changes.version;
        let admitted = subscription.admitted.as_ref();
        let looks = changes.looks.iter().filter(|(index, _)| admitted.is_none_or(|set| set.contains(index)));
        let bytes = board::frame(false, changes.epoch, looks.copied());
        match bytes.len() > board::FRAME_HEAD_LEN {
            true => self.send(Message::binary(bytes)).await,
            false => Ok(()),
        }
    }

    /// Sends the device table and then the state of every device in it.
    async fn send_table(&mut self) -> Result<(), End> {
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        let everything = self.feeds.board.since(0);
        let devices = self.feeds.registry.devices();
        let caller = &self.caller;
        let visible = |device: &ioc_ingest::Device| {
            let place = Object::Place { domain: Some(device.domain), ward: device.ward.as_deref() };
            !device.retired && subscription.filter.admits_device(device) && may(caller, Action::Look, &place)
        };
        let admitted = || devices.iter().filter(|device| visible(device));
        let items: Vec<TableDevice> = admitted().map(|device| table_device(device)).collect();
        let set: HashSet<u32> = admitted().map(|device| device.index.0).collect();
        let looks = everything.looks.iter().copied().filter(|(index, _)| set.contains(index));
        let bytes = board::frame(true, everything.epoch, looks);
        subscription.version = everything.version;
        subscription.epoch = everything.epoch;
        subscription.admitted = Some(set);
        let table = ServerMessage::Devices { epoch: everything.epoch, items };
        self.send(Message::text(table.to_json())).await?;
        self.send(Message::binary(bytes)).await
    }

    async fn send_kpis(&mut self, frame: &super::KpiFrame) -> Result<(), End> {
        let Some(subscription) = self.subscription.as_ref().filter(|subscription| subscription.kpi) else {
            return Ok(());
        };
        let admitted = |domain| {
            subscription.filter.admits_domain(domain)
                && may(&self.caller, Action::Look, &Object::Domain(Some(domain)))
        };
        let items: Vec<_> = frame.items.iter().filter(|item| admitted(item.domain)).collect();
        if items.is_empty() {
            return Ok(());
        }
        self.send(Message::text(ServerMessage::Kpi { t: frame.t, items }.to_json())).await
    }

    async fn resync(&mut self, reason: &str) -> Result<(), End> {
        self.subscription = None;
        self.feeds.meters.resync();
        self.send(Message::text(ServerMessage::Resync { reason }.to_json())).await
    }

    async fn refuse<T>(&mut self, detail: String) -> Result<T, End> {
        self.send(Message::text(ServerMessage::Error { detail }.to_json())).await?;
        self.close(CLOSE_POLICY, "protocol error").await;
        Err(End::Protocol)
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Client),
            Err(_) => Err(End::Slow),
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        // The connection ends either way.
        let _ = timeout(WRITE_TIMEOUT, self.socket.send(Message::Close(Some(frame)))).await;
    }
}

fn table_device(device: &ioc_ingest::Device) -> TableDevice {
    TableDevice {
        i: device.index.0,
        id: device.id.to_string(),
        domain: device.domain,
        kind: device.kind.to_string(),
        lon: device.lon,
        lat: device.lat,
        ward: device.ward.as_deref().map(str::to_owned),
    }
}

/// Says where the device of an alert stands.
pub(super) fn place_of(devices: &ioc_ingest::Devices, alert: &Alert) -> Option<(f64, f64)> {
    let device = devices.by_id(alert.device.as_ref()?.as_str())?;
    Some((device.lon, device.lat))
}
