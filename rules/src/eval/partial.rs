//! What the devices of one shard contribute to a rule of the whole city.
use super::{outcome::Outcome, sum::Sum};
use crate::{
    labels::{self, Labels, no_labels},
    lang::ast::Grouping,
};
use ioc_model::{DeviceId, alert::EVIDENCE_SAMPLES_MAX};
use std::sync::Arc;

/// Contribution of a shard's devices to one leaf.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Partial {
    /// One entry for each device that has an outcome.
    Each(Vec<Contribution>),
    /// One entry for each group.
    Groups(Vec<Group>),
}

/// One device's outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contribution {
    pub(crate) labels: Labels,
    pub(crate) device: DeviceId,
    pub(crate) outcome: Outcome,
    pub(crate) event_ms: i64,
}

/// One group's values, folded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) labels: Labels,
    pub(crate) count: u64,
    pub(crate) silent: u64,
    pub(crate) sum: Sum,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Some of the devices behind it, for the evidence.
    pub(crate) samples: Vec<(DeviceId, i64, f64)>,
}

impl Group {
    pub(crate) fn empty(labels: Labels) -> Self {
        let sum = Sum::default();
        Self { labels, count: 0, silent: 0, sum, min: f64::NAN, max: f64::NAN, samples: Vec::new() }
    }

    /// Adds one outcome.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Value(value) => {
                self.count += 1;
                self.sum.add(value);
                self.spread(value, value);
            }
            Outcome::Silent => self.silent += 1,
            Outcome::Nothing => {}
        }
    }

    /// A number wins against NaN.
    fn spread(&mut self, min: f64, max: f64) {
        if min < self.min || self.min.is_nan() {
            self.min = min;
        }
        if max > self.max || self.max.is_nan() {
            self.max = max;
        }
    }

    /// Adds the same group of another shard.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.silent += other.silent;
        self.sum.merge(other.sum);
        self.spread(other.min, other.max);
        let room = EVIDENCE_SAMPLES_MAX.saturating_sub(self.samples.len());
        self.samples.extend(other.samples.iter().take(room).cloned());
    }
}

/// Returns the labels of the group that labels fall into.
pub(crate) fn group_labels(grouping: &Grouping, of: &Labels) -> Labels {
    match grouping {
        Grouping::By(names) if names.is_empty() => no_labels(),
        Grouping::By(names) => {
            let own = |name: &Arc<str>| {
                let value = labels::value(of, name).filter(|value| !value.is_empty())?;
                Some((Arc::clone(name), Arc::from(value)))
            };
            names.iter().filter_map(own).collect()
        }
        Grouping::Without(names) => of.iter().filter(|(name, _)| !names.contains(name)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        labels::sorted(pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))))
    }

    #[test]
    fn groups_are_made_by_or_without_labels() {
        let of = labels(&[("device", "A"), ("kind", "k"), ("ward", "1")]);
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        assert_eq!(group_labels(&Grouping::By(names(&["street", "ward"])), &of), labels(&[("ward", "1")]));
        assert_eq!(
            group_labels(&Grouping::Without(names(&["device"])), &of),
            labels(&[("kind", "k"), ("ward", "1")])
        );
        assert_eq!(group_labels(&Grouping::By(Vec::new()), &of), labels(&[]));
    }

    #[test]
    fn groups_of_shards_merge_as_if_there_were_one() {
        let fold = |values: &[f64]| {
            let mut group = Group::empty(labels(&[]));
            values.iter().for_each(|value| group.add(Outcome::Value(*value)));
            group
        };
        let mut merged = fold(&[3.0, 1.0]);
        merged.merge(&fold(&[f64::NAN]));
        merged.merge(&fold(&[7.0]));
        merged.merge(&fold(&[]));
        assert_eq!((merged.count, merged.min, merged.max), (4, 1.0, 7.0));
    }
}
