//! One thread that serves its share of the connections, from their first byte to their last.
//!
//! Tasks on it: one per connection; the pump, woken once per journal commit that is waited for, which writes the PUBACKs; the
//! keeper, which looks at the clock four times a second. All state is this thread's own and needs no lock.
//! A panic in a task ends that task: the connection is closed and counted, pump and keeper are restarted.
use crate::{
    Incoming, Verdict,
    admission::ConnectionPermit,
    connect::Will,
    connection::Connection,
    hand_over::Accepted,
    handshake::{self, Session},
    meters::{CloseReason, add},
    progress_signal::ProgressSignal,
    shared::Shared,
    slots::Slots,
    thread_context::{Ack, ThreadContext},
};
use ioc_model::presence::PresenceCause;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{spawn_local, yield_now},
    time::{MissedTickBehavior, interval, timeout},
};

const TICK: Duration = Duration::from_millis(250);
/// Each connection's access is looked at once in this many ticks, so once a second.
const TICKS_PER_ACCESS_CHECK: usize = 4;
/// How long connections may take to notice that they were closed at the very end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// When to stop, once it is said.
pub(crate) type StopAt = Option<Instant>;

pub(crate) struct Reactor {
    context: ThreadContext,
    load: Arc<AtomicUsize>,
    slots: RefCell<Slots>,
    emptied: Notify,
}

impl Reactor {
    pub(crate) fn new(shared: Arc<Shared>, progress: Arc<ProgressSignal>, load: Arc<AtomicUsize>) -> Self {
        Self {
            context: ThreadContext::new(shared, progress),
            load,
            slots: RefCell::default(),
            emptied: Notify::new(),
        }
    }

    /// Serves until told to stop, and then as long as publishes wait for the disk and time is left.
    pub(crate) async fn run(
        self: Rc<Self>,
        mut sockets: mpsc::Receiver<Accepted>,
        mut stop: watch::Receiver<StopAt>,
    ) {
        supervise(&self, "pump", Self::pump);
        supervise(&self, "keeper", Self::keep);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                socket = sockets.recv() => match socket {
                    Some(accepted) => {
                        add(&self.shared().meters.connections, 1);
                        spawn_local(serve(Rc::clone(&self), accepted));
                    }
                    None => break,
                },
            }
        }
        let stop_at = stop.borrow().unwrap_or_else(Instant::now);
        self.drain(sockets, stop_at).await;
    }

    async fn drain(&self, mut sockets: mpsc::Receiver<Accepted>, stop_at: Instant) {
        sockets.close();
        while let Some(accepted) = sockets.recv().await {
            self.shared().meters.closed(CloseReason::Shutdown);
            self.load.fetch_sub(1, Relaxed);
            drop(accepted);
        }
        self.context.drain();
        self.slots.borrow().wake_all();
        let grace = stop_at.saturating_duration_since(Instant::now());
        if timeout(grace, self.empty()).await.is_err() {
            self.slots.borrow().close_all(CloseReason::Shutdown);
            // Beyond it the runtime drops the tasks, which ends their connections too.
            let _ = timeout(LAST_MOMENT, self.empty()).await;
        }
    }

    async fn empty(&self) {
        while self.load.load(Relaxed) > 0 {
            self.emptied.notified().await;
        }
    }

    async fn pump(self: Rc<Self>) {
        loop {
            self.context.progressed().await;
            self.send_acks();
            let parked = self.context.take_parked();
            self.slots.borrow().unpark(&parked);
            // Who was parked may have to park again, and must not find out by asking again and again.
            if parked.is_empty() {
                self.context.rest_without_acks();
            }
        }
    }

    /// Writes the PUBACKs of everything that is on disk, one write per connection.
    fn send_acks(&self) {
        let durable = self.shared().sink.durable();
        let mut touched = Vec::new();
        let mut count = 0;
        let slots = self.slots.borrow();
        while let Some(Ack { key, packet_id, .. }) = self.context.take_ack(durable) {
            let Some(connection) = slots.get(key) else { continue };
            let mut serving = connection.borrow_mut();
            serving.acknowledge(packet_id);
            count += 1;
            if !std::mem::replace(&mut serving.touched, true) {
                touched.push(connection);
            }
        }
        let mut cx = Context::from_waker(Waker::noop());
        for connection in touched {
            connection.borrow_mut().flush_acks(&mut cx, &self.context);
        }
        add(&self.shared().meters.acknowledged, count);
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.context.shared
    }

    async fn keep(self: Rc<Self>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0.. {
            ticks.tick().await;
            let now_ms = self.context.now_ms();
            for (slot, connection) in self.slots.borrow().iter() {
                let mut connection = connection.borrow_mut();
                connection.check(&self.context, now_ms);
                if slot % TICKS_PER_ACCESS_CHECK == tick % TICKS_PER_ACCESS_CHECK {
                    connection.check_access(&self.context);
                }
            }
            self.context.shrink();
            if tick % TICKS_PER_ACCESS_CHECK == 0 {
                self.shared().sessions.forget(self.shared().now_ns());
            }
        }
    }

    /// Publishes a will like any other publish of its client; its topic was checked at CONNECT. Returns `false` while the
    /// sink is busy.
    fn publish_will_once(&self, session: &Session, will: &Will) -> bool {
        let Will { topic, payload, retain, .. } = will;
        let (principal, connected_at) = (&session.principal, session.connected_at);
        let verdict = Verdict::Ok;
        let message =
            Incoming { principal, topic, payload, verdict, retain: *retain, dup: false, connected_at };
        let Ok(taken) = self.shared().sink.try_publish(message) else { return false };
        let now_ns = self.shared().now_ns();
        session.allowance.charge_message(&session.rates, topic.len() + payload.len(), now_ns);
        session.allowance.charge_readings(&session.rates, taken.readings, now_ns);
        add(&self.shared().meters.wills, 1);
        true
    }
}

