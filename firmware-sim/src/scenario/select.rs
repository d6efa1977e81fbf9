//! Choosing devices: by id, kind, ward and label, some of them by the seed.
use crate::{dice::Dice, fleet::SimDevice, kind::Kind};
use std::collections::BTreeMap;

/// Which devices something is about. Empty fields do not restrict.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selector {
    /// These ids.
    pub ids: Vec<String>,
    /// This kind.
    pub kind: Option<Kind>,
    /// Wards by code.
    pub wards: Vec<String>,
    /// Labels with these values.
    pub labels: BTreeMap<String, String>,
    /// At most this many of them, chosen by the seed.
    pub count: Option<usize>,
    /// This share of them, 0 to 1, chosen by the seed.
    pub share: Option<f64>,
}

impl Selector {
    /// Reports whether a device is among those to choose from.
    pub fn matches(&self, device: &SimDevice) -> bool {
        (self.ids.is_empty() || self.ids.iter().any(|id| id == device.id.as_str()))
            && self.kind.is_none_or(|kind| kind == device.kind)
            && (self.wards.is_empty() || self.wards.iter().any(|ward| ward == device.near_ward))
            && self.labels.iter().all(|(name, value)| device.label(name) == Some(value))
    }

    /// Returns the chosen devices as positions in the fleet, in order; `free` says which may be taken when only
    /// some are wanted.
    pub(crate) fn choose(&self, fleet: &[SimDevice], dice: Dice, free: impl Fn(usize) -> bool) -> Vec<usize> {
        let is_choice = self.count.is_some() || self.share.is_some();
        let matching = (0..fleet.len()).filter(|index| self.matches(&fleet[*index]));
        let mut devices: Vec<usize> = matching.filter(|index| !is_choice || free(*index)).collect();
        let by_share =
            self.share.map_or(devices.len(), |share| (share * devices.len() as f64).round() as usize);
        let wanted = by_share.min(self.count.unwrap_or(usize::MAX));
        if wanted < devices.len() {
            devices.sort_by_key(|index| dice.of(*index as u64).bits());
            devices.truncate(wanted);
            devices.sort_unstable();
        }
        devices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fleet;

    #[test]
    fn chooses_by_kind_ward_and_count() {
        let fleet = fleet(1, 2000);
        let selector = Selector { kind: Some(Kind::Luminaire), count: Some(5), ..Selector::default() };
        let choose = |seed| selector.choose(&fleet, Dice::new(seed), |_| true);
        assert_eq!(choose(1).len(), 5);
        assert_eq!(choose(1), choose(1));
        assert_ne!(choose(1), choose(2));
        let wards = vec!["19900".to_owned()];
        let in_ward = Selector { wards, share: Some(0.5), ..Selector::default() };
        let all = fleet.iter().filter(|d| d.near_ward == "19900").count();
        let half = in_ward.choose(&fleet, Dice::new(1), |_| true);
        assert_eq!(half.len(), (all as f64 * 0.5).round() as usize);
        assert!(half.iter().all(|index| fleet[*index].near_ward == "19900"));
    }

    #[test]
    fn busy_devices_are_left_alone_unless_named() {
        let fleet = fleet(1, 100);
        let named = Selector { ids: vec!["SIG-001".into()], ..Selector::default() };
        assert_eq!(named.choose(&fleet, Dice::new(1), |_| false).len(), 1);
        let some = Selector { kind: Some(Kind::SignalController), count: Some(1), ..Selector::default() };
        assert!(some.choose(&fleet, Dice::new(1), |_| false).is_empty());
    }
}
