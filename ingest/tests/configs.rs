//! Every file of `configs/catalogue` and `configs/cities` loads, and they fit together.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ioc_ingest::{City, Decoder, Registry, Wards};
use ioc_model::{Catalogue, Domain, PropertyId};
use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

fn configs(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::from_toml(&configs("catalogue/catalogue.toml")).unwrap())
}

fn wards() -> Wards {
    Wards::from_geojson(&configs("cities/hue/areas.geojson")).unwrap()
}

fn areas() -> Vec<serde_json::Value> {
    let areas: serde_json::Value = serde_json::from_str(&configs("cities/hue/areas.geojson")).unwrap();
    areas["features"].as_array().unwrap().clone()
}

#[test]
fn the_catalogue_has_its_numbers() {
    let catalogue = catalogue();
    for (name, id) in [
        ("water_level", 1),
        ("pm25", 10),
        ("vn_aqi", 18),
        ("laeq", 20),
        ("illuminance_level", 30),
        ("active_energy", 38),
        ("phase_voltage_r", 40),
        ("energy_consumed", 47),
        ("signal_mode", 50),
        ("green_conflict", 56),
        ("vehicle_count", 60),
        ("detector_fault", 63),
        ("occupied", 70),
        ("vehicle_exit_count", 85),
        ("device_online", 90),
        ("device_silent_seconds", 91),
        ("device_clock_offset", 92),
        ("device_clock_wrong", 93),
    ] {
        assert_eq!(catalogue.property(name).map(|property| property.id), Some(PropertyId(id)), "{name}");
    }
    assert_eq!(catalogue.kinds().count(), 10);
    let domains: BTreeSet<_> = catalogue.kinds().map(|kind| kind.domain).collect();
    assert_eq!(domains.len(), catalogue.domains().len(), "every domain has a kind");
    for name in ioc_ingest::decode::MADE_HERE {
        assert!(catalogue.property(name).is_some(), "{name}");
        assert!(catalogue.kinds().all(|kind| !kind.properties.iter().any(|p| p == name)), "{name}");
    }
}

#[test]
fn every_title_is_there_in_both_languages() {
    let catalogue = catalogue();
    let properties = catalogue.properties().iter().map(|property| (&property.name, &property.title));
    let kinds = catalogue.kinds().map(|kind| (&kind.name, &kind.title));
    for (name, title) in properties.chain(kinds) {
        assert!(!title.vi.is_empty() && !title.en.is_empty() && title.vi != title.en, "{name}");
    }
}

#[test]
fn the_decoder_takes_the_catalogue() {
    let _ = Decoder::new(catalogue(), ioc_ingest::DecodeLimits::default());
    assert!(ioc_ingest::AqiDeriver::new(&catalogue(), ioc_ingest::AqiSettings::default()).is_ok());
}

#[test]
fn the_city_knows_its_river_stations() {
    let city = City::from_toml(&configs("cities/hue/city.toml"), &catalogue()).unwrap();
    assert_eq!((&*city.code, &*city.time_zone), ("hue", "Asia/Ho_Chi_Minh"));
    let limits: Vec<f64> = city.trend.limits.iter().map(|limit| limit.value).collect();
    assert_eq!((city.trend.device.as_str(), limits), ("WL-KIMLONG", vec![1.0, 2.0, 3.5]));
    let phu_oc = city.stations.iter().find(|station| station.id == "phu-oc").unwrap();
    assert_eq!((phu_oc.device.as_str(), phu_oc.alarm_levels_m), ("WL-PHUOC", [1.5, 3.0, 4.5]));
}

