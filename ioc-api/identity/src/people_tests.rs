use super::*;
use crate::{SignInFrom, SignedIn, Weakness, sign_in::end_oldest};
use ioc_model::{Domain, share::Network};
use ioc_records::{AuditEntry, DisplayTokenRow, SqliteRecords, Written};

const TTL: Duration = Duration::from_secs(3600);
const PASSWORD: &str = "sông Hương, cầu Trường Tiền";
const OTHER: &str = "another long password";

struct House {
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn open(&self, now_ms: i64) -> Identity {
        self.open_with_disk(now_ms).0
    }

    fn open_with_disk(&self, now_ms: i64) -> (Identity, Arc<SqliteRecords>) {
        let disk = Arc::new(SqliteRecords::open(&self.dir.path().join("records.sqlite")).unwrap());
        let records: Records = Arc::clone(&disk) as _;
        let late = Arc::new(LateWrites::new(Arc::clone(&records), 100));
        (Identity::open(records, late, TTL, now_ms).unwrap(), disk)
    }
}

fn from(address: [u8; 4], browser: Option<&str>) -> SignInFrom {
    SignInFrom { network: Network::of(address.into(), 64), browser: browser.map(str::to_owned) }
}

fn sign_in(identity: &Identity, name: &str, password: &str, now_ms: i64) -> Result<SignedIn, SignInError> {
    let turn = identity.claim_turn(name, password, &from([127, 0, 0, 1], None))?;
    identity.sign_in(turn, password, now_ms)
}

fn user(name: &str, role: Role) -> NewUser {
    NewUser { name: name.to_owned(), role, domains: vec![], wards: vec![], password: PASSWORD.to_owned() }
}

fn trail(identity: &Identity) -> Vec<AuditEntry> {
    identity.records.audit(None, 100, &|_| true).unwrap().items
}

fn with_password(password: &str) -> UserChange {
    UserChange { password: Some(password.to_owned()), ..UserChange::default() }
}

#[test]
fn a_session_survives_a_restart_and_ends_on_time() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Operator), "cli:root", 0).unwrap();
    let signed_in = sign_in(&identity, "mai", PASSWORD, 1000).unwrap();
    assert_eq!((signed_in.expires_ms, signed_in.durable), (1000 + 3_600_000, true));
    assert!(identity.is_session_durable(&signed_in.secret));
    drop(identity);

    let identity = house.open(2000);
    let caller = identity.caller(&signed_in.secret, 2000).unwrap();
    assert_eq!((&*caller.name, caller.role, caller.via), ("mai", Role::Operator, Via::Session));
    assert_eq!(identity.caller(&signed_in.secret, signed_in.expires_ms), None);
    assert_eq!(identity.caller("another secret", 2000), None);
    identity.sign_out(&signed_in.secret, 3000);
    assert_eq!(identity.caller(&signed_in.secret, 3000), None);
    drop(identity);
    assert_eq!(house.open(3000).caller(&signed_in.secret, 3000), None);
}

