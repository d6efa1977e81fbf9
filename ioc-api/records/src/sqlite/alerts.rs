//! The projection of alerts and their transitions.
use super::{
    ALERTS_OFFSET, FORGOTTEN_OFFSET, PASSED_FIRST, PASSED_LAST, Result, SqliteRecords, alert_events, audit,
    meta, parsed, set_meta, sql_limit, to_json,
};
use crate::{AlertEventRow, AlertQuery, Alerts, Sequenced, StandingAlert, error::Doing};
use ioc_model::{Alert, AlertId, Condition, Domain, Severity, Transition};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};
use std::ops::RangeInclusive;

impl Alerts for SqliteRecords {
    fn apply_alert_events(&self, events: &[AlertEventRow], through: u64) -> Result<()> {
        self.project("writing alerts", |transaction| {
            let reached = meta(transaction, ALERTS_OFFSET)?;
            if through <= reached {
                return Ok(());
            }
            for event in events.iter().filter(|event| event.seq > reached) {
                alert_events::insert(transaction, event)?;
                if let Some(transition) = &event.transition {
                    apply(transaction, event.seq, transition)?;
                }
                if let Some(audit) = &event.audit {
                    audit::insert(transaction, audit)?;
                }
            }
            set_meta(transaction, ALERTS_OFFSET, through)
        })
    }

    fn applied_through(&self) -> Result<u64> {
        meta(&self.read(), ALERTS_OFFSET)
    }

    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let doing = "reading alerts";
        let (sql, values) = select(query);
        let reader = self.read();
        let mut statement = reader.prepare_cached(&sql).doing(doing)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), alert).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>> {
        let doing = "reading an alert";
        let reader = self.read();
        let mut statement = reader.prepare_cached("SELECT json FROM alerts WHERE id = ?1").doing(doing)?;
        statement.query_row([id.to_string()], alert).optional().doing(doing)
    }

    fn transitions_of(&self, id: AlertId) -> Result<Vec<Sequenced>> {
        let doing = "reading the history of an alert";
        let reader = self.read();
        let sql = "SELECT seq, json FROM transitions WHERE alert = ?1 ORDER BY seq";
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement.query_map([id.to_string()], transition).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn standing_alerts(&self) -> Result<Vec<StandingAlert>> {
        let doing = "reading standing alerts";
        let reader = self.read();
        let sql = "SELECT json, cause, seq FROM alerts WHERE state <> 'cleared' ORDER BY seq";
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement.query_map([], |row| {
            let (cause, seq) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            Ok(StandingAlert { alert: alert(row)?, cause, seq })
        });
        rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn transitions_after(&self, seq: u64, limit: usize) -> Result<Vec<Sequenced>> {
        let doing = "reading transitions";
        let reader = self.read();
        let sql = "SELECT seq, json FROM transitions WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let after = i64::try_from(seq).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, sql_limit(limit)], transition).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn alert_events_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, String)>> {
        alert_events::after(&self.read(), seq, limit)
    }

    fn prune_alert_events(&self, before_ms: i64) -> Result<()> {
        self.project(alert_events::FORGETTING, |transaction| alert_events::prune(transaction, before_ms))
    }

    fn alert_snapshot(&self) -> Result<Option<Vec<u8>>> {
        alert_events::snapshot(&self.read())
    }

    fn keep_alert_snapshot(&self, bytes: &[u8]) -> Result<()> {
        self.project(alert_events::SNAPSHOT, |transaction| alert_events::keep_snapshot(transaction, bytes))
    }

    fn newest_transitions(&self, limit: usize) -> Result<Vec<Sequenced>> {
        let doing = "reading the newest transitions";
        let reader = self.read();
        let sql = "SELECT seq, json FROM transitions ORDER BY seq DESC LIMIT ?1";
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement.query_map([sql_limit(limit)], transition).doing(doing)?;
        let mut newest: Vec<_> = rows.collect::<rusqlite::Result<_>>().doing(doing)?;
        newest.reverse();
        Ok(newest)
    }

    fn newest_transition(&self) -> Result<u64> {
        let doing = "reading the newest transition";
        let reader = self.read();
        let kept: Option<i64> =
            reader.query_row("SELECT max(seq) FROM transitions", [], |row| row.get(0)).doing(doing)?;
        Ok(meta(&reader, FORGOTTEN_OFFSET)?.max(kept.unwrap_or(0) as u64))
    }

    fn forgotten_through(&self) -> Result<u64> {
        meta(&self.read(), FORGOTTEN_OFFSET)
    }

    fn passed_over(&self) -> Result<Option<RangeInclusive<u64>>> {
        let reader = self.read();
        let last = meta(&reader, PASSED_LAST)?;
        Ok((last > 0).then_some(meta(&reader, PASSED_FIRST)?..=last))
    }

    fn prune_alerts(&self, before_ms: i64) -> Result<()> {
        self.project("forgetting old alerts", |transaction| prune(transaction, before_ms))
    }
}

/// Writes one transition and the alert as it is after it.
fn apply(connection: &Connection, seq: u64, transition: &Transition) -> Result<()> {
    let doing = "writing an alert";
    let alert = &transition.alert;
    let id = alert.id.to_string();
    let sql = "INSERT INTO transitions (seq, alert, json) VALUES (?1, ?2, ?3)";
    let json = to_json("transition", transition)?;
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![seq as i64, id, json]));
    written.doing(doing)?;
    let sql = "INSERT INTO alerts (id, rule, severity, state, domain, device, ward, open, fired, active_since, \
               ended_at, cause, seq, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
               ON CONFLICT (id) DO UPDATE SET severity = ?3, state = ?4, domain = ?5, device = ?6, ward = ?7, \
               open = ?8, fired = ?9, active_since = ?10, ended_at = ?11, cause = max(cause, ?12), seq = ?13, \
               json = ?14";
    let ended_at = match alert.state {
        Condition::Cleared => Some(alert.cleared_at.unwrap_or(transition.at)),
        Condition::Pending | Condition::Firing => None,
    };
    let values = params![
        id,
        alert.rule,
        alert.severity.rank(),
        alert.state.as_str(),
        alert.domain.as_ref().map(Domain::as_str),
        alert.device.as_ref().map(|device| device.as_str()),
        alert.ward,
        alert.is_open(),
        alert.firing_since.is_some(),
        alert.active_since,
        ended_at,
        transition.cause.unwrap_or(0) as i64,
        seq as i64,
        to_json("alert", alert)?
    ];
    let written = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    written.map(|_| ()).doing(doing)
}

