//! The hours of VN_AQI, from history.
use super::RecoverError;
use ioc_ingest::{
    AqiDeriver, AqiSettings, Device, LiveState, Registry, clocks,
    vn_aqi::deriver::{LOOK_BACK_MS, STEP_MS},
};
use ioc_model::{
    Catalogue, DeviceIndex,
    catalogue::Property,
    time::{Placing, ahead_ms},
};
use ioc_services::start_progress::{Phase, StartProgress};
use ioc_store::{GroupBucket, Point, Series, SharedHistory, TimeRange};
use std::sync::Arc;

/// Stations whose past hours are read together.
const STATIONS_AT_ONCE: usize = 256;
/// Most readings of one pollutant of one station that are read singly: four a second.
const READINGS_MAX: usize = 200_000;

/// How far ahead of now readings are looked for, in milliseconds: our own clock may be behind by a day.
const AHEAD_MS: i64 = 86_400_000;

/// What is known of stations.
#[derive(Clone, Copy)]
pub(crate) struct Stations<'a> {
    /// What they measure.
    pub catalogue: &'a Arc<Catalogue>,
    /// Which there are.
    pub registry: &'a Registry,
    /// What they said last.
    pub live: &'a LiveState,
    /// What they said.
    pub store: &'a SharedHistory,
}

/// Makes the deriver of VN_AQI and fills its hours from history.
///
/// Errors: the catalogue lacks a property, or history cannot be read.
pub(crate) fn aqi_deriver(
    of: Stations<'_>,
    now_ms: i64,
    progress: &StartProgress,
) -> Result<AqiDeriver, RecoverError> {
    progress.enter(Phase::AirQuality);
    let mut deriver = AqiDeriver::new(of.catalogue, AqiSettings::default())?;
    let kind = of.catalogue.kind("air-station");
    let names = kind.map(|kind| kind.properties.clone()).unwrap_or_default();
    let properties: Vec<_> = names.iter().filter_map(|name| of.catalogue.property(name)).collect();
    let from_ms = (now_ms - LOOK_BACK_MS).div_euclid(STEP_MS) * STEP_MS;
    // Steps are open at their start, intervals of history at their end.
    let range = TimeRange::new(from_ms + 1, from_ms + 1 + LOOK_BACK_MS + STEP_MS);
    let devices = of.registry.devices();
    let is_station = |device: &&Arc<Device>| &*device.kind == "air-station" && !device.retired;
    let mut stations: Vec<_> = devices.iter().filter(is_station).map(|device| device.index).collect();
    stations.sort_unstable();
    let (ahead, stations): (Vec<_>, Vec<_>) = stations.into_iter().partition(|station| of.is_ahead(*station));
    // Many at once: history reads neighbours together.
    for stations in stations.chunks(STATIONS_AT_ONCE) {
        if progress.is_interrupted() {
            return Err(RecoverError::Interrupted);
        }
        for property in &properties {
            seed_steps(&mut deriver, of.store, stations, property, range)?;
        }
    }
    let longer = TimeRange::new(range.from_ms, range.to_ms + AHEAD_MS);
    for station in ahead {
        if progress.is_interrupted() {
            return Err(RecoverError::Interrupted);
        }
        for property in &properties {
            let series = Series { device: station, property: property.id };
            match of.store.raw(series, longer, READINGS_MAX) {
                Ok(points) => seed_as_it_came(&mut deriver, series, points),
                // So many that a step more or less matters little.
                Err(_) => seed_steps(&mut deriver, of.store, &[station], property, range)?,
            }
        }
    }
    Ok(deriver)
}

/// Gives steps of history to the deriver.
fn seed_steps(
    deriver: &mut AqiDeriver,
    store: &SharedHistory,
    stations: &[DeviceIndex],
    property: &Property,
    range: TimeRange,
) -> Result<(), RecoverError> {
    let members: Vec<_> = stations.iter().copied().zip(0..).collect();
    let (id, averaging) = (property.id, property.averaging);
    for GroupBucket { group, bucket } in store.groups(&members, id, range, STEP_MS, averaging)? {
        deriver.seed(stations[group as usize], id, bucket.start_ms, bucket.mean, bucket.count);
    }
    Ok(())
}

