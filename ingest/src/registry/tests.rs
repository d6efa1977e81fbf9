use super::*;
use ioc_model::{DeviceIndex, Domain, Parent, ParentKind};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

const CATALOGUE: &str = r#"
    [domain.lighting]
    title = { vi = "a", en = "b" }
    [kind.luminaire]
    domain = "lighting"
    reporting_period_s = 30
    properties = []
    title = { vi = "a", en = "b" }
    [kind.lighting-cabinet]
    domain = "lighting"
    reporting_period_s = 15
    properties = []
    title = { vi = "a", en = "b" }
"#;

/// A city of two wards that meet at longitude 108.
fn wards(west: &str, east: &str) -> Arc<Wards> {
    let ward = |code: &str, from: i32| {
        format!(
            r#"{{"type":"Feature","properties":{{"layer":"ward","code":"{code}","name":"{code}","name_en":"{code}"}},
            "geometry":{{"type":"Polygon","coordinates":[[[{from},16],[{to},16],[{to},17],[{from},17],[{from},16]]]}}}}"#,
            to = from + 1
        )
    };
    let text =
        format!(r#"{{"type":"FeatureCollection","features":[{},{}]}}"#, ward(west, 107), ward(east, 108));
    Arc::new(Wards::from_geojson(&text).unwrap())
}

fn registry() -> Registry {
    Registry::new(Arc::new(Catalogue::from_toml(CATALOGUE).unwrap()), wards("1", "2"))
}

fn new(id: &str, kind: &str) -> NewDevice {
    NewDevice {
        id: id.parse().unwrap(),
        domain: Domain::from_static("lighting"),
        kind: kind.to_owned(),
        lat: 16.5,
        lon: 107.5,
        parent: None,
        labels: BTreeMap::new(),
    }
}

fn lamp(id: &str, parent: Option<(ParentKind, &str)>) -> NewDevice {
    let parent = parent.map(|(kind, id)| Parent { kind, id: id.parse().unwrap() });
    NewDevice { parent, ..new(id, "luminaire") }
}

fn ward_of(registry: &Registry, id: &str) -> Option<String> {
    registry.devices().by_id(id).and_then(|device| device.ward.as_deref().map(str::to_owned))
}

#[test]
fn a_device_gets_the_next_index_its_ward_and_its_period() {
    let registry = registry();
    let first = registry.insert(new("CAB-1", "lighting-cabinet"), 5).unwrap();
    let second = registry.insert(NewDevice { lon: 200.0 - 92.0, ..lamp("L-1", None) }, 6).unwrap();
    assert_eq!((first.index, second.index), (DeviceIndex(0), DeviceIndex(1)));
    assert_eq!(
        (first.ward.as_deref(), second.ward.as_deref()),
        (Some("1"), Some("1")),
        "the border is the lower's"
    );
    assert_eq!((first.reporting_period_s, first.created_ms, first.retired), (15, 5, false));
    let devices = registry.devices();
    assert_eq!(devices.by_index(DeviceIndex(1)), Some(&second));
    assert_eq!(devices.by_id("L-1"), Some(&second));
    assert_eq!((devices.by_id("L-2"), devices.by_index(DeviceIndex(2)), devices.len()), (None, None, 2));
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let registry = registry();
    registry.insert(new("CAB-1", "lighting-cabinet"), 0).unwrap();
    registry.insert(lamp("L-1", Some((ParentKind::Cabinet, "CAB-1"))), 0).unwrap();
    let labels = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let cases = [
        (new("L-1", "luminaire"), "device id L-1 is taken"),
        (
            new("X", "lamp"),
            "device X: kind \"lamp\" is not in the catalogue; expected one of lighting-cabinet, luminaire",
        ),
        (
            NewDevice { domain: Domain::from_static("traffic"), ..new("X", "luminaire") },
            "device X: kind luminaire belongs to domain lighting, not to traffic",
        ),
        (
            NewDevice { lat: 107.58, lon: 16.46, ..new("X", "luminaire") },
            "device X: latitude 107.58, longitude 16.46 is not a place; expected -90 to 90 and -180 to 180; they seem to be exchanged",
        ),
        (NewDevice { lat: f64::NAN, ..new("X", "luminaire") }, "device X: latitude NaN"),
        (
            NewDevice { labels: labels("đường", "Lê Lợi"), ..new("X", "luminaire") },
            "device X: label \"đường\" is not a label name",
        ),
        (
            NewDevice { labels: labels("__name", ""), ..new("X", "luminaire") },
            "device X: label \"__name\" is not a label name",
        ),
        (
            NewDevice { labels: labels("ward", "1"), ..new("X", "luminaire") },
            "device X: label \"ward\" is set by the system",
        ),
        (
            NewDevice { labels: labels("street", &"x".repeat(257)), ..new("X", "luminaire") },
            "device X: label \"street\" has a value that has 257 bytes",
        ),
        (lamp("X", Some((ParentKind::Cabinet, "CAB-9"))), "device X: its cabinet CAB-9 is not registered"),
        (
            lamp("X", Some((ParentKind::Cabinet, "L-1"))),
            "device X: L-1 is a luminaire and cannot be its cabinet",
        ),
        (lamp("X", Some((ParentKind::Feeder, "X"))), "device X: its parents form a loop through X"),
    ];
    for (device, expected) in cases {
        let message = registry.insert(device, 0).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message:?} should start with {expected:?}");
    }
    let many = (0..=LABELS_MAX).map(|n| (format!("l{n}"), String::new())).collect();
    let error = registry.insert(NewDevice { labels: many, ..new("L-3", "luminaire") }, 0).unwrap_err();
    assert_eq!(error.to_string(), "device L-3: 33 labels; at most 32 are allowed");
    assert_eq!(registry.devices().len(), 2);
}

