//! Messages that are refused before anyone looks at their payload. They are journaled like any other, so
//! that the books balance and the bytes can be looked at.
use ioc_model::{DeviceTopic, Domain, Message, Origin, RejectReason, Rejected, Rejection, topic};

/// Longest piece of what a device sent that is repeated in a detail text, in characters.
pub(crate) const EXCERPT_CHARS_MAX: usize = 48;

/// Where a refused message came from, and its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The credential that sent it.
    pub credential: &'a str,
    /// The MQTT topic name.
    pub topic: &'a str,
    /// As received.
    pub payload: &'a [u8],
    /// When it reached us, milliseconds since the epoch.
    pub arrival_ms: i64,
}

impl Refused<'_> {
    /// Builds the message for a topic that is not the sender's own or not of the grammar.
    pub fn topic_not_allowed(&self) -> Message {
        let detail = match DeviceTopic::parse(self.topic) {
            Some(DeviceTopic { leaf, .. }) if !leaf.is_upward() => format!(
                "{:?} is for commands to devices; devices publish on …/telemetry, …/event or …/state",
                excerpt(self.topic)
            ),
            Some(DeviceTopic { device, .. }) => format!(
                "credential {:?} does not speak for device {:?}; list the device under this gateway, or publish with the device's own credential",
                excerpt(self.credential),
                device
            ),
            None => self.no_topic(),
        };
        self.reject(RejectReason::TopicNotAllowed, detail)
    }

    /// Describes where a topic leaves the grammar.
    fn no_topic(&self) -> String {
        let topic = excerpt(self.topic);
        match DeviceTopic::leaf_text(self.topic) {
            Some(leaf) => format!(
                "{topic:?}: unknown last level {:?}; expected telemetry, event, state or command/ack",
                excerpt(leaf)
            ),
            None => format!(
                "{topic:?} is not a topic of ours; expected {}{{domain}}/{{device}}/telemetry, event or state",
                topic::PREFIX
            ),
        }
    }

    /// Builds the message for a topic that names a device which is not registered, or no longer in service.
    pub fn unknown_device(&self) -> Message {
        let device = DeviceTopic::parse(self.topic).map_or(self.topic, |parsed| parsed.device);
        let detail = format!(
            "device {:?} is not registered or was retired; register it with `ioc device add --id {}`, or correct the id in the topic",
            excerpt(device),
            excerpt(device)
        );
        self.reject(RejectReason::UnknownDevice, detail)
    }

    /// Builds the message for a topic whose domain is not the device's, which is `registered`.
    pub fn wrong_domain(&self, registered: Domain) -> Message {
        let parsed = DeviceTopic::parse(self.topic);
        let found = parsed.as_ref().map_or("another domain", |parsed| parsed.domain.as_str());
        let device = parsed.as_ref().map_or(self.topic, |parsed| parsed.device);
        let detail = format!(
            "the topic says {found}, but {} is registered under {registered}; publish on {}{registered}/{}/…",
            excerpt(device),
            topic::PREFIX,
            excerpt(device)
        );
        self.reject(RejectReason::WrongDomain, detail)
    }

    fn reject(&self, reason: RejectReason, detail: String) -> Message {
        let items = vec![Rejection { reason, detail }];
        Message {
            device: None,
            arrival_ms: self.arrival_ms,
            origin: Origin::Device,
            observations: Vec::new(),
            rejected: Some(Rejected::new(self.credential, self.topic, self.payload, items)),
            set_back_ms: None,
        }
    }
}

/// Returns the beginning of `text`, at most [`EXCERPT_CHARS_MAX`] characters.
pub(crate) fn excerpt(text: &str) -> &str {
    text.char_indices().nth(EXCERPT_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(topic: &str) -> Refused<'_> {
        Refused { credential: "GW-7", topic, payload: b"{}", arrival_ms: 5 }
    }

    fn only(message: Message) -> (RejectReason, String) {
        let rejected = message.rejected.unwrap();
        assert_eq!((message.device, message.arrival_ms, rejected.items.len()), (None, 5, 1));
        assert_eq!((&*rejected.credential, &*rejected.bytes), ("GW-7", &b"{}"[..]));
        let item = rejected.items.into_iter().next().unwrap();
        (item.reason, item.detail)
    }

    #[test]
    fn each_refusal_says_what_would_be_right() {
        let (reason, detail) = only(refused("ioc/v1/lighting/LUM-1/telemetry").topic_not_allowed());
        assert_eq!(reason, RejectReason::TopicNotAllowed);
        assert!(detail.starts_with("credential \"GW-7\" does not speak for device \"LUM-1\""), "{detail}");

        let (_, detail) = only(refused("ioc/v1/lighting/LUM-1/command").topic_not_allowed());
        assert!(detail.contains("is for commands to devices"), "{detail}");

        let (_, detail) = only(refused("ioc/v1/lighting/LUM-1/telemetri").topic_not_allowed());
        let expected = "unknown last level \"telemetri\"; expected telemetry, event, state or command/ack";
        assert!(detail.ends_with(expected), "{detail}");

        let (_, detail) = only(refused("xin/chào").topic_not_allowed());
        assert!(detail.contains("expected ioc/v1/{domain}/{device}/telemetry"), "{detail}");

        let (reason, detail) = only(refused("ioc/v1/lighting/LUM-1/telemetry").unknown_device());
        assert_eq!(reason, RejectReason::UnknownDevice);
        assert!(detail.contains("`ioc device add --id LUM-1`"), "{detail}");

        let (reason, detail) = only(
            refused("ioc/v1/lighting/AIR-01/telemetry").wrong_domain(Domain::from_static("environment")),
        );
        assert_eq!(reason, RejectReason::WrongDomain);
        assert!(detail.ends_with("publish on ioc/v1/environment/AIR-01/…"), "{detail}");
    }

    #[test]
    fn excerpts_end_at_a_character() {
        assert_eq!(excerpt("ngắn"), "ngắn");
        assert_eq!(excerpt(&"ế".repeat(90)).chars().count(), EXCERPT_CHARS_MAX);
    }
}
