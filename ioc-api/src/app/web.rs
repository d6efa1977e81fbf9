//! From the configuration to the web server: its ports, its certificate, its shares, and what they lead to.
use super::StartError;
use crate::tls::{self, Certificate};
use axum::Router;
use ioc_http::{
    client::Trust,
    fair::Fair,
    headers::Door,
    listener::{self, Deadlines, HeadLimits, Limits, Listener},
    stream::seats::{Seats, Threads},
};
use ioc_model::share::{Network, Rate};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_rustls::rustls::ServerConfig;

/// How long requests may take to end after a stop.
const GRACE: Duration = Duration::from_secs(5);
/// Browsers that speak HTTP/2 as well are told what we speak.
const PROTOCOL: &[u8] = b"http/1.1";
/// Whose certificate it is, in the log.
const NAME: &str = "HTTPS";

/// The web server with its ports taken; nothing is served yet.
pub(super) struct Web {
    /// Its connections.
    pub(super) listener: Listener,
    /// What callers share.
    pub(super) fair: Fair,
    /// Who may follow the live stream.
    pub(super) seats: Seats,
    /// What is believed of a request's way here.
    pub(super) trust: Trust,
    /// What is asked of browsers.
    pub(super) door: Door,
    /// The certificate, if any.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Longest body of a request.
    pub(super) body_bytes_max: usize,
    addr: SocketAddr,
    https_addr: Option<SocketAddr>,
    tls: Option<Arc<ServerConfig>>,
    sockets: Vec<Socket>,
    /// Ends with this.
    _threads: Threads,
}

/// A port that was taken.
struct Socket {
    listener: TcpListener,
    is_encrypted: bool,
    /// Answers scrapes of the metrics and nothing else.
    is_for_scrapes: bool,
}

impl Web {
    /// Takes all ports and reads the certificate.
    ///
    /// Errors: a port is taken or not ours, or the certificate cannot be used.
    pub(super) fn bind(config: &ioc_http::Config) -> Result<Self, StartError> {
        let limits = &config.limits;
        let head = HeadLimits { bytes: limits.head_max.as_len(), headers: limits.headers_max as usize };
        let proxies: Arc<[Network]> = config.trusted_proxies.iter().map(|proxy| proxy.0).collect();
        warn_of_wide_trust(&proxies);
        let plain = bind(config.listen.0, "--http")?;
        let metrics =
            config.metrics.listen.map(|listen| bind(listen.0, "http.metrics.listen")).transpose()?;
        let certificate = certificate(config)?;
        let tls = certificate.as_ref().map(|certificate| certificate.server(&[PROTOCOL])).transpose();
        let tls = tls.map_err(StartError::Https)?;
        let encrypted = tls.as_ref().map(|_| bind(config.tls.listen.0, "http.tls.listen")).transpose()?;
        let https_port = encrypted.as_ref().filter(|_| config.tls.redirect);
        let https_port = https_port.map(|socket| socket.local_addr().map(|addr| addr.port())).transpose()?;
        let threads = Threads::start()?;
        let streams = config.stream_clients_max as usize;
        let rate = Rate::new(limits.request_rate, limits.request_burst);
        Ok(Self {
            listener: Listener::new(connection_limits(limits, &proxies), deadlines(limits), head),
            fair: Fair::new(limits.queries_max as usize, limits.queries_per_caller_max as usize, rate),
            seats: Seats::new(streams, limits.streams_per_caller_max as usize, threads.handle()?),
            trust: Trust { proxies, behind_tls: config.behind_tls, ipv6_prefix: limits.ipv6_prefix },
            door: Door::new(config.hsts.0.as_secs(), https_port),
            certificate,
            tls,
            body_bytes_max: config.body_max.as_len(),
            addr: plain.local_addr()?,
            https_addr: encrypted.as_ref().map(TcpListener::local_addr).transpose()?,
            sockets: [(Some(plain), false, false), (metrics, false, true), (encrypted, true, false)]
                .into_iter()
                .filter_map(|(listener, is_encrypted, is_for_scrapes)| {
                    Some(Socket { listener: listener?, is_encrypted, is_for_scrapes })
                })
                .collect(),
            _threads: threads,
        })
    }

    /// Returns where plain HTTP is served.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns where HTTPS is served, if it is.
    pub(super) fn https_addr(&self) -> Option<SocketAddr> {
        self.https_addr
    }

    /// Serves the ports until `stopping` becomes true, then lets requests end. A second call serves none.
    pub(super) fn serve(
        &mut self,
        router: Router,
        scrapes: Router,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut serving = JoinSet::new();
        let sockets = std::mem::take(&mut self.sockets);
        let (listener, tls, certificate) =
            (self.listener.clone(), self.tls.clone(), self.certificate.clone());
        async move {
            for socket in sockets {
                let router = if socket.is_for_scrapes { &scrapes } else { &router };
                let tls = tls.clone().filter(|_| socket.is_encrypted);
                let (listener, stopping) = (listener.clone(), stopping.clone());
                serving.spawn(listener::serve(listener, socket.listener, tls, router.clone(), stopping));
            }
            let renewing = certificate.map(|certificate| tokio::spawn(tls::renew(NAME, certificate)));
            while let Some(ended) = serving.join_next().await {
                if let Ok(Err(error)) = ended {
                    tracing::error!(%error, "a port of the web server cannot be served");
                }
            }
            if let Some(renewing) = renewing {
                renewing.abort();
            }
        }
    }
}

fn warn_of_wide_trust(proxies: &[Network]) {
    for network in proxies.iter().filter(|network| network.is_wider_than_private()) {
        tracing::warn!(
            %network,
            "http.trusted_proxies holds a network larger than any private one: whoever is in it may write with \
             X-Forwarded-For which address they come from, so that shares of an address, the throttle of sign-ins and \
             the audit trail say what they like; name the proxies' own addresses"
        );
    }
}

fn bind(addr: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    listener::bind(addr).map_err(|source| StartError::Http { addr, setting, source })
}

fn certificate(config: &ioc_http::Config) -> Result<Option<Arc<Certificate>>, StartError> {
    let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) else { return Ok(None) };
    let certificate = Certificate::load(certificate, key).map_err(StartError::Https)?;
    tls::tell_expiry(NAME, &certificate);
    Ok(Some(Arc::new(certificate)))
}

fn connection_limits(limits: &ioc_http::HttpLimits, proxies: &Arc<[Network]>) -> Limits {
    Limits {
        connections: limits.connections_max as usize,
        reserved: limits.connections_reserved as usize,
        per_network: limits.connections_per_address_max as usize,
        per_caller: limits.connections_per_caller_max as usize,
        rate: Rate::new(limits.connection_rate, limits.connection_burst),
        ipv6_prefix: limits.ipv6_prefix,
        proxies: Arc::clone(proxies),
    }
}

fn deadlines(limits: &ioc_http::HttpLimits) -> Deadlines {
    Deadlines {
        head: limits.head_timeout.0,
        body: limits.body_timeout.0,
        body_rate: u32::try_from(limits.body_rate_min.0).unwrap_or(u32::MAX),
        answer: limits.answer_timeout.0,
        idle: limits.idle_timeout.0,
        grace: GRACE,
    }
}
