//! Sign-ins and display tokens.
use super::{Result, SqliteRecords, audit};
use crate::records::{
    Audit, DisplayTokenRow, RecordsError, SecretHash, SessionRow, Sessions,
    error::{Doing, is_duplicate},
};
use rusqlite::params;

impl Sessions for SqliteRecords {
    fn sessions(&self, now_ms: i64) -> Result<Vec<SessionRow>> {
        let doing = "reading sessions";
        self.write(doing, |transaction| {
            transaction.execute("DELETE FROM sessions WHERE expires_ms <= ?1", [now_ms]).doing(doing)?;
            let sql = "SELECT hash, user, created_ms, expires_ms FROM sessions ORDER BY created_ms";
            let mut statement = transaction.prepare(sql).doing(doing)?;
            let rows = statement.query_map([], |row| {
                let (hash, user) = (row.get(0)?, row.get(1)?);
                Ok(SessionRow { hash, user, created_ms: row.get(2)?, expires_ms: row.get(3)? })
            });
            rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
        })
    }

    fn insert_session(&self, session: &SessionRow, audit: &Audit) -> Result<()> {
        self.write("adding a session", |transaction| {
            let sql = "INSERT INTO sessions (hash, user, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)";
            let SessionRow { hash, user, created_ms, expires_ms } = session;
            transaction
                .execute(sql, params![hash, user, created_ms, expires_ms])
                .doing("adding a session")?;
            audit::insert(transaction, audit)
        })
    }

    fn delete_session(&self, hash: &SecretHash, audit: &Audit) -> Result<()> {
        self.write("ending a session", |transaction| {
            let sql = "DELETE FROM sessions WHERE hash = ?1";
            match transaction.execute(sql, [hash]).doing("ending a session")? {
                0 => Ok(()),
                _ => audit::insert(transaction, audit),
            }
        })
    }

    fn delete_sessions_of(&self, user: &str) -> Result<()> {
        let doing = "ending the sessions of a user";
        self.write(doing, |transaction| {
            transaction.execute("DELETE FROM sessions WHERE user = ?1", [user]).map(|_| ()).doing(doing)
        })
    }

    fn display_tokens(&self) -> Result<Vec<DisplayTokenRow>> {
        let doing = "reading display tokens";
        let reader = self.read();
        let sql = "SELECT name, hash, created_by, created_ms FROM display_tokens ORDER BY name";
        let mut statement = reader.prepare_cached(sql).doing(doing)?;
        let rows = statement.query_map([], |row| {
            let (name, hash) = (row.get(0)?, row.get(1)?);
            Ok(DisplayTokenRow { name, hash, created_by: row.get(2)?, created_ms: row.get(3)? })
        });
        rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn insert_display_token(&self, token: &DisplayTokenRow, audit: &Audit) -> Result<()> {
        self.write("adding a display token", |transaction| {
            let sql =
                "INSERT INTO display_tokens (name, hash, created_by, created_ms) VALUES (?1, ?2, ?3, ?4)";
            let DisplayTokenRow { name, hash, created_by, created_ms } = token;
            match transaction.execute(sql, params![name, hash, created_by, created_ms]) {
                Err(error) if is_duplicate(&error) => {
                    return Err(RecordsError::Exists { what: "display token", name: name.clone() });
                }
                other => other.doing("adding a display token")?,
            };
            audit::insert(transaction, audit)
        })
    }

    fn delete_display_token(&self, name: &str, audit: &Audit) -> Result<()> {
        self.write("removing a display token", |transaction| {
            let sql = "DELETE FROM display_tokens WHERE name = ?1";
            if transaction.execute(sql, [name]).doing("removing a display token")? == 0 {
                return Err(RecordsError::Missing { what: "display token", name: name.to_owned() });
            }
            audit::insert(transaction, audit)
        })
    }
}