#[test]
fn wrong_names_and_passwords_look_the_same_and_a_minute_of_them_is_two_entries() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    for name in ["mai", "nobody", "mai", "mai"] {
        let refused = sign_in(&identity, name, "wrong password", 0).unwrap_err();
        assert_eq!(refused.to_string(), "wrong user name or password");
    }
    identity.tell_refusals(60_000);
    let lines: Vec<_> = trail(&identity).into_iter().map(|e| (e.action, e.object, e.detail)).collect();
    let line = |action: &str, object: &str, detail: &str| (action.into(), object.into(), detail.into());
    let expected: [(String, String, String); 4] = [
        line("session.refused", "mai", "from 127.0.0.1, 2 more within a minute"),
        line("session.refused", "nobody", "from 127.0.0.1"),
        line("session.refused", "mai", "from 127.0.0.1"),
        line("user.add", "mai", "role viewer"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn guesses_slow_neither_another_network_nor_a_known_browser() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let known = sign_in(&identity, "mai", PASSWORD, 0).unwrap();
    let guess = from([127, 0, 0, 1], None);
    // Until no turn is in reach: dropping a turn costs what a wrong password does.
    let mut wrong = 0;
    while identity.claim_turn("mai", &format!("guess {wrong}"), &guess).unwrap().begins().is_some() {
        wrong += 1;
    }
    assert!((8..20).contains(&wrong), "{wrong}");
    for origin in [from([127, 0, 0, 1], Some(&known.browser)), from([10, 0, 0, 1], None)] {
        let turn = identity.claim_turn("Mai ", PASSWORD, &origin).unwrap();
        assert_eq!(turn.begins(), Some(Duration::ZERO), "{origin:?}");
        identity.sign_in(turn, PASSWORD, 0).unwrap();
    }
    drop(identity);
    let identity = house.open(1);
    assert!(
        lock(&identity.throttle).origins.knows("mai", super::super::origins::Origin::browser(&known.browser))
    );
}

#[test]
fn a_new_password_or_disabling_ends_sessions_at_once_and_forgets_browsers() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let first = sign_in(&identity, "mai", PASSWORD, 0).unwrap();
    identity.change_user("mai", with_password(OTHER), "admin", 1).unwrap();
    assert_eq!(identity.caller(&first.secret, 1), None);
    assert!(sign_in(&identity, "mai", PASSWORD, 1).is_err());
    drop(identity);

    let identity = house.open(1);
    assert_eq!(identity.caller(&first.secret, 1), None);
    let browser = super::super::origins::Origin::browser(&first.browser);
    assert!(!lock(&identity.throttle).origins.knows("mai", browser));
    let second = sign_in(&identity, "mai", OTHER, 1).unwrap();
    let change = UserChange { disabled: Some(true), ..UserChange::default() };
    identity.change_user("mai", change, "admin", 2).unwrap();
    assert_eq!(identity.caller(&second.secret, 2), None);
    assert!(sign_in(&identity, "mai", OTHER, 2).is_err());
}

#[test]
fn ones_own_password_takes_the_current_one_and_keeps_this_session() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let (here, there) =
        (sign_in(&identity, "mai", PASSWORD, 0).unwrap(), sign_in(&identity, "mai", PASSWORD, 0).unwrap());
    let change = |current: &str, new: &str| {
        let turn = identity.claim_turn("mai", current, &from([127, 0, 0, 1], Some(&here.browser))).unwrap();
        identity.change_own_password(turn, current, new.to_owned(), &here.secret, 1)
    };
    assert!(matches!(change("wrong", OTHER), Err(SignInError::Refused)));
    assert_eq!(trail(&identity)[0].action, "password.refused");
    let weak = change(PASSWORD, "1234567890").unwrap_err();
    assert!(matches!(weak, SignInError::Failed(IdentityError::Weak(Weakness::Common))), "{weak:?}");
    change(PASSWORD, OTHER).unwrap();
    assert!(identity.caller(&here.secret, 1).is_some());
    assert_eq!(identity.caller(&there.secret, 1), None);
    drop(identity);
    let identity = house.open(1);
    assert!(identity.caller(&here.secret, 1).is_some());
    assert_eq!(identity.caller(&there.secret, 1), None);
}

#[test]
fn a_password_hashed_from_other_bytes_is_hashed_anew_at_a_sign_in() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let decomposed = ioc_model::text::nfd(PASSWORD).into_owned();
    let old = super::super::password::hash_bytes(&decomposed);
    let row = UserRow { password_hash: old.clone(), ..UserRow::clone(&identity.find("mai").unwrap()) };
    identity.records.update_user(&row, Ends::Nothing, &Audit::new(0, "x", "x", "x")).unwrap();
    identity.reload_users().unwrap();
    sign_in(&identity, "mai", PASSWORD, 1).unwrap();
    assert_ne!(identity.find("mai").unwrap().password_hash, old);
    sign_in(&identity, "mai", PASSWORD, 2).unwrap();
    sign_in(&identity, "mai", &decomposed, 3).unwrap();
    assert_eq!(trail(&identity).iter().filter(|entry| entry.action == "user.rehash").count(), 1);
}

