//! From the configuration to what each part wants.
use super::{Mode, StartError};
use crate::{
    clock::now_ms,
    config::{Config, Mqtt, Size},
    data_dir::DataDir,
    defaults, followers,
    tls::{self, Certificate},
};
use ioc_broker::{BrokerConfig, Limits, TlsConfig, TlsIdentity};
use ioc_identity::random_bytes;
use ioc_ingest::DecodeLimits;
use ioc_journal::{JournalConfig, Offset};
use ioc_model::{AlertId, Catalogue, share::Rate};
use ioc_rules::{EngineConfig, Place};
use ioc_services::{
    Foundation,
    rules::{RuleChecks, RuleSource},
};
use ioc_store::StoreConfig;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
};

/// Returns what the journal wants.
pub(super) fn journal_config(config: &Config, data: &DataDir) -> JournalConfig {
    let journal = &config.journal;
    JournalConfig {
        dir: data.journal(),
        segment_bytes: journal.segment.0,
        segment_age: journal.segment_age.0,
        pending_bytes_max: journal.pending_max.as_len(),
        ring_bytes_max: journal.ring_max.as_len(),
        keep_bytes: journal.keep.0,
        followers: followers::registrations(),
    }
}

/// Returns what history wants.
pub(super) fn store_config(config: &Config, data: &DataDir) -> StoreConfig {
    let (retention, segment_span) = (config.store.retention.0, config.store.segment_span.0);
    StoreConfig { retention, segment_span, ..StoreConfig::new(data.store()) }
}

/// Returns what the decoder wants.
pub(super) fn decode_limits(config: &Config) -> DecodeLimits {
    DecodeLimits {
        future_max_ms: config.ingest.future_max.as_ms(),
        retention_ms: config.store.retention.as_ms(),
        late_after_ms: config.ingest.late_after.as_ms(),
        payload_len_max: config.mqtt.limits.packet_max.as_len(),
        // An object may hold a single value, so that one bound serves both.
        elements_max: config.ingest.values_max as usize,
        values_max: config.ingest.values_max as usize,
    }
}

/// Whose certificate it is, in the log.
pub(super) const MQTTS: &str = "MQTT over TLS";

/// Returns the certificate of MQTT over TLS, if there is one. The demo makes its own when none is configured.
///
/// Errors: no certificate can be made, or the files cannot be used.
pub(super) fn mqtts_certificate(
    config: &Config,
    data: &DataDir,
    mode: Mode,
) -> Result<Option<Arc<Certificate>>, StartError> {
    let tls = &config.mqtt.tls;
    let (certificate, key) = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ if mode == Mode::Demo => tls::self_signed(data.path()).map_err(StartError::Certificate)?,
        _ => return Ok(None),
    };
    let certificate = Certificate::load(&certificate, &key).map_err(StartError::Mqtts)?;
    tls::tell_expiry(MQTTS, &certificate);
    Ok(Some(Arc::new(certificate)))
}

