//! What the measuring stations said before a run began: a city does not start with empty curves. One array per
//! station, thinned out, as a station sends it after a long outage.
use super::{Action, Event, Simulation, SimulationError};
use crate::{Kind, Scenario, SimDevice, scenario::Title};
use std::{collections::HashMap, sync::Arc};

/// Longest array, in bytes: it must fit one packet.
const ARRAY_BYTES_MAX: usize = 60 * 1024;

/// Time between two kept reports of a kind, in milliseconds; `None` for kinds whose past nobody draws.
fn step_ms(kind: Kind) -> Option<i64> {
    match kind {
        Kind::WaterLevel => Some(180_000),
        Kind::AirStation => Some(300_000),
        Kind::RainGauge | Kind::NoiseMeter => Some(600_000),
        _ => None,
    }
}

/// Returns one publish per station with its reports of the `hours` before `end_ms`, without any incident.
///
/// Shape: [`Event::connection`] is a position in `connection_of`, which has one entry per device of `fleet`.
/// Errors: none in practice; an ordinary day contradicts nothing.
pub(super) fn past(
    fleet: &[SimDevice],
    connection_of: &[usize],
    seed: u64,
    end_ms: i64,
    hours: u32,
) -> Result<Vec<Event>, SimulationError> {
    let stations: Vec<usize> =
        (0..fleet.len()).filter(|device| step_ms(fleet[*device].kind).is_some()).collect();
    let some: Vec<SimDevice> = stations.iter().map(|device| fleet[*device].clone()).collect();
    let start_ms = end_ms - i64::from(hours) * 3_600_000;
    let mut simulation = Simulation::new(some, &ordinary_day(), seed, start_ms)?;
    let mut arrays: HashMap<usize, (Arc<str>, Vec<u8>, i64)> = HashMap::new();
    while let Some(event) = simulation.next_before(end_ms) {
        let Action::Publish { device, topic, payload } = event.action else { continue };
        let Some(step_ms) = step_ms(fleet[stations[device]].kind) else { continue };
        let step = event.at_ms.div_euclid(step_ms);
        let (_, array, kept) = arrays.entry(device).or_insert_with(|| (topic, Vec::new(), i64::MIN));
        if *kept != step && array.len() + payload.len() < ARRAY_BYTES_MAX {
            *kept = step;
            array.push(if array.is_empty() { b'[' } else { b',' });
            array.extend_from_slice(&payload);
        }
    }
    let mut events: Vec<Event> = arrays
        .into_iter()
        .map(|(device, (topic, mut payload, _))| {
            payload.push(b']');
            let device = stations[device];
            Event {
                at_ms: end_ms,
                connection: connection_of[device],
                action: Action::Publish { device, topic, payload },
            }
        })
        .collect();
    events.sort_by_key(|event| event.connection);
    Ok(events)
}

fn ordinary_day() -> Scenario {
    let name = "the day before".to_owned();
    let title = Title { vi: "Hôm trước".to_owned(), en: "The day before".to_owned() };
    Scenario {
        name,
        title,
        length_s: 86_400.0,
        story_hours: 24.0,
        incidents: Vec::new(),
        random: None,
        rivers: Vec::new(),
        rain: Vec::new(),
        own: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_station_sends_one_array_of_its_past() {
        let fleet = crate::fleet(3, 200);
        let connection_of: Vec<usize> = (0..fleet.len()).collect();
        let end_ms = 1_790_000_000_000;
        let events = past(&fleet, &connection_of, 3, end_ms, 6).unwrap();
        let stations = fleet.iter().filter(|device| step_ms(device.kind).is_some()).count();
        assert_eq!(events.len(), stations);
        for event in &events {
            let Action::Publish { device, payload, .. } = &event.action else { panic!("only publishes") };
            assert_eq!(*device, event.connection);
            let reports: Vec<serde_json::Value> = serde_json::from_slice(payload).unwrap();
            let times: Vec<i64> = reports.iter().map(|report| report["ts"].as_i64().unwrap()).collect();
            assert!(times.is_sorted() && *times.last().unwrap() < end_ms + 60_000, "{times:?}");
            assert!(times[0] <= end_ms - 5 * 3_600_000 && reports.len() >= 30, "{} reports", reports.len());
        }
    }
}
