//! From the last values of every device to one number per indicator, in one pass over the devices.
use super::{Aggregate, Definition, KpiValue};
use ioc_ingest::{Device, Devices, LiveState};
use ioc_model::{
    Quality, Severity,
    time::{age_ms, placed_ms},
};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    count: u64,
    hits: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// Newest arrival.
    newest_ms: i64,
}

impl Gathered {
    fn add(&mut self, definition: &Definition, value: f64, arrival_ms: i64) {
        let first = self.count == 0;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.newest_ms = self.newest_ms.max(arrival_ms);
        self.count += 1;
        self.sum += if definition.energy { 10f64.powf(value / 10.0) } else { value };
        let hit = match definition.aggregate {
            Aggregate::CountAbove | Aggregate::ShareAbove => value > definition.operand,
            Aggregate::ShareBelow => value < definition.operand,
            Aggregate::ShareEqual => value == definition.operand,
            _ => false,
        };
        self.hits += u64::from(hit);
    }

    fn result(&self, definition: &Definition) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let result = match definition.aggregate {
            Aggregate::Mean if definition.energy => 10.0 * (self.sum / count).log10(),
            Aggregate::Mean => self.sum / count,
            Aggregate::Max => self.max,
            Aggregate::Min => self.min,
            Aggregate::Sum => self.sum,
            Aggregate::Count => count,
            Aggregate::CountAbove => self.hits as f64,
            Aggregate::ShareAbove | Aggregate::ShareBelow | Aggregate::ShareEqual => self.hits as f64 / count,
        };
        Some(result * definition.factor).filter(|result| result.is_finite())
    }
}

/// Measures every definition at `now_ms`; the answers have their order.
pub(super) fn measure(
    definitions: &[Definition],
    devices: &Devices,
    live: &LiveState,
    now_ms: i64,
) -> Vec<KpiValue> {
    let mut by_kind: HashMap<&str, Vec<usize>> = HashMap::new();
    for (slot, definition) in definitions.iter().enumerate() {
        by_kind.entry(definition.kind.as_str()).or_default().push(slot);
    }
    let mut gathered = vec![Gathered::default(); definitions.len()];
    for device in devices.iter().filter(|device| !device.retired) {
        for slot in by_kind.get(&*device.kind).into_iter().flatten() {
            let definition = &definitions[*slot];
            if let Some((value, arrival_ms)) = fresh(definition, device, live, now_ms) {
                gathered[*slot].add(definition, value, arrival_ms);
            }
        }
    }
    definitions.iter().zip(&gathered).map(|(definition, gathered)| answer(definition, gathered)).collect()
}

/// Returns the last value and the time it is fresh from. That is its arrival: a device whose clock is behind is slow, not
/// silent. A late one was kept back and is as old as its event time says.
fn fresh(definition: &Definition, device: &Device, live: &LiveState, now_ms: i64) -> Option<(f64, i64)> {
    let fits = definition.labels.iter().all(|(name, value)| device.labels.get(name) == Some(value));
    let latest = fits.then(|| live.get(device.index, definition.property)).flatten()?;
    let is_late = latest.quality.contains(Quality::LATE);
    let from_ms = if is_late { placed_ms(latest.ts_ms, latest.arrival_ms) } else { latest.arrival_ms };
    let is_fresh = age_ms(from_ms, now_ms) <= definition.fresh_ms;
    (is_fresh && latest.quality.is_measuring()).then_some((latest.value, from_ms))
}

