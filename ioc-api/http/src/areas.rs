//! The shape of the city's areas, for the OpenAPI document. The file is sent as it is; nothing here is ever built.
use utoipa::ToSchema;

/// A GeoJSON FeatureCollection (RFC 7946).
#[derive(ToSchema)]
pub struct Areas {
    /// `FeatureCollection`.
    pub r#type: FeatureCollection,
    /// Wards, outline, water, roads.
    pub features: Vec<Area>,
}

/// The type of a collection.
#[derive(ToSchema)]
pub enum FeatureCollection {
    /// The only one.
    FeatureCollection,
}

/// One area.
#[derive(ToSchema)]
pub struct Area {
    /// `Feature`.
    pub r#type: Feature,
    /// What it is.
    pub properties: AreaProperties,
    /// Where it is, degrees east and north.
    pub geometry: AreaGeometry,
}

/// The type of an area.
#[derive(ToSchema)]
pub enum Feature {
    /// The only one.
    Feature,
}

/// What an area is.
#[derive(ToSchema)]
pub struct AreaProperties {
    /// How it is drawn.
    pub layer: AreaLayer,
    /// Code of a ward.
    pub code: Option<String>,
    /// Name in Vietnamese.
    pub name: Option<String>,
    /// Name in English.
    pub name_en: Option<String>,
    /// Size.
    pub area_km2: Option<f64>,
    /// Where the name stands, degrees east and north; else the middle of its shape.
    #[schema(min_items = 2, max_items = 2)]
    pub center: Option<[f64; 2]>,
    /// Width of a river, metres.
    pub width_m: Option<f64>,
}

/// Layers of the base map, as they are drawn.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum AreaLayer {
    /// A ward with its code.
    Ward,
    /// The whole city.
    Outline,
    /// Running water.
    River,
    /// Standing water.
    Lagoon,
    /// The sea.
    Sea,
    /// An old town in its walls.
    Citadel,
    /// A bridge.
    Bridge,
    /// A street.
    Road,
    /// A railway.
    Railway,
}

/// Geometries of areas.
#[derive(ToSchema)]
#[serde(tag = "type")]
pub enum AreaGeometry {
    /// A line.
    LineString {
        /// Its points.
        coordinates: Vec<Vec<f64>>,
    },
    /// Several lines.
    MultiLineString {
        /// Their points.
        coordinates: Vec<Vec<Vec<f64>>>,
    },
    /// An area with holes.
    Polygon {
        /// Rings, the outer first.
        coordinates: Vec<Vec<Vec<f64>>>,
    },
    /// Several areas.
    MultiPolygon {
        /// Rings of each.
        coordinates: Vec<Vec<Vec<Vec<f64>>>>,
    },
}
