use super::*;
use crate::{
    admin::{AdminError, bind, execute, load_city, open_foundation},
    config::Config,
    data_dir::DataDir,
};
use ioc_identity::{Principal, Role};
use ioc_ingest::NewDevice;
use ioc_model::{CredentialKind, DeviceId, Parent, ParentKind};
use ioc_services::{NewCredential, ServiceError, Services};
use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

fn device(id: &str) -> NewDevice {
    NewDevice {
        id: id.parse().unwrap(),
        domain: Domain::from_static("environment"),
        kind: "water-level".to_owned(),
        lat: 16.456,
        lon: 107.559,
        parent: None,
        labels: BTreeMap::from([("river".to_owned(), "huong".to_owned())]),
    }
}

fn config(dir: &tempfile::TempDir) -> Config {
    Config { data_dir: dir.path().join("data"), ..Config::default() }
}

fn operations(data: &DataDir) -> Operations {
    let foundation = open_foundation(data, &Config::default(), 0).unwrap();
    Operations::new(Services::build(foundation, || ()))
}

#[test]
fn a_device_is_registered_with_a_token_that_works_and_survives() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let changes = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&changes);
    let foundation = open_foundation(&data, &Config::default(), 0).unwrap();
    let counted = Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let operations = Operations::new(Services::build(foundation, counted));
    let added = operations.services.devices.add(&Principal::cli("root"), device("WL-1"), 5).unwrap();
    assert_eq!(changes.load(Ordering::Relaxed), 1);
    assert_eq!(added.token.len(), 43);
    assert!(added.device.ward.is_some(), "Kim Long lies in a ward");
    drop(operations);

    let foundation = open_foundation(&data, &Config::default(), 9).unwrap();
    assert_eq!(foundation.registry.devices().by_id("WL-1").map(|d| Device::clone(d)), Some(added.device));
    assert!(foundation.grants.authenticate("WL-1", added.token.as_bytes()).is_ok());
    let entry = foundation.records.audit(None, 1, &|_| true).unwrap().items.remove(0);
    assert_eq!(
        (&*entry.actor, &*entry.action, &*entry.object, entry.at),
        ("cli:root", "device.add", "WL-1", 5)
    );
    assert!(!entry.detail.contains(&added.token));
}

#[test]
fn what_is_refused_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let operations = operations(&data);
    let gateway =
        NewCredential { id: "GW-1".parse().unwrap(), kind: CredentialKind::Gateway, devices: vec![] };
    operations.services.credentials.add(&Principal::cli("x"), gateway, 0).unwrap();
    let cases = [
        (NewDevice { kind: "barometer".to_owned(), ..device("WL-1") }, "barometer"),
        (NewDevice { domain: Domain::from_static("parking"), ..device("WL-1") }, "parking"),
        (NewDevice { lat: 107.5, lon: 16.4, ..device("WL-1") }, "exchanged"),
        (device("GW-1"), "credential \"GW-1\" already exists"),
    ];
    for (device, expected) in cases {
        let error = operations.services.devices.add(&Principal::cli("x"), device, 0).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(operations.services.foundation.registry.devices().is_empty());
    assert!(operations.services.foundation.records.devices().unwrap().is_empty());
}

#[test]
fn rotating_ends_the_old_token() {
    let dir = tempfile::tempdir().unwrap();
    let operations = operations(&DataDir::open(dir.path()).unwrap());
    let added = operations.services.devices.add(&Principal::cli("x"), device("WL-1"), 0).unwrap();
    let grants = &operations.services.foundation.grants;
    let principal = grants.authenticate("WL-1", added.token.as_bytes()).unwrap();
    let rotated =
        operations.services.credentials.rotate(&Principal::cli("x"), &"WL-1".parse().unwrap(), 1).unwrap();
    assert!(!grants.still_valid(&principal.credential, principal.generation));
    assert!(grants.authenticate("WL-1", added.token.as_bytes()).is_err());
    assert!(grants.authenticate("WL-1", rotated.token.as_bytes()).is_ok());
    let error = operations
        .services
        .credentials
        .rotate(&Principal::cli("x"), &"WL-2".parse().unwrap(), 1)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "there is no credential \"WL-2\"");
}

#[test]
fn a_gateway_speaks_for_its_devices_only() {
    let dir = tempfile::tempdir().unwrap();
    let operations = operations(&DataDir::open(dir.path()).unwrap());
    let parent = Some(Parent { kind: ParentKind::Gateway, id: "GW-1".parse().unwrap() });
    let labels = BTreeMap::from([("gateway".to_owned(), "GW-1".to_owned())]);
    let devices = [
        NewDevice { parent, ..device("WL-1") },
        NewDevice { labels, ..device("WL-2") },
        device("WL-3"),
        device("WL-4"),
    ];
    devices
        .into_iter()
        .for_each(|device| drop(operations.services.devices.add(&Principal::cli("x"), device, 0).unwrap()));
    let id: DeviceId = "GW-1".parse().unwrap();
    let gateway = NewCredential { id, kind: CredentialKind::Gateway, devices: vec!["WL-3".parse().unwrap()] };
    let token = operations.services.credentials.add(&Principal::cli("x"), gateway, 0).unwrap().token;
    let grants = &operations.services.foundation.grants;
    let principal = grants.authenticate("GW-1", token.as_bytes()).unwrap();
    let spoken: Vec<_> = ["WL-1", "WL-2", "WL-3", "WL-4"]
        .map(|id| grants.speaks_for(&principal.credential, principal.kind, id))
        .into();
    assert_eq!(spoken, [true, true, true, false]);
}

