//! The one function that decides who may do what.
use super::Role;
use ioc_model::Domain;
use std::sync::Arc;

/// How a principal got in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// With name and password.
    Session,
    /// With a display token: looks, and nothing else.
    Display,
    /// On the machine itself.
    Cli,
}

/// Whoever asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// User name, `display:<name>` or `cli:<unix user>`: the actor in the audit trail.
    pub name: Arc<str>,
    /// What they may do at most.
    pub role: Role,
    /// Only these domains; empty = all.
    pub domains: Arc<[Domain]>,
    /// Only these wards; empty = all.
    pub wards: Arc<[String]>,
    /// How they got in.
    pub via: Via,
}

impl Principal {
    /// Builds the principal on the machine itself, who owns the files anyway.
    pub fn cli(unix_user: &str) -> Self {
        Self {
            name: format!("cli:{unix_user}").into(),
            role: Role::Admin,
            domains: Arc::new([]),
            wards: Arc::new([]),
            via: Via::Cli,
        }
    }

    /// Builds the principal behind a display token.
    pub fn display(name: &str) -> Self {
        Self {
            name: format!("display:{name}").into(),
            role: Role::Viewer,
            domains: Arc::new([]),
            wards: Arc::new([]),
            via: Via::Display,
        }
    }
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See devices, readings, alerts, rules, key figures, the map.
    Read,
    /// Acknowledge, resolve, note.
    ActOnAlert,
    /// Have a rule file checked.
    CheckRules,
    /// See rejected messages.
    ReadQuarantine,
    /// Register devices and credentials.
    ManageDevices,
    /// See the audit trail.
    ReadAudit,
    /// See, add and change people.
    ManagePeople,
    /// Change a password: everyone their own.
    ChangePassword,
    /// Make and remove display tokens.
    ManageDisplays,
}

/// To what it is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The matter as such. Lists are asked about so first, and then item by item.
    City,
    /// Something that stands somewhere. Without a domain or ward (an aggregate, a device outside all wards)
    /// it is only for those who are not restricted to some.
    Place {
        /// Its domain.
        domain: Option<Domain>,
        /// Code of its ward.
        ward: Option<&'a str>,
    },
    /// What is said of a whole domain: an indicator, a rule. Without a domain it is only for those who are not
    /// restricted to some.
    Domain(Option<Domain>),
    /// All that someone with these domains and wards gets to see; empty is all.
    Reach {
        /// Domains.
        domains: &'a [Domain],
        /// Codes of the wards.
        wards: &'a [String],
    },
    /// Someone.
    Person(&'a str),
}

/// Decides whether `principal` may do `action` to `resource`. What is not granted here is denied.
pub fn authorize(principal: &Principal, action: Action, resource: &Resource<'_>) -> bool {
    if principal.via == Via::Display && action != Action::Read {
        return false;
    }
    let is_self = matches!(resource, Resource::Person(name) if **name == *principal.name);
    if action == Action::ChangePassword && is_self {
        return true;
    }
    principal.role >= least_role(action) && covers(principal, resource)
}

const fn least_role(action: Action) -> Role {
    match action {
        Action::Read => Role::Viewer,
        Action::ActOnAlert => Role::Operator,
        Action::CheckRules | Action::ReadQuarantine | Action::ManageDevices => Role::Engineer,
        Action::ReadAudit | Action::ManagePeople | Action::ChangePassword | Action::ManageDisplays => {
            Role::Admin
        }
    }
}

fn covers(principal: &Principal, resource: &Resource<'_>) -> bool {
    match resource {
        Resource::City | Resource::Person(_) => true,
        Resource::Domain(domain) => covers_domain(principal, *domain),
        Resource::Reach { domains, wards } => {
            lies_within(domains, &principal.domains) && lies_within(wards, &principal.wards)
        }
        Resource::Place { domain, ward } => {
            let domain_fits = covers_domain(principal, *domain);
            let ward_fits = principal.wards.is_empty()
                || ward.is_some_and(|ward| principal.wards.iter().any(|w| w == ward));
            domain_fits && ward_fits
        }
    }
}

fn covers_domain(principal: &Principal, domain: Option<Domain>) -> bool {
    principal.domains.is_empty() || domain.is_some_and(|domain| principal.domains.contains(&domain))
}

