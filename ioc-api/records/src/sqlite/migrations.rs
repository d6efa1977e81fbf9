//! The tables, in the order in which versions added to them. A step that was released is never changed.
use super::{Result, transact};
use crate::{RecordsError, error::Doing};
use rusqlite::Connection;
use std::path::Path;

const STEPS: [&str; 5] = [FIRST, PEOPLE, QUARANTINE, CHANGES, ALERT_EVENTS];

const FIRST: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE users (
        name TEXT PRIMARY KEY, role TEXT NOT NULL, domains TEXT NOT NULL, wards TEXT NOT NULL,
        password_hash TEXT NOT NULL, disabled INTEGER NOT NULL, created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions (
        hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
        created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE TABLE display_tokens (
        name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, created_by TEXT NOT NULL, created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE devices (
        device_index INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, domain TEXT NOT NULL, kind TEXT NOT NULL,
        lat REAL NOT NULL, lon REAL NOT NULL, parent_kind TEXT, parent TEXT, labels TEXT NOT NULL,
        retired INTEGER NOT NULL, created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE credentials (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, token_hash BLOB NOT NULL, generation INTEGER NOT NULL,
        devices TEXT NOT NULL, disabled INTEGER NOT NULL, created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
        object TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_time ON audit (at_ms);

    CREATE TABLE quarantine (
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, device TEXT, credential TEXT NOT NULL,
        topic TEXT NOT NULL, reasons TEXT NOT NULL, items TEXT NOT NULL, bytes BLOB NOT NULL,
        bytes_len INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE alerts (
        id TEXT PRIMARY KEY, rule TEXT NOT NULL, severity INTEGER NOT NULL, state TEXT NOT NULL,
        domain TEXT, device TEXT, ward TEXT, open INTEGER NOT NULL, fired INTEGER NOT NULL,
        active_since INTEGER NOT NULL, ended_at INTEGER, cause INTEGER NOT NULL, seq INTEGER NOT NULL,
        json TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alerts_open ON alerts (open) WHERE open = 1;
    CREATE INDEX alerts_standing ON alerts (state) WHERE state <> 'cleared';
    CREATE INDEX alerts_by_device ON alerts (device);
    CREATE INDEX alerts_by_end ON alerts (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE transitions (
        seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX transitions_by_alert ON transitions (alert, seq);
";

/// Whose field an audit entry is about (`[]` is the whole city), entries of strangers apart, and where people have
/// signed in from.
const PEOPLE: &str = "
    ALTER TABLE audit ADD COLUMN domains TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE audit ADD COLUMN wards TEXT NOT NULL DEFAULT '[]';
    CREATE INDEX audit_anonymous ON audit (id) WHERE actor = 'anonymous';
    CREATE TABLE sign_in_origins (
        user TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE, origin BLOB NOT NULL,
        last_ms INTEGER NOT NULL, PRIMARY KEY (user, origin)
    ) STRICT, WITHOUT ROWID;
";

/// Rows of quarantine are counted by credential.
const QUARANTINE: &str = "
    CREATE INDEX quarantine_by_credential ON quarantine (credential);
";

/// Whatever decides who may do what counts its changes; of sessions only their end, which must not be undone.
const CHANGES: &str = "
    INSERT INTO meta (key, value) VALUES ('changes', 0);
    CREATE TRIGGER users_added AFTER INSERT ON users BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER users_changed AFTER UPDATE ON users BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER users_removed AFTER DELETE ON users BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER devices_added AFTER INSERT ON devices BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER devices_changed AFTER UPDATE ON devices BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER devices_removed AFTER DELETE ON devices BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER credentials_added AFTER INSERT ON credentials BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER credentials_changed AFTER UPDATE ON credentials BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER credentials_removed AFTER DELETE ON credentials BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER display_tokens_added AFTER INSERT ON display_tokens BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER display_tokens_changed AFTER UPDATE ON display_tokens BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER display_tokens_removed AFTER DELETE ON display_tokens BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
    CREATE TRIGGER sessions_removed AFTER DELETE ON sessions BEGIN UPDATE meta SET value = value + 1 WHERE key = 'changes'; END;
";

/// Events of alerts, which stay here when the journal lets them go, and the newest snapshot of the fold over them.
const ALERT_EVENTS: &str = "
    CREATE TABLE alert_events (
        seq INTEGER PRIMARY KEY, alert TEXT, at_ms INTEGER NOT NULL, event TEXT NOT NULL
    ) STRICT;
    CREATE TABLE alert_snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), bytes BLOB NOT NULL) STRICT;
";

/// Takes every step that the database at `path` has not seen.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<()> {
    let doing = "bringing the records up to date";
    let known = STEPS.len() as i64;
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).doing("opening the records")?;
    if found > known {
        return Err(RecordsError::TooNew { path: path.to_owned(), found, known });
    }
    for (step, sql) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
        transact(connection, doing, |transaction| {
            transaction.execute_batch(sql).doing(doing)?;
            transaction.pragma_update(None, "user_version", step as i64 + 1).doing(doing)
        })?;
    }
    Ok(())
}

/// Makes the tables of the first version, for tests of those that came after.
#[cfg(test)]
pub(super) fn run_first(connection: &Connection) {
    connection.execute_batch(FIRST).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}
