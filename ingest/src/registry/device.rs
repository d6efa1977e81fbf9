//! One device, and all of them as a snapshot.
use super::{RegistryError, check};
use crate::Wards;
use ioc_model::{Catalogue, DeviceId, DeviceIndex, Domain, Parent, ParentKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A device as it is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Position in the registry; never reused.
    pub index: DeviceIndex,
    /// Name; also its MQTT client id.
    pub id: DeviceId,
    /// Where it belongs.
    pub domain: Domain,
    /// A kind of the catalogue.
    pub kind: Arc<str>,
    /// Latitude, degrees WGS 84.
    pub lat: f64,
    /// Longitude, degrees WGS 84.
    pub lon: f64,
    /// Code of the ward it stands in, if in any; always from the position.
    pub ward: Option<Arc<str>>,
    /// What it hangs on, if anything.
    pub parent: Option<Parent>,
    /// Labels for rules and filters.
    pub labels: BTreeMap<String, String>,
    /// How often its kind reports, in seconds.
    pub reporting_period_s: u32,
    /// Out of service: it is known, but its messages are refused.
    pub retired: bool,
    /// When it was registered, milliseconds since the epoch.
    pub created_ms: i64,
}

/// A device to be registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Name; also its MQTT client id.
    pub id: DeviceId,
    /// Where it belongs; must be the kind's.
    pub domain: Domain,
    /// A kind of the catalogue.
    pub kind: String,
    /// Latitude, degrees WGS 84.
    #[serde(with = "any_number")]
    pub lat: f64,
    /// Longitude, degrees WGS 84.
    #[serde(with = "any_number")]
    pub lon: f64,
    /// What it hangs on, if anything.
    #[serde(default)]
    pub parent: Option<Parent>,
    /// Labels for rules and filters.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Numbers that JSON has no form for, as text: they reach the registry through every door and are refused there.
mod any_number {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match value.is_finite() {
            true => serializer.serialize_f64(*value),
            false => serializer.collect_str(value),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let expected = "expected degrees as a number, as in 16.46";
        match Written::deserialize(deserializer) {
            Ok(Written::Number(value)) => Ok(value),
            Ok(Written::Text(text)) => {
                let value = text.parse::<f64>().ok().filter(|value| !value.is_finite());
                value.ok_or_else(|| D::Error::custom(format!("{text:?} is text; {expected}")))
            }
            Err(_) => Err(D::Error::custom(expected)),
        }
    }
}

/// Label of a device that names the gateway which speaks for it, when its parent is something else.
pub(super) const GATEWAY_LABEL: &str = "gateway";

impl Device {
    /// Returns the gateways that speak for it: as its parent, or by the label `gateway`.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        let parent = self.parent.as_ref().filter(|parent| parent.kind == ParentKind::Gateway);
        let label = self.labels.get(GATEWAY_LABEL).map(String::as_str);
        parent.map(|parent| parent.id.as_str()).into_iter().chain(label)
    }

    /// Reports whether this gateway speaks for it.
    pub fn is_under(&self, gateway: &str) -> bool {
        self.gateways().any(|id| id == gateway)
    }
}

/// All devices at one moment.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    pub(super) list: Vec<Arc<Device>>,
    pub(super) by_id: HashMap<Arc<str>, DeviceIndex>,
}

impl Devices {
    /// Finds a device by its position.
    pub fn by_index(&self, index: DeviceIndex) -> Option<&Arc<Device>> {
        self.list.get(index.0 as usize)
    }

    /// Finds a device by its name, retired ones too.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Device>> {
        self.by_index(*self.by_id.get(id)?)
    }

    /// Finds a device in service by its name: whose messages are taken.
    pub fn in_service(&self, id: &str) -> Option<&Arc<Device>> {
        self.by_id(id).filter(|device| !device.retired)
    }

    /// Returns every device, retired ones too, by position.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Device>> {
        self.list.iter()
    }

    /// Returns the devices that hang directly on `id`.
    pub fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Arc<Device>> {
        self.list
            .iter()
            .filter(move |device| device.parent.as_ref().is_some_and(|parent| parent.id.as_str() == id))
    }

    /// Returns how many there are, retired ones too.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Reports whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn restore(
        mut kept: Vec<Device>,
        catalogue: &Catalogue,
        wards: &Wards,
    ) -> Result<Self, RegistryError> {
        kept.sort_by_key(|device| device.index);
        let mut devices = Self::default();
        for mut device in kept {
            let expected = devices.next_index()?;
            if device.index != expected {
                return Err(RegistryError::Gap {
                    id: device.id,
                    found: device.index.0,
                    expected: expected.0,
                });
            }
            let kind = check::kind(catalogue, &device.id, &device.kind, device.domain)?;
            device.reporting_period_s = kind.reporting_period_s;
            device.ward = ward_code(wards, device.lat, device.lon);
            devices.push(device)?;
        }
        Ok(devices)
    }

    pub(super) fn next_index(&self) -> Result<DeviceIndex, RegistryError> {
        // The highest number is left out: on the wire it stands for "no device".
        u32::try_from(self.list.len())
            .ok()
            .filter(|n| *n < u32::MAX)
            .map(DeviceIndex)
            .ok_or(RegistryError::Full)
    }

    pub(super) fn push(&mut self, device: Device) -> Result<Arc<Device>, RegistryError> {
        if self.by_id.contains_key(device.id.as_str()) {
            return Err(RegistryError::Taken(device.id));
        }
        self.by_id.insert(device.id.as_str().into(), device.index);
        let device = Arc::new(device);
        self.list.push(Arc::clone(&device));
        Ok(device)
    }
}

pub(super) fn ward_code(wards: &Wards, lat: f64, lon: f64) -> Option<Arc<str>> {
    wards.ward_of(lat, lon).map(|ward| Arc::clone(&ward.code))
}
