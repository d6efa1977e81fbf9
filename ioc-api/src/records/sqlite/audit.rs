//! The audit trail.
use super::{Result, SqliteRecords, sql_limit};
use crate::records::{Audit, AuditEntry, AuditTrail, error::Doing};
use rusqlite::{Connection, params};

/// Writes an entry within the transaction of the change that it is about.
pub(super) fn insert(connection: &Connection, audit: &Audit) -> Result<()> {
    let Audit { at_ms, actor, action, object, detail } = audit;
    let sql = "INSERT INTO audit (at_ms, actor, action, object, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![at_ms, actor, action, object, detail]));
    written.map(|_| ()).doing("writing the audit trail")
}

impl AuditTrail for SqliteRecords {
    fn append_audit(&self, audit: &Audit) -> Result<()> {
        self.write("writing the audit trail", |transaction| insert(transaction, audit))
    }

    fn audit(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditEntry>> {
        let doing = "reading the audit trail";
        let reader = self.read();
        let sql = "SELECT id, at_ms, actor, action, object, detail FROM audit WHERE id < ?1 \
                   ORDER BY id DESC LIMIT ?2";
        let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement.query_map(params![before, sql_limit(limit)], |row| {
            Ok(AuditEntry {
                id: row.get::<_, i64>(0)? as u64,
                at: row.get(1)?,
                actor: row.get(2)?,
                action: row.get(3)?,
                object: row.get(4)?,
                detail: row.get(5)?,
            })
        });
        rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn prune_audit(&self, before_ms: i64) -> Result<()> {
        let doing = "forgetting old audit entries";
        self.write(doing, |transaction| {
            transaction.execute("DELETE FROM audit WHERE at_ms < ?1", [before_ms]).map(|_| ()).doing(doing)
        })
    }
}
