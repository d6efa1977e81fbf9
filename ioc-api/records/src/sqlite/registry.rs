//! MQTT credentials and the device registry.
use super::{Result, SqliteRecords, audit, parsed, to_json};
use crate::{
    Audit, CredentialRow, DeviceRow, RecordsError, Registry,
    error::{Doing, is_duplicate},
};
use ioc_model::{DeviceId, DeviceIndex, Parent, ParentKind};
use rusqlite::{Connection, Row, params};

const CREDENTIAL: &str = "id, kind, token_hash, generation, devices, disabled, created_ms";
const DEVICE: &str =
    "device_index, id, domain, kind, lat, lon, parent_kind, parent, labels, retired, created_ms";

impl Registry for SqliteRecords {
    fn credentials(&self) -> Result<Vec<CredentialRow>> {
        let doing = "reading credentials";
        let reader = self.read();
        let sql = format!("SELECT {CREDENTIAL} FROM credentials ORDER BY id");
        let mut statement = reader.prepare_cached(&sql).doing(doing)?;
        let rows = statement.query_map([], credential).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn insert_credentials(&self, credentials: &[CredentialRow], audit: &Audit) -> Result<()> {
        self.write("adding credentials", |transaction| {
            credentials.iter().try_for_each(|row| insert_credential(transaction, row))?;
            audit::insert(transaction, audit)
        })
    }

    fn update_credential(&self, row: &CredentialRow, audit: &Audit) -> Result<()> {
        let doing = "changing a credential";
        self.write(doing, |transaction| {
            let sql = "UPDATE credentials SET kind = ?2, token_hash = ?3, generation = ?4, devices = ?5, \
                       disabled = ?6, created_ms = ?7 WHERE id = ?1";
            if transaction.execute(sql, credential_values(row)?).doing(doing)? == 0 {
                return Err(RecordsError::Missing { what: "credential", name: row.id.to_string() });
            }
            audit::insert(transaction, audit)
        })
    }

    fn devices(&self) -> Result<Vec<DeviceRow>> {
        let doing = "reading the registry";
        let reader = self.read();
        let sql = format!("SELECT {DEVICE} FROM devices ORDER BY device_index");
        let mut statement = reader.prepare_cached(&sql).doing(doing)?;
        let rows = statement.query_map([], device).doing(doing)?;
        rows.collect::<rusqlite::Result<_>>().doing(doing)
    }

    fn insert_devices(
        &self,
        devices: &[DeviceRow],
        credentials: &[CredentialRow],
        audit: &Audit,
    ) -> Result<()> {
        self.write("adding devices", |transaction| {
            check_indices(transaction, devices)?;
            devices.iter().try_for_each(|row| insert_device(transaction, row))?;
            credentials.iter().try_for_each(|row| insert_credential(transaction, row))?;
            audit::insert(transaction, audit)
        })
    }
}

/// Refuses devices whose indices do not follow the last one without a gap: history is keyed by them.
fn check_indices(connection: &Connection, devices: &[DeviceRow]) -> Result<()> {
    let sql = "SELECT coalesce(max(device_index) + 1, 0) FROM devices";
    let next: u32 = connection.query_row(sql, [], |row| row.get(0)).doing("reading the registry")?;
    let wrong = devices.iter().zip(next..).find(|(device, expected)| device.index.0 != *expected);
    wrong.map_or(Ok(()), |(device, expected)| {
        let detail = format!("{} has index {}, the next free one is {expected}", device.id, device.index.0);
        Err(RecordsError::Corrupt { what: "registry", detail })
    })
}

fn insert_device(connection: &Connection, row: &DeviceRow) -> Result<()> {
    let sql = format!("INSERT INTO devices ({DEVICE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    let parent_kind = row.parent.as_ref().map(|parent| parent_word(parent.kind));
    let parent = row.parent.as_ref().map(|parent| parent.id.as_str());
    let labels = to_json("device", &row.labels)?;
    let values = params![
        row.index.0,
        row.id.as_str(),
        row.domain.as_str(),
        row.kind,
        row.lat,
        row.lon,
        parent_kind,
        parent,
        labels,
        row.retired,
        row.created_ms
    ];
    match connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values)) {
        Err(error) if is_duplicate(&error) => {
            Err(RecordsError::Exists { what: "device", name: row.id.to_string() })
        }
        other => other.map(|_| ()).doing("adding a device"),
    }
}

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let parent_kind = parsed(row, 6, |word: Option<String>| word.map(|w| parent_kind(&w)).transpose())?;
    let parent: Option<DeviceId> =
        parsed(row, 7, |text: Option<String>| text.map(|t| t.parse()).transpose())?;
    Ok(DeviceRow {
        index: DeviceIndex(row.get(0)?),
        id: parsed(row, 1, |text: String| text.parse())?,
        domain: parsed(row, 2, |text: String| text.parse())?,
        kind: row.get(3)?,
        lat: row.get(4)?,
        lon: row.get(5)?,
        parent: parent_kind.zip(parent).map(|(kind, id)| Parent { kind, id }),
        labels: parsed(row, 8, |text: String| serde_json::from_str(&text))?,
        retired: row.get(9)?,
        created_ms: row.get(10)?,
    })
}

const fn parent_word(kind: ParentKind) -> &'static str {
    match kind {
        ParentKind::Gateway => "gateway",
        ParentKind::Cabinet => "cabinet",
        ParentKind::Feeder => "feeder",
    }
}

fn parent_kind(word: &str) -> std::result::Result<ParentKind, String> {
    [ParentKind::Gateway, ParentKind::Cabinet, ParentKind::Feeder]
        .into_iter()
        .find(|kind| parent_word(*kind) == word)
        .ok_or_else(|| format!("{word:?} is no kind of parent"))
}

fn insert_credential(connection: &Connection, row: &CredentialRow) -> Result<()> {
    let sql = format!("INSERT INTO credentials ({CREDENTIAL}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let values = credential_values(row)?;
    match connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values)) {
        Err(error) if is_duplicate(&error) => {
            Err(RecordsError::Exists { what: "credential", name: row.id.to_string() })
        }
        other => other.map(|_| ()).doing("adding a credential"),
    }
}

fn credential_values(row: &CredentialRow) -> Result<impl rusqlite::Params + use<>> {
    let devices = to_json("credential", &row.devices)?;
    let (id, kind, generation) = (row.id.to_string(), row.kind.as_str(), row.generation as i64);
    Ok((id, kind, row.token_hash, generation, devices, row.disabled, row.created_ms))
}

fn credential(row: &Row<'_>) -> rusqlite::Result<CredentialRow> {
    Ok(CredentialRow {
        id: parsed(row, 0, |text: String| text.parse())?,
        kind: parsed(row, 1, |text: String| text.parse())?,
        token_hash: row.get(2)?,
        generation: row.get::<_, i64>(3)? as u64,
        devices: parsed(row, 4, |text: String| serde_json::from_str(&text))?,
        disabled: row.get(5)?,
        created_ms: row.get(6)?,
    })
}
