//! The audit trail.
use super::{Result, SqliteRecords, parsed, to_json};
use crate::{Audit, AuditEntry, AuditPage, AuditTrail, Reach, error::Doing};
use rusqlite::{Connection, Row, params};

/// Most entries looked at for one page: for someone who may see few of many, a page ends here.
const LOOKED_AT_MAX: usize = 20_000;

/// Writes an entry within the transaction of the change that it is about.
pub(super) fn insert(connection: &Connection, audit: &Audit) -> Result<()> {
    let Audit { at_ms, actor, action, object, detail, reach } = audit;
    let (domains, wards) = (to_json("audit entry", &reach.domains)?, to_json("audit entry", &reach.wards)?);
    let sql = "INSERT INTO audit (at_ms, actor, action, object, detail, domains, wards)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![at_ms, actor, action, object, detail, domains, wards];
    let written = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    written.map(|_| ()).doing("writing the audit trail")
}

impl AuditTrail for SqliteRecords {
    fn append_audit(&self, audit: &Audit) -> Result<()> {
        self.write("writing the audit trail", |transaction| insert(transaction, audit))
    }

    fn append_anonymous(&self, audit: &Audit, rows_max: u32) -> Result<()> {
        let doing = "writing the audit trail";
        self.write(doing, |transaction| {
            insert(transaction, audit)?;
            let sql = "DELETE FROM audit WHERE actor = 'anonymous' AND id <=
                       (SELECT id FROM audit WHERE actor = 'anonymous' ORDER BY id DESC LIMIT 1 OFFSET ?1)";
            transaction.execute(sql, [rows_max]).map(|_| ()).doing(doing)
        })
    }

    fn audit(&self, before: Option<u64>, limit: usize, shows: &dyn Fn(&Reach) -> bool) -> Result<AuditPage> {
        let doing = "reading the audit trail";
        let reader = self.read();
        let sql = "SELECT id, at_ms, actor, action, object, detail, domains, wards FROM audit WHERE id < ?1 \
                   ORDER BY id DESC";
        let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let mut rows = statement.query([before]).doing(doing)?;
        let (mut items, mut looked_at) = (Vec::new(), 0);
        let mut last: Option<u64> = None;
        while let Some(row) = rows.next().doing(doing)? {
            if items.len() >= limit || looked_at >= LOOKED_AT_MAX {
                return Ok(AuditPage { items, next: last });
            }
            looked_at += 1;
            let entry = entry(row).doing(doing)?;
            last = Some(entry.id);
            if shows(&reach(row).doing(doing)?) {
                items.push(entry);
            }
        }
        Ok(AuditPage { items, next: None })
    }

    fn prune_audit(&self, before_ms: i64) -> Result<()> {
        let doing = "forgetting old audit entries";
        self.write(doing, |transaction| {
            transaction.execute("DELETE FROM audit WHERE at_ms < ?1", [before_ms]).map(|_| ()).doing(doing)
        })
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get::<_, i64>(0)? as u64,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        object: row.get(4)?,
        detail: row.get(5)?,
    })
}

fn reach(row: &Row<'_>) -> rusqlite::Result<Reach> {
    Ok(Reach {
        domains: parsed(row, 6, |text: String| serde_json::from_str(&text))?,
        wards: parsed(row, 7, |text: String| serde_json::from_str(&text))?,
    })
}
