//! The MQTT topic grammar: `ioc/v1/{domain}/{device}/telemetry|event|state` up, `…/command` down,
//! `…/command/ack` up, `ioc/v1/alerts/{domain}/{severity}/{alert id}` for apps.
use crate::{DeviceId, Domain};

/// What every topic of ours starts with.
pub const PREFIX: &str = "ioc/v1/";
/// What the alert topics start with.
pub const ALERTS_PREFIX: &str = "ioc/v1/alerts/";
/// Longest topic name or filter in bytes.
pub const TOPIC_LEN_MAX: usize = 256;

/// The last part of a device topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicLeaf {
    /// Measured values, upwards.
    Telemetry,
    /// Something happened, upwards.
    Event,
    /// The device's own state, upwards.
    State,
    /// Commands, downwards.
    Command,
    /// Answers to commands, upwards.
    CommandAck,
}

impl TopicLeaf {
    /// Reports whether devices publish it (else they subscribe to it).
    pub const fn is_upward(self) -> bool {
        !matches!(self, Self::Command)
    }

    /// Returns the text after the device id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Event => "event",
            Self::State => "state",
            Self::Command => "command",
            Self::CommandAck => "command/ack",
        }
    }
}

/// A parsed device topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceTopic<'a> {
    /// The domain level.
    pub domain: Domain,
    /// The device level; a valid device id.
    pub device: &'a str,
    /// What it carries.
    pub leaf: TopicLeaf,
}

impl<'a> DeviceTopic<'a> {
    /// Parses a topic name; `None` when it is not of the grammar.
    pub fn parse(topic: &'a str) -> Option<Self> {
        let (domain, device, leaf) = split(topic)?;
        let leaf = match leaf {
            "telemetry" => TopicLeaf::Telemetry,
            "event" => TopicLeaf::Event,
            "state" => TopicLeaf::State,
            "command" => TopicLeaf::Command,
            "command/ack" => TopicLeaf::CommandAck,
            _ => return None,
        };
        Some(Self { domain, device, leaf })
    }

    /// Returns what stands after the device id in a topic that is of the grammar up to there.
    pub fn leaf_text(topic: &'a str) -> Option<&'a str> {
        split(topic).map(|(_, _, leaf)| leaf)
    }
}

/// Splits a topic name into domain, device and what follows.
fn split(topic: &str) -> Option<(Domain, &str, &str)> {
    let (domain, rest) = topic.strip_prefix(PREFIX)?.split_once('/')?;
    let (device, leaf) = rest.split_once('/')?;
    DeviceId::is_valid(device).then_some((domain.parse().ok()?, device, leaf))
}

impl std::fmt::Display for DeviceTopic<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PREFIX}{}/{}/{}", self.domain, self.device, self.leaf.as_str())
    }
}

/// Reports whether `name` may be published to: not empty, no wildcard, no NUL, not longer than [`TOPIC_LEN_MAX`].
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= TOPIC_LEN_MAX && !name.contains(['+', '#', '\0'])
}

/// Reports whether `filter` is a valid topic filter (MQTT 3.1.1 §4.7.1).
pub fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > TOPIC_LEN_MAX || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "+" => {}
            "#" => return levels.peek().is_none(),
            _ if level.contains(['+', '#']) => return false,
            _ => {}
        }
    }
    true
}

/// Reports whether topic `name` matches `filter` (MQTT 3.1.1 §4.7); wildcards do not match a leading `$`.
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = name.split('/');
    for level in filter.split('/') {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (expected, Some(found)) if expected == found => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

/// Reports whether everything that `filter` matches is also matched by `grant`: what an ACL asks about SUBSCRIBE.
pub fn covers(grant: &str, filter: &str) -> bool {
    let mut wanted = filter.split('/');
    for level in grant.split('/') {
        match (level, wanted.next()) {
            ("#", _) => return true,
            (_, Some("#")) | (_, None) => return false,
            ("+", Some(_)) => {}
            (expected, Some(found)) if expected == found => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn device_topics_follow_the_grammar() {
        let topic = DeviceTopic::parse("ioc/v1/lighting/L-1/command/ack");
        let expected = DeviceTopic {
            domain: Domain::from_static("lighting"),
            device: "L-1",
            leaf: TopicLeaf::CommandAck,
        };
        assert_eq!(topic, Some(expected));
        assert_eq!(expected.to_string(), "ioc/v1/lighting/L-1/command/ack");
        for bad in ["ioc/v1/Light/L-1/telemetry", "ioc/v1/lighting/L 1/state", "ioc/v1/lighting/L-1", "x", ""]
        {
            assert_eq!(DeviceTopic::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        let cases = [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
        ];
        for (filter, name, expected) in cases {
            assert_eq!(matches(filter, name), expected, "{filter} {name}");
        }
        for bad in ["", "a/#/b", "a+", "a/b#", "#/"] {
            assert!(!is_filter(bad), "{bad:?}");
        }
    }

    #[test]
    fn grants_cover_only_what_they_say() {
        assert!(covers("ioc/v1/alerts/#", "ioc/v1/alerts/+/critical/#"));
        assert!(covers("a/+/c", "a/+/c"));
        assert!(!covers("a/+", "a/#"));
        assert!(!covers("a/b", "a/+"));
        assert!(!covers("ioc/v1/lighting/L1/command", "#"));
    }

    proptest! {
        #[test]
        fn a_cover_matches_whatever_its_filter_matches(
            grant in "([ab]|\\+)(/([ab]|\\+)){0,3}(/#)?", filter in "([ab]|\\+)(/([ab]|\\+)){0,3}(/#)?", name in "[ab](/[ab]){0,4}",
        ) {
            if covers(&grant, &filter) && matches(&filter, &name) {
                prop_assert!(matches(&grant, &name));
            }
        }
    }
}
