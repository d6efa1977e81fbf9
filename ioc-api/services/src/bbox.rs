//! A box on the map, checked at one place for all who are asked for one.
use ioc_ingest::Device;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// West, south, east, north in degrees. It holds its edges.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "[f64; 4]")]
pub struct Bbox([f64; 4]);

/// Numbers that are no box.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("bbox {text}: {problem}; expected west,south,east,north in degrees, such as 107.5,16.4,107.7,16.5")]
pub struct InvalidBbox {
    text: String,
    problem: String,
}

impl Bbox {
    /// Reports whether a place lies in it.
    pub fn contains(self, lon: f64, lat: f64) -> bool {
        let Self([west, south, east, north]) = self;
        (west..=east).contains(&lon) && (south..=north).contains(&lat)
    }

    /// Reports whether a device lies in it.
    pub fn holds(self, device: &Device) -> bool {
        self.contains(device.lon, device.lat)
    }
}

/// Returns what is wrong with four numbers, if anything is.
fn problem([west, south, east, north]: [f64; 4]) -> Option<String> {
    for (name, degrees, most) in
        [("west", west, 180.0), ("south", south, 90.0), ("east", east, 180.0), ("north", north, 90.0)]
    {
        // What is no number lies in no range.
        if !(-most..=most).contains(&degrees) {
            return Some(format!("{name} is {degrees}, which is not between -{most} and {most}"));
        }
    }
    if west > east {
        return Some(format!("west ({west}) lies east of east ({east})"));
    }
    (south > north).then(|| format!("south ({south}) lies north of north ({north})"))
}

impl TryFrom<[f64; 4]> for Bbox {
    type Error = InvalidBbox;

    fn try_from(edges: [f64; 4]) -> Result<Self, InvalidBbox> {
        match problem(edges) {
            None => Ok(Self(edges)),
            Some(problem) => Err(InvalidBbox { text: edges.map(|edge| edge.to_string()).join(","), problem }),
        }
    }
}

impl FromStr for Bbox {
    type Err = InvalidBbox;

    /// Reads `west,south,east,north`.
    fn from_str(text: &str) -> Result<Self, InvalidBbox> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        let edges = numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        let problem = || "these are not four numbers".to_owned();
        let wrong = || InvalidBbox { text: text.chars().take(100).collect(), problem: problem() };
        edges.ok_or_else(wrong)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_four_numbers_in_order_and_hold_their_edges() {
        let bbox: Bbox = "107.5, 16.4,107.6,16.5".parse().unwrap();
        assert!(bbox.contains(107.55, 16.45) && bbox.contains(107.5, 16.5) && !bbox.contains(107.4, 16.45));
        assert!("-180,-90,180,90".parse::<Bbox>().is_ok());
        let table = [
            ("107.5,16.4,107.6", "not four numbers"),
            ("1,2,3,4,x", "not four numbers"),
            ("a,b,c,d", "not four numbers"),
            ("", "not four numbers"),
            ("107.6,16.4,107.5,16.5", "west (107.6) lies east of east (107.5)"),
            ("107.5,16.5,107.6,16.4", "south (16.5) lies north of north (16.4)"),
            ("16.4,107.5,16.5,107.6", "south is 107.5, which is not between -90 and 90"),
            ("nan,1,2,3", "west is NaN"),
            ("1,1,2,nan", "north is NaN"),
            ("-inf,-90,inf,90", "west is -inf, which is not between -180 and 180"),
            ("0,0,181,1", "east is 181"),
        ];
        for (text, expected) in table {
            let said = text.parse::<Bbox>().unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("west,south,east,north in degrees"), "{said}");
        }
    }

    #[test]
    fn json_has_the_same_rules() {
        let read = |text: &str| serde_json::from_str::<Bbox>(text);
        assert!(read("[107.5,16.4,107.6,16.5]").is_ok());
        for (text, expected) in [
            ("[107.6,16.4,107.5,16.5]", "lies east of east"),
            ("[0,0,200,1]", "east is 200"),
            ("[0,0,1]", "invalid length"),
            ("[0,0,1e999,1]", "out of range"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
