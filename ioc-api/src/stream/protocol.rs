//! The messages of the live stream, protocol version 1. Their schemas are in the OpenAPI document.
use super::filter::Filter;
use ioc_model::{Alert, Domain, Severity, TransitionKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Version of this protocol.
pub const PROTOCOL: u32 = 1;

/// What a client may listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Transitions of alerts.
    Alerts,
    /// States of devices, binary.
    State,
    /// City indicators, once a second.
    Kpi,
}

/// What a client sends.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClientMessage {
    /// Replaces the subscription of this connection.
    Subscribe {
        /// What to listen to.
        channels: Vec<Channel>,
        /// What of it.
        #[serde(default)]
        filter: Filter,
        /// Resume after this sequence number; 0 is all that is kept; absent is a snapshot, then live. One beyond the
        /// newest is answered with `resync`.
        #[serde(default)]
        after: Option<u64>,
    },
}

/// One device in the table that gives meaning to the indices of binary frames.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TableDevice {
    /// Index in binary frames.
    pub i: u32,
    /// Device id.
    pub id: String,
    /// Domain.
    pub domain: Domain,
    /// Kind, as in the catalogue.
    pub kind: String,
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
    /// Ward code.
    #[schema(required)]
    pub ward: Option<String>,
}

/// The newest value of one indicator.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct KpiValue {
    /// Id, as in `/kpis`.
    pub id: String,
    /// Its domain, as in `/kpis`.
    #[serde(skip)]
    #[schema(ignore)]
    pub domain: Domain,
    /// `null` without fresh data.
    #[schema(required)]
    pub value: Option<f64>,
    /// Set when it is outside its normal band.
    #[schema(required)]
    pub severity: Option<Severity>,
    /// When the newest observation behind it arrived, milliseconds since the epoch.
    #[schema(required)]
    pub t: Option<i64>,
}

/// What the server sends as text.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage<'a> {
    /// First message of every connection.
    Hello {
        /// Sequence number of the newest transition.
        last_seq: u64,
        /// Milliseconds since the epoch.
        server_time: i64,
        /// Protocol version.
        protocol: u32,
        /// Version of the server.
        build: &'a str,
    },
    /// The open alerts, and the sequence number after which live transitions follow.
    Snapshot {
        /// Resume from here.
        seq: u64,
        /// Firing and not resolved.
        #[schema(value_type = Vec<Alert>)]
        alerts: Vec<Arc<Alert>>,
    },
    /// Something happened to an alert.
    Alert {
        /// Sequence number.
        seq: u64,
        /// What.
        transition: TransitionKind,
        /// When, milliseconds since the epoch.
        at: i64,
        /// Who, for what people do.
        #[schema(required)]
        by: Option<&'a str>,
        /// The alert after it.
        alert: &'a Alert,
    },
    /// The devices behind the indices of the binary frames that follow.
    Devices {
        /// Grows when devices are added, moved or retired.
        epoch: u32,
        /// All that pass the filter.
        items: Vec<TableDevice>,
    },
    /// City indicators, once a second.
    Kpi {
        /// Milliseconds since the epoch.
        t: i64,
        /// One for each indicator that passes the filter.
        items: Vec<&'a KpiValue>,
    },
    /// Once a second.
    Heartbeat {
        /// Milliseconds since the epoch.
        t: i64,
        /// Sequence number of the newest transition.
        seq: u64,
    },
    /// What the client has may have gaps: drop it and subscribe again, without `after`.
    Resync {
        /// Why.
        reason: &'a str,
    },
    /// The client's last message was not understood; the connection closes.
    Error {
        /// What was wrong and what would be right.
        detail: String,
    },
}

impl ServerMessage<'_> {
    /// Returns the JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_needs_only_channels() {
        let message: ClientMessage =
            serde_json::from_str(r#"{"type":"subscribe","channels":["alerts","state"]}"#).unwrap();
        let ClientMessage::Subscribe { channels, filter, after } = message;
        assert_eq!((channels.len(), filter, after), (2, Filter::default(), None));
    }

    #[test]
    fn the_wire_has_the_contracts_names() {
        let hello = ServerMessage::Hello { last_seq: 3, server_time: 5, protocol: PROTOCOL, build: "0.1.0" };
        assert_eq!(
            hello.to_json(),
            r#"{"type":"hello","last_seq":3,"server_time":5,"protocol":1,"build":"0.1.0"}"#
        );
    }
}
