//! What shards say to the thread that evaluates rules of the whole city.
use super::{compile::CompiledRuleSet, dispatch::Scope};
use crate::eval::{
    partial::Partial,
    time::{EvalTime, InputRef},
};
use std::sync::Arc;

/// Reports that may wait for the aggregator, per shard; a shard that finds the queue full waits.
pub(crate) const REPORTS_PER_SHARD: usize = 64;

/// A shard's report on one round.
pub(crate) struct Report {
    pub(crate) shard: usize,
    pub(crate) round: u64,
    pub(crate) now: EvalTime,
    pub(crate) reported: Reported,
}

/// What is reported.
pub(crate) enum Reported {
    /// What changed for the rules of a scope.
    Round { scope: Scope, updates: Vec<Update> },
    /// From here on, other rules.
    Rules(Arc<CompiledRuleSet>),
}

/// What changed for one rule.
pub(crate) struct Update {
    pub(crate) rule: usize,
    pub(crate) arrived: Arrived,
    pub(crate) partials: Vec<(usize, Partial)>,
}

/// What kind of observations came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) timely: bool,
    pub(crate) late: bool,
    /// The last of them.
    pub(crate) last_input: Option<InputRef>,
}

impl Arrived {
    /// Adds what came in elsewhere.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            timely: self.timely | other.timely,
            late: self.late | other.late,
            last_input: self.last_input.max(other.last_input),
        }
    }
}

/// Nobody takes what a thread of the engine has to say.
#[derive(Debug)]
pub(crate) struct OutputClosed;
