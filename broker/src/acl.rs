//! Permissions of publishers and subscribers. Default deny: what is not granted here is refused.
use crate::{Access, Principal};
use ioc_model::{
    CredentialKind, DeviceId, DeviceTopic, Domain, TopicLeaf,
    topic::{self, ALERTS_PREFIX, PREFIX},
};

/// Longest client identifier, in bytes.
const CLIENT_ID_LEN_MAX: usize = 256;

/// Reports whether `principal` may publish to `name`: an upward topic of a device that it speaks for.
pub(crate) fn may_publish(access: &dyn Access, principal: &Principal, name: &str) -> bool {
    if principal.kind == CredentialKind::App {
        return false;
    }
    DeviceTopic::parse(name)
        .is_some_and(|parsed| parsed.leaf.is_upward() && access.speaks_for(principal, parsed.device))
}

/// Reports whether `principal` may subscribe to `filter`: an app to alerts, the others to the commands of the
/// devices that they speak for (the domain level may be `+`).
pub(crate) fn may_subscribe(access: &dyn Access, principal: &Principal, filter: &str) -> bool {
    if !topic::is_filter(filter) {
        return false;
    }
    match principal.kind {
        CredentialKind::App => topic::covers(&format!("{ALERTS_PREFIX}#"), filter),
        CredentialKind::Device | CredentialKind::Gateway => {
            command_device(filter).is_some_and(|device| access.speaks_for(principal, device))
        }
    }
}

fn command_device(filter: &str) -> Option<&str> {
    let (domain, rest) = filter.strip_prefix(PREFIX)?.split_once('/')?;
    let (device, leaf) = rest.split_once('/')?;
    let known_domain = domain == "+" || domain.parse::<Domain>().is_ok();
    (known_domain && leaf == TopicLeaf::Command.as_str() && DeviceId::is_valid(device)).then_some(device)
}

/// Returns the client identifier that a session is kept under, or `None` if the asked one is not allowed.
///
/// A device's is its own id; left empty with a clean session it is taken from the user name. Gateways and
/// apps may use any; left empty with a clean session they get one that is theirs alone, made from `unique`.
pub(crate) fn client_id(
    principal: &Principal,
    asked: &str,
    clean_session: bool,
    unique: u64,
) -> Option<Box<str>> {
    let is_printable = !asked.chars().any(char::is_control);
    if asked.is_empty() && !clean_session || asked.len() > CLIENT_ID_LEN_MAX || !is_printable {
        return None;
    }
    match (principal.kind, asked) {
        (CredentialKind::Device, "") => Some((*principal.credential).into()),
        (CredentialKind::Device, _) => (asked == &*principal.credential).then(|| asked.into()),
        // A control character keeps it apart from all that a client may ask for.
        (_, "") => Some(format!("\u{1}{unique}").into()),
        (_, _) => Some(asked.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    struct Fleet;

    impl Access for Fleet {
        fn authenticate(&self, _: &str, _: &[u8]) -> Result<Principal, Refusal> {
            Err(Refusal::Unavailable)
        }
        fn still_valid(&self, _: &Principal) -> bool {
            true
        }
        fn devices(&self, _: &Principal) -> u32 {
            1
        }
        fn speaks_for(&self, principal: &Principal, device: &str) -> bool {
            *principal.credential == *device
                || principal.kind == CredentialKind::Gateway && device.starts_with("LUM-")
        }
    }

    fn principal(credential: &str, kind: CredentialKind) -> Principal {
        Principal { credential: credential.into(), kind, generation: 1 }
    }

    #[test]
    fn publishing_is_for_own_upward_topics() {
        let device = principal("D1", CredentialKind::Device);
        let gateway = principal("GW", CredentialKind::Gateway);
        let cases = [
            (&device, "ioc/v1/lighting/D1/telemetry", true),
            (&device, "ioc/v1/lighting/D1/command/ack", true),
            (&device, "ioc/v1/lighting/D1/command", false),
            (&device, "ioc/v1/lighting/D2/telemetry", false),
            (&device, "ioc/v1/alerts/lighting/critical/x", false),
            (&device, "$SYS/x", false),
            (&gateway, "ioc/v1/lighting/LUM-1/telemetry", true),
            (&gateway, "ioc/v1/lighting/D1/telemetry", false),
        ];
        for (who, topic, expected) in cases {
            assert_eq!(may_publish(&Fleet, who, topic), expected, "{topic}");
        }
        let app = principal("A", CredentialKind::App);
        assert!(!may_publish(&Fleet, &app, "ioc/v1/lighting/A/telemetry"));
    }

    #[test]
    fn subscribing_is_for_own_commands_and_for_apps_alerts() {
        let device = principal("D1", CredentialKind::Device);
        let gateway = principal("GW", CredentialKind::Gateway);
        let app = principal("A", CredentialKind::App);
        let cases = [
            (&device, "ioc/v1/lighting/D1/command", true),
            (&device, "ioc/v1/+/D1/command", true),
            (&device, "ioc/v1/lighting/D2/command", false),
            (&device, "ioc/v1/lighting/D1/telemetry", false),
            (&device, "ioc/v1/lighting/+/command", false),
            (&device, "ioc/v1/alerts/#", false),
            (&device, "#", false),
            (&gateway, "ioc/v1/lighting/LUM-9/command", true),
            (&gateway, "ioc/v1/lighting/D1/command", false),
            (&app, "ioc/v1/alerts/#", true),
            (&app, "ioc/v1/alerts/+/critical/#", true),
            (&app, "ioc/v1/#", false),
            (&app, "ioc/v1/lighting/A/command", false),
            (&app, "$share/g/ioc/v1/alerts/#", false),
            (&app, "ioc/v1/alerts/#/x", false),
        ];
        for (who, filter, expected) in cases {
            assert_eq!(may_subscribe(&Fleet, who, filter), expected, "{} {filter}", who.credential);
        }
    }

    #[test]
    fn client_ids_follow_the_kind() {
        let device = principal("D1", CredentialKind::Device);
        let app = principal("A", CredentialKind::App);
        assert_eq!(client_id(&device, "D1", false, 7).as_deref(), Some("D1"));
        assert_eq!(client_id(&device, "", true, 7).as_deref(), Some("D1"));
        assert_eq!(client_id(&device, "", false, 7), None);
        assert_eq!(client_id(&device, "D2", true, 7), None);
        assert_eq!(client_id(&app, "any /+# id", false, 7).as_deref(), Some("any /+# id"));
        assert_ne!(client_id(&app, "", true, 7), client_id(&app, "", true, 8));
        assert_eq!(client_id(&app, &"x".repeat(257), true, 7), None);
        let unique = client_id(&app, "", true, 7).unwrap();
        assert_eq!(client_id(&app, &unique, true, 8), None, "nobody may ask for what is another's alone");
        assert_eq!(client_id(&app, "a\u{9f}", true, 8), None);
    }
}
