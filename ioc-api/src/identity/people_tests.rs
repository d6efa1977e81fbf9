use super::*;
use crate::records::SqliteRecords;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const TTL: Duration = Duration::from_secs(3600);
const PASSWORD: &str = "sông Hương, cầu Trường Tiền";

struct House {
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn open(&self, now_ms: i64) -> Identity {
        let records = Arc::new(SqliteRecords::open(&self.dir.path().join("records.sqlite")).unwrap());
        Identity::open(records, TTL, now_ms).unwrap()
    }
}

fn user(name: &str, role: Role) -> NewUser {
    NewUser { name: name.to_owned(), role, domains: vec![], wards: vec![], password: PASSWORD.to_owned() }
}

#[test]
fn a_session_survives_a_restart_and_ends_on_time() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Operator), "cli:root", 0).unwrap();
    let signed_in = identity.sign_in("mai", PASSWORD, HERE, 1000).unwrap();
    assert_eq!(signed_in.expires_ms, 1000 + 3_600_000);
    drop(identity);

    let identity = house.open(2000);
    let caller = identity.caller(&signed_in.secret, 2000).unwrap();
    assert_eq!((&*caller.name, caller.role, caller.via), ("mai", Role::Operator, Via::Session));
    assert_eq!(identity.caller(&signed_in.secret, signed_in.expires_ms), None);
    assert_eq!(identity.caller("another secret", 2000), None);
    identity.sign_out(&signed_in.secret, 3000).unwrap();
    assert_eq!(identity.caller(&signed_in.secret, 3000), None);
    drop(identity);
    assert_eq!(house.open(3000).caller(&signed_in.secret, 3000), None);
}

#[test]
fn wrong_names_and_passwords_look_the_same_and_are_audited_and_throttled() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    for name in ["mai", "nobody"] {
        let refused = identity.sign_in(name, "wrong password", HERE, 0).unwrap_err();
        assert_eq!(refused.to_string(), "wrong user name or password");
    }
    let actions: Vec<String> =
        identity.records.audit(None, 10).unwrap().into_iter().map(|e| e.action).collect();
    assert_eq!(actions, ["session.refused", "session.refused", "user.add"]);
    for _ in 0..4 {
        let _ = identity.sign_in("mai", "wrong password", HERE, 0);
    }
    assert!(matches!(identity.sign_in("mai", PASSWORD, HERE, 0), Err(SignInError::Throttled { .. })));
    assert!(identity.sign_in("mai", PASSWORD, HERE, 60_000).is_ok());
}

#[test]
fn a_new_password_or_disabling_ends_sessions_at_once() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let first = identity.sign_in("mai", PASSWORD, HERE, 0).unwrap();
    let change = UserChange { password: Some("another long password".to_owned()), ..UserChange::default() };
    identity.change_user("mai", change, "admin", 1).unwrap();
    assert_eq!(identity.caller(&first.secret, 1), None);
    assert!(identity.sign_in("mai", PASSWORD, HERE, 1).is_err());

    let second = identity.sign_in("mai", "another long password", HERE, 1).unwrap();
    let change = UserChange { disabled: Some(true), ..UserChange::default() };
    identity.change_user("mai", change, "admin", 2).unwrap();
    assert_eq!(identity.caller(&second.secret, 2), None);
    assert!(identity.sign_in("mai", "another long password", HERE, 2).is_err());
}

#[test]
fn a_new_role_counts_for_the_next_request() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let session = identity.sign_in("mai", PASSWORD, HERE, 0).unwrap();
    let change = UserChange { role: Some(Role::Engineer), ..UserChange::default() };
    identity.change_user("mai", change, "admin", 1).unwrap();
    assert_eq!(identity.caller(&session.secret, 1).map(|caller| caller.role), Some(Role::Engineer));
}

#[test]
fn the_only_admin_stays_admin() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    let changes = [
        UserChange { role: Some(Role::Viewer), ..UserChange::default() },
        UserChange { disabled: Some(true), ..UserChange::default() },
    ];
    for change in changes.clone() {
        let error = identity.change_user("admin", change, "admin", 1).unwrap_err();
        assert_eq!(error.to_string(), "admin is the only admin; make someone else admin first");
    }
    identity.add_user(user("second", Role::Admin), "admin", 1).unwrap();
    assert!(identity.change_user("admin", changes[0].clone(), "second", 2).is_ok());
}

#[test]
fn names_are_checked_and_unique() {
    let house = House::new();
    let identity = house.open(0);
    for bad in ["", "a b", "a/b", &"x".repeat(65)] {
        assert!(
            matches!(identity.add_user(user(bad, Role::Viewer), "x", 0), Err(IdentityError::Name(_))),
            "{bad}"
        );
    }
    identity.add_user(user("mai", Role::Viewer), "x", 0).unwrap();
    let error = identity.add_user(user("mai", Role::Viewer), "x", 0).unwrap_err();
    assert_eq!(error.to_string(), "user \"mai\" already exists; choose another name");
}

#[test]
fn a_display_token_only_looks_and_can_be_removed() {
    let house = House::new();
    let identity = house.open(0);
    let token = identity.add_display_token("wall", "admin", 0).unwrap();
    assert_eq!(identity.caller(&token, 1), Some(Caller::display("wall")));
    drop(identity);
    let identity = house.open(1);
    assert!(identity.caller(&token, 1).is_some());
    identity.remove_display_token("wall", "admin", 2).unwrap();
    assert_eq!(identity.caller(&token, 2), None);
}

#[test]
fn one_person_has_a_bounded_number_of_sessions() {
    let mut sessions = HashMap::new();
    for n in 0..SESSIONS_PER_USER_MAX as i64 + 3 {
        let hash = hash_secret(&n.to_string());
        let row = SessionRow { hash, user: "mai".to_owned(), created_ms: n, expires_ms: i64::MAX };
        sessions.insert(hash, row);
    }
    let ended = end_oldest(&mut sessions, "mai");
    assert_eq!(ended, [0, 1, 2].map(|n: i64| hash_secret(&n.to_string())));
    assert_eq!(sessions.len(), SESSIONS_PER_USER_MAX);
}
