//! From the last values of every device to one number per indicator, in one pass over the devices.
use super::KpiValue;
use ioc_ingest::{Device, Devices, LiveState};
use ioc_model::{
    Quality, Severity,
    catalogue::{Aggregate, Indicator, Measure},
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
    fn add(&mut self, of: &Measure, value: f64, arrival_ms: i64) {
        let first = self.count == 0;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.newest_ms = self.newest_ms.max(arrival_ms);
        self.count += 1;
        self.sum += if of.energy { 10f64.powf(value / 10.0) } else { value };
        let hit = match of.aggregate {
            Aggregate::CountAbove | Aggregate::ShareAbove => value > of.operand,
            Aggregate::ShareBelow => value < of.operand,
            Aggregate::ShareEqual => value == of.operand,
            _ => false,
        };
        self.hits += u64::from(hit);
    }

    fn result(&self, of: &Measure) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        let result = match of.aggregate {
            Aggregate::Mean if of.energy => 10.0 * (self.sum / count).log10(),
            Aggregate::Mean => self.sum / count,
            Aggregate::Max => self.max,
            Aggregate::Min => self.min,
            Aggregate::Sum => self.sum,
            Aggregate::Count => count,
            Aggregate::CountAbove => self.hits as f64,
            Aggregate::ShareAbove | Aggregate::ShareBelow | Aggregate::ShareEqual => self.hits as f64 / count,
        };
        Some(result * of.factor).filter(|result| result.is_finite())
    }
}

/// Measures every indicator at `now_ms`; the answers have their order.
pub(super) fn measure(
    indicators: &[Indicator],
    devices: &Devices,
    live: &LiveState,
    now_ms: i64,
) -> Vec<KpiValue> {
    let mut by_kind: HashMap<&str, Vec<usize>> = HashMap::new();
    for (slot, indicator) in indicators.iter().enumerate() {
        by_kind.entry(indicator.measure.kind.as_str()).or_default().push(slot);
    }
    let mut gathered = vec![Gathered::default(); indicators.len()];
    for device in devices.iter().filter(|device| !device.retired) {
        for slot in by_kind.get(&*device.kind).into_iter().flatten() {
            let measure = &indicators[*slot].measure;
            if let Some((value, arrival_ms)) = fresh(measure, device, live, now_ms) {
                gathered[*slot].add(measure, value, arrival_ms);
            }
        }
    }
    indicators.iter().zip(&gathered).map(|(indicator, gathered)| answer(indicator, gathered)).collect()
}

/// Returns the last value and the time it is fresh from. That is its arrival: a device whose clock is behind is slow, not
/// silent. A late one was kept back and is as old as its event time says.
fn fresh(measure: &Measure, device: &Device, live: &LiveState, now_ms: i64) -> Option<(f64, i64)> {
    let fits = measure.labels.iter().all(|(name, value)| device.labels.get(name) == Some(value));
    let latest = fits.then(|| live.get(device.index, measure.property)).flatten()?;
    let is_late = latest.quality.contains(Quality::LATE);
    let from_ms = if is_late { placed_ms(latest.ts_ms, latest.arrival_ms) } else { latest.arrival_ms };
    let is_fresh = age_ms(from_ms, now_ms) <= measure.fresh_ms;
    (is_fresh && latest.quality.is_measuring()).then_some((latest.value, from_ms))
}

fn answer(indicator: &Indicator, gathered: &Gathered) -> KpiValue {
    let (value, display) = (gathered.result(&indicator.measure), &indicator.display);
    let outside = |[low, high]: [f64; 2]| value.is_some_and(|value| value < low || value > high);
    let severity = match display.critical {
        Some(band) if outside(band) => Some(Severity::Critical),
        _ => outside(display.normal).then_some(display.severity),
    };
    let (id, domain) = (indicator.id.clone(), indicator.domain);
    KpiValue { id, domain, value, severity, t: value.map(|_| gathered.newest_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_ingest::{NewDevice, Registry};
    use ioc_model::{Catalogue, Domain, Observation, PropertyId, alert::Text, catalogue::IndicatorDisplay};
    use std::sync::Arc;

    fn measure_of(aggregate: Aggregate) -> Measure {
        Measure {
            kind: "noise-meter".into(),
            labels: Default::default(),
            property: PropertyId(20),
            energy: false,
            aggregate,
            operand: 2.0,
            factor: 1.0,
            fresh_ms: 1000,
        }
    }

    fn indicator(measure: Measure) -> Indicator {
        let display = IndicatorDisplay {
            title: Text::default(),
            unit: String::new(),
            normal: [0.0, 2.5],
            critical: Some([0.0, 8.0]),
            scale: [0.0, 10.0],
            target: None,
            severity: Severity::High,
            decimals: 0,
        };
        Indicator { id: "x".into(), domain: Domain::from_static("environment"), display, measure }
    }

    fn gather(of: &Measure, values: &[f64]) -> Gathered {
        let mut gathered = Gathered::default();
        values.iter().for_each(|value| gathered.add(of, *value, 5));
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
            let of = measure_of(aggregate);
            assert_eq!(gather(&of, &values).result(&of), Some(expected), "{aggregate:?}");
            assert_eq!(gather(&of, &[]).result(&of), None);
        }
    }

    #[test]
    fn decibels_are_averaged_as_energies() {
        let of = Measure { energy: true, ..measure_of(Aggregate::Mean) };
        let mean = gather(&of, &[60.0, 70.0]).result(&of).unwrap();
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
        let indicator = indicator(Measure { fresh_ms: 120_000, ..measure_of(Aggregate::Max) });
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
                property: indicator.measure.property,
                ts_ms: NOW - event_s * 1000,
                value: 1.0,
                quality,
            };
            live.apply(device, [observation], NOW - arrival_s * 1000);
            let measured = measure(std::slice::from_ref(&indicator), &registry.devices(), &live, NOW);
            assert_eq!(measured[0].value.is_some(), fresh, "{event_s} s, {arrival_s} s, {quality:?}");
        }
    }

    #[test]
    fn outside_the_bands_it_matters() {
        let indicator = indicator(measure_of(Aggregate::Max));
        let severity = |value| answer(&indicator, &gather(&indicator.measure, &[value])).severity;
        assert_eq!(severity(2.5), None);
        assert_eq!(severity(3.0), Some(Severity::High));
        assert_eq!(severity(9.0), Some(Severity::Critical));
    }
}
