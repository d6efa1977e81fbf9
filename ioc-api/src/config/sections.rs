//! The sections of the configuration, their defaults and their meaning. `configs/ioc.toml` is the same in TOML.
use ioc_model::{
    share::IPV6_PREFIX_DEFAULT,
    units::{Listen, Size, Span},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where everything that must survive a restart is kept.
    pub data_dir: PathBuf,
    /// `hue` (built in), or a directory with `city.toml` and `areas.geojson`.
    pub city: String,
    /// Domains, properties, kinds, indicators and panels.
    pub catalogue: CatalogueFiles,
    /// The web server.
    pub http: ioc_http::Config,
    /// The device edge.
    pub mqtt: Mqtt,
    /// The journal: what a PUBACK stands for.
    pub journal: Journal,
    /// History.
    pub store: Store,
    /// Alert rules.
    pub rules: Rules,
    /// Decoding and checking of device messages.
    pub ingest: Ingest,
    /// What the wall and the console show.
    pub display: Display,
    /// Quarantine, alert records and the audit trail.
    pub records: ioc_records::Config,
    /// The simulated city of `ioc demo`.
    pub demo: Demo,
}

/// Domains, properties, kinds, indicators and panels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CatalogueFiles {
    /// Directories whose files (*.toml) lie over the built-in catalogue.
    pub dirs: Vec<PathBuf>,
}

/// The device edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mqtt {
    /// Threads that serve connections; 0 = one per core.
    pub reactors: u32,
    /// Plain MQTT.
    pub tcp: Tcp,
    /// MQTT over TLS.
    pub tls: Tls,
    /// What one sender may cost the others.
    pub limits: Limits,
}

/// Plain MQTT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tcp {
    /// Whether plain MQTT is spoken at all; without it devices need `mqtt.tls`.
    pub enabled: bool,
    /// Where to listen.
    pub listen: Listen,
}

/// MQTT over TLS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tls {
    /// Where to listen, once there is a certificate; the demo makes its own.
    pub listen: Listen,
    /// PEM file with the certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
}

/// What one sender may cost the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest MQTT packet; a larger one closes its connection.
    pub packet_max: Size,
    /// Most connections at once.
    pub connections_max: u32,
    /// Most connections from one address.
    pub connections_per_address_max: u32,
    /// Leading bits of an IPv6 address that count as one address.
    pub ipv6_prefix: u8,
    /// Most connections of one credential.
    pub connections_per_credential_max: u32,
    /// Most connections that have not signed in yet; the oldest of the address with most of them makes room for the
    /// newest.
    pub unauthenticated_max: u32,
    /// Most of these from one address.
    pub unauthenticated_per_address_max: u32,
    /// Sign-ins per second of one credential before a further one waits; 0 = unlimited.
    pub sign_in_rate: u32,
    /// Sign-ins that may come at once before that.
    pub sign_in_burst: u32,
    /// How long a connection may take to send CONNECT.
    pub connect_timeout: Span,
    /// How long a client may refuse to read what is due to it.
    pub write_timeout: Span,
    /// Messages per second of one credential before reading slows; 0 = unlimited.
    pub device_rate: u32,
    /// Messages that may come at once before that.
    pub device_burst: u32,
    /// Bytes per second of one credential; 0B = unlimited.
    pub device_bytes_rate: Size,
    /// Bytes that may come at once before that.
    pub device_bytes_burst: Size,
    /// Readings per second of one credential, rejected ones too; 0 = unlimited.
    pub device_readings_rate: u32,
    /// Readings that may come at once before that.
    pub device_readings_burst: u32,
    /// A gateway may send what its devices together may; at most so many of them count.
    pub gateway_devices_max: u32,
    /// Bytes of one credential that were received and wait for their turn; then its sockets are not read.
    pub read_ahead: Size,
    /// The same of all together.
    pub read_ahead_total: Size,
    /// Most subscriptions of one session.
    pub subscriptions_max: u32,
    /// Publishes on foreign topics before the connection is closed.
    pub foreign_topics_max: u32,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// A segment is sealed at this size.
    pub segment: Size,
    /// A segment is sealed at this age.
    pub segment_age: Span,
    /// Most bytes waiting for the disk; when full, devices are no longer read.
    pub pending_max: Size,
    /// Committed batches kept in memory for those who follow closely.
    pub ring_max: Size,
    /// What is kept on disk after everyone has read it: how far back `after` can resume.
    pub keep: Size,
}