#[test]
fn a_label_is_found_however_it_was_typed() {
    let registry = registry();
    let typed = BTreeMap::from([("street".to_owned(), "Le\u{302} Lo\u{31b}\u{323}i".to_owned())]);
    let device = registry.insert(NewDevice { labels: typed, ..new("L-1", "luminaire") }, 0).unwrap();
    assert_eq!(device.labels["street"], "Lê Lợi");
}

#[test]
fn parents_never_form_a_loop() {
    let registry = registry();
    registry.insert(lamp("A", Some((ParentKind::Gateway, "C"))), 0).unwrap();
    registry.insert(lamp("B", Some((ParentKind::Gateway, "A"))), 0).unwrap();
    let error = registry.insert(lamp("C", Some((ParentKind::Feeder, "B"))), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "device C: its parents form a loop through A; a device cannot hang on itself"
    );
    registry.insert(lamp("C", None), 0).unwrap();
    let edit = |draft: &mut Draft<'_>| {
        draft.set_parent("C", Some(Parent { kind: ParentKind::Gateway, id: "B".parse().unwrap() }))
    };
    let refused: Result<_, RegistryError> = registry.edit(edit, |_| Ok(()));
    assert!(matches!(refused, Err(RegistryError::Loop { .. })));
    assert_eq!(registry.devices().by_id("C").unwrap().parent, None);
}

#[test]
fn many_devices_come_in_any_order() {
    let registry = registry();
    let fleet = vec![lamp("L-1", Some((ParentKind::Cabinet, "CAB-1"))), new("CAB-1", "lighting-cabinet")];
    assert_eq!(registry.insert_many(fleet, 0).unwrap().len(), 2);
    let bad = vec![lamp("L-2", None), lamp("L-2", None)];
    assert!(registry.insert_many(bad, 0).is_err());
    assert_eq!(registry.devices().len(), 2, "all or none");
    assert_eq!(registry.devices().children("CAB-1").count(), 1);
}

#[test]
fn what_could_not_be_kept_is_not_there() {
    let registry = registry();
    let mut offered = Vec::new();
    let refused: Result<_, RegistryError> = registry.edit(
        |draft| draft.insert(new("L-1", "luminaire"), 0),
        |changed| {
            offered = changed.to_vec();
            Err(RegistryError::Full)
        },
    );
    assert_eq!((refused, registry.devices().len()), (Err(RegistryError::Full), 0));
    assert_eq!(offered.len(), 1);
    assert_eq!(registry.insert(new("L-1", "luminaire"), 0).unwrap().index, DeviceIndex(0));
}