#[test]
fn a_new_role_counts_for_the_next_request() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let session = sign_in(&identity, "mai", PASSWORD, 0).unwrap();
    let change = UserChange { role: Some(Role::Engineer), ..UserChange::default() };
    identity.change_user("mai", change, "admin", 1).unwrap();
    assert_eq!(identity.caller(&session.secret, 1).map(|caller| caller.role), Some(Role::Engineer));
}

/// An admin of one field cannot manage the others, so they do not count when the last of the whole city goes.
#[test]
fn somebody_stays_admin_of_the_whole_city() {
    let fields: [(&[Domain], &[&str]); 2] = [(&[Domain::from_static("traffic")], &[]), (&[], &["19789"])];
    let nothing = UserChange::default;
    let changes = || {
        let fields = fields.iter().map(|(domains, wards)| UserChange {
            domains: Some(domains.to_vec()),
            wards: Some(wards.iter().map(|ward| (*ward).to_owned()).collect()),
            ..nothing()
        });
        let others = [
            UserChange { role: Some(Role::Viewer), ..nothing() },
            UserChange { role: Some(Role::Engineer), ..nothing() },
            UserChange { disabled: Some(true), ..nothing() },
        ];
        fields.chain(others)
    };
    for change in changes() {
        let house = House::new();
        let identity = house.open(0);
        identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
        identity.add_user(user("mai", Role::Engineer), "cli:root", 0).unwrap();
        for (number, (domains, wards)) in fields.iter().enumerate() {
            let wards = wards.iter().map(|ward| (*ward).to_owned()).collect();
            let name = format!("field{number}");
            let new = NewUser { domains: domains.to_vec(), wards, ..user(&name, Role::Admin) };
            identity.add_user(new, "cli:root", 0).unwrap();
        }
        let refused = |name: &str, change: &UserChange| {
            matches!(identity.change_user(name, change.clone(), "x", 1), Err(IdentityError::LastAdmin(_)))
        };
        assert!(refused("admin", &change), "{change:?}");
        assert!(!refused("field0", &change), "{change:?}");
        identity.add_user(user("second", Role::Admin), "admin", 1).unwrap();
        assert!(!refused("admin", &change), "{change:?}");
        assert!(refused("second", &change), "{change:?}");
    }
}

#[test]
fn the_only_admin_of_a_field_stays_admin_when_there_is_no_other() {
    let house = House::new();
    let identity = house.open(0);
    let only = NewUser { domains: vec![Domain::from_static("traffic")], ..user("field", Role::Admin) };
    identity.add_user(only, "cli:root", 0).unwrap();
    let demoted = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
    let error = identity.change_user("field", demoted, "field", 1).unwrap_err();
    assert!(matches!(error, IdentityError::LastAdmin(_)), "{error}");
}

/// Made by a version that took them; no browser can name them in an address.
#[test]
fn steps_of_a_path_are_no_names_and_old_ones_can_be_removed() {
    let house = House::new();
    let identity = house.open(0);
    identity.add_user(user("admin", Role::Admin), "cli:root", 0).unwrap();
    for (number, name) in [".", ".."].into_iter().enumerate() {
        let refused = identity.add_user(user(name, Role::Viewer), "x", 0).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "{name:?} means another place in an address, so browsers could not name it; use a letter or digit, too"
            )
        );
        let refused = identity.add_display_token(name, "x", 0);
        assert!(matches!(refused, Err(IdentityError::PathStep(_))));
        let audit = Audit::new(0, "x", "old", name);
        let row = DisplayTokenRow {
            name: name.to_owned(),
            hash: hash_secret(&number.to_string()),
            created_by: "x".to_owned(),
            created_ms: 0,
        };
        identity.records.insert_display_token(&row, &audit).unwrap();
        let admin = UserRow::clone(&identity.find("admin").unwrap());
        identity.records.insert_user(&UserRow { name: name.to_owned(), ..admin }, &audit).unwrap();
    }
    drop(identity);
    let identity = house.open(1);
    for (number, name) in [".", ".."].into_iter().enumerate() {
        assert!(identity.caller(&number.to_string(), 1).is_some());
        identity.remove_display_token(name, "x", 2).unwrap();
        assert_eq!(identity.caller(&number.to_string(), 2), None);
        let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
        assert!(identity.change_user(name, disabled, "x", 2).unwrap().disabled);
    }
}

