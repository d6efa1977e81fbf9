//! Evaluation of expressions over bounded windows.
//!
//! | Module | Owns |
//! |---|---|
//! | [`outcome`] | value, nothing, or silent: what an expression yields for one set of labels |
//! | [`window`], [`summary`] | the recent samples of one series, and their sums and extremes |
//! | [`functions`] | functions of one window, with Prometheus' extrapolation |
//! | [`operators`] | binary operators |
//! | [`clock`] | functions of time alone |
//! | [`plan`] | a rule, split into what each device decides by itself and what the city decides together |
//! | [`split`] | how a rule falls apart |
//! | [`device`] | evaluation of what one device decides |
//! | [`fleet`] | evaluation of what the city decides together, over partial results of all shards |
//! | [`partial`] | what the devices of a shard contribute to a rule of the whole city |
//! | [`time`] | when an evaluation takes place, and which input it goes back to |
//! | [`trace`] | what was read and what came out, for the evidence of a transition |
//!
//! Leaves to others: when to evaluate (the engine) and what follows from it (the life of an alert).
pub(crate) mod clock;
pub(crate) mod device;
pub(crate) mod fleet;
pub(crate) mod functions;
pub(crate) mod operators;
pub(crate) mod outcome;
pub(crate) mod partial;
pub(crate) mod plan;
mod split;
pub(crate) mod sum;
mod summary;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod window;