/// Returns what the device edge wants.
///
/// Errors: the certificate cannot be used.
pub(super) fn broker_config(
    config: &Config,
    certificate: Option<&Arc<Certificate>>,
    mode: Mode,
) -> Result<BrokerConfig, StartError> {
    let mqtt = &config.mqtt;
    let identity = certificate.map(|certificate| certificate.server(&[])).transpose();
    let identity = identity.map_err(StartError::Mqtts)?.map(TlsIdentity::Config);
    let limits = &mqtt.limits;
    Ok(BrokerConfig {
        tcp: plain_addresses(mqtt, mode),
        tls: identity.map(|identity| TlsConfig { addrs: vec![mqtt.tls.listen.0], identity }),
        limits: Limits {
            packet_bytes_max: limits.packet_max.as_len(),
            connections_max: limits.connections_max as usize,
            connections_per_address_max: limits.connections_per_address_max as usize,
            ipv6_prefix: limits.ipv6_prefix,
            connections_per_credential_max: limits.connections_per_credential_max as usize,
            unauthenticated_max: limits.unauthenticated_max as usize,
            unauthenticated_per_address_max: limits.unauthenticated_per_address_max as usize,
            sign_ins_per_second: limits.sign_in_rate,
            sign_in_burst: limits.sign_in_burst,
            subscriptions_max: limits.subscriptions_max as usize,
            connect_timeout: limits.connect_timeout.0,
            write_timeout: limits.write_timeout.0,
            publishes_per_second: limits.device_rate,
            publish_burst: limits.device_burst,
            bytes_per_second: as_rate(limits.device_bytes_rate),
            bytes_burst: as_rate(limits.device_bytes_burst),
            readings_per_second: limits.device_readings_rate,
            readings_burst: limits.device_readings_burst,
            gateway_devices_max: limits.gateway_devices_max,
            read_ahead_bytes: limits.read_ahead.as_len(),
            read_ahead_total_bytes: limits.read_ahead_total.as_len(),
            foreign_topics_max: limits.foreign_topics_max,
            ..Limits::default()
        },
        reactors: mqtt.reactors as usize,
    })
}

/// Returns where plain MQTT is spoken. The demo's own devices need it; when it is off they have it to themselves.
fn plain_addresses(mqtt: &Mqtt, mode: Mode) -> Vec<SocketAddr> {
    match (mqtt.tcp.enabled, mode) {
        (true, _) => vec![mqtt.tcp.listen.0],
        (false, Mode::Demo) => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        (false, _) => Vec::new(),
    }
}

fn as_rate(size: Size) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

/// Returns where rules come from: the configured directories, or the built-in rules when the default one is not there.
pub(crate) fn rule_source(config: &Config) -> RuleSource {
    let dirs = &config.rules.dirs;
    let is_default = *dirs == Config::default().rules.dirs;
    match is_default && dirs.iter().all(|dir| !dir.is_dir()) {
        true => RuleSource::Embedded(defaults::rule_files()),
        false => rules_in(dirs.clone()),
    }
}

/// Returns the rules of these directories, with ours beside them.
pub(crate) fn rules_in(directories: Vec<std::path::PathBuf>) -> RuleSource {
    RuleSource::Directories { directories, ours: defaults::rules_of_ours() }
}

/// Returns the places for checks of rule texts.
pub(super) fn rule_checks(config: &Config, catalogue: &Arc<Catalogue>) -> RuleChecks {
    let limits = &config.http.limits;
    let (total, each) = (limits.rule_checks_max as usize, limits.rule_checks_per_caller_max as usize);
    RuleChecks::new(Arc::clone(catalogue), total, each)
}

/// Returns what the rule engine wants.
///
/// Errors: a time zone that does not exist.
pub(super) fn engine_config(
    config: &Config,
    foundation: &Foundation,
    resume_after: Offset,
) -> Result<EngineConfig, StartError> {
    let city = &foundation.city.city;
    let time_zone =
        jiff::tz::TimeZone::get(&city.time_zone).map_err(|_| StartError::TimeZone(city.time_zone.clone()))?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let shards = config.rules.shards as usize;
    Ok(EngineConfig {
        shards: if shards == 0 { cores } else { shards },
        queue_batches: config.rules.queue_batches as usize,
        flapping: Rate::new(config.rules.device_flap_rate, config.rules.device_flap_burst),
        new_id: Arc::new(new_alert_id),
        place: Place { latitude: city.center[1], longitude: city.center[0], time_zone },
        startup_ms: now_ms(),
        resume_after,
    })
}

fn new_alert_id(at_ms: i64) -> AlertId {
    // Without random numbers ids still differ: the clock and a counter stand in.
    let random = random_bytes::<16>().map_or_else(|_| u128::from(next_number()), u128::from_le_bytes);
    AlertId::new(at_ms, random)
}

fn next_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
