//! People.
use super::{Result, SqliteRecords, audit, parsed};
use crate::{
    Audit, Ends, RecordsError, UserRow, Users,
    error::{Doing, is_duplicate},
};
use rusqlite::{Row, Transaction, params};

const COLUMNS: &str = "name, role, domains, wards, password_hash, disabled, created_ms";

impl Users for SqliteRecords {
    fn users(&self) -> Result<Vec<UserRow>> {
        let doing = "reading users";
        let reader = self.read();
        let mut statement =
            reader.prepare_cached(&format!("SELECT {COLUMNS} FROM users ORDER BY name")).doing(doing)?;
        let rows = statement.query_map([], user).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn insert_user(&self, user: &UserRow, audit: &Audit) -> Result<()> {
        self.write("adding a user", |transaction| {
            let sql = format!("INSERT INTO users ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
            match transaction.execute(&sql, values(user)?) {
                Err(error) if is_duplicate(&error) => {
                    return Err(RecordsError::Exists { what: "user", name: user.name.clone() });
                }
                other => other.doing("adding a user")?,
            };
            audit::insert(transaction, audit)
        })
    }

    fn update_user(&self, user: &UserRow, ends: Ends, audit: &Audit) -> Result<()> {
        self.write("changing a user", |transaction| {
            let sql = "UPDATE users SET role = ?2, domains = ?3, wards = ?4, password_hash = ?5, disabled = ?6, \
                       created_ms = ?7 WHERE name = ?1";
            if transaction.execute(sql, values(user)?).doing("changing a user")? == 0 {
                return Err(RecordsError::Missing { what: "user", name: user.name.clone() });
            }
            end_sessions(transaction, &user.name, ends)?;
            audit::insert(transaction, audit)
        })
    }
}

fn end_sessions(transaction: &Transaction<'_>, user: &str, ends: Ends) -> Result<()> {
    let doing = "ending the sessions of a user";
    match ends {
        Ends::Nothing => {}
        Ends::OtherSessions(kept) => {
            let sql = "DELETE FROM sessions WHERE user = ?1 AND hash <> ?2";
            transaction.execute(sql, params![user, kept]).doing(doing)?;
        }
        Ends::Everything => {
            transaction.execute("DELETE FROM sessions WHERE user = ?1", [user]).doing(doing)?;
            transaction.execute("DELETE FROM sign_in_origins WHERE user = ?1", [user]).doing(doing)?;
        }
    }
    Ok(())
}

fn values(user: &UserRow) -> Result<impl rusqlite::Params + use<>> {
    let UserRow { name, role, password_hash, disabled, created_ms, .. } = user.clone();
    let domains = super::to_json("user", &user.domains)?;
    let wards = super::to_json("user", &user.wards)?;
    Ok((name, role.as_str(), domains, wards, password_hash, disabled, created_ms))
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        name: row.get(0)?,
        role: parsed(row, 1, |text: String| text.parse())?,
        domains: parsed(row, 2, |text: String| serde_json::from_str(&text))?,
        wards: parsed(row, 3, |text: String| serde_json::from_str(&text))?,
        password_hash: row.get(4)?,
        disabled: row.get(5)?,
        created_ms: row.get(6)?,
    })
}