/// Builds the statement of a list and its values. Ids sort by activation time, so they order the list.
fn select(query: &AlertQuery) -> (String, Vec<Value>) {
    let mut sql = "SELECT json FROM alerts WHERE fired = 1".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {}", condition.replace('?', &format!("?{}", values.len()))));
    };
    if query.open {
        and("open = ?", 1.into());
    }
    let severities: Vec<u8> = query.severities.iter().map(|severity: &Severity| severity.rank()).collect();
    let domains: Vec<&str> = query.domains.iter().map(|domain| domain.as_str()).collect();
    let lists = [
        ("severity IN (SELECT value FROM json_each(?))", serde_json::json!(severities)),
        ("domain IN (SELECT value FROM json_each(?))", serde_json::json!(domains)),
        ("ward IN (SELECT value FROM json_each(?))", serde_json::json!(query.wards)),
    ];
    for (condition, list) in lists {
        if list.as_array().is_some_and(|items| !items.is_empty()) {
            and(condition, list.to_string().into());
        }
    }
    let single: [(&str, Option<Value>); 4] = [
        ("device = ?", query.device.clone().map(Value::from)),
        ("(ended_at IS NULL OR ended_at >= ?)", query.from_ms.map(Value::from)),
        ("active_since < ?", query.to_ms.map(Value::from)),
        ("id < ?", query.before.map(|id| id.to_string().into())),
    ];
    for (condition, value) in single {
        if let Some(value) = value {
            and(condition, value);
        }
    }
    and("1 ORDER BY id DESC LIMIT ?", sql_limit(query.limit).into());
    (sql, values)
}

fn prune(connection: &Connection, before_ms: i64) -> Result<()> {
    let doing = "forgetting old alerts";
    let old = "SELECT id FROM alerts WHERE ended_at < ?1";
    let sql = format!("SELECT max(seq) FROM transitions WHERE alert IN ({old})");
    let newest: Option<i64> = connection.query_row(&sql, [before_ms], |row| row.get(0)).doing(doing)?;
    let Some(newest) = newest else { return Ok(()) };
    connection
        .execute(&format!("DELETE FROM transitions WHERE alert IN ({old})"), [before_ms])
        .doing(doing)?;
    connection.execute("DELETE FROM alerts WHERE ended_at < ?1", [before_ms]).doing(doing)?;
    set_meta(connection, FORGOTTEN_OFFSET, meta(connection, FORGOTTEN_OFFSET)?.max(newest as u64))
}

fn alert(row: &Row<'_>) -> rusqlite::Result<Alert> {
    parsed(row, 0, |text: String| serde_json::from_str(&text))
}

fn transition(row: &Row<'_>) -> rusqlite::Result<Sequenced> {
    let seq = row.get::<_, i64>(0)? as u64;
    Ok(Sequenced::new(seq, parsed(row, 1, |text: String| serde_json::from_str(&text))?))
}
