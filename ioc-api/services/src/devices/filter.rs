//! Which devices a list is of.
use crate::{ServiceError, bbox::Bbox};
use ioc_ingest::{Device, Wards};
use ioc_model::{Catalogue, Domain, text::fold};
use std::str::FromStr;

/// Longest search, in bytes; each word is looked for in every device.
pub const SEARCH_LEN_MAX: usize = 256;

/// How a device stands, as a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(rename_all = "lowercase"))]
pub enum DeviceStatus {
    /// Heard, and without alerts.
    Normal,
    /// Not heard.
    Offline,
    /// With open alerts.
    Alarm,
}

impl FromStr for DeviceStatus {
    type Err = ServiceError;

    fn from_str(word: &str) -> Result<Self, ServiceError> {
        match word {
            "normal" => Ok(Self::Normal),
            "offline" => Ok(Self::Offline),
            "alarm" => Ok(Self::Alarm),
            other => Err(ServiceError::Invalid(format!("status={other}; expected normal, offline or alarm"))),
        }
    }
}

/// Which devices a list is of; what is empty admits every device.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// Only of these domains.
    pub domains: Vec<Domain>,
    /// Only in these wards, by code.
    pub wards: Vec<String>,
    /// Only of these kinds.
    pub kinds: Vec<String>,
    /// Only those that stand so.
    pub status: Option<DeviceStatus>,
    /// Only in this box.
    pub bbox: Option<Bbox>,
    /// Only with all of these words, folded; see [`DeviceFilter::searching`].
    pub words: Vec<String>,
}

impl DeviceFilter {
    /// Admits devices alone that have each word of `text` in the id, a label's value or the ward's name; capitals and
    /// marks do not matter.
    ///
    /// Errors: a text longer than [`SEARCH_LEN_MAX`] bytes.
    pub fn searching(self, text: &str) -> Result<Self, ServiceError> {
        if text.len() > SEARCH_LEN_MAX {
            let why = format!("q is too long; at most {SEARCH_LEN_MAX} bytes");
            return Err(ServiceError::Invalid(why));
        }
        let words = fold(text).split_whitespace().map(str::to_owned).collect();
        Ok(Self { words, ..self })
    }

    /// Checks that the city has the wards and kinds of this filter.
    ///
    /// Errors: the first that it does not have.
    pub fn checked(self, catalogue: &Catalogue, city: &Wards) -> Result<Self, ServiceError> {
        if let Some(ward) = self.wards.iter().find(|ward| city.get(ward).is_none()) {
            let why = format!("the city has no ward {ward:?}; GET /api/v1/areas lists their codes");
            return Err(ServiceError::Invalid(why));
        }
        if let Some(kind) = self.kinds.iter().find(|kind| catalogue.kind(kind).is_none()) {
            let why = format!("no kind is called {kind:?}; GET /api/v1/catalogue lists them");
            return Err(ServiceError::Invalid(why));
        }
        Ok(self)
    }

    /// Reports whether a device that stands so is on the list.
    pub fn admits(&self, device: &Device, status: DeviceStatus, wards: &Wards) -> bool {
        let ward = device.ward.as_deref();
        (self.domains.is_empty() || self.domains.contains(&device.domain))
            && (self.wards.is_empty() || self.wards.iter().any(|wanted| Some(&**wanted) == ward))
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| **wanted == *device.kind))
            && self.bbox.is_none_or(|bbox| bbox.contains(device.lon, device.lat))
            && self.status.is_none_or(|wanted| wanted == status)
            && self.mentions(device, wards)
    }

    fn mentions(&self, device: &Device, wards: &Wards) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let ward = device.ward.as_deref().and_then(|code| wards.get(code)).map(|ward| &*ward.name);
        let labels = device.labels.values().map(String::as_str);
        let texts: Vec<String> =
            [device.id.as_str()].into_iter().chain(labels).chain(ward).map(fold).collect();
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
