//! Rejected messages, for those who may see the devices they are from.
use crate::{ServiceError, demand};
use ioc_identity::{Action, Principal, Resource, authorize};
use ioc_ingest::{Devices, Registry};
use ioc_model::{DeviceId, RejectReason, Rejection, string_enum::UnknownWord};
use ioc_records::{QuarantineQuery, QuarantineRow, Records};
use serde::{Deserialize, Serialize};

/// Rows read at once.
const ROWS_AT_ONCE: usize = 1_000;
/// Most rows looked at for one page: for someone who may see few of many, a page ends here.
const LOOKED_AT_MAX: usize = 200_000;

/// One rejected message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = QuarantineDto))]
pub struct QuarantineView {
    /// Grows with time.
    pub seq: u64,
    /// When it arrived, milliseconds since the epoch.
    pub at: i64,
    /// Device id, when one could be told.
    #[cfg_attr(feature = "schema", schema(required, value_type = Option<String>))]
    pub device: Option<DeviceId>,
    /// Credential that sent it.
    pub credential: String,
    /// MQTT topic name.
    pub topic: String,
    /// What was wrong; at least one.
    pub items: Vec<RejectionView>,
    /// The first bytes of the payload as text; what is not UTF-8 is replaced.
    pub payload: String,
    /// The same bytes, hexadecimal.
    pub payload_hex: String,
    /// Length of the whole payload.
    pub payload_len: u32,
}

/// One rejected observation, or the whole message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = RejectionDto))]
pub struct RejectionView {
    /// Which kind of fault.
    pub reason: RejectReason,
    /// What was found and what would be right.
    pub detail: String,
}

impl From<QuarantineRow> for QuarantineView {
    fn from(row: QuarantineRow) -> Self {
        let rejection = |item: Rejection| RejectionView { reason: item.reason, detail: item.detail };
        Self {
            seq: row.seq,
            at: row.at_ms,
            device: row.device,
            credential: row.credential,
            topic: row.topic,
            items: row.items.into_iter().map(rejection).collect(),
            payload: String::from_utf8_lossy(&row.bytes).into_owned(),
            payload_hex: row.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            payload_len: row.bytes_len,
        }
    }
}

/// Which rejected messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// Only of this device or credential.
    pub device: Option<String>,
    /// Only with this reason.
    pub reason: Option<RejectReason>,
    /// Only before this seq.
    pub before: Option<u64>,
}

/// A page of rejected messages.
#[derive(Debug, Clone, Default)]
pub struct QuarantinePage {
    /// Newest first.
    pub items: Vec<QuarantineView>,
    /// The seq before which the next page begins; `None` on the last one.
    pub next: Option<u64>,
}

/// Reads the word of a reason.
///
/// Errors: a word that is none; the text lists those that are.
pub fn parse_reason(word: &str) -> Result<RejectReason, ServiceError> {
    word.parse().map_err(|error: UnknownWord| {
        let known: Vec<&str> = RejectReason::ALL.iter().map(|reason| reason.as_str()).collect();
        ServiceError::Invalid(format!("{error}: {}", known.join(", ")))
    })
}

/// The rejected messages that are kept. Blocks on the disk.
#[derive(Clone)]
pub struct Quarantine {
    records: Records,
    registry: Registry,
}

impl Quarantine {
    pub(crate) fn new(records: Records, registry: Registry) -> Self {
        Self { records, registry }
    }

    /// Lists at most `limit` messages that the caller may see, newest first. A page may be short where few of many
    /// are the caller's.
    ///
    /// Errors: a caller who may not, the records.
    pub fn list(
        &self,
        caller: &Principal,
        filter: QuarantineFilter,
        limit: usize,
    ) -> Result<QuarantinePage, ServiceError> {
        demand(caller, Action::ReadQuarantine, &Resource::City)?;
        let QuarantineFilter { device, reason, before } = filter;
        let mut query = QuarantineQuery { device, reason, before, limit: ROWS_AT_ONCE };
        let devices = self.registry.devices();
        let (mut page, mut looked_at) = (QuarantinePage::default(), 0);
        loop {
            let rows = self.records.quarantine(&query)?;
            let is_last = rows.len() < query.limit;
            looked_at += rows.len();
            for row in rows {
                if page.items.len() == limit {
                    page.next = query.before;
                    return Ok(page);
                }
                query.before = Some(row.seq);
                if shows(caller, &devices, &row) {
                    page.items.push(row.into());
                }
            }
            if is_last {
                return Ok(page);
            }
            if looked_at >= LOOKED_AT_MAX {
                page.next = query.before;
                return Ok(page);
            }
        }
    }
}

fn shows(caller: &Principal, devices: &Devices, row: &QuarantineRow) -> bool {
    let device = row.device.as_ref().and_then(|id| devices.by_id(id.as_str()));
    let domain = device.map(|device| device.domain);
    let ward = device.and_then(|device| device.ward.as_deref());
    authorize(caller, Action::ReadQuarantine, &Resource::Place { domain, ward })
}
