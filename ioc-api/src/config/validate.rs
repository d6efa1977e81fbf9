//! What types cannot say about a configuration.
use super::sections::{Config, Limits};
use ioc_model::{
    settings::{InvalidSetting, SettingChecks},
    units::Size,
};

/// Checks `config` and returns everything that is wrong with it.
pub(super) fn validate(config: &Config) -> Vec<InvalidSetting> {
    let mut wrong = SettingChecks::default();
    check_listeners(config, &mut wrong);
    config.http.validate(&mut wrong);
    check_edge(config, &mut wrong);
    check_disk(config, &mut wrong);
    check_rest(config, &mut wrong);
    wrong.into_found()
}

/// No two of them may have the same address.
fn check_listeners(config: &Config, wrong: &mut SettingChecks) {
    let (http, mqtt) = (&config.http, &config.mqtt);
    let metrics = http.metrics.listen.map(|listen| ("http.metrics.listen", listen));
    let https = http.tls.certificate.as_ref().map(|_| ("http.tls.listen", http.tls.listen));
    let listeners: Vec<_> = [
        Some(("http.listen", http.listen)),
        mqtt.tcp.enabled.then_some(("mqtt.tcp.listen", mqtt.tcp.listen)),
        Some(("mqtt.tls.listen", mqtt.tls.listen)),
        https,
        metrics,
    ]
    .into_iter()
    .flatten()
    .collect();
    for (at, (key, listen)) in listeners.iter().enumerate() {
        let taken = listeners[..at].iter().find(|(_, other)| other == listen && listen.0.port() != 0);
        if let Some((other_key, _)) = taken {
            let message = format!("{key} and {other_key} are both {}", listen.0);
            wrong.add(key, message, "give each its own port");
        }
    }
}

fn check_edge(config: &Config, wrong: &mut SettingChecks) {
    let (tls, limits) = (&config.mqtt.tls, &config.mqtt.limits);
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => wrong.add(
            "mqtt.tls.certificate",
            "mqtt.tls.certificate has no key",
            "set mqtt.tls.key to the PEM file of its private key",
        ),
        (None, Some(_)) => wrong.add(
            "mqtt.tls.key",
            "mqtt.tls.key has no certificate",
            "set mqtt.tls.certificate to the PEM file of its certificate chain",
        ),
        _ => {}
    }
    if !config.mqtt.tcp.enabled && tls.certificate.is_none() && tls.key.is_none() {
        wrong.add(
            "mqtt.tcp.enabled",
            "mqtt.tcp.enabled is false and there is no certificate for MQTT over TLS, so no device could connect",
            "set mqtt.tls.certificate and mqtt.tls.key, or mqtt.tcp.enabled = true",
        );
    }
    const PACKET_MIN: u64 = 1024;
    const PACKET_MAX: u64 = 16 << 20;
    if !(PACKET_MIN..=PACKET_MAX).contains(&limits.packet_max.0) {
        let message = format!("mqtt.limits.packet_max is {}", limits.packet_max);
        wrong.add("mqtt.limits.packet_max", message, "it must be between 1KiB and 16MiB");
    }
    wrong.at_least("mqtt.limits.connections_max", limits.connections_max.into(), 1);
    wrong.at_least("mqtt.limits.connections_per_address_max", limits.connections_per_address_max.into(), 1);
    wrong.at_least("mqtt.limits.unauthenticated_max", limits.unauthenticated_max.into(), 1);
    check_shares(limits, wrong);
    wrong.at_least("mqtt.limits.connect_timeout", limits.connect_timeout.as_ms() as u64, 1);
    wrong.at_least("mqtt.limits.write_timeout", limits.write_timeout.as_ms() as u64, 1);
}

