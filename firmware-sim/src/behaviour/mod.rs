//! How each kind of device behaves over time.
//!
//! Each module owns the state and the figures of its kinds; what is told when, and how it gets lost, is the
//! simulation's.
pub(crate) mod air;
pub(crate) mod lighting;
pub(crate) mod noise;
pub(crate) mod own;
pub(crate) mod parking;
pub(crate) mod traffic;
pub(crate) mod water;

use crate::{kind::Kind, values::Values, world::Context};

/// The state of one device.
#[derive(Debug)]
pub(crate) enum Unit {
    Luminaire(lighting::Luminaire),
    Cabinet(lighting::Cabinet),
    Signal(traffic::Signal),
    Detector(traffic::Detector),
    Bay(parking::Bay),
    Lot(parking::Lot),
    Air(air::AirStation),
    Noise(noise::NoiseMeter),
    Rain,
    Gauge(water::Gauge),
    Own,
}

impl Unit {
    /// Makes the unit as it stands at `at.now_ms`, the start of the run.
    pub(crate) fn new(at: Context<'_>) -> Self {
        match at.it().kind {
            Kind::Luminaire => Self::Luminaire(lighting::Luminaire::new(at)),
            Kind::LightingCabinet => Self::Cabinet(lighting::Cabinet::new(at)),
            Kind::SignalController => Self::Signal(traffic::Signal::new(at)),
            Kind::TrafficDetector => Self::Detector(traffic::Detector::new(at)),
            Kind::ParkingBay => Self::Bay(parking::Bay::new(at)),
            Kind::ParkingLot => Self::Lot(parking::Lot::new(at)),
            Kind::AirStation => Self::Air(air::AirStation::new(at)),
            Kind::NoiseMeter => Self::Noise(noise::NoiseMeter::new(at)),
            Kind::RainGauge => Self::Rain,
            Kind::WaterLevel => Self::Gauge(water::Gauge::new(at)),
            Kind::Own(_) => Self::Own,
        }
    }

    /// Measures. `load_w` is the power of the lamps on a cabinet, 0 for everything else.
    pub(crate) fn measure(&mut self, at: Context<'_>, load_w: f64) -> Values {
        let mut values = Values::default();
        match self {
            Self::Luminaire(unit) => unit.measure(at, &mut values),
            Self::Cabinet(unit) => unit.measure(at, load_w, &mut values),
            Self::Signal(unit) => unit.measure(at, &mut values),
            Self::Detector(unit) => unit.measure(at, &mut values),
            Self::Bay(unit) => unit.measure(at, &mut values),
            Self::Lot(unit) => unit.measure(&mut values),
            Self::Air(unit) => unit.measure(at, &mut values),
            Self::Noise(unit) => unit.measure(at, &mut values),
            Self::Rain => water::measure_rain(at, &mut values),
            Self::Gauge(unit) => unit.measure(at, &mut values),
            Self::Own => own::measure(at, &mut values),
        }
        values
    }
}
