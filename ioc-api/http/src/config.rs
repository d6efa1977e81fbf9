//! The section `[http]`: its keys, their defaults and what they must be.
use ioc_model::{
    settings::SettingChecks,
    units::{Cidr, Listen, Size, Span},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const MIB: u64 = 1 << 20;
const DAY_S: u64 = 86_400;

/// The web server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where console, wall and API are served.
    pub listen: Listen,
    /// Sign-ins.
    #[serde(flatten)]
    pub sign_in: ioc_identity::Config,
    /// Largest request body.
    pub body_max: Size,
    /// Most live-stream clients at once.
    pub stream_clients_max: u32,
    /// Proxies whose `Forwarded` or `X-Forwarded-*` headers say who the client is.
    pub trusted_proxies: Vec<Cidr>,
    /// Takes every request for one that came over HTTPS: behind a proxy that says nothing of it.
    pub behind_tls: bool,
    /// How long browsers are told to use HTTPS alone, once they came over it; 0 = not told.
    pub hsts: Span,
    /// HTTPS of our own.
    pub tls: HttpTls,
    /// The metrics page.
    pub metrics: HttpMetrics,
    /// What one client may cost the others.
    pub limits: HttpLimits,
}

/// HTTPS of our own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpTls {
    /// Where to listen, once there is a certificate.
    pub listen: Listen,
    /// PEM file with the certificate chain; read again when it changes.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key; read again when it changes.
    pub key: Option<PathBuf>,
    /// Sends whoever comes to the plain port here.
    pub redirect: bool,
}

/// The metrics page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpMetrics {
    /// Served at `/metrics` beside everything else, without a sign-in.
    pub open: bool,
    /// Where it is served as well, and nothing else.
    pub listen: Option<Listen>,
}

/// What one client of the web server may cost the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpLimits {
    /// Most connections at once.
    pub connections_max: u32,
    /// Of these, only for people who are signed in and for display walls.
    pub connections_reserved: u32,
    /// Most connections of one address that nobody has signed in on; the oldest makes room.
    pub connections_per_address_max: u32,
    /// Most connections of one person or display token that keep their place.
    pub connections_per_caller_max: u32,
    /// New connections per second of one address; 0 = unlimited.
    pub connection_rate: u32,
    /// New connections of one address that may come at once.
    pub connection_burst: u32,
    /// Length of the IPv6 prefix that counts as one address.
    pub ipv6_prefix: u8,
    /// How long the head of a request may take from its first byte, and the TLS handshake.
    pub head_timeout: Span,
    /// Largest head of a request.
    pub head_max: Size,
    /// Most headers.
    pub headers_max: u32,
    /// How long any body may take.
    pub body_timeout: Span,
    /// Slowest body after that, per second.
    pub body_rate_min: Size,
    /// How long a client may take nothing of its answer.
    pub answer_timeout: Span,
    /// How long a connection may wait between two requests.
    pub idle_timeout: Span,
    /// Requests per second of one person, display token or address; 0 = unlimited.
    pub request_rate: u32,
    /// Requests that may come at once.
    pub request_burst: u32,
    /// Most expensive requests of one kind (history, lists, actions) that are worked on at once.
    pub queries_max: u32,
    /// Of these, most of one person or display token; further ones wait for their turn.
    pub queries_per_caller_max: u32,
    /// Most checks of rule texts that are worked on at once; each takes a core for up to a second.
    pub rule_checks_max: u32,
    /// Most checks of one person that are worked on at once.
    pub rule_checks_per_caller_max: u32,
    /// Most clients of the live stream of one person or display token.
    pub streams_per_caller_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::every(8080),
            sign_in: ioc_identity::Config::default(),
            body_max: Size(MIB),
            stream_clients_max: 1000,
            trusted_proxies: Vec::new(),
            behind_tls: false,
            hsts: Span::from_secs(365 * DAY_S),
            tls: HttpTls { listen: Listen::every(8443), certificate: None, key: None, redirect: false },
            metrics: HttpMetrics { open: true, listen: None },
            limits: HttpLimits::default(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            connections_reserved: 2048,
            connections_per_address_max: 256,
            connections_per_caller_max: 512,
            connection_rate: 200,
            connection_burst: 1000,
            ipv6_prefix: 64,
            head_timeout: Span::from_secs(10),
            head_max: Size(64 * 1024),
            headers_max: 100,
            body_timeout: Span::from_secs(20),
            body_rate_min: Size(1024),
            answer_timeout: Span::from_secs(30),
            idle_timeout: Span::from_secs(75),
            request_rate: 100,
            request_burst: 1000,
            queries_max: 8,
            queries_per_caller_max: 3,
            rule_checks_max: 2,
            rule_checks_per_caller_max: 1,
            streams_per_caller_max: 250,
        }
    }
}