impl Stations<'_> {
    /// Reports whether the clock of a station is ahead, so that steps of history are not those that its readings were in.
    fn is_ahead(&self, station: DeviceIndex) -> bool {
        let offset = self.catalogue.property(clocks::PROPERTY);
        let offset = offset.and_then(|property| self.live.get(station, property.id));
        let known_ms = offset.map(|offset| (offset.value * 1e3) as i64);
        let latest = self.live.latest(station);
        let own = latest.iter().filter(|(_, latest)| latest.quality.is_device_timed());
        let mut delays_ms = own.map(|(_, latest)| latest.arrival_ms.saturating_sub(latest.ts_ms));
        ahead_ms(known_ms) > 0 || delays_ms.any(|delay_ms| ahead_ms(Some(delay_ms)) > 0)
    }
}

/// Gives the readings of a series to the deriver where they stood when they came.
fn seed_as_it_came(deriver: &mut AqiDeriver, Series { device, property }: Series, mut points: Vec<Point>) {
    points.retain(|point| point.quality.is_measuring());
    points.sort_by_key(Point::arrival_ms);
    for message in points.chunk_by(|one, next| one.arrival_ms() == next.arrival_ms()) {
        let Some(newest) = message.iter().max_by_key(|point| point.ts_ms) else { continue };
        let placing = Placing::alone(newest.ts_ms, newest.arrival_ms());
        for point in message {
            deriver.seed_reading(device, property, placing.place(point.ts_ms), point.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults;
    use ioc_ingest::NewDevice;
    use ioc_model::{Domain, Observation, Quality};
    use ioc_store::{ApplyOutcomes, Batch, StoreConfig};

    const MINUTE: i64 = 60_000;
    /// A full hour.
    const NOON: i64 = 490_000 * 60 * MINUTE;

    #[test]
    fn a_start_goes_on_with_the_hours_that_were_whatever_the_clock_of_a_station() {
        let text = defaults::text("catalogue/catalogue.toml").unwrap();
        let catalogue = Arc::new(Catalogue::from_toml(text).unwrap());
        let pm25 = catalogue.property("pm25").unwrap().id;
        // Less than a second ahead is not looked at: of what comes at the very end of a step, history has the next one.
        for behind_ms in [0, -1_000, -10_000, -270_000, 60_000, 600_000] {
            let dir = tempfile::tempdir().unwrap();
            let store = ioc_store::open(StoreConfig::new(dir.path())).unwrap();
            let registry = Registry::new(Arc::clone(&catalogue), Arc::default());
            let new = NewDevice {
                id: "AIR-1".parse().unwrap(),
                domain: Domain::from_static("environment"),
                kind: "air-station".into(),
                lat: 16.46,
                lon: 107.59,
                parent: None,
                labels: Default::default(),
            };
            let station = registry.insert(new, NOON).unwrap().index;
            let (live, mut running) =
                (LiveState::default(), AqiDeriver::new(&catalogue, AqiSettings::default()).unwrap());
            let report = |arrival_ms: i64, value: f64| {
                let ts_ms = arrival_ms - behind_ms;
                Observation { property: pm25, ts_ms, value, quality: Quality::GOOD }
            };
            let mut now_ms = NOON - 14 * 60 * MINUTE;
            // Each minute until three minutes before the hour.
            for (offset, minute) in (1u64..).zip(0..837i64) {
                now_ms += MINUTE;
                let observation = report(now_ms, 20.0 + (minute / 60 * 37 % 90) as f64);
                running.observe(station, [observation], now_ms);
                live.apply(station, [observation], now_ms);
                let (mut batch, mut outcomes) = (Batch::default(), ApplyOutcomes::default());
                batch.push(offset, station, now_ms, [observation].into_iter());
                store.apply(&batch, &mut outcomes);
            }
            let of = Stations { catalogue: &catalogue, registry: &registry, live: &live, store: &store };
            let mut started = aqi_deriver(of, now_ms, &StartProgress::default()).unwrap();
            for _ in 0..10 {
                now_ms += MINUTE;
                let next = [report(now_ms, 300.0)];
                let expected = running.observe(station, next, now_ms);
                assert!(expected.is_some(), "{behind_ms} ms behind");
                assert_eq!(started.observe(station, next, now_ms), expected, "{behind_ms} ms behind");
            }
        }
    }
}
