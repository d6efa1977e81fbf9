//! Where a device stands: 64 neighbours make a group, and each has a lane in it.
use crate::Series;
use ioc_model::{DeviceIndex, PropertyId};

/// Devices in a group.
pub(crate) const LANES: usize = 64;

/// Returns the number of the group that a device belongs to.
pub(crate) fn group_of(device: DeviceIndex) -> u32 {
    device.0 / LANES as u32
}

/// Returns the lane of a device within its group.
pub(crate) fn lane_of(device: DeviceIndex) -> usize {
    device.0 as usize % LANES
}

/// Returns the device at a lane of a group.
pub(crate) fn device_at(group: u32, lane: usize) -> DeviceIndex {
    DeviceIndex(group * LANES as u32 + lane as u32)
}

/// Returns the series at a lane of a group.
pub(crate) fn series_at(group: u32, lane: usize, property: PropertyId) -> Series {
    Series { device: device_at(group, lane), property }
}
