//! Which ward a point lies in.
//!
//! Wards come from a GeoJSON feature collection; features of other layers (rivers, roads) are passed over.
//! A point on a shared boundary belongs to the ward with the lowest code, so that every reader agrees.
use geo::{Intersects, LineString, MultiPolygon, Point, Polygon, Validation};
use geojson::{Feature, GeoJson, GeometryValue, JsonObject};
use ioc_model::text::{self, nfc};
use rstar::{AABB, RTree, RTreeObject};
use std::sync::Arc;

/// Value of the property `layer` that makes a feature a ward.
pub const WARD_LAYER: &str = "ward";

/// One ward.
#[derive(Debug, Clone, PartialEq)]
pub struct Ward {
    /// Official code, as text.
    pub code: Arc<str>,
    /// Vietnamese name.
    pub name: Arc<str>,
    /// Name without marks, for English.
    pub name_en: Arc<str>,
}

/// Boundaries that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WardsError {
    /// Not GeoJSON.
    #[error("areas are not GeoJSON: {0}")]
    Syntax(#[from] Box<geojson::Error>),
    /// GeoJSON, but not a list of features.
    #[error("areas must be a GeoJSON FeatureCollection")]
    NotACollection,
    /// A ward without a property that it needs.
    #[error("ward {ward}: property {property:?} is missing; every ward needs code, name and name_en as text")]
    MissingProperty {
        /// Its code, or its position in the file.
        ward: String,
        /// The property.
        property: &'static str,
    },
    /// A text that cannot be shown.
    #[error("ward {ward:?}: property {property:?} {problem}")]
    BadText {
        /// Its code, or its position in the file.
        ward: String,
        /// The property.
        property: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A ward that is not an area.
    #[error("ward {ward}: {problem}; expected a valid Polygon or MultiPolygon in WGS 84, longitude first")]
    BadShape {
        /// Its code.
        ward: String,
        /// What is wrong.
        problem: String,
    },
    /// The same code twice.
    #[error("ward code {0} stands twice; codes must be unique")]
    DuplicateCode(Arc<str>),
    /// Nothing to find.
    #[error("areas have no feature with \"layer\": \"ward\"")]
    NoWards,
}

#[derive(Debug)]
struct Area {
    ward: Ward,
    shape: MultiPolygon,
    envelope: AABB<[f64; 2]>,
}

impl RTreeObject for Area {
    type Envelope = AABB<[f64; 2]>;
    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

/// The wards of a city, indexed.
#[derive(Debug, Default)]
pub struct Wards {
    tree: RTree<Area>,
    list: Vec<Ward>,
}

impl Wards {
    /// Reads the features with `"layer": "ward"`.
    ///
    /// Errors: [`WardsError`] names the ward and what would be right.
    pub fn from_geojson(text: &str) -> Result<Self, WardsError> {
        let GeoJson::FeatureCollection(collection) = text.parse::<GeoJson>().map_err(Box::new)? else {
            return Err(WardsError::NotACollection);
        };
        let mut areas = Vec::new();
        for (position, feature) in collection.features.iter().enumerate() {
            if text_property(feature.properties.as_ref(), "layer") == Some(WARD_LAYER) {
                areas.push(area(feature, position)?);
            }
        }
        if areas.is_empty() {
            return Err(WardsError::NoWards);
        }
        areas.sort_by(|a, b| a.ward.code.cmp(&b.ward.code));
        if let Some(pair) = areas.windows(2).find(|pair| pair[0].ward.code == pair[1].ward.code) {
            return Err(WardsError::DuplicateCode(Arc::clone(&pair[0].ward.code)));
        }
        let list = areas.iter().map(|area| area.ward.clone()).collect();
        Ok(Self { tree: RTree::bulk_load(areas), list })
    }

    /// Finds the ward at a place in WGS 84 degrees; `None` outside all of them.
    pub fn ward_of(&self, lat: f64, lon: f64) -> Option<&Ward> {
        if !lat.is_finite() || !lon.is_finite() {
            return None;
        }
        let point = Point::new(lon, lat);
        self.tree
            .locate_in_envelope_intersecting(AABB::from_point([lon, lat]))
            .filter(|area| area.shape.intersects(&point))
            .map(|area| &area.ward)
            .min_by(|a, b| a.code.cmp(&b.code))
    }

    /// Finds a ward by its code.
    pub fn get(&self, code: &str) -> Option<&Ward> {
        self.list.binary_search_by(|ward| (*ward.code).cmp(code)).ok().map(|slot| &self.list[slot])
    }

    /// Returns every ward, by code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Ward> {
        self.list.iter()
    }
}

fn text_property<'a>(properties: Option<&'a JsonObject>, name: &str) -> Option<&'a str> {
    properties?.get(name)?.as_str()
}

fn area(feature: &Feature, position: usize) -> Result<Area, WardsError> {
    let properties = feature.properties.as_ref();
    let name =
        text_property(properties, "code").map_or_else(|| format!("at position {position}"), str::to_owned);
    let read = |property: &'static str| -> Result<Arc<str>, WardsError> {
        let missing = || WardsError::MissingProperty { ward: name.clone(), property };
        let text = text_property(properties, property).filter(|text| !text.is_empty()).ok_or_else(missing)?;
        let bad = |problem| WardsError::BadText { ward: name.chars().take(80).collect(), property, problem };
        text::check(text).map_err(bad)?;
        Ok(nfc(text).into())
    };
    let ward = Ward { code: read("code")?, name: read("name")?, name_en: read("name_en")? };
    let bad = |problem: String| WardsError::BadShape { ward: name.clone(), problem };
    let shape = match feature.geometry.as_ref().map(|geometry| &geometry.value) {
        Some(GeometryValue::Polygon { coordinates }) => MultiPolygon(vec![polygon(coordinates)]),
        Some(GeometryValue::MultiPolygon { coordinates }) => {
            MultiPolygon(coordinates.iter().map(|rings| polygon(rings)).collect())
        }
        Some(_) => return Err(bad("its geometry is not an area".to_owned())),
        None => return Err(bad("it has no geometry".to_owned())),
    };
    let envelope = envelope(&shape).map_err(bad)?;
    shape.check_validation().map_err(|error| bad(error.to_string()))?;
    Ok(Area { ward, shape, envelope })
}