/// Runs a background task of the reactor, again when it panics.
fn supervise<F>(reactor: &Rc<Reactor>, name: &'static str, task: fn(Rc<Reactor>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let reactor = Rc::clone(reactor);
    spawn_local(async move {
        while let Err(error) = spawn_local(task(Rc::clone(&reactor))).await
            && error.is_panic()
        {
            add(&reactor.shared().meters.restarts, 1);
            tracing::error!(task = name, "a background task of the device edge panicked; restarted");
        }
    });
}

/// The life of one connection.
async fn serve(reactor: Rc<Reactor>, accepted: Accepted) {
    let mut ending = Ending { reactor, reason: CloseReason::Panic, serving: None };
    // Boxed: what a handshake needs is given back before the connection is served.
    match Box::pin(handshake::establish(ending.reactor.shared(), accepted)).await {
        Err(reason) => ending.reason = reason,
        Ok((established, permit)) => {
            let reactor = Rc::clone(&ending.reactor);
            let make = |key| Rc::new(RefCell::new(Connection::new(key, established, &reactor.context)));
            let connection = reactor.slots.borrow_mut().insert(make);
            ending.serving = Some((Rc::clone(&connection), permit));
            let reason = poll_fn(|cx| connection.borrow_mut().poll(cx, &reactor.context)).await;
            ending.reason = hear_out(&reactor, &connection, reason).await;
            publish_will(&reactor, &connection, ending.reason).await;
        }
    }
}

/// Handles what the client had sent before its connection was to end for `reason`; returns why it ends.
async fn hear_out(reactor: &Reactor, connection: &RefCell<Connection>, reason: CloseReason) -> CloseReason {
    if !reason.hears_out() {
        return reason;
    }
    connection.borrow_mut().last_bytes = 0;
    yield_now().await;
    poll_fn(|cx| connection.borrow_mut().poll_last(cx, &reactor.context, reason)).await
}

/// Publishes the will if it is due, once the sink has room: as long as that takes the connection keeps its place, so
/// that no more wills wait than there are connections.
async fn publish_will(reactor: &Reactor, connection: &RefCell<Connection>, reason: CloseReason) {
    let Some(will) = connection.borrow_mut().take_will(reason) else { return };
    let mut guard = UnpublishedWill { reactor, is_published: false };
    poll_fn(|_| {
        let mut serving = connection.borrow_mut();
        guard.is_published = reactor.publish_will_once(&serving.session, &will);
        if guard.is_published {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut serving.parked, true) {
            add(&reactor.shared().meters.busy_parks, 1);
            reactor.context.park(serving.key);
        }
        Poll::Pending
    })
    .await;
}

/// Counts a will that was lost with its task: the broker stopped while the sink had no room.
struct UnpublishedWill<'a> {
    reactor: &'a Reactor,
    is_published: bool,
}

impl Drop for UnpublishedWill<'_> {
    fn drop(&mut self) {
        add(&self.reactor.shared().meters.wills_dropped, u64::from(!self.is_published));
    }
}

/// Cleans up after a connection, however it ended: also when its task panicked or was dropped.
struct Ending {
    reactor: Rc<Reactor>,
    reason: CloseReason,
    serving: Option<(Rc<RefCell<Connection>>, ConnectionPermit)>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some((connection, _permit)) = self.serving.take() {
            let mut serving = connection.borrow_mut();
            serving.session.cause = match self.reason {
                CloseReason::Disconnect => PresenceCause::Disconnected,
                CloseReason::Shutdown => PresenceCause::Ours,
                _ => PresenceCause::Lost,
            };
            self.reactor.slots.borrow_mut().remove(serving.key);
            self.log(&serving);
            // Only one of a task that panicked is still there.
            if let Some(will) = serving.take_will(self.reason) {
                let is_published = self.reactor.publish_will_once(&serving.session, &will);
                add(&self.reactor.shared().meters.wills_dropped, u64::from(!is_published));
            }
            serving.end(&self.reactor.context);
            drop(serving);
            // The last reference: the session leaves its table here, after the will.
            drop(connection);
        }
        self.reactor.shared().meters.closed(self.reason);
        self.reactor.shared().meters.connections.fetch_sub(1, Relaxed);
        self.reactor.load.fetch_sub(1, Relaxed);
        self.reactor.emptied.notify_one();
    }
}

impl Ending {
    fn log(&self, connection: &Connection) {
        use CloseReason::{Disconnect, PeerClosed, Shutdown};
        if matches!(self.reason, Disconnect | PeerClosed | Shutdown) {
            return;
        }
        let credential = &*connection.session.principal.credential;
        if let Some(suppressed) =
            self.reactor.shared().log_limiters.closed[self.reason as usize].of(credential).pass()
        {
            tracing::info!(credential, reason = self.reason.as_str(), suppressed, "MQTT connection closed");
        }
    }
}
