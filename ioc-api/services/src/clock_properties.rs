//! The properties under which offsets of devices' clocks are kept, and what was kept last.
use ioc_ingest::{LiveState, clocks};
use ioc_model::{Catalogue, DeviceIndex, PropertyId, time::Standard};

/// The properties that a clock is written down as.
#[derive(Debug, Clone, Copy)]
pub struct ClockProperties {
    /// [`ioc_ingest::clocks::PROPERTY`].
    pub offset: PropertyId,
    /// [`ioc_ingest::clocks::WRONG_PROPERTY`]; a catalogue of an earlier version has none.
    pub wrong: Option<PropertyId>,
}

impl ClockProperties {
    /// Finds them in a catalogue; one without the offset keeps none.
    pub fn of(catalogue: &Catalogue) -> Option<Self> {
        let property = |name| catalogue.property(name).map(|property| property.id);
        Some(Self { offset: property(clocks::PROPERTY)?, wrong: property(clocks::WRONG_PROPERTY) })
    }

    /// Returns what was written down last about the clock of a device, and when it was, in milliseconds.
    pub fn written(&self, live: &LiveState, device: DeviceIndex) -> Option<(WrittenOffset, i64)> {
        let latest = live.get(device, self.offset)?;
        let offset_ms = (latest.value * 1000.0) as i64;
        let said = self.wrong.and_then(|wrong| live.get(device, wrong)).map(|latest| latest.value != 0.0);
        let is_wrong = said.unwrap_or_else(|| !Standard::default().allows(offset_ms));
        Some((WrittenOffset { offset_ms, is_wrong }, latest.arrival_ms))
    }

    /// Returns the offset of a device, in milliseconds, that was written down last, unless its clock was wrong.
    pub fn usable_ms(&self, live: &LiveState, device: DeviceIndex) -> Option<i64> {
        let (written, _) = self.written(live, device)?;
        (!written.is_wrong).then_some(written.offset_ms)
    }
}

/// What is written down about a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenOffset {
    /// How far it was behind ours, in milliseconds; negative when it was ahead.
    pub offset_ms: i64,
    /// Whether it kept no time.
    pub is_wrong: bool,
}