#[test]
fn names_are_checked_and_unique_however_they_are_typed() {
    let house = House::new();
    let identity = house.open(0);
    let refused = identity.add_user(user("a b", Role::Viewer), "x", 0);
    assert!(matches!(refused, Err(IdentityError::Name(_))));
    let refused = identity.add_user(user("System", Role::Viewer), "x", 0);
    assert!(matches!(refused, Err(IdentityError::Reserved(_))));
    assert_eq!(identity.add_user(user(" Mai", Role::Viewer), "x", 0).unwrap().name, "mai");
    for same in ["mai", "MAI", "ｍａｉ", "mai\u{3000}"] {
        let error = identity.add_user(user(same, Role::Viewer), "x", 0).unwrap_err();
        assert_eq!(error.to_string(), "user \"mai\" already exists; choose another name", "{same}");
        let signed_in = sign_in(&identity, same, PASSWORD, 0).unwrap();
        assert_eq!(&*signed_in.caller.name, "mai", "the name that the audit trail has");
    }
    assert!(trail(&identity).iter().all(|entry| entry.object == "mai"));
    identity
        .change_user("MAI", UserChange { role: Some(Role::Admin), ..UserChange::default() }, "x", 1)
        .unwrap();
    assert_eq!(identity.users().len(), 1);
}

#[test]
fn a_display_token_only_looks_and_can_be_removed() {
    let house = House::new();
    let identity = house.open(0);
    let (name, token) = identity.add_display_token("Wall", "admin", 0).unwrap();
    assert_eq!(name, "wall");
    assert_eq!(identity.caller(&token, 1), Some(Principal::display("wall")));
    assert!(identity.add_display_token("WALL ", "admin", 0).is_err());
    assert!(matches!(identity.add_display_token("system", "admin", 0), Err(IdentityError::Reserved(_))));
    drop(identity);
    let identity = house.open(1);
    assert!(identity.caller(&token, 1).is_some());
    identity.remove_display_token("WALL", "admin", 2).unwrap();
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

#[test]
fn a_sign_in_does_not_wait_for_a_disk_that_takes_nothing() {
    let house = House::new();
    let (identity, disk) = house.open_with_disk(0);
    identity.add_user(user("mai", Role::Viewer), "cli:root", 0).unwrap();
    let before = sign_in(&identity, "mai", PASSWORD, 0).unwrap();
    disk.refuse_changes(true).unwrap();
    let session = sign_in(&identity, "mai", PASSWORD, 1).unwrap();
    assert!(!session.durable && !identity.is_session_durable(&session.secret));
    assert!(identity.caller(&session.secret, 1).is_some());
    assert!(sign_in(&identity, "mai", "wrong password", 1).is_err());
    identity.sign_out(&before.secret, 1);
    assert_eq!(identity.caller(&before.secret, 1), None);
    assert!(
        identity.change_user("mai", with_password(OTHER), "admin", 1).is_err(),
        "a change is on disk or not made"
    );

    disk.refuse_changes(false).unwrap();
    assert_eq!(identity.late.retry(2), 0);
    assert!(identity.is_session_durable(&session.secret));
    let actions: Vec<_> = trail(&identity).into_iter().map(|entry| entry.action).collect();
    assert_eq!(
        actions,
        ["session.end", "session.refused", "session.start", "session.start", "user.add"],
        "in order, and each once"
    );
    drop((identity, disk));
    let identity = house.open(3);
    assert!(identity.caller(&session.secret, 3).is_some());
    assert_eq!(identity.caller(&before.secret, 3), None);
    assert_eq!(identity.late.write(Write::Audit(Audit::new(3, "x", "x", "x"))), Written::Now);
}
