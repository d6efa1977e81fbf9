//! From bytes on a topic to validated observations, and what hangs on them: who the devices are, what
//! they said last, what was refused and why, and the air quality index that is computed from them.
//!
//! | Module | Owns | Leaves to others |
//! |---|---|---|
//! | [`decode`] | the native payload: shape, catalogue checks, time, quality flags, repeats | the journal: it only builds a [`ioc_model::Message`] |
//! | [`quarantine`] | messages that are refused before their payload is looked at | keeping them |
//! | [`registry`] | devices, their place, labels and parents, as snapshots | persistence: a closure writes the row first |
//! | [`wards`] | which ward a point lies in | drawing |
//! | [`clocks`] | how far each device's clock is off, and which readings are late | the arithmetic: [`ioc_model::time`] |
//! | [`live`] | the last value of every property of every device, and its presence | history |
//! | [`ledger`] | counters with `received = stored + duplicate + rejected` | exporting them |
//! | [`vn_aqi`] | Decision 1459/QĐ-TCMT as pure functions, and the running hourly index per station | appending it |
//! | [`city`] | the city's configuration file | serving it |
//!
//! Nothing here reads a clock or touches a disk: time is an argument, files arrive as text.
pub mod city;
pub mod clocks;
pub mod decode;
pub mod ledger;
pub mod live;
pub mod quarantine;
pub mod registry;
pub mod vn_aqi;
pub mod wards;

pub use city::City;
pub use clocks::{DeviceClock, DeviceClocks};
pub use decode::{Context, DecodeLimits, Decoder};
pub use ledger::{Counts, Ledger, Tally};
pub use live::{Arrival, Latest, LiveState};
pub use registry::{Device, Devices, NewDevice, Registry, RegistryError};
pub use vn_aqi::deriver::{AqiDeriver, AqiSettings};
pub use wards::{Ward, Wards, WardsError};