fn polygon(rings: &[Vec<geojson::Position>]) -> Polygon {
    let mut lines = rings
        .iter()
        .map(|ring| ring.iter().map(|p| (coordinate(p, 0), coordinate(p, 1))).collect::<LineString>());
    let exterior = lines.next().unwrap_or_else(|| LineString(Vec::new()));
    Polygon::new(exterior, lines.collect())
}

/// A position without that coordinate becomes NaN, which no valid shape has.
fn coordinate(position: &geojson::Position, axis: usize) -> f64 {
    position.as_slice().get(axis).copied().unwrap_or(f64::NAN)
}

fn envelope(shape: &MultiPolygon) -> Result<AABB<[f64; 2]>, String> {
    let mut points = Vec::new();
    for c in shape.iter().flat_map(|polygon| polygon.exterior().coords()) {
        if !(-180.0..=180.0).contains(&c.x) || !(-90.0..=90.0).contains(&c.y) {
            return Err(format!("({}, {}) is not a longitude and a latitude", c.x, c.y));
        }
        points.push([c.x, c.y]);
    }
    match points.is_empty() {
        true => Err("its geometry is empty".to_owned()),
        false => Ok(AABB::from_points(points.iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn square(code: &str, west: f64, south: f64, side: f64) -> String {
        let (east, north) = (west + side, south + side);
        format!(
            r#"{{"type":"Feature","properties":{{"layer":"ward","code":"{code}","name":"P{code}","name_en":"W{code}"}},
            "geometry":{{"type":"Polygon","coordinates":[[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
        )
    }

    fn collection(features: &[String]) -> String {
        format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
    }

    const ROAD: &str = r#"{"type":"Feature","properties":{"layer":"road"},"geometry":{"type":"LineString","coordinates":[[107,16],[108,17]]}}"#;

    fn four() -> Wards {
        let cells = [square("4", 108.0, 17.0, 1.0), square("1", 107.0, 16.0, 1.0), ROAD.to_owned()];
        let more = [square("2", 108.0, 16.0, 1.0), square("3", 107.0, 17.0, 1.0)];
        Wards::from_geojson(&collection(&[cells.as_slice(), &more].concat())).unwrap()
    }

    #[test]
    fn a_boundary_point_belongs_to_the_lowest_code() {
        let wards = four();
        let code = |lat, lon| wards.ward_of(lat, lon).map(|ward| ward.code.to_string());
        assert_eq!(code(16.5, 107.5).as_deref(), Some("1"));
        assert_eq!(code(17.5, 108.5).as_deref(), Some("4"));
        assert_eq!(code(17.0, 108.0).as_deref(), Some("1"), "a corner of all four");
        assert_eq!(code(17.0, 108.5).as_deref(), Some("2"), "an edge of 2 and 4");
        assert_eq!(code(16.0, 107.0).as_deref(), Some("1"), "the outermost corner");
        assert_eq!(code(15.99, 107.5), None);
        assert_eq!(code(f64::NAN, 107.5), None);
        assert_eq!(wards.get("3").map(|ward| &*ward.name), Some("P3"));
        assert_eq!(wards.get("9"), None);
        assert_eq!(wards.iter().map(|ward| &*ward.code).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    }

    #[test]
    fn bad_boundaries_are_named() {
        let no_code = square("1", 107.0, 16.0, 1.0).replace(r#""code":"1","#, "");
        let bow_tie = square("7", 107.0, 16.0, 1.0).replace("[108,17],[107,17]", "[107,17],[108,17]");
        let swapped = square("7", 16.0, 107.0, 1.0);
        let cases = [
            (collection(&[no_code]), "ward at position 0: property \"code\" is missing"),
            (collection(&[bow_tie]), "ward 7: "),
            (collection(&[square("a\\n", 107.0, 16.0, 1.0)]), "ward \"a\\n\": property \"code\" has 2 bytes"),
            (collection(&[square(&"7".repeat(257), 107.0, 16.0, 1.0)]), "ward \"77"),
            (collection(&[swapped]), "ward 7: (16, 107) is not a longitude and a latitude"),
            (collection(&[ROAD.to_owned()]), "areas have no feature"),
            (collection(&vec![square("5", 107.0, 16.0, 1.0); 2]), "ward code 5 stands twice"),
            (ROAD.to_owned(), "areas must be a GeoJSON FeatureCollection"),
            ("{".to_owned(), "areas are not GeoJSON"),
        ];
        for (text, expected) in cases {
            let message = Wards::from_geojson(&text).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message:?} should start with {expected:?}");
        }
    }

    proptest! {
        #[test]
        fn every_point_of_the_city_is_in_exactly_one_ward(lat in 16.0..=18.0f64, lon in 107.0..=109.0f64) {
            let wards = four();
            let code = wards.ward_of(lat, lon).unwrap().code.to_string();
            let expected = match (lat <= 17.0, lon <= 108.0) {
                (true, true) => "1",
                (true, false) => "2",
                (false, true) => "3",
                (false, false) => "4",
            };
            prop_assert_eq!(code, expected);
        }
    }
}
