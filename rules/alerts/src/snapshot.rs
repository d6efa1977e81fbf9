//! The bytes of a fold: what a start begins with, so that it need not fold every event again.
//!
//! | Bytes | Content |
//! |---|---|
//! | 8 | `ioc-alrt` |
//! | 4 | version |
//! | 8, 8 | journal offset up to which events are folded; newest event of an alert that was let go |
//! | 4 | number of alerts |
//! | each | length (4), JSON `{cause, seq, alert}` |
//! | 4 | number of changes of cleared alerts |
//! | each | journal offset (8), alert id (16) |
//! | 4 | CRC-32 of everything before |
//!
//! Numbers are little-endian.
use crate::fold::{AlertFold, AlertState};
use ioc_model::{Alert, AlertId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Version of the snapshots that are written.
pub const SNAPSHOT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"ioc-alrt";
const CRC_LEN: usize = 4;

/// Bytes are no snapshot of a fold.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It does not begin like one.
    #[error("these bytes are no snapshot of alerts")]
    Foreign,
    /// A newer program wrote it.
    #[error("the snapshot of alerts has version {0}, this program reads version {SNAPSHOT_VERSION}")]
    Version(u32),
    /// It is not what was written.
    #[error("the snapshot of alerts is damaged: {0}")]
    Damaged(&'static str),
    /// An alert cannot be written or read.
    #[error("an alert of the snapshot is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'s> {
    cause: u64,
    seq: u64,
    alert: &'s Alert,
}

#[derive(Deserialize)]
struct Read {
    cause: u64,
    seq: u64,
    alert: Alert,
}

impl AlertFold {
    /// Returns the bytes of the fold.
    ///
    /// Errors: an alert cannot be written as JSON, or is too large.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.through.to_le_bytes());
        out.extend_from_slice(&self.let_go_through.to_le_bytes());
        put_len(&mut out, self.alerts.len())?;
        for AlertState { alert, cause, seq } in self.alerts.values() {
            let json = serde_json::to_vec(&Written { cause: *cause, seq: *seq, alert })?;
            put_len(&mut out, json.len())?;
            out.extend_from_slice(&json);
        }
        put_len(&mut out, self.finished.len())?;
        for (seq, id) in &self.finished {
            out.extend_from_slice(&seq.to_le_bytes());
            out.extend_from_slice(&id.0.to_le_bytes());
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        Ok(out)
    }

    /// Reads the bytes of a fold.
    ///
    /// Errors: [`SnapshotError`] when `bytes` are not what [`Self::to_snapshot`] wrote.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let head = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
        let version = Reader(head).u32()?;
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(version));
        }
        let mut reader = Reader(checked(bytes)?.get(MAGIC.len() + CRC_LEN..).unwrap_or_default());
        let mut fold = Self { through: reader.u64()?, let_go_through: reader.u64()?, ..Self::default() };
        for _ in 0..reader.u32()? {
            let len = reader.u32()? as usize;
            let Read { cause, seq, alert } = serde_json::from_slice(reader.bytes(len)?)?;
            fold.alerts.insert(alert.id, AlertState { alert: Arc::new(alert), cause, seq });
        }
        for _ in 0..reader.u32()? {
            fold.finished.push_back((reader.u64()?, AlertId(reader.u128()?)));
        }
        match reader.0.is_empty() {
            true => Ok(fold),
            false => Err(SnapshotError::Damaged("there is more behind its end")),
        }
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), SnapshotError> {
    let len = u32::try_from(len).map_err(|_| SnapshotError::Damaged("it has more than fits"))?;
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

/// Returns what comes before the checksum, when that is right.
fn checked(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let end = bytes.len().saturating_sub(CRC_LEN);
    let (content, crc) = bytes.split_at(end);
    match crc32fast::hash(content).to_le_bytes() == crc {
        true => Ok(content),
        false => Err(SnapshotError::Damaged("its checksum does not match")),
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, len: usize) -> Result<&'b [u8], SnapshotError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(SnapshotError::Damaged("it ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Result<u128, SnapshotError> {
        self.array().map(u128::from_le_bytes)
    }
}