#[test]
fn a_typo_in_the_city_file_is_named() {
    let good = configs("cities/hue/city.toml");
    let cases = [
        (good.replace("zoom =", "zom ="), "zom"),
        (good.replace("Asia/Ho_Chi_Minh", "Asia/Hue"), "time_zone: \"Asia/Hue\" is not a time zone"),
        (good.replace("property = \"water_level\"", "property = \"level\""), "trend.property: \"level\""),
        (good.replace("unit = \"m\"", "unit = \"cm\""), "trend.unit: \"cm\" is not the unit of water_level"),
        (
            good.replace("value = 2.0", "value = 0.2"),
            "trend.limits: [1.0, 0.2, 3.5] must be numbers that rise",
        ),
        (good.replace("value = 2.0", "value = nan"), "trend.limits: [1.0, NaN, 3.5] must be numbers"),
        (good.replace("value = 3.5", "value = inf"), "trend.limits: [1.0, 2.0, inf] must be numbers"),
        (good.replace("code = \"hue\"", "code = \"\""), "code: it is empty"),
        (good.replace("code = \"hue\"", "code = \"h\\u001Be\""), "code: it has 3 bytes"),
        (good.replace("zoom = ", "zoom = nan # "), "zoom: NaN"),
        (good.replace("bounds = [", "bounds = [nan, "), "bounds"),
        (good.replace("id = \"phu-oc\"", "id = \"kim-long\""), "stands twice"),
        (good.replace("record_m = 5.24", "record_m = 4.0"), "stations[1].alarm_levels_m"),
        (
            good.replace("center = [107.585, 16.466]", "center = [16.466, 107.585]"),
            "center: [16.466, 107.585]",
        ),
    ];
    for (text, expected) in cases {
        let message = City::from_toml(&text, &catalogue()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} should name {expected:?}");
    }
}

#[test]
fn every_ward_centre_lies_in_its_own_ward() {
    let wards = wards();
    let mut count = 0;
    for feature in areas().iter().filter(|feature| feature["properties"]["layer"] == "ward") {
        let (properties, centre) = (&feature["properties"], &feature["properties"]["center"]);
        let (lon, lat) = (centre[0].as_f64().unwrap(), centre[1].as_f64().unwrap());
        let found = wards.ward_of(lat, lon).map(|ward| &*ward.code);
        assert_eq!(found, properties["code"].as_str(), "{}", properties["name"]);
        count += 1;
    }
    assert_eq!((count, wards.iter().len()), (40, 40));
}

/// A grid of points: each is in the outline exactly when it is in a ward, so the cells leave no hole.
#[test]
fn the_wards_cover_the_city_and_nothing_else() {
    use geo::{Contains, LineString, Point, Polygon};
    let all = areas();
    let outline = all.iter().find(|feature| feature["properties"]["layer"] == "outline").unwrap();
    let ring = outline["geometry"]["coordinates"][0].as_array().unwrap();
    let ring: LineString = ring.iter().map(|p| (p[0].as_f64().unwrap(), p[1].as_f64().unwrap())).collect();
    let (outline, wards) = (Polygon::new(ring, vec![]), wards());
    let mut inside = 0;
    for x in 0..130 {
        for y in 0..80 {
            let (lon, lat) = (106.951_237 + f64::from(x) * 0.010_113, 15.953_571 + f64::from(y) * 0.010_317);
            let is_inside = outline.contains(&Point::new(lon, lat));
            assert_eq!(wards.ward_of(lat, lon).is_some(), is_inside, "{lat} {lon}");
            inside += u32::from(is_inside);
        }
    }
    assert!(inside > 3000, "{inside} points in the city");
}

#[test]
fn the_sketch_has_every_layer_and_is_small() {
    let text = configs("cities/hue/areas.geojson");
    assert!(text.len() < 200_000, "{} bytes", text.len());
    let layers: BTreeSet<_> =
        areas().iter().map(|feature| feature["properties"]["layer"].as_str().unwrap().to_owned()).collect();
    let expected = ["bridge", "citadel", "lagoon", "outline", "railway", "river", "road", "sea", "ward"];
    assert_eq!(layers.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    for feature in areas() {
        let name = |key: &str| feature["properties"][key].as_str().is_some_and(|name| !name.is_empty());
        assert!(name("name") && name("name_en"), "{}", feature["properties"]);
    }
}

#[test]
fn the_river_gauges_stand_in_their_wards() {
    let registry = Registry::new(catalogue(), Arc::new(wards()));
    for (id, lat, lon, ward) in
        [("WL-KIMLONG", 16.456, 107.559, "Kim Long"), ("WL-PHUOC", 16.53, 107.47, "Hương Trà")]
    {
        let device = ioc_ingest::NewDevice {
            id: id.parse().unwrap(),
            domain: Domain::from_static("environment"),
            kind: "water-level".to_owned(),
            lat,
            lon,
            parent: None,
            labels: Default::default(),
        };
        let device = registry.insert(device, 0).unwrap();
        let wards = registry.wards();
        let found = device.ward.as_deref().and_then(|code| wards.get(code)).map(|ward| &*ward.name);
        assert_eq!(found, Some(ward), "{id}");
    }
}
