//! A simulated Huế: devices that speak MQTT over the wire, from a seed and a scenario.
//!
//! | Module | Holds |
//! |---|---|
//! | `fleet` | which devices there are, where they stand, what hangs on what |
//! | `connections` | which MQTT connections they share, and how those sign in |
//! | `scenario` | what happens when, from TOML files |
//! | `values` | the readings of a device at one instant, and their form on the wire |
//! | `world` | what behaviours see: fleet, sun, weather, faults at work |
//! | `behaviour` | how each kind of device behaves over time, from the world to values |
//! | `simulation` | fleet, scenario and seed turned into an endless ordered list of messages; no clock, no network |
//! | `runner` | that list paced against the wall clock and sent by MQTT 3.1.1 with QoS 1 |
//!
//! ```
//! use firmware_sim::{Scenario, Simulation, fleet};
//! let scenario = Scenario::built_in("normal-day").unwrap().unwrap();
//! let mut simulation = Simulation::new(fleet(7, 100), &scenario, 7, 1_790_000_000_000).unwrap();
//! let first_minute = simulation.published_until(1_790_000_060_000);
//! assert!(first_minute.iter().all(|message| message.topic.starts_with("ioc/v1/")));
//! ```
mod behaviour;
mod city;
mod clock;
mod connections;
mod dice;
mod fleet;
mod kind;
mod runner;
mod scenario;
mod simulation;
mod sun;
mod values;
mod world;

pub use connections::{Connection, Credentials, Login, connections};
pub use fleet::{FLEET_MAX, FLEET_MIN, ParentKind, SimDevice, SimParent, fleet};
pub use kind::{Kind, OwnKind, UnknownKind};
pub use runner::{RunConfig, RunError, RunMeters, run};
pub use scenario::{
    BUILT_IN, Course, Fault, FaultKind, Follows, Form, Incident, OwnFleet, RainPoint, Random, River,
    RiverPoint, Scenario, ScenarioError, Selector, Source, Step, Title,
};
pub use simulation::{Action, Event, Published, Simulation, SimulationError};
pub use sun::{SunTimes, sun_times};