/// History.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Store {
    /// How long readings are kept.
    pub retention: Span,
    /// How much event time one sealed segment covers.
    pub segment_span: Span,
}

/// Alert rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Directories with rule files, watched for changes.
    pub dirs: Vec<PathBuf>,
    /// Threads that evaluate; 0 = one per core.
    pub shards: u32,
    /// Batches waiting for a shard before its follower reads from the files instead.
    pub queue_batches: u32,
    /// Alerts of one device that may clear a second; beyond it they stay firing. 0 = no bound.
    pub device_flap_rate: u32,
    /// As many at once.
    pub device_flap_burst: u32,
}

/// Decoding and checking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ingest {
    /// How far ahead of our clock an event time may be.
    pub future_max: Span,
    /// Older than this on arrival: for history and windows only, never for starting an alarm.
    pub late_after: Span,
    /// Most values in one message.
    pub values_max: u32,
}

/// What the wall and the console show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Display {
    /// File with the city's indicators and panels instead of the built-in ones.
    pub kpis: Option<PathBuf>,
    /// Name of the operations center on screen, instead of the city's own.
    pub title_vi: Option<String>,
    /// The same in English.
    pub title_en: Option<String>,
}

/// The simulated city.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demo {
    /// How many devices.
    pub devices: u32,
    /// The same seed makes the same city.
    pub seed: u64,
    /// `normal-day`, `flood-2025-10`, or a scenario file.
    pub scenario: PathBuf,
}

const MIB: u64 = 1 << 20;
const DAY_S: u64 = 86_400;

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data/main".into(),
            city: "hue".to_owned(),
            catalogue: CatalogueFiles::default(),
            http: ioc_http::Config::default(),
            mqtt: Mqtt::default(),
            journal: Journal::default(),
            store: Store { retention: Span::from_secs(365 * DAY_S), segment_span: Span::from_secs(7200) },
            rules: Rules {
                dirs: vec!["configs/rules".into()],
                shards: 0,
                queue_batches: 64,
                device_flap_rate: 1,
                device_flap_burst: 20,
            },
            ingest: Ingest {
                future_max: Span::from_secs(300),
                late_after: Span::from_secs(120),
                values_max: 10_000,
            },
            display: Display { kpis: None, title_vi: None, title_en: None },
            records: ioc_records::Config::default(),
            demo: Demo { devices: 2000, seed: 1, scenario: "normal-day".into() },
        }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            reactors: 0,
            tcp: Tcp { enabled: true, listen: Listen::every(1883) },
            tls: Tls { listen: Listen::every(8883), certificate: None, key: None },
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_max: Size(256 * 1024),
            connections_max: 50_000,
            connections_per_address_max: 4096,
            ipv6_prefix: IPV6_PREFIX_DEFAULT,
            connections_per_credential_max: 256,
            unauthenticated_max: 4096,
            unauthenticated_per_address_max: 2048,
            sign_in_rate: 5,
            sign_in_burst: 300,
            connect_timeout: Span::from_secs(10),
            write_timeout: Span::from_secs(20),
            device_rate: 100,
            device_burst: 1000,
            device_bytes_rate: Size(256 * 1024),
            device_bytes_burst: Size(4 * MIB),
            device_readings_rate: 2000,
            device_readings_burst: 20_000,
            gateway_devices_max: 1000,
            read_ahead: Size(MIB),
            read_ahead_total: Size(64 * MIB),
            subscriptions_max: 64,
            foreign_topics_max: 10,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            segment: Size(64 * MIB),
            segment_age: Span::from_secs(3600),
            pending_max: Size(8 * MIB),
            ring_max: Size(32 * MIB),
            keep: Size(1024 * MIB),
        }
    }
}
