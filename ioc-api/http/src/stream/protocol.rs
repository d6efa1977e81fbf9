//! The messages of the live stream, protocol version 1. Their schemas are in the OpenAPI document.
use super::filter::Filter;
use ioc_model::{Alert, Domain, TransitionKind};
use ioc_services::indicators::KpiValue;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
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
        #[serde(default, deserialize_with = "or_default")]
        filter: Filter,
        /// Resume after this sequence number; 0 is all that is kept; absent is a snapshot, then live. One beyond the
        /// newest, of what came after a backup that was put back, or from before what is kept is answered with `resync`.
        #[serde(default, deserialize_with = "whole")]
        after: Option<u64>,
    },
}

/// Reads what is absent when it is `null`.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a whole number as any language may write it: `42.0` is 42.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    /// Up to here an `f64` tells each whole number from the next.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Whole(u64),
        Float(f64),
    }
    let expected = "expected a sequence number, such as 42, or null";
    match Option::<Written>::deserialize(deserializer).map_err(|_| D::Error::custom(expected))? {
        None => Ok(None),
        Some(Written::Whole(number)) => Ok(Some(number)),
        Some(Written::Float(float)) if (0.0..=WHOLE_MAX).contains(&float) && float.fract() == 0.0 => {
            Ok(Some(float as u64))
        }
        Some(Written::Float(float)) => Err(D::Error::custom(format!("after is {float}; {expected}"))),
    }
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

/// Stands in for a message that is no JSON: the client subscribes again, and nothing is missing.
const BROKEN: &str = r#"{"type":"resync","reason":"a message could not be written"}"#;

impl ServerMessage<'_> {
    /// Returns the JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| {
            tracing::error!(%error, "a message of the live stream is no JSON; its clients are told to subscribe again");
            BROKEN.to_owned()
        })
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
    fn what_is_null_is_absent_and_numbers_come_in_every_form() {
        let read = |rest: &str| {
            let text = format!(r#"{{"type":"subscribe","channels":["alerts"]{rest}}}"#);
            let read = serde_json::from_str(&text);
            read.map(|ClientMessage::Subscribe { filter, after, .. }| (filter, after))
                .map_err(|e| e.to_string())
        };
        let traffic = || Filter { domain: vec![Domain::from_static("traffic")], ..Filter::default() };
        for (rest, filter, after) in [
            (r#","filter":null"#, Filter::default(), None),
            (r#","filter":{}"#, Filter::default(), None),
            (r#","filter":{"domain":null,"ward":null,"severity":null,"bbox":null}"#, Filter::default(), None),
            (r#","filter":{"domain":["traffic"],"ward":null}"#, traffic(), None),
            (r#","after":null,"filter":null"#, Filter::default(), None),
            (r#","after":0"#, Filter::default(), Some(0)),
            (r#","after":0.0"#, Filter::default(), Some(0)),
            (r#","after":-0.0"#, Filter::default(), Some(0)),
            (r#","after":1.2e3"#, Filter::default(), Some(1200)),
            (r#","after":18446744073709551615"#, Filter::default(), Some(u64::MAX)),
        ] {
            assert_eq!(read(rest), Ok((filter, after)), "{rest}");
        }
        for rest in
            [r#","after":-1"#, r#","after":0.5"#, r#","after":1e300"#, r#","after":"7""#, r#","after":[]"#]
        {
            let said = read(rest).unwrap_err();
            assert!(said.contains("expected a sequence number"), "{rest}: {said}");
        }
        for rest in [r#","filter":"all""#, r#","filter":7"#, r#","filter":{"x":null}"#] {
            assert!(read(rest).is_err(), "{rest}");
        }
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