fn answer(definition: &Definition, gathered: &Gathered) -> KpiValue {
    let value = gathered.result(definition);
    let outside = |[low, high]: [f64; 2]| value.is_some_and(|value| value < low || value > high);
    let severity = match definition.critical {
        Some(band) if outside(band) => Some(Severity::Critical),
        _ => outside(definition.normal).then_some(definition.severity),
    };
    let (id, domain) = (definition.id.clone(), definition.domain);
    KpiValue { id, domain, value, severity, t: value.map(|_| gathered.newest_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_ingest::{NewDevice, Registry};
    use ioc_model::{Catalogue, Domain, Observation, PropertyId, alert::Text};
    use std::sync::Arc;

    fn definition(aggregate: Aggregate) -> Definition {
        Definition {
            id: "x".into(),
            domain: Domain::from_static("environment"),
            title: Text::default(),
            unit: String::new(),
            kind: "noise-meter".into(),
            labels: Default::default(),
            property: PropertyId(20),
            energy: false,
            aggregate,
            operand: 2.0,
            factor: 1.0,
            fresh_ms: 1000,
            normal: [0.0, 2.5],
            scale: [0.0, 10.0],
            severity: Severity::High,
            critical: Some([0.0, 8.0]),
            decimals: 0,
        }
    }

    fn gather(definition: &Definition, values: &[f64]) -> Gathered {
        let mut gathered = Gathered::default();
        values.iter().for_each(|value| gathered.add(definition, *value, 5));
        gathered
    }

    #[test]
    fn every_aggregate_is_what_it_says() {
        let values = [1.0, 2.0, 3.0, 6.0];
        let cases = [
            (Aggregate::Mean, 3.0),
            (Aggregate::Max, 6.0),
            (Aggregate::Min, 1.0),
            (Aggregate::Sum, 12.0),
            (Aggregate::Count, 4.0),
            (Aggregate::CountAbove, 2.0),
            (Aggregate::ShareAbove, 0.5),
            (Aggregate::ShareBelow, 0.25),
            (Aggregate::ShareEqual, 0.25),
        ];
        for (aggregate, expected) in cases {
            let definition = definition(aggregate);
            assert_eq!(gather(&definition, &values).result(&definition), Some(expected), "{aggregate:?}");
            assert_eq!(gather(&definition, &[]).result(&definition), None);
        }
    }

    #[test]
    fn decibels_are_averaged_as_energies() {
        let definition = Definition { energy: true, ..definition(Aggregate::Mean) };
        let mean = gather(&definition, &[60.0, 70.0]).result(&definition).unwrap();
        assert!((mean - 67.4036).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn freshness_counts_from_arrival() {
        const NOW: i64 = 1_761_523_200_000;
        let catalogue =
            Catalogue::from_toml(include_str!("../../../../configs/catalogue/catalogue.toml")).unwrap();
        let registry = Registry::new(Arc::new(catalogue), Arc::default());
        let new = NewDevice {
            id: "NOI-1".parse().unwrap(),
            domain: Domain::from_static("environment"),
            kind: "noise-meter".into(),
            lat: 16.46,
            lon: 107.59,
            parent: None,
            labels: Default::default(),
        };
        let device = registry.insert(new, NOW).unwrap().index;
        let definition =
            Definition { aggregate: Aggregate::Max, fresh_ms: 120_000, ..definition(Aggregate::Max) };
        let late = Quality::LATE;
        let cases = [
            // Event and arrival before now in seconds, quality; fresh?
            (0, 0, Quality::GOOD, true),
            (-240, 0, Quality::CLOCK_AHEAD, true),
            (130, 0, Quality::CLOCK_OFFSET, true),
            (900, 119, Quality::CLOCK_OFFSET, true),
            (130, 121, Quality::GOOD, false),
            (-240, 121, Quality::CLOCK_AHEAD, false),
            (900, 0, late, false),
            (0, -600, Quality::GOOD, true),
        ];
        for (event_s, arrival_s, quality, fresh) in cases {
            let live = LiveState::default();
            let observation = Observation {
                property: definition.property,
                ts_ms: NOW - event_s * 1000,
                value: 1.0,
                quality,
            };
            live.apply(device, [observation], NOW - arrival_s * 1000);
            let measured = measure(std::slice::from_ref(&definition), &registry.devices(), &live, NOW);
            assert_eq!(measured[0].value.is_some(), fresh, "{event_s} s, {arrival_s} s, {quality:?}");
        }
    }

    #[test]
    fn outside_the_bands_it_matters() {
        let definition = definition(Aggregate::Max);
        let severity = |value| answer(&definition, &gather(&definition, &[value])).severity;
        assert_eq!(severity(2.5), None);
        assert_eq!(severity(3.0), Some(Severity::High));
        assert_eq!(severity(9.0), Some(Severity::Critical));
    }
}
