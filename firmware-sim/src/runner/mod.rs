//! Sends a simulation over MQTT, paced against the wall clock. This is the only part that reads the clock.
//!
//! One task a connection; the pacer hands each its messages through a bounded queue and never waits for one of them.
mod backlog;
mod link;
#[cfg(test)]
mod tests;

use crate::simulation::SimulationError;
use crate::{
    connections::Credentials,
    simulation::{Action, Event, Simulation},
};
use backlog::Message;
use link::Link;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

/// How often the pacer looks for what is due; messages are at most this late.
const PACE: Duration = Duration::from_millis(20);
/// Messages on their way from the pacer to a connection; when it is full the connection is stuck and they are lost.
const QUEUE_MAX: usize = 64;
/// After a jump of the clock, messages older than this are left out: they would be history.
const STALE_MS: i64 = 60_000;

/// Where to send, and how.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The broker's host name or address.
    pub host: String,
    /// The broker's MQTT port (plain TCP).
    pub port: u16,
    /// Keep-alive of each connection; a second at least.
    pub keep_alive: Duration,
    /// Hours before the start that the measuring stations tell about first.
    pub past_hours: u32,
}

impl RunConfig {
    /// Makes the usual configuration for a broker.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, keep_alive: Duration::from_secs(60), past_hours: 0 }
    }
}

/// What a run has done so far; read it from anywhere.
#[derive(Debug, Default)]
pub struct RunMeters {
    /// Connections that are up.
    pub connected: AtomicI64,
    /// Messages handed to connections.
    pub published: AtomicU64,
    /// PUBACKs received; fewer than published after an outage, because back-fill joins messages into arrays.
    pub acknowledged: AtomicU64,
    /// Messages thrown away because a connection was away for too long or stuck.
    pub lost: AtomicU64,
    /// Messages left out because the clock jumped.
    pub skipped: AtomicU64,
}

/// A reason for not starting a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Nobody may sign in.
    #[error("none of the {connections} connections has a credential; register {example} and its like first")]
    NoCredentials {
        /// How many connections the fleet has.
        connections: usize,
        /// The credential id of the first.
        example: String,
    },
    /// The past of the stations cannot be told.
    #[error(transparent)]
    Past(#[from] SimulationError),
}

/// What the pacer holds of a connection.
struct Line {
    messages: mpsc::Sender<Message>,
    /// Whether the scenario lets it speak.
    open: watch::Sender<bool>,
}

/// Runs until `stop` becomes true, then disconnects cleanly within two seconds.
///
/// The simulation should start at about the present time: what is due at its start is sent at once. Connections
/// without a credential stay away. Errors: no connection has a credential.
pub async fn run(
    mut simulation: Simulation,
    credentials: &dyn Credentials,
    config: RunConfig,
    meters: Arc<RunMeters>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let mut tasks = JoinSet::new();
    let lines = open_lines(&simulation, credentials, &config, &meters, &stop, &mut tasks)?;
    if config.past_hours > 0 {
        let now_ms = wall_ms();
        for event in simulation.past(now_ms, config.past_hours)? {
            if let Some(line) = lines.get(event.connection).and_then(Option::as_ref) {
                hand_over(line, event, now_ms, &meters);
            }
        }
    }
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        tokio::select! {
            _ = pace.tick() => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
        let now_ms = wall_ms();
        while let Some(event) = simulation.next_before(now_ms + 1) {
            if let Some(line) = lines.get(event.connection).and_then(Option::as_ref) {
                hand_over(line, event, now_ms, &meters);
            }
        }
    }
    drop(lines);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

fn open_lines(
    simulation: &Simulation,
    credentials: &dyn Credentials,
    config: &RunConfig,
    meters: &Arc<RunMeters>,
    stop: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<Vec<Option<Line>>, RunError> {
    let connections = simulation.connections();
    let mut lines = Vec::with_capacity(connections.len());
    for connection in connections.iter() {
        let Some(login) = credentials.login(&connection.credential_id) else {
            tracing::warn!(
                credential = connection.credential_id,
                "no token for this connection; it stays away"
            );
            lines.push(None);
            continue;
        };
        let (messages, from_pacer) = mpsc::channel(QUEUE_MAX);
        let (open, line_state) = watch::channel(true);
        let client_id = connection.credential_id.clone();
        let link = Link::new(client_id, login, config.clone(), meters.clone());
        tasks.spawn(link.serve(from_pacer, line_state, stop.clone()));
        lines.push(Some(Line { messages, open }));
    }
    if tasks.is_empty() {
        let example = connections.first().map(|c| c.credential_id.clone()).unwrap_or_default();
        return Err(RunError::NoCredentials { connections: connections.len(), example });
    }
    Ok(lines)
}

fn hand_over(line: &Line, event: Event, now_ms: i64, meters: &RunMeters) {
    match event.action {
        Action::Cut => _ = line.open.send(false),
        Action::Restore => _ = line.open.send(true),
        Action::Publish { .. } if event.at_ms < now_ms - STALE_MS => {
            meters.skipped.fetch_add(1, Ordering::Relaxed);
        }
        Action::Publish { topic, payload, .. } => {
            let counter = match line.messages.try_send(Message::new(topic, payload)) {
                Ok(()) => &meters.published,
                Err(_) => &meters.lost,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
