//! What can go wrong with devices, as a scenario file says it.
use crate::kind::Kind;
use serde::Deserialize;

/// The word in the field `fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// `property` creeps away by `amount` an hour.
    Drift,
    /// `property` (or everything) keeps the value it had.
    Stuck,
    /// `share` of the readings of `property` are `amount` off.
    Spike,
    /// The device's clock is `amount` seconds ahead (behind when negative).
    ClockSkew,
    /// `share` of the messages are sent twice.
    Duplicates,
    /// The devices say nothing; with `backfill` they send it all later, out of order.
    Silence,
    /// The devices' connections are cut; with `backfill` what was measured is sent on return, out of order.
    Outage,
    /// The devices' connections are cut and all come back at the same moment.
    ReconnectStorm,
    /// The cabinet loses its supply: its lamps fall silent, and after `amount` seconds on battery so does it.
    DeadCabinet,
    /// Feeder `feeder` of the cabinet trips: its lamps fall silent.
    DeadFeeder,
    /// The lamp stays dark when it should burn.
    LampFailure,
    /// The lamp burns by day.
    DayBurner,
    /// The supply of the cabinet, and of its lamps, is `amount` volts.
    Voltage,
    /// The cabinet's door stands open.
    DoorOpen,
    /// The cabinet reports leakage current.
    Leakage,
    /// The controller has gone to flashing by a fault.
    SignalFlash,
    /// The signals are dark.
    SignalDark,
    /// A lamp of the signals is out.
    SignalLampFault,
    /// The detector sees a vehicle all the time.
    DetectorStuckOn,
    /// The detector sees nothing at all.
    DetectorStuckOff,
    /// The detector chatters.
    DetectorErratic,
    /// Traffic crawls: speed is multiplied by `amount`, the flow by `share`.
    TrafficJam,
    /// Fine dust rises by up to `amount` µg/m³, with what comes along.
    Pollution,
    /// The sound level rises by `amount` dBA.
    Noise,
    /// It rains `amount` mm/h at the gauges.
    Rain,
    /// The car park fills up and stays full.
    LotFull,
    /// The car park empties and takes nobody in.
    LotClosed,
    /// Somebody has stood in the bay for `amount` seconds already.
    Overstay,
    /// The sensor's battery is at `amount` (a share).
    BatteryLow,
}

/// What a fault needs besides its name, and which devices can have it.
pub(crate) struct Needs {
    pub(crate) property: Need,
    pub(crate) amount: Need,
    pub(crate) share: Need,
    pub(crate) backfill: Need,
    pub(crate) feeder: Need,
    /// `None`: every kind.
    pub(crate) kinds: Option<&'static [Kind]>,
}

/// Whether a field must, may or must not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
    Unused,
}

impl FaultKind {
    /// Returns which fields the fault takes.
    pub(crate) const fn needs(self) -> Needs {
        use Need::{Optional, Required, Unused};
        let mut needs = Needs {
            property: Unused,
            amount: Unused,
            share: Unused,
            backfill: Unused,
            feeder: Unused,
            kinds: self.kinds(),
        };
        match self {
            Self::Drift => (needs.property, needs.amount) = (Required, Required),
            Self::Stuck => needs.property = Optional,
            Self::Spike => (needs.property, needs.amount, needs.share) = (Required, Required, Required),
            Self::Duplicates => needs.share = Required,
            Self::Silence | Self::Outage | Self::ReconnectStorm => needs.backfill = Optional,
            Self::DeadFeeder => needs.feeder = Required,
            Self::TrafficJam => (needs.amount, needs.share) = (Required, Required),
            Self::ClockSkew
            | Self::DeadCabinet
            | Self::Voltage
            | Self::Pollution
            | Self::Noise
            | Self::Rain
            | Self::Overstay
            | Self::BatteryLow => needs.amount = Required,
            _ => {}
        }
        needs
    }

    const fn kinds(self) -> Option<&'static [Kind]> {
        match self {
            Self::DeadCabinet | Self::DeadFeeder | Self::DoorOpen | Self::Leakage | Self::Voltage => {
                Some(&[Kind::LightingCabinet])
            }
            Self::LampFailure | Self::DayBurner => Some(&[Kind::Luminaire]),
            Self::SignalFlash | Self::SignalDark | Self::SignalLampFault => Some(&[Kind::SignalController]),
            Self::DetectorStuckOn | Self::DetectorStuckOff | Self::DetectorErratic | Self::TrafficJam => {
                Some(&[Kind::TrafficDetector])
            }
            Self::Pollution => Some(&[Kind::AirStation]),
            Self::Noise => Some(&[Kind::NoiseMeter]),
            Self::Rain => Some(&[Kind::RainGauge]),
            Self::LotFull | Self::LotClosed => Some(&[Kind::ParkingLot]),
            Self::Overstay | Self::BatteryLow => Some(&[Kind::ParkingBay]),
            _ => None,
        }
    }

    /// Reports whether the device notices at once and tells without waiting for its next report.
    pub(crate) const fn is_told_at_once(self) -> bool {
        matches!(
            self,
            Self::DoorOpen
                | Self::Leakage
                | Self::DeadCabinet
                | Self::DeadFeeder
                | Self::SignalFlash
                | Self::SignalDark
                | Self::SignalLampFault
        )
    }

    /// Reports whether whole connections are cut, not devices silenced.
    pub(crate) const fn cuts_connections(self) -> bool {
        matches!(self, Self::Outage | Self::ReconnectStorm)
    }
}