#[test]
fn credentials_are_only_for_what_exists() {
    let dir = tempfile::tempdir().unwrap();
    let operations = operations(&DataDir::open(dir.path()).unwrap());
    let unknown: DeviceId = "WL-9".parse().unwrap();
    let make = |kind, devices: &[&DeviceId]| {
        let devices = devices.iter().copied().cloned().collect();
        operations.services.credentials.add(
            &Principal::cli("x"),
            NewCredential { id: "WL-9".parse().unwrap(), kind, devices },
            0,
        )
    };
    assert!(matches!(make(CredentialKind::Device, &[]), Err(ServiceError::UnknownDevice(_))));
    assert!(matches!(make(CredentialKind::Gateway, &[&unknown]), Err(ServiceError::UnknownDevice(_))));
    operations.services.devices.add(&Principal::cli("x"), device("WL-1"), 0).unwrap();
    let known: DeviceId = "WL-1".parse().unwrap();
    assert!(matches!(make(CredentialKind::App, &[&known]), Err(ServiceError::NotAGateway(_))));
    assert!(make(CredentialKind::App, &[]).is_ok());
}

#[test]
fn a_simulated_city_is_registered_once_and_knows_its_tokens_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let credential =
        |id: &str| NewCredential { id: id.parse().unwrap(), kind: CredentialKind::Device, devices: vec![] };
    let start = |now_ms| {
        let operations = operations(&data);
        let devices = vec![device("WL-1"), device("WL-2")];
        let tokens = operations
            .services
            .devices
            .simulate(devices, vec![credential("WL-1"), credential("WL-2")], now_ms)
            .unwrap();
        let grants = &operations.services.foundation.grants;
        assert!(tokens.iter().all(|(id, token)| grants.authenticate(id, token.as_bytes()).is_ok()));
        (tokens, operations.services.foundation.records.audit(None, 9, &|_| true).unwrap().items.len())
    };
    let (tokens, entries) = start(1);
    assert_eq!((tokens.len(), entries), (2, 1));
    assert_eq!(start(2), (tokens, 1));
}

