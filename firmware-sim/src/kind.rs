//! The kinds of devices that are simulated: their words, domains, id prefixes and reporting periods.
use ioc_model::Domain;

/// What a simulated device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A street light with its controller.
    Luminaire,
    /// A cabinet that feeds street lights.
    LightingCabinet,
    /// A traffic signal controller.
    SignalController,
    /// A vehicle detector on one approach of a junction.
    TrafficDetector,
    /// A bay with an occupancy sensor.
    ParkingBay,
    /// A car park with counted entrances and exits.
    ParkingLot,
    /// An air quality station.
    AirStation,
    /// A sound level meter.
    NoiseMeter,
    /// A rain gauge.
    RainGauge,
    /// A river gauge.
    WaterLevel,
    /// A kind of the scenario's own.
    Own(OwnKind),
}

/// A kind that a scenario brings along. Its words live as long as the program: a run reads one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnKind {
    name: &'static str,
    domain: Domain,
    properties: &'static [&'static str],
    period_s: u32,
}

impl OwnKind {
    /// Makes a kind with the catalogue's words; it reports every `period_s` seconds.
    pub(crate) fn new(name: String, domain: Domain, properties: Vec<String>, period_s: u32) -> Self {
        let properties: Vec<&str> = properties.into_iter().map(|property| &*property.leak()).collect();
        Self { name: name.leak(), domain, properties: properties.leak(), period_s }
    }
}

impl Kind {
    /// Every kind that is built in.
    pub const ALL: [Self; 10] = [
        Self::Luminaire,
        Self::LightingCabinet,
        Self::SignalController,
        Self::TrafficDetector,
        Self::ParkingBay,
        Self::ParkingLot,
        Self::AirStation,
        Self::NoiseMeter,
        Self::RainGauge,
        Self::WaterLevel,
    ];

    /// Returns the catalogue's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Luminaire => "luminaire",
            Self::LightingCabinet => "lighting-cabinet",
            Self::SignalController => "signal-controller",
            Self::TrafficDetector => "traffic-detector",
            Self::ParkingBay => "parking-bay",
            Self::ParkingLot => "parking-lot",
            Self::AirStation => "air-station",
            Self::NoiseMeter => "noise-meter",
            Self::RainGauge => "rain-gauge",
            Self::WaterLevel => "water-level",
            Self::Own(kind) => kind.name,
        }
    }

    /// Returns the domain it belongs to.
    pub const fn domain(self) -> Domain {
        match self {
            Self::Luminaire | Self::LightingCabinet => Domain::from_static("lighting"),
            Self::SignalController | Self::TrafficDetector => Domain::from_static("traffic"),
            Self::ParkingBay | Self::ParkingLot => Domain::from_static("parking"),
            Self::AirStation | Self::NoiseMeter | Self::RainGauge | Self::WaterLevel => {
                Domain::from_static("environment")
            }
            Self::Own(kind) => kind.domain,
        }
    }

    /// Returns what it tells, by the catalogue's names.
    pub const fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Luminaire => &[
                "illuminance_level",
                "active_power",
                "supply_voltage",
                "power_factor",
                "lamp_failure",
                "control_gear_temperature",
                "operating_hours",
                "override",
                "active_energy",
            ],
            Self::LightingCabinet => &[
                "phase_voltage_r",
                "phase_voltage_s",
                "phase_voltage_t",
                "total_active_power",
                "door_open",
                "feeder_energized",
                "leakage",
                "energy_consumed",
            ],
            Self::SignalController => &[
                "signal_mode",
                "signal_plan",
                "cycle_length",
                "phase",
                "clock_drift",
                "lamp_fault",
                "green_conflict",
            ],
            Self::TrafficDetector => {
                &["vehicle_count", "occupancy", "average_vehicle_speed", "detector_fault"]
            }
            Self::ParkingBay => &["occupied", "occupied_since_s", "battery"],
            Self::ParkingLot => &[
                "total_spot_number",
                "available_spot_number",
                "occupied_spot_number",
                "parking_occupancy",
                "vehicle_entrance_count",
                "vehicle_exit_count",
            ],
            Self::AirStation => {
                &["pm25", "pm10", "no2", "so2", "o3", "co", "temperature", "relative_humidity"]
            }
            Self::NoiseMeter => &["laeq", "lamax"],
            Self::RainGauge => &["rain_1h", "rain_intensity"],
            Self::WaterLevel => &["water_level", "water_level_rate"],
            Self::Own(kind) => kind.properties,
        }
    }

    /// Returns how often it reports, in seconds: the catalogue's reporting period of its kind.
    pub const fn period_s(self) -> u32 {
        match self {
            Self::Luminaire | Self::ParkingBay | Self::AirStation => 30,
            Self::TrafficDetector | Self::RainGauge => 20,
            Self::LightingCabinet | Self::ParkingLot => 15,
            Self::SignalController | Self::NoiseMeter | Self::WaterLevel => 10,
            Self::Own(kind) => kind.period_s,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| UnknownKind(text.chars().take(40).collect()))
    }
}

/// A word that is no kind of device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a kind of device; expected one of luminaire, lighting-cabinet, signal-controller, \
     traffic-detector, parking-bay, parking-lot, air-station, noise-meter, rain-gauge, water-level"
)]
pub struct UnknownKind(String);