/// Compares restrictions, of which an empty one is none.
fn lies_within<T: PartialEq>(narrow: &[T], wide: &[T]) -> bool {
    wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|one| wide.contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 9] = [
        Action::Read,
        Action::ActOnAlert,
        Action::CheckRules,
        Action::ReadQuarantine,
        Action::ManageDevices,
        Action::ReadAudit,
        Action::ManagePeople,
        Action::ChangePassword,
        Action::ManageDisplays,
    ];

    fn person(role: Role) -> Principal {
        let (domains, wards) = (Arc::new([]), Arc::new([]));
        Principal { name: "mai".into(), role, domains, wards, via: Via::Session }
    }

    #[test]
    fn roles_grant_what_the_table_says() {
        let table = [
            (Role::Viewer, "x........"),
            (Role::Operator, "xx......."),
            (Role::Engineer, "xxxxx...."),
            (Role::Admin, "xxxxxxxxx"),
        ];
        for (role, expected) in table {
            let principal = person(role);
            let found: String = ACTIONS
                .map(|a| if authorize(&principal, a, &Resource::City) { 'x' } else { '.' })
                .iter()
                .collect();
            assert_eq!(found, expected, "{role}");
        }
    }

    #[test]
    fn a_display_only_looks() {
        let display = Principal { role: Role::Admin, ..Principal::display("wall") };
        for action in ACTIONS {
            assert_eq!(authorize(&display, action, &Resource::City), action == Action::Read, "{action:?}");
        }
        assert!(!authorize(&display, Action::ChangePassword, &Resource::Person("display:wall")));
    }

    #[test]
    fn domains_and_wards_restrict_places() {
        let light = Some(Domain::from_static("lighting"));
        let cases = [
            (&[][..], &[][..], None, None, true),
            (&[Domain::from_static("lighting")], &[], light, None, true),
            (&[Domain::from_static("lighting")], &[], Some(Domain::from_static("traffic")), None, false),
            (&[Domain::from_static("lighting")], &[], None, Some("19753"), false),
            (&[], &["19753"], light, Some("19753"), true),
            (&[], &["19753"], light, Some("19774"), false),
            (&[], &["19753"], light, None, false),
            (&[Domain::from_static("lighting")], &["19753"], light, Some("19753"), true),
            (
                &[Domain::from_static("lighting")],
                &["19753"],
                Some(Domain::from_static("parking")),
                Some("19753"),
                false,
            ),
        ];
        for (domains, wards, domain, ward, expected) in cases {
            let wards: Vec<String> = wards.iter().map(|ward: &&str| (*ward).to_owned()).collect();
            let principal =
                Principal { domains: domains.into(), wards: wards.into(), ..person(Role::Operator) };
            let resource = Resource::Place { domain, ward };
            assert_eq!(
                authorize(&principal, Action::ActOnAlert, &resource),
                expected,
                "{principal:?} {resource:?}"
            );
            assert!(!authorize(&principal, Action::ReadQuarantine, &resource));
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let (light, traffic) = (Domain::from_static("lighting"), Domain::from_static("traffic"));
        let restricted = Principal { domains: [light].into(), ..person(Role::Admin) };
        let gives = |principal: &Principal, domains: &[Domain], wards: &[String]| {
            authorize(principal, Action::ManagePeople, &Resource::Reach { domains, wards })
        };
        assert!(gives(&restricted, &[light], &[]));
        assert!(gives(&restricted, &[light], &["19753".into()]));
        assert!(!gives(&restricted, &[], &[]));
        assert!(!gives(&restricted, &[light, traffic], &[]));
        assert!(gives(&person(Role::Admin), &[], &[]));
        assert!(authorize(&restricted, Action::Read, &Resource::Domain(Some(light))));
        assert!(!authorize(&restricted, Action::Read, &Resource::Domain(Some(traffic))));
        assert!(!authorize(&restricted, Action::Read, &Resource::Domain(None)));
    }

    #[test]
    fn everyone_changes_their_own_password_and_admins_those_of_others() {
        assert!(authorize(&person(Role::Viewer), Action::ChangePassword, &Resource::Person("mai")));
        assert!(!authorize(&person(Role::Engineer), Action::ChangePassword, &Resource::Person("lan")));
        assert!(authorize(&person(Role::Admin), Action::ChangePassword, &Resource::Person("lan")));
    }
}
