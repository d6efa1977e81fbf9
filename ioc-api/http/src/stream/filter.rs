//! What a client of the live stream wants to see. An empty filter means all.
use super::protocol::or_default;
use ioc_ingest::Device;
use ioc_model::{Alert, Domain, Severity};
use ioc_services::bbox::Bbox;
use serde::Deserialize;

/// The filter of a subscription; every list that is empty lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Domains.
    #[serde(deserialize_with = "or_default")]
    pub domain: Vec<Domain>,
    /// Ward codes.
    #[serde(deserialize_with = "or_default")]
    pub ward: Vec<String>,
    /// Severities; only for alerts.
    #[serde(deserialize_with = "or_default")]
    pub severity: Vec<Severity>,
    /// West, south, east, north in degrees; only for devices and their alerts.
    #[schema(value_type = Option<[f64; 4]>)]
    pub bbox: Option<Bbox>,
}

impl Filter {
    /// Reports whether an alert passes; `place` is the longitude and latitude of its device.
    pub fn admits_alert(&self, alert: &Alert, place: Option<(f64, f64)>) -> bool {
        let domain =
            self.domain.is_empty() || alert.domain.is_some_and(|domain| self.domain.contains(&domain));
        let ward = self.ward.is_empty() || alert.ward.as_ref().is_some_and(|ward| self.ward.contains(ward));
        let severity = self.severity.is_empty() || self.severity.contains(&alert.severity);
        let inside = self.bbox.is_none_or(|bbox| place.is_some_and(|(lon, lat)| bbox.contains(lon, lat)));
        domain && ward && severity && inside
    }

    /// Reports whether what is said of a whole domain passes.
    pub fn admits_domain(&self, domain: Domain) -> bool {
        self.domain.is_empty() || self.domain.contains(&domain)
    }

    /// Reports whether a device passes.
    pub fn admits_device(&self, device: &Device) -> bool {
        let domain = self.domain.is_empty() || self.domain.contains(&device.domain);
        let ward = self.ward.is_empty()
            || device.ward.as_deref().is_some_and(|ward| self.ward.iter().any(|wanted| wanted == ward));
        domain && ward && self.bbox.is_none_or(|bbox| bbox.holds(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = serde_json::from_str::<Filter>(r#"{"domains":["traffic"]}"#).unwrap_err();
        assert!(error.to_string().contains("domains"), "{error}");
    }

    #[test]
    fn a_box_that_is_none_is_refused_with_the_reason() {
        let error = serde_json::from_str::<Filter>(r#"{"bbox":[108,16,107,17]}"#).unwrap_err();
        assert!(error.to_string().contains("west (108) lies east of east (107)"), "{error}");
    }
}