#[test]
fn the_configured_title_stands_on_screen_and_the_records_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let mut config = Config::default();
    config.display.title_vi = Some("Trung tâm điều hành Huế".to_owned());
    let foundation = open_foundation(&data, &config, 0).unwrap();
    let built_in = load_city("hue", &foundation.catalogue).unwrap().city.title;
    let title = &foundation.city.city.title;
    assert_eq!((title.vi.as_str(), &title.en), ("Trung tâm điều hành Huế", &built_in.en));
    for file in ["records.sqlite", "records.sqlite-wal"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn commands_work_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    assert!(matches!(execute(&config, &Request::UserList), Err(AdminError::NoDataDir(_))));
    let add = Request::UserAdd {
        name: "mai".to_owned(),
        role: Role::Admin,
        domains: vec![],
        wards: vec![],
        password: None,
    };
    let Reply::UserAdded(added) = execute(&config, &add).unwrap() else { panic!() };
    assert_eq!(added.password.map(|password| password.len()), Some(20));
    let Reply::Users(users) = execute(&config, &Request::UserList).unwrap() else { panic!() };
    assert_eq!(users.items.len(), 1);
    let error = execute(&config, &add).unwrap_err();
    assert!(!error.is_usage());
    assert_eq!(error.to_string(), "user \"mai\" already exists; choose another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_a_running_server_and_count_at_once() {
    // Longer than a socket address holds.
    let dir = tempfile::Builder::new().prefix(&"long".repeat(25)).tempdir().unwrap();
    let config = config(&dir);
    let data = DataDir::open(&config.data_dir).unwrap();
    let operations = Arc::new(operations(&data));
    let socket = bind(&data.admin_socket()).unwrap();
    let server = tokio::spawn(socket.serve(Arc::clone(&operations)));
    let asked = config.clone();
    let reply = tokio::task::spawn_blocking(move || {
        let added = execute(&asked, &Request::DeviceAdd(device("WL-1")));
        let again = execute(&asked, &Request::DeviceAdd(device("WL-1"))).unwrap_err();
        (added, again)
    });
    let (Ok(Reply::DeviceAdded(added)), again) = reply.await.unwrap() else { panic!() };
    assert!(matches!(&again, AdminError::Refused(why) if why.contains("WL-1 is taken")), "{again}");
    assert!(operations.services.foundation.grants.authenticate("WL-1", added.token.as_bytes()).is_ok());
    let actor =
        operations.services.foundation.records.audit(None, 1, &|_| true).unwrap().items.remove(0).actor;
    assert_eq!(actor, format!("cli:{}", crate::admin::current_unix_user()));
    server.abort();
    let _ = server.await;
    assert!(!data.admin_socket().exists());
}

/// Every rule about a device that its type does not hold by itself, and what is said about it.
fn bad_devices() -> Vec<(NewDevice, &'static str)> {
    let labels = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let parent = |kind, id: &str| Some(Parent { kind, id: id.parse().unwrap() });
    vec![
        (NewDevice { lat: f64::NAN, ..device("X") }, "latitude NaN, longitude 107.559 is not a place"),
        (NewDevice { lon: f64::INFINITY, ..device("X") }, "longitude inf is not a place"),
        (NewDevice { lat: f64::NEG_INFINITY, ..device("X") }, "latitude -inf"),
        (NewDevice { lat: 90.5, ..device("X") }, "latitude 90.5"),
        (NewDevice { lat: 107.5, lon: 16.4, ..device("X") }, "they seem to be exchanged"),
        (NewDevice { kind: "barometer".into(), ..device("X") }, "kind \"barometer\" is not in the catalogue"),
        (
            NewDevice { kind: "Water-Level".into(), ..device("X") },
            "kind \"Water-Level\" is not in the catalogue",
        ),
        (
            NewDevice { domain: Domain::from_static("parking"), ..device("X") },
            "belongs to domain environment",
        ),
        (NewDevice { labels: labels("a-b", ""), ..device("X") }, "\"a-b\" is not a label name"),
        (NewDevice { labels: labels("__x", ""), ..device("X") }, "is not a label name"),
        (NewDevice { labels: labels("ward", "1"), ..device("X") }, "is set by the system"),
        (NewDevice { labels: labels("a", "b\n"), ..device("X") }, "without control characters"),
        (NewDevice { labels: labels("a", &"x".repeat(257)), ..device("X") }, "257 bytes"),
        (
            NewDevice { labels: (0..33).map(|n| (format!("l{n}"), String::new())).collect(), ..device("X") },
            "33 labels",
        ),
        (
            NewDevice { parent: parent(ParentKind::Cabinet, "C"), ..device("X") },
            "its cabinet C is not registered",
        ),
        (NewDevice { parent: parent(ParentKind::Gateway, "X"), ..device("X") }, "form a loop"),
        (device("WL-0"), "device id WL-0 is taken"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_device_is_refused_alike_at_every_door() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let ask = |device: NewDevice| {
        let config = config.clone();
        tokio::task::spawn_blocking(move || execute(&config, &Request::DeviceAdd(device)))
    };
    assert!(ask(device("WL-0")).await.unwrap().is_ok());
    let mut without = Vec::new();
    for (device, expected) in bad_devices() {
        let said = ask(device).await.unwrap().unwrap_err().to_string();
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
        without.push(said);
    }
    let data = DataDir::open(&config.data_dir).unwrap();
    let operations = Arc::new(operations(&data));
    let server = tokio::spawn(bind(&data.admin_socket()).unwrap().serve(Arc::clone(&operations)));
    for ((device, _), without) in bad_devices().into_iter().zip(without) {
        let direct =
            operations.services.devices.add(&Principal::cli("x"), device.clone(), 0).unwrap_err().to_string();
        let said = ask(device).await.unwrap().unwrap_err().to_string();
        assert_eq!((&said, &direct), (&without, &without), "by the server, and without one");
    }
    assert_eq!(operations.services.foundation.registry.devices().len(), 1);
    server.abort();
}

#[test]
fn an_id_that_differs_only_by_capitals_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let operations = operations(&data);
    operations.services.devices.add(&Principal::cli("root"), device("WL-1"), 1).unwrap();
    let refused = operations.services.devices.add(&Principal::cli("root"), device("wl-1"), 1).unwrap_err();
    assert!(matches!(refused, ServiceError::Lookalike { .. }), "{refused}");
    let app = NewCredential { id: "Wl-1".parse().unwrap(), kind: CredentialKind::App, devices: vec![] };
    let refused = operations.services.credentials.add(&Principal::cli("root"), app, 1).unwrap_err();
    assert!(refused.to_string().starts_with("Wl-1 differs from WL-1 only by capitals"), "{refused}");
    let two = vec![device("A-1"), device("a-1")];
    let credentials = ["A-1", "a-1"].map(|id| NewCredential {
        id: id.parse().unwrap(),
        kind: CredentialKind::Device,
        devices: vec![],
    });
    assert!(operations.services.devices.simulate(two, credentials.into(), 1).is_err());
    assert_eq!(
        operations.services.devices.list(&Principal::cli("root"), None).unwrap().len(),
        1,
        "nothing of what was refused is there"
    );
}