#[test]
fn a_moved_device_changes_ward() {
    let registry = registry();
    registry.insert(lamp("L-1", None), 0).unwrap();
    registry.insert(NewDevice { lat: 3.0, ..lamp("FAR", None) }, 0).unwrap();
    let moved: Result<_, RegistryError> =
        registry.edit(|draft| draft.move_to("L-1", 16.2, 108.4), |_| Ok(()));
    assert_eq!(moved.unwrap().ward.as_deref(), Some("2"));
    assert_eq!(ward_of(&registry, "FAR"), None);
    assert_eq!(ward_of(&registry, "L-1").as_deref(), Some("2"));
}

#[test]
fn retired_devices_stay_known_but_out_of_service() {
    let registry = registry();
    registry.insert(lamp("L-1", None), 0).unwrap();
    let retire = || registry.edit::<_, RegistryError>(|draft| draft.retire("L-1"), |_| Ok(()));
    assert!(retire().unwrap().retired);
    assert!(retire().is_ok());
    let devices = registry.devices();
    assert!(devices.by_id("L-1").is_some() && devices.in_service("L-1").is_none());
    assert!(matches!(registry.insert(lamp("L-1", None), 0), Err(RegistryError::Taken(_))));
    let again = registry
        .edit::<_, RegistryError>(|draft| draft.replace("L-1", "L-2".parse().unwrap(), 0), |_| Ok(()));
    assert!(matches!(again, Err(RegistryError::Retired(_))));
}

#[test]
fn a_replacement_takes_place_labels_and_children() {
    let registry = registry();
    let labels = BTreeMap::from([("street".to_owned(), "Lê Lợi".to_owned())]);
    registry.insert(NewDevice { labels, ..new("CAB-1", "lighting-cabinet") }, 0).unwrap();
    registry.insert(lamp("L-1", Some((ParentKind::Cabinet, "CAB-1"))), 0).unwrap();
    let labels = BTreeMap::from([("gateway".to_owned(), "CAB-1".to_owned())]);
    registry.insert(NewDevice { labels, ..lamp("L-2", None) }, 0).unwrap();
    let mut kept = Vec::new();
    let replaced: Result<_, RegistryError> = registry.edit(
        |draft| draft.replace("CAB-1", "CAB-2".parse().unwrap(), 9),
        |changed| {
            kept.extend(changed.iter().map(|device| device.id.to_string()));
            Ok(())
        },
    );
    let new = replaced.unwrap();
    assert_eq!(kept, ["CAB-1", "L-1", "L-2", "CAB-2"]);
    assert_eq!((new.index, &*new.kind, new.created_ms), (DeviceIndex(3), "lighting-cabinet", 9));
    assert_eq!((&*new.labels["street"], &*new.labels["replaces"]), ("Lê Lợi", "CAB-1"));
    let devices = registry.devices();
    assert!(devices.by_id("CAB-1").unwrap().retired);
    assert!(devices.by_id("L-2").unwrap().is_under("CAB-2"));
    let parent = devices.by_id("L-1").unwrap().parent.clone().unwrap();
    assert_eq!((parent.kind, parent.id.as_str()), (ParentKind::Cabinet, "CAB-2"));
}

#[test]
fn kept_devices_come_back_as_they_were() {
    let before = registry();
    before.insert_many(vec![lamp("L-1", None), lamp("L-2", None)], 3).unwrap();
    let mut kept: Vec<Device> = before.devices().iter().map(|device| Device::clone(device)).collect();
    kept.reverse();
    kept[0].ward = Some("stale".into());
    let after = registry();
    after.load(kept.clone()).unwrap();
    assert!(after.devices().iter().eq(before.devices().iter()));
    assert_eq!(after.insert(lamp("L-3", None), 0).unwrap().index, DeviceIndex(2));

    let gap = kept[..1].to_vec();
    let message = registry().load(gap).unwrap_err().to_string();
    assert!(message.starts_with("device L-2 has index 1 where 0 was due"), "{message}");
    kept[0].id = "L-1".parse().unwrap();
    assert!(matches!(registry().load(kept), Err(RegistryError::Taken(_))));
}

#[test]
fn readers_see_whole_snapshots_while_devices_are_added() {
    let registry = registry();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                registry.insert(lamp(&format!("L-{n}"), None), 0).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let devices = registry.current();
            assert!(devices.iter().enumerate().all(|(n, device)| {
                device.index.0 as usize == n && devices.by_id(device.id.as_str()) == Some(device)
            }));
        }
    });
    assert_eq!(registry.devices().len(), 300);
}
