//! Starting, publishing, stopping.
use crate::{
    Access, BrokerConfig, BrokerMeters, Limits, PublishSink, StartError,
    hand_over::{HAND_OVER_MAX, ReactorRemote},
    listener::{self, Listener},
    meters::CloseReason,
    progress_signal::ProgressSignal,
    reactor::{Reactor, StopAt},
    shared::Shared,
    tls,
};
use ioc_model::topic;
use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
};

/// Where the broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addrs {
    /// Plain MQTT, in the order of [`BrokerConfig::tcp`], with the port that was really taken.
    pub tcp: Vec<SocketAddr>,
    /// MQTT over TLS.
    pub tls: Vec<SocketAddr>,
}

/// The running device edge. Dropping it without [`Broker::shutdown`] stops it without waiting.
pub struct Broker {
    shared: Arc<Shared>,
    addrs: Addrs,
    stop: watch::Sender<StopAt>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Broker {
    /// Binds all listeners, starts the reactors and lets clients in.
    ///
    /// Errors: [`StartError`]; nothing is left running then.
    pub fn start(
        config: BrokerConfig,
        access: Arc<dyn Access>,
        sink: Arc<dyn PublishSink>,
    ) -> Result<Self, StartError> {
        Self::start_closed(config, access, sink).inspect(Self::serve)
    }

    /// Binds all listeners and starts the reactors. Until [`Broker::serve`] every CONNECT is answered with "server
    /// unavailable" (MQTT 3.1.1, return code 3): clients are told at once instead of waiting for a server that starts.
    ///
    /// Errors: [`StartError`]; nothing is left running then.
    pub fn start_closed(
        config: BrokerConfig,
        access: Arc<dyn Access>,
        sink: Arc<dyn PublishSink>,
    ) -> Result<Self, StartError> {
        check(&config.limits)?;
        let (listeners, addrs) = bind(&config)?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let reactors = if config.reactors == 0 { cores() } else { config.reactors };
        let (stop, stopped) = watch::channel(None);
        let shared = Arc::new(Shared::new(config.limits, access, sink));
        let broker = Self { shared, addrs, stop, threads: Mutex::default() };
        let mut remotes = Vec::with_capacity(reactors);
        for number in 0..reactors {
            remotes.push(broker.start_reactor(number, stopped.clone())?);
        }
        broker.start_acceptor(listeners, remotes.into(), stopped)?;
        Ok(broker)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    fn start_reactor(
        &self,
        number: usize,
        stopped: watch::Receiver<StopAt>,
    ) -> Result<ReactorRemote, StartError> {
        let (sockets, incoming) = mpsc::channel(HAND_OVER_MAX);
        let (load, progress) = (Arc::new(AtomicUsize::new(0)), Arc::new(ProgressSignal::default()));
        let remote = ReactorRemote { load: Arc::clone(&load), sockets };
        let (shared, wake) = (Arc::clone(&self.shared), Arc::clone(&progress));
        let thread = start_thread(format!("edge-{number}"), async move || {
            Rc::new(Reactor::new(shared, progress, load)).run(incoming, stopped).await;
        })?;
        self.keep(thread);
        self.shared.sink.on_progress(Box::new(move || wake.notify()));
        Ok(remote)
    }

    fn start_acceptor(
        &self,
        listeners: Vec<Listener>,
        remotes: Arc<[ReactorRemote]>,
        mut stopped: watch::Receiver<StopAt>,
    ) -> Result<(), StartError> {
        let shared = Arc::clone(&self.shared);
        let thread = start_thread("edge-accept".to_owned(), async move || {
            for listener in listeners {
                let accepting = listener::accept_loop(listener, Arc::clone(&shared), Arc::clone(&remotes));
                tokio::task::spawn_local(async move {
                    if let Err(error) = accepting.await {
                        tracing::error!(%error, "an MQTT listener stopped");
                    }
                });
            }
            // Either way it is time to go: the sender is dropped only with the broker.
            let _ = stopped.changed().await;
        })?;
        self.keep(thread);
        Ok(())
    }

    /// Lets clients in.
    pub fn serve(&self) {
        self.shared.is_open.store(true, Ordering::Release);
    }

    /// Returns the addresses that are really listened on.
    pub fn addrs(&self) -> &Addrs {
        &self.addrs
    }

    /// Sends a message to all subscribers of `topic` (a topic name, not a filter) and returns their number.
    ///
    /// With `retain` it is kept for later subscribers; an empty retained one clears what was kept. Never
    /// waits: a subscriber that does not keep up is closed. Payloads are not looked at. What is no topic name
    /// reaches nobody.
    pub fn publish(&self, topic: &str, payload: &[u8], retain: bool) -> usize {
        match topic::is_name(topic) {
            true => self.shared.fanout.publish(topic, payload, retain),
            false => 0,
        }
    }

    /// Returns the counters.
    pub fn meters(&self) -> Arc<BrokerMeters> {
        Arc::clone(&self.shared.meters)
    }

    /// Stops listening and reading, sends the PUBACKs of what reaches the disk within `grace`, then closes all
    /// connections and waits for the threads. The journal must still run. Blocks; a second call does nothing.
    pub fn shutdown(&self, grace: Duration) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            *stop = stop.or_else(|| Some(Instant::now() + grace));
            first
        });
        self.shared.admission.close_unauthenticated(CloseReason::Shutdown);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the device edge had panicked");
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| stop.replace(Instant::now()).is_none());
    }
}

