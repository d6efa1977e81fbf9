//! One connection of the live stream: one task, no queue. It pulls transitions from the hub (or the records),
//! device states from the board and indicators from their watch, and writes at the client's own pace.
use super::{
    Feeds,
    device_states::{self, Changes},
    encoded::EncodedTransition,
    filter::Filter,
    hub::Since,
    protocol::{Channel, ClientMessage, PROTOCOL, ServerMessage, TableDevice},
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use ioc_identity::{Action, Principal, Resource, authorize};
use ioc_model::{Alert, share::Rate};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// A client that takes longer for one message is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last message, which says why, may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Messages of a client per second, pings included, and how many may come at once.
const MESSAGES: (u32, u32) = (20, 200);
/// Subscriptions per second, and how many may come at once: each may cost a snapshot and a device table.
const SUBSCRIPTIONS: (u32, u32) = (1, 10);
/// A client that does not subscribe in time is disconnected.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(1);
const STATE_PERIOD: Duration = Duration::from_millis(250);
/// Transitions written before the session looks at anything else.
const PAGE: usize = 256;
/// Most transitions a session catches up with at once; further behind, a snapshot serves it better.
const CATCH_UP_MAX: usize = 200_000;
/// Longest message of a client.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the reason in a close frame (RFC 6455 §5.5).
const REASON_MAX: usize = 123;
/// WebSocket close codes (RFC 6455 §7.4.1, and 1013 of its registry): going away, protocol error, policy violation,
/// message too big, try again later.
const CLOSE_AWAY: u16 = 1001;
const CLOSE_PROTOCOL: u16 = 1002;
const CLOSE_TOO_BIG: u16 = 1009;
const CLOSE_POLICY: u16 = 1008;
const CLOSE_BUSY: u16 = 1013;

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
    /// There was no turn for its work.
    Busy,
    /// We stop.
    Shutdown,
}

/// What a session wakes up for.
enum Event {
    /// `None` when the client is gone.
    Received(Option<Result<Message, axum::Error>>),
    Transitions,
    States,
    Kpis(super::KpiFrame),
    Second,
    Stop,
}

struct Session {
    socket: WebSocket,
    feeds: Arc<Feeds>,
    caller: Principal,
    subscription: Option<Subscription>,
    /// There are more transitions than the last page had.
    behind: bool,
    /// Transitions read from the records since the session was last up to date.
    caught_up: usize,
    quota: Quota,
}

/// What a client may still ask for.
struct Quota {
    begin: Instant,
    messages: u64,
    subscriptions: u64,
}

impl Quota {
    fn new() -> Self {
        Self { begin: Instant::now(), messages: 0, subscriptions: 0 }
    }

    /// Counts one on `state`; says whether it was one too many.
    fn is_exceeded(state: &mut u64, begin: Instant, (per_second, burst): (u32, u32)) -> bool {
        // Rates take 0 for a state that was never used.
        let now_ns = begin.elapsed().as_nanos() as u64 + 1;
        match Rate::new(per_second, burst).take(*state, 1, now_ns) {
            Ok(next) => {
                *state = next;
                false
            }
            Err(_) => true,
        }
    }
}

