//! Devices between the registry in memory and its rows in the records.
use ioc_ingest::Device;
use ioc_records::DeviceRow;

/// Takes what is kept of a device; ward and reporting period are not.
pub fn row_of(device: &Device) -> DeviceRow {
    let Device { index, id, domain, kind, lat, lon, parent, labels, retired, created_ms, .. } =
        device.clone();
    let kind = kind.to_string();
    DeviceRow { index, id, domain, kind, lat, lon, parent, labels, retired, created_ms }
}

/// Turns it into what [`ioc_ingest::Registry::load`] takes, which fills in ward and reporting period.
pub fn into_device(row: DeviceRow) -> Device {
    let DeviceRow { index, id, domain, kind, lat, lon, parent, labels, retired, created_ms } = row;
    let (kind, ward, reporting_period_s) = (kind.into(), None, 0);
    Device {
        index,
        id,
        domain,
        kind,
        lat,
        lon,
        ward,
        parent,
        labels,
        reporting_period_s,
        retired,
        created_ms,
    }
}
