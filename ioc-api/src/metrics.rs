//! What we count, in the Prometheus text format: every name and its meaning in this one file.
use crate::{followers::Progress, tls::Certificate};
use ioc_broker::Broker;
use ioc_http::{listener::Listener, stream::Feeds};
use ioc_ingest::{Ledger, Registry};
use ioc_journal::{Health, SharedLog};
use ioc_model::{RejectReason, Severity};
use ioc_rules::{Engine, RuleHealth};
use ioc_services::{OwnClock, OwnClockState, rules::RuleStore};
use ioc_store::SharedHistory;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, Mutex, PoisonError};

/// Bounds of the alert delay histogram, in seconds.
const DELAY_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const DELAY: &str = "ioc_alert_publish_delay_seconds";

/// Everything that is read at a scrape.
pub struct Sources {
    /// Observations in and out.
    pub ledger: Arc<Ledger>,
    /// The device edge.
    pub broker: Arc<Broker>,
    /// The journal.
    pub journal: SharedLog,
    /// History.
    pub history: SharedHistory,
    /// The rules.
    pub engine: Arc<Engine>,
    /// Rule files.
    pub rules: Arc<RuleStore>,
    /// The live stream.
    pub feeds: Arc<Feeds>,
    /// Devices.
    pub registry: Registry,
    /// How far everyone has read.
    pub followers: Arc<[(&'static str, Progress)]>,
    /// Our own clock.
    pub own_clock: Arc<OwnClock>,
    /// The web server.
    pub listener: Listener,
    /// Its certificate.
    pub https: Option<Arc<Certificate>>,
    /// That of MQTT.
    pub mqtts: Option<Arc<Certificate>>,
}

/// Installs the recorder of the process.
///
/// Errors: another recorder is installed, or the buckets are wrong.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(DELAY.into()), DELAY_BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(handle)
}

/// Returns what writes the metrics page. One scrape at a time, so that one page shows one moment:
/// `ioc_observations_received_total` is always the sum of stored, duplicate and rejected.
pub fn page(handle: PrometheusHandle, sources: Sources) -> Arc<dyn Fn() -> String + Send + Sync> {
    let sources = Mutex::new(sources);
    Arc::new(move || {
        let sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
        ledger(&sources.ledger);
        broker(&sources.broker);
        journal(&sources.journal, &sources.followers);
        history(&sources.history);
        rules(&sources.engine, &sources.rules, &sources.feeds);
        clocks(sources.own_clock.state());
        web(&sources.listener);
        certificate("ioc_https_certificate_expires_seconds", sources.https.as_deref());
        certificate("ioc_mqtts_certificate_expires_seconds", sources.mqtts.as_deref());
        gauge!("ioc_devices").set(sources.registry.devices().len() as f64);
        handle.render()
    })
}

fn ledger(ledger: &Ledger) {
    let counts = ledger.snapshot();
    counter!("ioc_observations_received_total").absolute(counts.received);
    counter!("ioc_observations_stored_total").absolute(counts.stored);
    counter!("ioc_observations_duplicate_total").absolute(counts.duplicate);
    counter!("ioc_observations_corrected_total").absolute(counts.corrected);
    counter!("ioc_observations_derived_total").absolute(counts.derived);
    counter!("ioc_messages_without_observations_total").absolute(counts.empty);
    for reason in RejectReason::ALL {
        counter!("ioc_observations_rejected_total", "reason" => reason.as_str())
            .absolute(counts.rejected(*reason));
    }
}

fn broker(broker: &Broker) {
    let meters = broker.meters().snapshot();
    gauge!("ioc_mqtt_connections").set(meters.connections as f64);
    counter!("ioc_mqtt_accepted_total").absolute(meters.accepted);
    counter!("ioc_mqtt_connected_total").absolute(meters.connected);
    for (reason, count) in &meters.refused {
        counter!("ioc_mqtt_refused_total", "reason" => reason.as_str()).absolute(*count);
    }
    for (reason, count) in &meters.closed {
        counter!("ioc_mqtt_closed_total", "reason" => reason.as_str()).absolute(*count);
    }
    for (qos, count) in ["0", "1"].into_iter().zip(meters.publishes) {
        counter!("ioc_mqtt_publishes_total", "qos" => qos).absolute(count);
    }
    counter!("ioc_mqtt_publish_bytes_total").absolute(meters.publish_bytes);
    counter!("ioc_mqtt_foreign_topics_total").absolute(meters.foreign_topics);
    counter!("ioc_mqtt_acknowledged_total").absolute(meters.acknowledged);
    counter!("ioc_mqtt_busy_waits_total").absolute(meters.busy_parks);
    counter!("ioc_mqtt_throttled_total").absolute(meters.throttled);
    counter!("ioc_mqtt_subscribe_denied_total").absolute(meters.subscribe_denied);
    counter!("ioc_mqtt_delivered_total").absolute(meters.delivered);
    gauge!("ioc_mqtt_retained").set(meters.retained as f64);
    counter!("ioc_mqtt_accept_errors_total").absolute(meters.accept_errors);
    counter!("ioc_mqtt_restarts_total").absolute(meters.restarts);
    counter!("ioc_mqtt_wills_dropped_total").absolute(meters.wills_dropped);
    counter!("ioc_mqtt_retained_refused_total").absolute(meters.retained_refused);
}

fn journal(journal: &SharedLog, followers: &[(&'static str, Progress)]) {
    let meters = journal.meters();
    counter!("ioc_journal_records_total").absolute(meters.records);
    counter!("ioc_journal_commits_total").absolute(meters.batches);
    counter!("ioc_journal_written_bytes_total").absolute(meters.bytes);
    counter!("ioc_journal_sync_microseconds_total").absolute(meters.sync_micros);
    gauge!("ioc_journal_disk_bytes").set(meters.disk_bytes as f64);
    gauge!("ioc_journal_held_bytes").set(journal.held().map_or(0.0, |held| held.bytes as f64));
    gauge!("ioc_journal_out_of_space").set(if journal.health() == Health::Ok { 0.0 } else { 1.0 });
    let durable = journal.durable();
    for (name, progress) in followers {
        gauge!("ioc_follower_lag_records", "follower" => *name)
            .set(durable.saturating_sub(progress.taken()) as f64);
        gauge!("ioc_follower_up", "follower" => *name).set(if progress.has_failed() { 0.0 } else { 1.0 });
    }
}

fn clocks(own: OwnClockState) {
    // A system that does not say is not a number.
    gauge!("ioc_clock_synchronized").set(own.synchronized.map_or(f64::NAN, |yes| f64::from(u8::from(yes))));
    let ahead_ms = own.agreed.map_or(0, |agreed| agreed.offset_ms);
    gauge!("ioc_clock_ahead_of_devices_seconds").set(ahead_ms as f64 / 1000.0);
    gauge!("ioc_device_clocks_measured").set(own.measured as f64);
    gauge!("ioc_device_clocks_wrong").set(own.wrong as f64);
}

fn certificate(name: &'static str, certificate: Option<&Certificate>) {
    if let Some(expires_s) = certificate.and_then(Certificate::expires_s) {
        gauge!(name).set(expires_s as f64);
    }
}

fn web(listener: &Listener) {
    let meters = listener.meters();
    gauge!("ioc_http_connections", "caller" => "known").set(meters.known as f64);
    gauge!("ioc_http_connections", "caller" => "unknown").set((meters.open - meters.known) as f64);
    counter!("ioc_http_accepted_total").absolute(meters.accepted);
    for (reason, count) in meters.closed {
        counter!("ioc_http_closed_total", "reason" => reason).absolute(count);
    }
    counter!("ioc_http_accept_errors_total").absolute(meters.errors);
}

fn history(store: &SharedHistory) {
    let meters = store.meters();
    gauge!("ioc_history_memory_readings").set((meters.active_readings + meters.frozen_readings) as f64);
    gauge!("ioc_history_files").set(meters.segments as f64);
    gauge!("ioc_history_disk_bytes").set(meters.segment_bytes as f64);
    gauge!("ioc_history_damaged_places").set(meters.damaged as f64);
    gauge!("ioc_history_sealing_failed").set(if meters.sealing_failed { 1.0 } else { 0.0 });
}

fn rules(engine: &Engine, store: &RuleStore, feeds: &Feeds) {
    let meters = engine.meters();
    counter!("ioc_rule_observations_total").absolute(meters.observations);
    counter!("ioc_rule_evaluations_total").absolute(meters.evaluations);
    counter!("ioc_rule_transitions_total").absolute(meters.transitions);
    counter!("ioc_rule_samples_dropped_total").absolute(meters.samples_dropped);
    counter!("ioc_rule_flapping_held_total").absolute(meters.held);
    counter!("ioc_clock_jumps_total").absolute(meters.clock_jumps);
    let states = engine.rule_states();
    gauge!("ioc_rules").set(states.len() as f64);
    gauge!("ioc_rule_file_errors").set(store.in_force().errors.len() as f64);
    gauge!("ioc_rules_failing")
        .set(states.iter().filter(|state| state.health != RuleHealth::Ok).count() as f64);
    gauge!("ioc_alerts_pending").set(states.iter().map(|state| state.pending).sum::<u64>() as f64);
    let mut open = [0u32; Severity::ALL.len()];
    feeds.hub.for_each_open(|alert| open[usize::from(alert.severity.rank()) - 1] += 1);
    for (severity, count) in Severity::ALL.iter().zip(open) {
        gauge!("ioc_alerts_open", "severity" => severity.as_str()).set(f64::from(count));
    }
    let [clients, resyncs, slow] = feeds.meters.snapshot();
    gauge!("ioc_stream_clients").set(clients as f64);
    counter!("ioc_stream_resyncs_total").absolute(resyncs);
    counter!("ioc_stream_slow_clients_total").absolute(slow);
}

fn describe() {
    let counters = [
        ("ioc_observations_received_total", "Observations from devices; stored + duplicate + rejected"),
        ("ioc_observations_stored_total", "Observations in history, corrections included"),
        ("ioc_observations_duplicate_total", "Observations that were there already"),
        ("ioc_observations_corrected_total", "Stored observations that replaced another value"),
        ("ioc_observations_derived_total", "Observations computed here; not counted as received"),
        (
            "ioc_messages_without_observations_total",
            "Messages of devices that held no observation: signs of life",
        ),
        ("ioc_observations_rejected_total", "Observations in quarantine, by reason"),
        ("ioc_mqtt_accepted_total", "TCP connections accepted"),
        ("ioc_mqtt_connected_total", "CONNECTs accepted"),
        ("ioc_mqtt_refused_total", "CONNECTs refused, by reason"),
        ("ioc_mqtt_closed_total", "Connections ended, by reason"),
        ("ioc_mqtt_publishes_total", "Publishes taken, by QoS"),
        ("ioc_mqtt_foreign_topics_total", "Publishes to topics not the sender's own"),
        ("ioc_mqtt_acknowledged_total", "PUBACKs sent, each after its message was on disk"),
        ("ioc_mqtt_busy_waits_total", "Times a connection was not read because the journal was full"),
        ("ioc_mqtt_throttled_total", "Times a connection was not read because its credential was too fast"),
        ("ioc_mqtt_subscribe_denied_total", "Topic filters denied"),
        ("ioc_mqtt_delivered_total", "Messages written to subscribers"),
        ("ioc_mqtt_accept_errors_total", "Failures to accept a connection"),
        ("ioc_mqtt_restarts_total", "Parts of the edge restarted after a panic"),
        ("ioc_mqtt_wills_dropped_total", "Wills dropped because too many waited for the journal"),
        ("ioc_mqtt_retained_refused_total", "Retained messages not kept because there were too many"),
        ("ioc_rule_observations_total", "Observations read by rules"),
        ("ioc_rule_evaluations_total", "Evaluations of a rule for a device or the city"),
        ("ioc_rule_transitions_total", "Transitions decided by rules"),
        ("ioc_rule_samples_dropped_total", "Samples that left a window early because it holds no more"),
        (
            "ioc_rule_flapping_held_total",
            "Evaluations that left an alert firing although it is over, because its device's alerts came and went too often",
        ),
        ("ioc_clock_jumps_total", "Jumps of the wall clock by more than a second"),
        ("ioc_journal_records_total", "Records on disk since the start"),
        ("ioc_journal_commits_total", "Batches written, each with one fdatasync"),
        ("ioc_journal_sync_microseconds_total", "Time spent in fdatasync"),
        ("ioc_http_accepted_total", "Web connections accepted"),
        ("ioc_http_closed_total", "Web connections ended because of us, by reason"),
        ("ioc_http_accept_errors_total", "Failures to accept a web connection"),
        ("ioc_history_incomplete_answers_total", "Answers that lack readings because files are damaged"),
        ("ioc_stream_resyncs_total", "Times a client was told to start over"),
        ("ioc_stream_slow_clients_total", "Clients closed because they read too slowly"),
    ];
    for (name, help) in counters {
        describe_counter!(name, help);
    }
    describe_counter!("ioc_mqtt_publish_bytes_total", Unit::Bytes, "Payload bytes taken");
    describe_counter!("ioc_journal_written_bytes_total", Unit::Bytes, "Bytes written to the journal");
    let gauges = [
        ("ioc_devices", "Registered devices, retired ones included"),
        (
            "ioc_clock_synchronized",
            "1 if the system synchronizes its clock, 0 if not, NaN if it does not say",
        ),
        ("ioc_device_clocks_measured", "Devices whose clock was compared with this server's"),
        ("ioc_device_clocks_wrong", "Devices whose clock is more than 15 minutes behind or 5 ahead"),
        ("ioc_mqtt_connections", "Open MQTT connections"),
        ("ioc_mqtt_retained", "Retained messages kept"),
        ("ioc_journal_out_of_space", "1 while the journal's disk is full or its next segment cannot be made"),
        ("ioc_follower_lag_records", "Committed records that a follower has not read"),
        ("ioc_follower_up", "0 once a follower has failed; a restart goes on where it was"),
        ("ioc_history_memory_readings", "Readings in memory that no history file has yet"),
        ("ioc_history_files", "Files of history"),
        ("ioc_history_damaged_places", "Places in history files that were found to be unreadable"),
        ("ioc_history_sealing_failed", "1 while history cannot write its files; it tries again"),
        ("ioc_rules", "Rules in force"),
        (
            "ioc_rule_file_errors",
            "Problems of the rule files as they are now; while there are any, earlier ones go on",
        ),
        ("ioc_rules_failing", "Rules whose last evaluation failed"),
        ("ioc_alerts_pending", "Pending alerts"),
        ("ioc_alerts_open", "Firing alerts that nobody resolved, by severity"),
        (
            "ioc_https_certificate_expires_seconds",
            "When the certificate of HTTPS ends, seconds since the epoch",
        ),
        (
            "ioc_mqtts_certificate_expires_seconds",
            "When the certificate of MQTT over TLS ends, seconds since the epoch",
        ),
        ("ioc_http_connections", "Open web connections, by whether their caller is known"),
        ("ioc_stream_clients", "Clients of the live stream"),
    ];
    for (name, help) in gauges {
        describe_gauge!(name, help);
    }
    describe_gauge!(
        "ioc_clock_ahead_of_devices_seconds",
        Unit::Seconds,
        "How far this server's clock is ahead of what most devices agree on; 0 without such an agreement"
    );
    describe_gauge!("ioc_history_disk_bytes", Unit::Bytes, "Size of the history files");
    describe_gauge!("ioc_journal_disk_bytes", Unit::Bytes, "Size of the journal on disk");
    let held = "Part of the journal beyond journal.keep that a follower has not processed; the log names it";
    describe_gauge!("ioc_journal_held_bytes", Unit::Bytes, held);
    describe_histogram!(
        DELAY,
        Unit::Seconds,
        "From the arrival of the deciding message to the publication of its alert"
    );
}