struct Subscription {
    alerts: bool,
    state: bool,
    kpi: bool,
    filter: Filter,
    /// The last transition that was sent or filtered away.
    seq: u64,
    /// It asked for all that is kept, and has not had it yet: what was forgotten is not missing.
    takes_what_is_kept: bool,
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
    caller: Principal,
    valid: impl Fn() -> bool + Send,
) -> End {
    let mut session = Session {
        socket,
        feeds,
        caller,
        subscription: None,
        behind: false,
        caught_up: 0,
        quota: Quota::new(),
    };
    let (Ok(end) | Err(end)) = session.run(valid).await;
    if end == End::Slow {
        session.close(CLOSE_POLICY, "reads too slowly; what it missed is kept, resume with after").await;
    }
    end
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
                message = self.socket.recv() => Event::Received(message),
                _ = transitions.changed() => Event::Transitions,
                // One page at a time: heartbeats and what the client says come in between.
                () = std::future::ready(()), if self.behind => Event::Transitions,
                _ = states.tick() => Event::States,
                _ = kpis.changed() => Event::Kpis(kpis.borrow_and_update().clone()),
                _ = heartbeat.tick() => Event::Second,
                _ = stopping.changed() => Event::Stop,
            };
            match event {
                Event::Received(Some(Ok(message))) => self.receive(message).await?,
                Event::Received(Some(Err(error))) => {
                    self.close(CLOSE_PROTOCOL, &error.to_string()).await;
                    return Ok(End::Protocol);
                }
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
        if Quota::is_exceeded(&mut self.quota.messages, self.quota.begin, MESSAGES) {
            return self.refuse(format!("more than {} messages a second", MESSAGES.0)).await;
        }
        let text = match &message {
            Message::Text(text) if text.len() > MESSAGE_BYTES_MAX => {
                self.close(CLOSE_TOO_BIG, "a message has at most 64 KiB").await;
                return Err(End::Protocol);
            }
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
        if Quota::is_exceeded(&mut self.quota.subscriptions, self.quota.begin, SUBSCRIPTIONS) {
            return self.refuse("too many subscribe messages; one says all that is wanted".into()).await;
        }
        if let Err(error) = self.feeds.registry.catalogue().known_domains(&filter.domain) {
            return self.refuse(format!("not understood: filter: {error}")).await;
        }
        let wants = |channel| channels.contains(&channel);
        if wants(Channel::Alerts) && after.is_some_and(|after| self.feeds.hub.is_of_another_life(after)) {
            // As after a backup was restored: waiting for the number to come would miss everything before it.
            return self.resync("after is none of the sequence numbers here; subscribe without it").await;
        }
        let mut subscription = Subscription {
            alerts: wants(Channel::Alerts),
            state: wants(Channel::State),
            kpi: wants(Channel::Kpi),
            filter,
            seq: after.unwrap_or(0),
            takes_what_is_kept: after == Some(0),
            version: 0,
            epoch: 0,
            admitted: None,
        };
        if subscription.alerts && after.is_none() {
            let (seq, text) = self.snapshot(&subscription.filter).await?;
            subscription.seq = seq;
            self.send(Message::text(text)).await?;
        }
        (self.behind, self.caught_up) = (subscription.alerts, 0);
        self.subscription = Some(subscription);
        self.send_states().await?;
        let kpis = self.feeds.kpis.borrow().clone();
        self.send_kpis(&kpis).await
    }

    /// Makes the list of open alerts, aside: in a bad night it is long.
    async fn snapshot(&mut self, filter: &Filter) -> Result<(u64, String), End> {
        let (feeds, caller, filter) = (Arc::clone(&self.feeds), self.caller.clone(), filter.clone());
        let make = move || {
            let (seq, mut alerts) = feeds.hub.snapshot();
            alerts.retain(|alert| admits(&feeds, &caller, &filter, alert));
            (seq, ServerMessage::Snapshot { seq, alerts }.to_json())
        };
        self.aside(make).await
    }

    /// Runs work that takes long where it holds up no session, when it is this caller's turn.
    async fn aside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, End> {
        match self.feeds.aside(&self.caller.name, work).await {
            Some(made) => Ok(made),
            None => {
                self.close(CLOSE_BUSY, "the server is busy; connect again in a few seconds").await;
                Err(End::Busy)
            }
        }
    }

    /// Sends a page of transitions after the session's own place, from the ring or, further back, from the records.
    async fn send_transitions(&mut self) -> Result<(), End> {
        self.behind = false;
        let Some(subscription) = self.subscription.as_mut().filter(|subscription| subscription.alerts) else {
            return Ok(());
        };
        let (seq, takes_what_is_kept) = (subscription.seq, subscription.takes_what_is_kept);
        let page = match self.feeds.hub.since(seq, PAGE) {
            Since::Ring(page) => {
                subscription.takes_what_is_kept = false;
                self.caught_up = 0;
                page
            }
            Since::Behind if self.caught_up >= CATCH_UP_MAX => return self.resync("too far behind").await,
            Since::Behind => {
                let older = Arc::clone(&self.feeds);
                match self.aside(move || older.older_page(seq, PAGE)).await? {
                    Some((_, false)) if !takes_what_is_kept => {
                        return self.resync("after is older than what is kept; subscribe without it").await;
                    }
                    // Nothing older is kept: what the ring has is all there is.
                    Some((page, _)) if page.is_empty() => self.feeds.hub.oldest_page(seq, PAGE),
                    Some((page, _)) => page,
                    None => return self.resync("the records cannot be read at the moment").await,
                }
            }
        };
        self.caught_up += page.len();
        self.behind = !page.is_empty();
        for item in page {
            self.send_transition(item).await?;
        }
        Ok(())
    }

    async fn send_transition(&mut self, item: EncodedTransition) -> Result<(), End> {
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        subscription.seq = item.seq;
        let admitted = admits(&self.feeds, &self.caller, &subscription.filter, &item.transition.alert);
        match admitted {
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
        let bytes = device_states::frame(false, changes.epoch, looks.copied());
        match bytes.len() > device_states::FRAME_HEAD_LEN {
            true => self.send(Message::binary(bytes)).await,
            false => Ok(()),
        }
    }

    /// Sends the device table and then the state of every device in it.
    async fn send_table(&mut self) -> Result<(), End> {
        let Some(filter) = self.subscription.as_ref().map(|subscription| subscription.filter.clone()) else {
            return Ok(());
        };
        let (feeds, caller) = (Arc::clone(&self.feeds), self.caller.clone());
        let table = self.aside(move || Table::make(&feeds, &caller, &filter)).await?;
        if let Some(subscription) = &mut self.subscription {
            subscription.version = table.version;
            subscription.epoch = table.epoch;
            subscription.admitted = Some(table.admitted);
        }
        self.send(Message::text(table.devices)).await?;
        self.send(Message::binary(table.states)).await
    }

    async fn send_kpis(&mut self, frame: &super::KpiFrame) -> Result<(), End> {
        let Some(subscription) = self.subscription.as_ref().filter(|subscription| subscription.kpi) else {
            return Ok(());
        };
        let admitted = |domain| {
            subscription.filter.admits_domain(domain)
                && authorize(&self.caller, Action::Read, &Resource::Domain(Some(domain)))
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
        self.send(Message::text(ServerMessage::Error { detail: detail.clone() }.to_json())).await?;
        self.close(CLOSE_POLICY, &detail).await;
        Err(End::Protocol)
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Client),
            Err(_) => Err(End::Slow),
        }
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let end = (0..=reason.len().min(REASON_MAX)).rev().find(|end| reason.is_char_boundary(*end));
        let reason = &reason[..end.unwrap_or(0)];
        let frame = CloseFrame { code, reason: reason.into() };
        // The connection ends either way. What the client has sent meanwhile is read, else its system throws the reason
        // away.
        let _ = timeout(CLOSE_TIMEOUT, async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        })
        .await;
    }
}

