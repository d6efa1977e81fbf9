//! Alert rules: language, evaluation on arrival, alert lifecycle. Pure: no sockets, no files, and time is an
//! argument.
//!
//! | Module | Owns |
//! |---|---|
//! | [`lang`] | expressions: lexer, parser, types, the names that rules may use, what an expression reads |
//! | [`template`] | texts of alerts with values and labels in them |
//! | `rule`, `ruleset` | checked rules, and errors with their place in the file |
//! | `past`, `place` | what history has of a series, as it stood when it came; where the city is |
//! | `transition` | what a rule decides about an alert |
//! | [`engine`] | shards, the aggregator, reload and restart; inputs in, transitions out |
//! | [`labels`] | labels of devices, series and alerts |
//! | [`limits`] | how large rules may be, so that what loads can be carried out |
//! | `eval` | evaluation over bounded windows |
//! | `lifecycle` | the life of an alert as a state machine |
//! | `file` | Prometheus rule files, YAML with positions, into checked rules |
pub mod engine;
mod eval;
mod file;
pub mod labels;
pub mod lang;
mod lifecycle;
pub mod limits;
mod past;
mod place;
mod rule;
mod ruleset;
pub mod template;
mod transition;

pub use engine::{
    Directory, Engine, EngineConfig, EngineMeters, Feed, Feeder, Input, RuleHealth, RuleState, StartError,
    Stopped, TransitionSink,
};
pub use labels::DeviceLabels;
pub use lang::vocabulary::Vocabulary;
pub use past::{PastReading, PastSample, PastSamples, PastSummary, as_it_came, summarized};
pub use place::Place;
pub use rule::{NoData, Rule, RuleError, RuleFile, RuleHash};
pub use ruleset::RuleSet;
pub use transition::{RestoredAlert, RuleTransition};