impl Config {
    /// Adds every value that cannot work to `wrong`.
    pub fn validate(&self, wrong: &mut SettingChecks) {
        let Self { tls, limits, .. } = self;
        match (&tls.certificate, &tls.key) {
            (Some(_), None) => wrong.add(
                "http.tls.certificate",
                "http.tls.certificate has no key",
                "set http.tls.key to the PEM file of its private key",
            ),
            (None, Some(_)) => wrong.add(
                "http.tls.key",
                "http.tls.key has no certificate",
                "set http.tls.certificate to the PEM file of its certificate chain",
            ),
            (None, None) if tls.redirect => wrong.add(
                "http.tls.redirect",
                "http.tls.redirect leads to HTTPS, which has no certificate",
                "set http.tls.certificate and http.tls.key, or leave it out",
            ),
            _ => {}
        }
        self.sign_in.validate(wrong);
        wrong.at_least("http.body_max", self.body_max.0, 1024);
        let places = u64::from(limits.connections_max);
        wrong.at_least("http.limits.connections_max", places, 16);
        if u64::from(limits.connections_reserved) > places / 2 {
            let message = format!("http.limits.connections_reserved is {}", limits.connections_reserved);
            let help = format!("it must be at most half of http.limits.connections_max ({places})");
            wrong.add("http.limits.connections_reserved", message, help);
        }
        wrong.at_least(
            "http.limits.connections_per_address_max",
            limits.connections_per_address_max.into(),
            1,
        );
        // Each stream is a connection, and a page has some beside it.
        let streams = u64::from(limits.streams_per_caller_max);
        wrong.at_least("http.limits.streams_per_caller_max", streams, 1);
        wrong.at_least(
            "http.limits.connections_per_caller_max",
            limits.connections_per_caller_max.into(),
            streams,
        );
        if !(1..=128).contains(&limits.ipv6_prefix) {
            let message = format!("http.limits.ipv6_prefix is {}", limits.ipv6_prefix);
            wrong.add(
                "http.limits.ipv6_prefix",
                message,
                "it must be between 1 and 128; 64 is one subscriber",
            );
        }
        const HEAD_MIN: u64 = 8 * 1024;
        if !(HEAD_MIN..=MIB).contains(&limits.head_max.0) {
            let message = format!("http.limits.head_max is {}", limits.head_max);
            wrong.add("http.limits.head_max", message, "it must be between 8KiB and 1MiB");
        }
        wrong.at_least("http.limits.headers_max", limits.headers_max.into(), 16);
        wrong.at_least("http.limits.body_rate_min", limits.body_rate_min.0, 1);
        for (key, span) in [
            ("http.limits.head_timeout", limits.head_timeout),
            ("http.limits.body_timeout", limits.body_timeout),
            ("http.limits.answer_timeout", limits.answer_timeout),
            ("http.limits.idle_timeout", limits.idle_timeout),
        ] {
            if span.as_ms() < 100 {
                wrong.add(key, format!("{key} is {span}"), "it must be at least 100ms");
            }
        }
        wrong.at_least("http.limits.queries_max", limits.queries_max.into(), 2);
        if !(1..limits.queries_max.max(2)).contains(&limits.queries_per_caller_max) {
            let message = format!("http.limits.queries_per_caller_max is {}", limits.queries_per_caller_max);
            let help = format!(
                "it must be at least 1 and less than http.limits.queries_max ({}), so that no one has all",
                limits.queries_max
            );
            wrong.add("http.limits.queries_per_caller_max", message, help);
        }
        wrong.at_least("http.limits.rule_checks_max", limits.rule_checks_max.into(), 2);
        if !(1..limits.rule_checks_max.max(2)).contains(&limits.rule_checks_per_caller_max) {
            let message =
                format!("http.limits.rule_checks_per_caller_max is {}", limits.rule_checks_per_caller_max);
            let help = format!(
                "it must be at least 1 and less than http.limits.rule_checks_max ({}), so that no one has all",
                limits.rule_checks_max
            );
            wrong.add("http.limits.rule_checks_per_caller_max", message, help);
        }
    }
}
