use super::*;
use ioc_model::{DeviceIndex, text::nfd};
use std::collections::BTreeMap;

fn lamp(street: &str) -> Device {
    Device {
        index: DeviceIndex(0),
        id: "LUM-017".parse().unwrap(),
        domain: Domain::from_static("lighting"),
        kind: "luminaire".into(),
        lat: 16.46,
        lon: 107.59,
        ward: Some("19774".into()),
        parent: None,
        labels: BTreeMap::from([("street".to_owned(), street.to_owned())]),
        reporting_period_s: 60,
        retired: false,
        created_ms: 0,
    }
}

fn wards() -> Wards {
    let areas = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
        "properties":{"layer":"ward","code":"19774","name":"Vỹ Dạ","name_en":"Vy Da"},
        "geometry":{"type":"Polygon","coordinates":[[[107,16],[108,16],[108,17],[107,17],[107,16]]]}}]}"#;
    Wards::from_geojson(areas).unwrap()
}

fn catalogue() -> Catalogue {
    Catalogue::from_toml(include_str!("../../../../configs/catalogue/catalogue.toml")).unwrap()
}

#[test]
fn lists_are_of_wards_and_kinds_that_there_are() {
    let (catalogue, wards) = (catalogue(), wards());
    let check = |of_wards: &[&str], kinds: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let filter = DeviceFilter { wards: texts(of_wards), kinds: texts(kinds), ..DeviceFilter::default() };
        let filter = filter.checked(&catalogue, &wards).ok()?;
        Some(filter.admits(&lamp("x"), DeviceStatus::Normal, &wards))
    };
    let cases: [(&[&str], &[&str], Option<bool>); 7] = [
        (&[], &[], Some(true)),
        (&["19774"], &[], Some(true)),
        (&["19774"], &["air-station", "luminaire"], Some(true)),
        (&[], &["air-station"], Some(false)),
        (&["x", "19774"], &[], None),
        (&[], &["Luminaire"], None),
        (&[], &["luminaire", "lamp"], None),
    ];
    for (of_wards, kinds, expected) in cases {
        assert_eq!(check(of_wards, kinds), expected, "{of_wards:?} {kinds:?}");
    }
}

#[test]
fn a_search_needs_neither_marks_nor_capitals_nor_a_form() {
    let wards = wards();
    let composed = lamp("Điện Biên Phủ");
    let decomposed = lamp(&nfd("Điện Biên Phủ"));
    let table = [
        ("dien bien phu", true),
        ("Điện Biên Phủ", true),
        (&*nfd("Điện Biên Phủ"), true),
        ("ĐIỆN", true),
        ("phu dien", true),
        ("ＬＵＭ－０１７", true),
        ("lum bien", true),
        ("vy da", true),
        ("  ", true),
        ("", true),
        ("dien bien hue", false),
        ("lum-018", false),
    ];
    for (search, expected) in table {
        let wanted = DeviceFilter::default().searching(search).unwrap();
        for device in [&composed, &decomposed] {
            assert_eq!(
                wanted.admits(device, DeviceStatus::Normal, &wards),
                expected,
                "{search:?} {:?}",
                device.labels
            );
        }
    }
    assert!(DeviceFilter::default().searching(&"x ".repeat(1000)).is_err());
}
