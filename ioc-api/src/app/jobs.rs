//! Threads that look at the city or the records now and then.
use crate::{
    clock::{Clocks, monotonic_ms, now_ms},
    followers::Stop,
};
use ioc_http::stream::KpiFrame;
use ioc_ingest::{LiveState, Registry};
use ioc_model::time::forgetting_ms;
use ioc_records::{Audit, LateWrites, Records, Write};
use ioc_rules::RuleSet;
use ioc_services::{Foundation, indicators::KpiService};
use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::watch;

const KPI_PERIOD: Duration = Duration::from_secs(1);
const FORGET_PERIOD: Duration = Duration::from_secs(3600);
/// How long events of alerts are kept at least, in milliseconds: five years.
const ALERT_EVENTS_KEEP_MS: i64 = 5 * 366 * 24 * 3_600_000;
/// How often it is tried to write what the disk did not take.
const LATE_PERIOD: Duration = Duration::from_secs(1);
const REFUSALS_PERIOD: Duration = Duration::from_secs(60);

/// Returns what notes in the audit trail that the rule files changed.
pub(super) fn audit_rules(late: &Arc<LateWrites>) -> impl Fn(&RuleSet) + Send + 'static {
    let late = Arc::clone(late);
    move |rules| {
        let audit = Audit::new(now_ms(), "system", "rules.reload", "rule files");
        let detail = format!("{} rules in force", rules.rules().len());
        late.write(Write::Audit(audit.with_detail(detail)));
    }
}

/// Writes what the disk did not take before, and every minute what was counted of refused sign-ins.
///
/// Errors: the operating system refuses a thread.
pub(super) fn write_late(foundation: &Foundation, stop: Stop) -> io::Result<thread::JoinHandle<()>> {
    let (identity, late) = (Arc::clone(&foundation.identity), Arc::clone(&foundation.late));
    thread::Builder::new().name("records-late".into()).spawn(move || {
        let mut told = Instant::now();
        while !stop.wait(LATE_PERIOD) {
            if told.elapsed() >= REFUSALS_PERIOD {
                identity.tell_refusals(now_ms());
                told = Instant::now();
            }
            late.retry(now_ms());
        }
        identity.tell_refusals(now_ms());
        late.retry(now_ms());
    })
}

/// Returns what waits for the stop.
pub(super) fn stopped(stop: &Stop) -> impl Fn(Duration) -> bool + Send + 'static {
    let stop = stop.clone();
    move |timeout| stop.wait(timeout)
}

/// Measures the indicators every second.
///
/// Errors: the operating system refuses a thread.
pub(super) fn measure_kpis(
    kpis: Arc<KpiService>,
    registry: Registry,
    live: Arc<LiveState>,
    frames: watch::Sender<KpiFrame>,
    stop: Stop,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("kpis".into()).spawn(move || {
        while !stop.wait(KPI_PERIOD) {
            let now = Clocks::read();
            let items = kpis.measure(&registry, &live, now.wall_ms, now.monotonic_ms);
            frames.send_replace(KpiFrame { t: now.wall_ms, items });
        }
    })
}

/// Forgets records that are older than they are kept, now and then. `newest_ms` is the time of the newest journal record at
/// the start, see [`forgetting_ms`].
///
/// Errors: the operating system refuses a thread.
pub(super) fn forget_old_records(
    records: &Records,
    keep: &ioc_records::Config,
    newest_ms: Option<i64>,
    stop: Stop,
) -> io::Result<thread::JoinHandle<()>> {
    let (records, keep) = (Arc::clone(records), keep.clone());
    let started_ms = monotonic_ms();
    thread::Builder::new().name("records-keep".into()).spawn(move || {
        while !stop.wait(FORGET_PERIOD) {
            let now = forgetting_ms(now_ms(), newest_ms, monotonic_ms() - started_ms);
            let alerts = records.prune_alerts(now - keep.alerts_keep.as_ms());
            let events_keep_ms = keep.alerts_keep.as_ms().max(ALERT_EVENTS_KEEP_MS);
            let events = records.prune_alert_events(now - events_keep_ms);
            let audit = records.prune_audit(now - keep.audit_keep.as_ms());
            let sessions = records.prune_sessions(now);
            for error in [alerts, events, audit, sessions].into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "old records cannot be forgotten; tried again in an hour");
            }
        }
    })
}
