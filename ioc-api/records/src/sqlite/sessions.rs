//! Sign-ins and display tokens.
use super::{Result, SqliteRecords, audit, sql_limit};
use crate::{
    Audit, DisplayTokenRow, ORIGINS_PER_USER_MAX, OriginRow, RecordsError, SecretHash, SessionRow, Sessions,
    error::{Doing, is_duplicate},
};
use rusqlite::{Connection, params};

impl Sessions for SqliteRecords {
    fn sessions(&self, now_ms: i64) -> Result<Vec<SessionRow>> {
        let doing = "reading sessions";
        let reader = self.read();
        let sql = "SELECT hash, user, created_ms, expires_ms FROM sessions WHERE expires_ms > ?1 ORDER BY created_ms";
        let mut statement = reader.prepare(sql).doing(doing)?;
        let rows = statement.query_map([now_ms], |row| {
            let (hash, user) = (row.get(0)?, row.get(1)?);
            Ok(SessionRow { hash, user, created_ms: row.get(2)?, expires_ms: row.get(3)? })
        });
        rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn prune_sessions(&self, now_ms: i64) -> Result<()> {
        let doing = "forgetting ended sessions";
        self.write(doing, |transaction| {
            let sql = "DELETE FROM sessions WHERE expires_ms <= ?1";
            transaction.execute(sql, [now_ms]).map(|_| ()).doing(doing)
        })
    }

    fn insert_session(&self, session: &SessionRow, origins: &[OriginRow], audit: &Audit) -> Result<()> {
        self.write("adding a session", |transaction| {
            let sql = "INSERT INTO sessions (hash, user, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)";
            let SessionRow { hash, user, created_ms, expires_ms } = session;
            transaction
                .execute(sql, params![hash, user, created_ms, expires_ms])
                .doing("adding a session")?;
            origins.iter().try_for_each(|origin| insert_origin(transaction, origin))?;
            audit::insert(transaction, audit)
        })
    }

    fn origins(&self, since_ms: i64) -> Result<Vec<OriginRow>> {
        let doing = "reading where people have signed in from";
        let reader = self.read();
        let sql = "SELECT user, origin, last_ms FROM sign_in_origins WHERE last_ms > ?1";
        let mut statement = reader.prepare(sql).doing(doing)?;
        let rows = statement.query_map([since_ms], |row| {
            Ok(OriginRow { user: row.get(0)?, origin: row.get(1)?, last_ms: row.get(2)? })
        });
        rows.doing(doing)?.collect::<rusqlite::Result<_>>().doing(doing)
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

/// Writes where a person signed in from; of one person no more than are kept in memory.
fn insert_origin(connection: &Connection, row: &OriginRow) -> Result<()> {
    let doing = "writing where a person signed in from";
    let OriginRow { user, origin, last_ms } = row;
    let sql = "INSERT INTO sign_in_origins (user, origin, last_ms) VALUES (?1, ?2, ?3)
               ON CONFLICT (user, origin) DO UPDATE SET last_ms = ?3";
    connection.execute(sql, params![user, origin, last_ms]).doing(doing)?;
    let sql = "DELETE FROM sign_in_origins WHERE user = ?1 AND origin NOT IN
               (SELECT origin FROM sign_in_origins WHERE user = ?1 ORDER BY last_ms DESC LIMIT ?2)";
    connection.execute(sql, params![user, sql_limit(ORIGINS_PER_USER_MAX)]).map(|_| ()).doing(doing)
}
