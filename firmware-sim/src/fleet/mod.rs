//! Which devices the simulated city has, where they stand, and what hangs on what.
//!
//! Owns ids, places, labels and parents. Leaves what the devices measure to the behaviours and their wards to the
//! registry (the ward here is the one with the nearest centre, for scenarios to choose by).
mod environment;
mod lighting;
mod parking;
mod traffic;

use crate::{
    city::{Position, wards},
    dice::Dice,
    kind::Kind,
};
use ioc_model::{DeviceId, Domain};
use std::collections::BTreeMap;

/// What a device hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimParent {
    /// How it hangs on it.
    pub kind: ParentKind,
    /// The other device.
    pub id: DeviceId,
}

/// How a device hangs on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentKind {
    /// It speaks through it.
    Gateway,
    /// It is fed from it.
    Cabinet,
}

impl ParentKind {
    /// Returns the registry's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Cabinet => "cabinet",
        }
    }
}

/// A simulated device as it is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct SimDevice {
    /// Its id, also its level in topics.
    pub id: DeviceId,
    /// Its domain.
    pub domain: Domain,
    /// What it is; [`Kind::as_str`] is the catalogue's word.
    pub kind: Kind,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// What it hangs on.
    pub parent: Option<SimParent>,
    /// Its labels in the registry.
    pub labels: BTreeMap<String, String>,
    /// Code of the ward with the nearest centre; a hint for scenarios, the registry computes its own.
    pub near_ward: &'static str,
}

impl SimDevice {
    /// Returns a label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// Smallest fleet that has every kind.
pub const FLEET_MIN: usize = 60;
/// Largest fleet: ids keep their width.
pub const FLEET_MAX: usize = 20_000;

/// Builds the fleet of a seed: about `n` devices (kept within [`FLEET_MIN`] and [`FLEET_MAX`]) over the four
/// domains, always with the fixed stations `WL-KIMLONG` and `WL-PHUOC`.
///
/// Shape: parents stand before their children; ids are unique; the same arguments give the same fleet.
pub fn fleet(seed: u64, n: usize) -> Vec<SimDevice> {
    let n = n.clamp(FLEET_MIN, FLEET_MAX);
    let scale = n as f64 / 2000.0;
    let mut yard = Yard { devices: Vec::with_capacity(n + 8), dice: Dice::new(seed).named("fleet") };
    environment::place(&mut yard, scale);
    traffic::place(&mut yard, scale);
    parking::place(&mut yard, scale);
    let lamps = n.saturating_sub(yard.devices.len());
    lighting::place(&mut yard, lamps);
    yard.devices
}

/// The fleet while it is being built.
struct Yard {
    devices: Vec<SimDevice>,
    dice: Dice,
}

impl Yard {
    /// Adds a device; ids are made of fixed prefixes and numbers, so they are valid, and one that is not is left out.
    fn add(
        &mut self,
        id: &str,
        kind: Kind,
        place: Position,
        parent: Option<SimParent>,
        labels: &[(&str, &str)],
    ) -> Option<DeviceId> {
        let id: DeviceId = id.parse().ok()?;
        let place = place.rounded();
        self.devices.push(SimDevice {
            id: id.clone(),
            domain: kind.domain(),
            kind,
            lat: place.lat,
            lon: place.lon,
            parent,
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            near_ward: wards::nearest(place).code,
        });
        Some(id)
    }
}

/// Scales a count of the full fleet, never below `least`.
fn scaled(full: f64, scale: f64, least: usize) -> usize {
    ((full * scale).round() as usize).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::water::in_water;
    use std::collections::HashSet;

    #[test]
    fn has_about_the_size_asked_for_and_every_kind() {
        for n in [60, 300, 2000, 6000] {
            let fleet = fleet(1, n);
            assert!((fleet.len() as f64 / n as f64 - 1.0).abs() < 0.1, "{n}: {}", fleet.len());
            let ids: HashSet<_> = fleet.iter().map(|d| d.id.as_str()).collect();
            assert_eq!(ids.len(), fleet.len());
            for kind in Kind::ALL {
                assert!(fleet.iter().any(|d| d.kind == kind), "{n}: no {kind}");
            }
        }
        assert_eq!(fleet(5, 500), fleet(5, 500));
    }

    #[test]
    fn fixed_stations_stand_where_the_contract_says() {
        let fleet = fleet(9, 100);
        let find = |id: &str| fleet.iter().find(|d| d.id.as_str() == id).unwrap();
        let kim_long = find("WL-KIMLONG");
        assert_eq!((kim_long.lat, kim_long.lon), (16.4560, 107.5590));
        assert_eq!((kim_long.label("station"), kim_long.label("river")), (Some("kim-long"), Some("huong")));
        let phu_oc = find("WL-PHUOC");
        assert_eq!((phu_oc.lat, phu_oc.lon), (16.5300, 107.4700));
        assert_eq!((phu_oc.label("station"), phu_oc.label("river")), (Some("phu-oc"), Some("bo")));
        for id in [
            "LUM-00001",
            "CAB-001",
            "SIG-001",
            "DET-0001",
            "BAY-0001",
            "LOT-01",
            "AIR-01",
            "NOI-01",
            "RAIN-01",
        ] {
            find(id);
        }
    }

    #[test]
    fn parents_come_first_and_nothing_stands_in_the_river() {
        let fleet = fleet(3, 2000);
        let mut seen = HashSet::new();
        for device in &fleet {
            if let Some(parent) = &device.parent {
                assert!(seen.contains(&parent.id), "{} before its parent", device.id);
            }
            seen.insert(device.id.clone());
            let place = Position::new(device.lat, device.lon);
            assert!(device.kind == Kind::WaterLevel || !in_water(place), "{} at {place:?}", device.id);
            assert!((16.0..16.8).contains(&device.lat) && (107.0..108.2).contains(&device.lon));
        }
    }

    #[test]
    fn lamps_name_their_cabinet_and_feeder() {
        let fleet = fleet(3, 2000);
        let wards: HashSet<_> = fleet.iter().map(|d| d.near_ward).collect();
        assert!(wards.len() > 30, "only {} wards", wards.len());
        for lamp in fleet.iter().filter(|d| d.kind == Kind::Luminaire) {
            assert_eq!(lamp.parent.as_ref().unwrap().id.as_str(), lamp.label("cabinet").unwrap());
            assert!(lamp.label("feeder").unwrap().starts_with('F') && lamp.label("street").is_some());
            assert!(lamp.label("rated_power").unwrap().parse::<f64>().unwrap() >= 50.0);
        }
    }
}
