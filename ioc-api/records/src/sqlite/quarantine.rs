//! The projection of rejected messages.
use super::{QUARANTINE_OFFSET, Result, SqliteRecords, meta, parsed, set_meta, sql_limit, to_json};
use crate::{Quarantine, QuarantineQuery, QuarantineRow, error::Doing};
use ioc_model::{RejectReason, Rejection};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;

impl Quarantine for SqliteRecords {
    fn append_quarantine(&self, rows: &[QuarantineRow], through: u64, rows_max: u32) -> Result<()> {
        let doing = "writing quarantine";
        self.project(doing, |transaction| {
            let reached = meta(transaction, QUARANTINE_OFFSET)?;
            if through <= reached {
                return Ok(());
            }
            rows.iter().filter(|row| row.seq > reached).try_for_each(|row| insert(transaction, row))?;
            if !rows.is_empty() {
                make_room(transaction, rows_max)?;
            }
            set_meta(transaction, QUARANTINE_OFFSET, through)
        })
    }

    fn quarantined_through(&self) -> Result<u64> {
        meta(&self.read(), QUARANTINE_OFFSET)
    }

    fn quarantine(&self, query: &QuarantineQuery) -> Result<Vec<QuarantineRow>> {
        let doing = "reading quarantine";
        let reader = self.read();
        let sql = "SELECT seq, at_ms, device, credential, topic, items, bytes, bytes_len FROM quarantine \
                   WHERE seq < ?1 AND (?2 IS NULL OR device = ?2 OR credential = ?2) \
                   AND (?3 IS NULL OR instr(reasons, ?3) > 0) ORDER BY seq DESC LIMIT ?4";
        let before = query.before.map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let reason = query.reason.map(|reason| format!(" {reason} "));
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement
            .query_map(params![before, query.device, reason, sql_limit(query.limit)], quarantined)
            .doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn quarantine_len(&self) -> Result<u64> {
        let count = self.read().query_row("SELECT count(*) FROM quarantine", [], |row| row.get::<_, i64>(0));
        Ok(count.doing("counting quarantine")? as u64)
    }
}

/// Deletes what is beyond `rows_max`, at the expense of the credentials with most rows: each keeps its newest, as many as
/// fit when all have the same bound. So nobody's rejected messages are pushed out by somebody else's flood.
fn make_room(transaction: &Connection, rows_max: u32) -> Result<()> {
    let doing = "deleting old quarantine";
    let sql = "SELECT credential, count(*) FROM quarantine GROUP BY credential";
    let mut statement = transaction.prepare_cached(sql).doing(doing)?;
    let counts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing(doing)?;
    let counts: Vec<(String, i64)> = counts.collect::<rusqlite::Result<_>>().doing(doing)?;
    let each = equal_share(counts.iter().map(|(_, count)| *count as u64), rows_max.into());
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let sql = "DELETE FROM quarantine WHERE seq IN \
               (SELECT seq FROM quarantine WHERE credential = ?1 ORDER BY seq DESC LIMIT -1 OFFSET ?2)";
    for (credential, count) in &counts {
        if *count > each {
            transaction.execute(sql, params![credential, each]).doing(doing)?;
        }
    }
    // More credentials than rows: the oldest rows go.
    let sql = "DELETE FROM quarantine WHERE seq <= \
               (SELECT seq FROM quarantine ORDER BY seq DESC LIMIT 1 OFFSET ?1)";
    transaction.execute(sql, [rows_max]).doing(doing).map(|_| ())
}

/// Returns the largest bound for each that keeps all together within `total`; at least 1.
fn equal_share(counts: impl Iterator<Item = u64>, total: u64) -> u64 {
    let mut counts: Vec<u64> = counts.collect();
    counts.sort_unstable();
    let (mut left, mut callers) = (total, counts.len() as u64);
    for count in counts {
        let each = left / callers;
        if count > each {
            return each.max(1);
        }
        left -= count;
        callers -= 1;
    }
    u64::MAX
}

fn insert(connection: &Connection, row: &QuarantineRow) -> Result<()> {
    let reasons: BTreeSet<&str> = row.items.iter().map(|item| item.reason.as_str()).collect();
    let reasons = reasons.iter().fold(" ".to_owned(), |list, reason| list + reason + " ");
    let pairs: Vec<_> = row.items.iter().map(|item| (item.reason, &item.detail)).collect();
    let items = to_json("quarantine entry", &pairs)?;
    let sql = "INSERT OR IGNORE INTO quarantine \
               (seq, at_ms, device, credential, topic, reasons, items, bytes, bytes_len) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        row.seq as i64,
        row.at_ms,
        row.device.as_ref().map(|id| id.as_str()),
        row.credential,
        row.topic,
        reasons,
        items,
        row.bytes,
        row.bytes_len
    ];
    let written = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    written.map(|_| ()).doing("writing quarantine")
}

fn quarantined(row: &Row<'_>) -> rusqlite::Result<QuarantineRow> {
    let pairs: Vec<(RejectReason, String)> = parsed(row, 5, |text: String| serde_json::from_str(&text))?;
    Ok(QuarantineRow {
        seq: row.get::<_, i64>(0)? as u64,
        at_ms: row.get(1)?,
        device: parsed(row, 2, |text: Option<String>| text.map(|t| t.parse()).transpose())?,
        credential: row.get(3)?,
        topic: row.get(4)?,
        items: pairs.into_iter().map(|(reason, detail)| Rejection { reason, detail }).collect(),
        bytes: row.get(6)?,
        bytes_len: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_has_few_keeps_all_and_the_others_have_the_same_bound() {
        let share = |counts: &[u64]| equal_share(counts.iter().copied(), 20);
        assert_eq!(share(&[1, 100]), 19);
        assert_eq!(share(&[1, 2, 100, 50]), 8);
        assert_eq!(share(&[10, 10]), u64::MAX);
        assert_eq!(share(&[]), u64::MAX);
        assert_eq!(share(&[1; 30]), 1);
    }

    proptest! {
        #[test]
        fn shares_fit_and_are_as_large_as_may_be(counts in prop::collection::vec(0_u64..50, 1..20), total in 20_u64..200) {
            let each = equal_share(counts.iter().copied(), total);
            let kept = |each: u64| counts.iter().map(|count| (*count).min(each)).sum::<u64>();
            prop_assert!(kept(each) <= total);
            prop_assert!(each == u64::MAX || kept(each + 1) > total);
        }
    }
}
