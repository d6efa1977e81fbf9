//! Events of alerts, and the newest snapshot of the fold over them.
use super::{Result, sql_limit};
use crate::{AlertEventRow, error::Doing};
use rusqlite::{Connection, OptionalExtension, params};

/// What [`prune`] does, for errors.
pub(super) const FORGETTING: &str = "forgetting old events of alerts";
/// What [`keep_snapshot`] does, for errors.
pub(super) const SNAPSHOT: &str = "writing a snapshot of alerts";

/// Writes one event.
pub(super) fn insert(connection: &Connection, event: &AlertEventRow) -> Result<()> {
    let AlertEventRow { seq, alert, at_ms, json, .. } = event;
    let sql = "INSERT INTO alert_events (seq, alert, at_ms, event) VALUES (?1, ?2, ?3, ?4)";
    let values = params![*seq as i64, alert.map(|id| id.to_string()), at_ms, json];
    let written = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    written.map(|_| ()).doing("writing an event of an alert")
}

/// Returns at most `limit` events after `seq`, in order.
pub(super) fn after(connection: &Connection, seq: u64, limit: usize) -> Result<Vec<(u64, String)>> {
    let doing = "reading events of alerts";
    let sql = "SELECT seq, event FROM alert_events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).doing(doing)?;
    let after = i64::try_from(seq).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![after, sql_limit(limit)], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)));
    rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
}

/// Forgets the events from before `before_ms`. They stand in the order in which they happened, so those before the first
/// that stays go; a clock that was wrong for a while only keeps some longer.
pub(super) fn prune(connection: &Connection, before_ms: i64) -> Result<()> {
    let sql = "SELECT seq FROM alert_events WHERE at_ms >= ?1 ORDER BY seq LIMIT 1";
    let first: Option<i64> =
        connection.query_row(sql, [before_ms], |row| row.get(0)).optional().doing(FORGETTING)?;
    let sql = "DELETE FROM alert_events WHERE seq < ?1 AND at_ms < ?2";
    let values = params![first.unwrap_or(i64::MAX), before_ms];
    connection.execute(sql, values).map(|_| ()).doing(FORGETTING)
}

/// Returns the newest snapshot.
pub(super) fn snapshot(connection: &Connection) -> Result<Option<Vec<u8>>> {
    let read = connection.query_row("SELECT bytes FROM alert_snapshot", [], |row| row.get(0)).optional();
    read.doing("reading the snapshot of alerts")
}

/// Replaces the snapshot.
pub(super) fn keep_snapshot(connection: &Connection, bytes: &[u8]) -> Result<()> {
    let sql =
        "INSERT INTO alert_snapshot (id, bytes) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET bytes = ?1";
    connection.execute(sql, [bytes]).map(|_| ()).doing(SNAPSHOT)
}
