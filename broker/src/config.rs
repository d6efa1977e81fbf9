//! Where the broker listens and what it allows.
use ioc_model::share::IPV6_PREFIX_DEFAULT;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio_rustls::rustls::ServerConfig;

/// What [`crate::Broker::start`] needs to know.
#[derive(Debug, Clone, Default)]
pub struct BrokerConfig {
    /// Addresses for plain MQTT. `[::]` takes IPv4 too; port 0 takes a free one.
    pub tcp: Vec<SocketAddr>,
    /// MQTT over TLS, if wanted.
    pub tls: Option<TlsConfig>,
    /// What a client may use.
    pub limits: Limits,
    /// Number of reactor threads; 0 means one per core.
    pub reactors: usize,
}

/// Addresses and identity of the TLS listeners.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// Where to listen; as [`BrokerConfig::tcp`].
    pub addrs: Vec<SocketAddr>,
    /// The certificate to show.
    pub identity: TlsIdentity,
}

/// A server certificate with its key.
#[derive(Debug, Clone)]
pub enum TlsIdentity {
    /// Ready made.
    Config(Arc<ServerConfig>),
    /// From PEM files.
    Pem {
        /// The certificate chain, the server's own first.
        certificates: PathBuf,
        /// The private key (PKCS#8, PKCS#1 or SEC1).
        key: PathBuf,
    },
}

/// What one client, one address and all of them together may use. Nothing here may be 0 unless it says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Largest MQTT packet, in bytes; a larger one closes the connection before it is read.
    pub packet_bytes_max: usize,
    /// Connections in all; then the oldest unauthenticated one goes, and without one the new one.
    pub connections_max: usize,
    /// Leading bits of an IPv6 address that make up one address in the sense of these limits.
    pub ipv6_prefix: u8,
    /// Connections from one IPv4 address or IPv6 network.
    pub connections_per_address_max: usize,
    /// Connections that have not authenticated yet; beyond it the oldest of the address with most of them goes.
    pub unauthenticated_max: usize,
    /// Unauthenticated connections from one address; beyond it that address's oldest is closed.
    pub unauthenticated_per_address_max: usize,
    /// Topic filters that one connection may hold.
    pub subscriptions_max: usize,
    /// Messages waiting for one subscriber; one that lets more gather is closed.
    pub subscriber_queue_max: usize,
    /// Retained messages kept in all.
    pub retained_max: usize,
    /// Publishes of one connection that wait for the disk; then reading waits.
    pub inflight_max: usize,
    /// TLS handshake and CONNECT together may take this long.
    pub connect_timeout: Duration,
    /// A client that takes no byte for this long while there is something for it is closed.
    pub write_timeout: Duration,
    /// A packet that has begun must be complete within this time, whatever the keep-alive.
    pub packet_timeout: Duration,
    /// Publishes per second of one credential beyond which reading is slowed; 0 means no limit. Pings and
    /// (un)subscriptions count like publishes.
    pub publishes_per_second: u32,
    /// Publishes that a credential may send at once before it is slowed.
    pub publish_burst: u32,
    /// Bytes of publishes per second of one credential; 0 means no limit.
    pub bytes_per_second: u32,
    /// Bytes that a credential may send at once before it is slowed.
    pub bytes_burst: u32,
    /// Readings per second of one credential, rejected ones included; 0 means no limit.
    pub readings_per_second: u32,
    /// Readings that a credential may send at once before it is slowed.
    pub readings_burst: u32,
    /// A gateway may send what all devices together may that it speaks for: at most so many of them count.
    pub gateway_devices_max: u32,
    /// Sign-ins per second of one credential beyond which a further one waits; 0 means no limit.
    pub sign_ins_per_second: u32,
    /// Sign-ins of a credential at once before they wait.
    pub sign_in_burst: u32,
    /// Bytes of one credential that are received and wait for their turn; then its sockets are not read.
    pub read_ahead_bytes: usize,
    /// The same of all credentials together; each connection has 4 KiB beside it.
    pub read_ahead_total_bytes: usize,
    /// Connections of one credential, those included whose last messages are still handled.
    pub connections_per_credential_max: usize,
    /// Topics not its own that a connection may publish to (acknowledged, quarantined) before it is closed.
    pub foreign_topics_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes_max: 256 * 1024,
            connections_max: 50_000,
            ipv6_prefix: IPV6_PREFIX_DEFAULT,
            connections_per_address_max: 4_096,
            unauthenticated_max: 4_096,
            unauthenticated_per_address_max: 2_048,
            subscriptions_max: 64,
            subscriber_queue_max: 1_024,
            retained_max: 65_536,
            inflight_max: 1_024,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            packet_timeout: Duration::from_secs(120),
            publishes_per_second: 100,
            publish_burst: 1_000,
            bytes_per_second: 256 * 1024,
            bytes_burst: 4 * 1024 * 1024,
            readings_per_second: 2_000,
            readings_burst: 20_000,
            gateway_devices_max: 1_000,
            sign_ins_per_second: 5,
            sign_in_burst: 300,
            read_ahead_bytes: 1024 * 1024,
            read_ahead_total_bytes: 64 * 1024 * 1024,
            connections_per_credential_max: 256,
            foreign_topics_max: 10,
        }
    }
}