fn check(limits: &Limits) -> Result<(), StartError> {
    let counts = [
        ("packet_bytes_max", limits.packet_bytes_max),
        ("connections_max", limits.connections_max),
        ("connections_per_address_max", limits.connections_per_address_max),
        ("unauthenticated_max", limits.unauthenticated_max),
        ("unauthenticated_per_address_max", limits.unauthenticated_per_address_max),
        ("subscriptions_max", limits.subscriptions_max),
        ("subscriber_queue_max", limits.subscriber_queue_max),
        ("inflight_max", limits.inflight_max),
        ("publish_burst", limits.publish_burst as usize),
        ("bytes_burst", limits.bytes_burst as usize),
        ("readings_burst", limits.readings_burst as usize),
        ("gateway_devices_max", limits.gateway_devices_max as usize),
        ("read_ahead_bytes", limits.read_ahead_bytes),
        ("read_ahead_total_bytes", limits.read_ahead_total_bytes),
        ("sign_in_burst", limits.sign_in_burst as usize),
        ("connections_per_credential_max", limits.connections_per_credential_max),
    ];
    let times = [
        ("connect_timeout", limits.connect_timeout),
        ("write_timeout", limits.write_timeout),
        ("packet_timeout", limits.packet_timeout),
    ];
    let zero_count = counts.iter().find(|(_, value)| *value == 0).map(|(name, _)| *name);
    let zero_time = times.iter().find(|(_, value)| value.is_zero()).map(|(name, _)| *name);
    zero_count.or(zero_time).map_or(Ok(()), |name| Err(StartError::ZeroLimit(name)))
}

fn bind(config: &BrokerConfig) -> Result<(Vec<Listener>, Addrs), StartError> {
    let mut listeners = Vec::new();
    let mut addrs = Addrs { tcp: Vec::new(), tls: Vec::new() };
    let mut open = |addr: SocketAddr, tls| {
        let socket = listener::bind(addr)?;
        let bound = socket.local_addr().map_err(|source| StartError::Bind { addr, source })?;
        listeners.push(Listener { socket, tls });
        Ok::<_, StartError>(bound)
    };
    for addr in &config.tcp {
        addrs.tcp.push(open(*addr, None)?);
    }
    if let Some(tls) = &config.tls {
        let acceptor = tls::acceptor(&tls.identity)?;
        for addr in &tls.addrs {
            addrs.tls.push(open(*addr, Some(acceptor.clone()))?);
        }
    }
    if listeners.is_empty() {
        return Err(StartError::NoAddress);
    }
    Ok((listeners, addrs))
}

/// Starts a thread with a runtime of its own and runs `main` on it; `main`'s future need not be `Send`.
fn start_thread<F>(name: String, main: F) -> Result<JoinHandle<()>, StartError>
where
    F: AsyncFnOnce() + Send + 'static,
{
    let (report, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = report.send(Ok(()));
                runtime.block_on(main());
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        }
    });
    let thread = thread.map_err(StartError::Thread)?;
    let gone = || io::Error::other("the thread ended before it had started");
    started.recv().unwrap_or_else(|_| Err(gone())).map_err(StartError::Thread)?;
    Ok(thread)
}