/// Checks what one sender may take.
fn check_shares(limits: &Limits, wrong: &mut SettingChecks) {
    let counts = [
        ("mqtt.limits.connections_per_credential_max", limits.connections_per_credential_max),
        ("mqtt.limits.unauthenticated_per_address_max", limits.unauthenticated_per_address_max),
        ("mqtt.limits.gateway_devices_max", limits.gateway_devices_max),
        ("mqtt.limits.device_burst", limits.device_burst),
        ("mqtt.limits.device_readings_burst", limits.device_readings_burst),
        ("mqtt.limits.sign_in_burst", limits.sign_in_burst),
    ];
    for (key, value) in counts {
        wrong.at_least(key, value.into(), 1);
    }
    const RATE_MAX: u64 = 1 << 30;
    let (rate, burst) = (limits.device_bytes_rate, limits.device_bytes_burst);
    if rate.0 > RATE_MAX {
        let message = format!("mqtt.limits.device_bytes_rate is {rate}");
        wrong.add("mqtt.limits.device_bytes_rate", message, "it must be at most 1GiB, or 0B for no limit");
    }
    if !(1..=RATE_MAX).contains(&burst.0) {
        let message = format!("mqtt.limits.device_bytes_burst is {burst}");
        wrong.add("mqtt.limits.device_bytes_burst", message, "it must be between 1B and 1GiB");
    }
    let sizes = [
        ("mqtt.limits.read_ahead", limits.read_ahead, limits.packet_max),
        ("mqtt.limits.read_ahead_total", limits.read_ahead_total, limits.read_ahead),
    ];
    for (key, value, min) in sizes {
        if value < min {
            wrong.add(key, format!("{key} is {value}"), format!("it must be at least {min}"));
        }
    }
    if !(16..=128).contains(&limits.ipv6_prefix) {
        let message = format!("mqtt.limits.ipv6_prefix is {}", limits.ipv6_prefix);
        wrong.add(
            "mqtt.limits.ipv6_prefix",
            message,
            "it must be between 16 and 128; one subscriber has 64 or 56",
        );
    }
}

fn check_disk(config: &Config, wrong: &mut SettingChecks) {
    const SEGMENT_MIN: u64 = 1 << 20;
    let journal = &config.journal;
    let sizes = [
        ("journal.segment", journal.segment.0, SEGMENT_MIN),
        ("journal.pending_max", journal.pending_max.0, config.mqtt.limits.packet_max.0.saturating_mul(2)),
        ("journal.ring_max", journal.ring_max.0, 0),
    ];
    for (key, value, min) in sizes {
        if value < min {
            let help = format!("it must be at least {}", Size(min));
            wrong.add(key, format!("{key} is {}", Size(value)), help);
        }
    }
    let store = &config.store;
    if store.segment_span.as_ms() < 60_000 || store.segment_span > store.retention {
        let message = format!("store.segment_span is {}", store.segment_span);
        let help = format!("it must be between 1m and store.retention ({})", store.retention);
        wrong.add("store.segment_span", message, help);
    }
}

fn check_rest(config: &Config, wrong: &mut SettingChecks) {
    wrong.at_least("ingest.values_max", config.ingest.values_max.into(), 1);
    let late_after = config.ingest.late_after;
    if !(10_000..=3_600_000).contains(&late_after.as_ms()) {
        let message = format!("ingest.late_after is {late_after}");
        // Below, a message that waited for the network or for its batch would start no alert; above, one of long ago would.
        let help = "it must be between 10s and 1h: readings older than this on arrival never start an alert";
        wrong.add("ingest.late_after", message, help);
    }
    let future_max = config.ingest.future_max;
    if !(1000..=3_600_000).contains(&future_max.as_ms()) {
        let help = "it must be between 1s and 1h: readings further ahead of our clock are refused";
        wrong.add("ingest.future_max", format!("ingest.future_max is {future_max}"), help);
    }
    wrong.at_least("rules.queue_batches", config.rules.queue_batches.into(), 1);
    wrong.at_least("rules.device_flap_burst", config.rules.device_flap_burst.into(), 1);
    config.records.validate(wrong);
    if config.rules.dirs.is_empty() {
        wrong.add("rules.dirs", "rules.dirs is empty", "name at least one directory with rule files");
    }
    const DEVICES_MAX: u32 = 50_000;
    if config.demo.devices > DEVICES_MAX {
        let message = format!("demo.devices is {}", config.demo.devices);
        wrong.add("demo.devices", message, format!("it must be at most {DEVICES_MAX}"));
    }
    if config.city.is_empty() {
        wrong.add("city", "city is empty", "write \"hue\" or a directory with city.toml and areas.geojson");
    }
}