fn admits(feeds: &Feeds, caller: &Principal, filter: &Filter, alert: &Alert) -> bool {
    let place = Resource::Place { domain: alert.domain, ward: alert.ward.as_deref() };
    authorize(caller, Action::Read, &place) && feeds.admits(filter, alert)
}

/// The devices that a session may see, and how they look.
struct Table {
    version: u64,
    epoch: u32,
    admitted: HashSet<u32>,
    /// The message with the devices.
    devices: String,
    /// The frame with their states.
    states: Vec<u8>,
}

impl Table {
    fn make(feeds: &Feeds, caller: &Principal, filter: &Filter) -> Self {
        let everything = feeds.board.since(0);
        let devices = feeds.registry.devices();
        let visible = |device: &ioc_ingest::Device| {
            let place = Resource::Place { domain: Some(device.domain), ward: device.ward.as_deref() };
            !device.retired && filter.admits_device(device) && authorize(caller, Action::Read, &place)
        };
        let visible = || devices.iter().filter(|device| visible(device));
        let items: Vec<TableDevice> = visible().map(|device| table_device(device)).collect();
        let admitted: HashSet<u32> = visible().map(|device| device.index.0).collect();
        let looks = everything.looks.iter().copied().filter(|(index, _)| admitted.contains(index));
        let states = device_states::frame(true, everything.epoch, looks);
        let (version, epoch) = (everything.version, everything.epoch);
        Self { version, epoch, admitted, devices: ServerMessage::Devices { epoch, items }.to_json(), states }
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
