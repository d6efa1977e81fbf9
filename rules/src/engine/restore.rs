//! Which thread takes up which alert after a start.
use super::{api::Directory, compile::CompiledRuleSet};
use crate::{eval::plan::Plan, labels::DeviceLabels, transition::RestoredAlert};
use ioc_model::DeviceId;
use std::{collections::HashMap, sync::Arc};

/// An alert from before a start, with the thread-local place it goes to.
#[derive(Debug)]
pub(crate) struct PendingRestore {
    /// Number of its rule, `None` when that is gone or changed.
    pub(crate) rule: Option<usize>,
    /// Its device, for rules that each device decides by itself.
    pub(crate) device: Option<Arc<DeviceLabels>>,
    pub(crate) restored: RestoredAlert,
}

/// Sorts alerts by the thread that takes them up: one portion per shard, and last that of the aggregator, which
/// also ends the alerts whose rule or device is gone.
pub(crate) fn portions(
    restored: Vec<RestoredAlert>,
    rule_set: &CompiledRuleSet,
    directory: &dyn Directory,
    shards: usize,
) -> Vec<Vec<PendingRestore>> {
    let mut portions: Vec<_> = std::iter::repeat_with(Vec::new).take(shards + 1).collect();
    if restored.is_empty() {
        return portions;
    }
    let devices: HashMap<DeviceId, Arc<DeviceLabels>> =
        directory.devices().into_iter().map(|device| (device.id.clone(), device)).collect();
    for restored in restored {
        let mut returning =
            PendingRestore { rule: rule_set.number_of_alert(&restored.alert), device: None, restored };
        let plan = returning.rule.and_then(|rule| rule_set.rules[rule].plan.as_ref());
        let mut portion = shards;
        if matches!(plan, Some(Plan::Device(_))) {
            returning.device =
                returning.restored.alert.device.as_ref().and_then(|id| devices.get(id)).cloned();
            match &returning.device {
                Some(device) => portion = device.index.0 as usize % shards,
                None => returning.rule = None,
            }
        }
        portions[portion].push(returning);
    }
    portions
}
