//! The registry and history as the rule engine sees them.
use crate::http::state::Ready;
use ioc_ingest::{Device, LiveState, Registry};
use ioc_model::{DeviceIndex, PropertyId, Quality};
use ioc_rules::{DeviceLabels, Directory, PastSamples};
use ioc_store::{History, Series, Store, TimeRange};
use std::{collections::HashSet, sync::Arc};

/// Most samples read for one window.
const SAMPLES_MAX: usize = 1_000_000;

/// Devices with their labels.
pub struct RegistryDirectory(pub Registry);

fn labels(device: &Device) -> Arc<DeviceLabels> {
    let own = device.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Arc::new(DeviceLabels::new(
        device.index,
        device.id.clone(),
        device.domain,
        &device.kind,
        device.ward.as_deref(),
        own,
        i64::from(device.reporting_period_s) * 1000,
    ))
}

impl Directory for RegistryDirectory {
    fn device(&self, index: DeviceIndex) -> Option<Arc<DeviceLabels>> {
        let devices = self.0.devices();
        devices.by_index(index).filter(|device| !device.retired).map(|device| labels(device))
    }

    fn devices(&self) -> Vec<Arc<DeviceLabels>> {
        self.0.devices().iter().filter(|device| !device.retired).map(|device| labels(device)).collect()
    }
}

/// Past samples from the store.
pub struct StoreSamples {
    /// History.
    pub store: Store,
    /// Last values.
    pub live: Arc<LiveState>,
    /// What the rules are given again after the start. It is in history already and yet not past: in a window
    /// before its turn it would hide what came before it, a short alarm right before a crash for one.
    pub replayed: Replayed,
    /// Once it is set, the replay is over and all of history is past.
    pub ready: Ready,
}

/// Readings by device, property and event time.
pub type Replayed = HashSet<(DeviceIndex, PropertyId, i64)>;

impl StoreSamples {
    fn is_past(&self, device: DeviceIndex, property: PropertyId, ts_ms: i64) -> bool {
        self.ready.get() || !self.replayed.contains(&(device, property, ts_ms))
    }
}

impl PastSamples for StoreSamples {
    fn samples(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<(i64, f64)> {
        let series = Series { device, property };
        match self.store.raw(series, TimeRange { from_ms, to_ms }, SAMPLES_MAX) {
            Ok(points) => {
                let measuring = points.into_iter().filter(|point| point.quality.is_measuring());
                let past = measuring.filter(|point| self.is_past(device, property, point.ts_ms));
                past.map(|point| (point.ts_ms, point.value)).collect()
            }
            Err(error) => {
                tracing::warn!(device = device.0, property = property.0, %error, "a rule's window cannot be filled from history; it fills with time");
                Vec::new()
            }
        }
    }

    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<(i64, f64)> {
        let latest = self.live.get(device, property)?;
        self.is_past(device, property, latest.ts_ms).then_some((latest.ts_ms, latest.value))
    }

    fn arrived(&self, device: DeviceIndex, property: PropertyId) -> Option<i64> {
        let latest = self.live.get(device, property)?;
        let is_timely = !latest.quality.contains(Quality::LATE);
        (is_timely && self.is_past(device, property, latest.ts_ms)).then_some(latest.arrival_ms)
    }

    fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        self.live.last_seen(device)
    }
}
