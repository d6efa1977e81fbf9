//! A rule set made ready for evaluation: plans, and which rules read which property.
use super::meters::RuleMeter;
use crate::{
    eval::plan::{LeafPlan, Plan, Selectors},
    lang::ast::Selector,
    lang::vocabulary::{DEVICE_ONLINE, DEVICE_SILENT_SECONDS},
    lifecycle::Terms,
    rule::{NoData, Rule, RuleHash},
    ruleset::RuleSet,
};
use ioc_model::{Alert, Catalogue, PropertyId};
use std::{collections::HashMap, sync::Arc};

/// Reporting periods that silence must last after our own outage before it counts as the devices'. A start ends one.
pub(crate) const GRACE_PERIODS: i64 = 2;

/// One rule, ready.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Arc<Rule>,
    /// `None` when the rule cannot be evaluated; its meter says why.
    pub(crate) plan: Option<Plan>,
    pub(crate) terms: Terms,
    /// It asks for silence, so it waits after an outage of ours.
    pub(crate) of_silence: bool,
    /// Longest reporting period among the kinds that it may read, for rules of the whole city.
    pub(crate) period_ms: i64,
    pub(crate) meter: Arc<RuleMeter>,
    /// Numbers of its leaves in [`CompiledRuleSet::leaves`].
    pub(crate) leaves: std::ops::Range<usize>,
}

/// A leaf of one rule.
#[derive(Debug)]
pub(crate) struct LeafOf {
    pub(crate) rule: usize,
    pub(crate) plan: LeafPlan,
}

/// A reader of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A rule that each device decides by itself.
    Rule(usize),
    /// A leaf of a rule that the city decides together.
    PartialAggregate(usize),
}

/// A rule set, ready; immutable.
#[derive(Debug)]
pub(crate) struct CompiledRuleSet {
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) leaves: Vec<LeafOf>,
    /// Rules that the city decides together.
    pub(crate) fleet: Vec<usize>,
    readers: Vec<Vec<Reader>>,
    fleet_readers: Vec<Vec<usize>>,
    by_key: HashMap<(Arc<str>, RuleHash), usize>,
}

impl CompiledRuleSet {
    /// Makes a rule set ready; unchanged rules keep their counters from `before`.
    pub(crate) fn new(set: &RuleSet, catalogue: &Catalogue, before: Option<&Self>) -> Self {
        let mut rule_set = Self {
            rules: Vec::new(),
            leaves: Vec::new(),
            fleet: Vec::new(),
            readers: Vec::new(),
            fleet_readers: Vec::new(),
            by_key: HashMap::new(),
        };
        for rule in set.rules() {
            let meter = before.and_then(|before| before.find(rule)).map(|known| Arc::clone(&known.meter));
            rule_set.add(rule, catalogue, meter.unwrap_or_default());
        }
        rule_set
    }

    /// Returns the rule of the same name and definition.
    pub(crate) fn find(&self, rule: &Rule) -> Option<&CompiledRule> {
        self.number(&rule.name, rule.hash).and_then(|number| self.rules.get(number))
    }

    /// Returns the number of the rule with this name and definition.
    pub(crate) fn number(&self, name: &Arc<str>, hash: RuleHash) -> Option<usize> {
        self.by_key.get(&(Arc::clone(name), hash)).copied()
    }

    /// Returns the number of the rule that an alert from before a start belongs to, if its definition is the same.
    pub(crate) fn number_of_alert(&self, alert: &Alert) -> Option<usize> {
        let same = |compiled: &CompiledRule| {
            *compiled.rule.name == *alert.rule && compiled.rule.hash.to_string() == alert.evidence.rule_hash
        };
        self.rules.iter().position(same)
    }

    /// Returns who reads a property.
    pub(crate) fn readers(&self, property: PropertyId) -> &[Reader] {
        self.readers.get(usize::from(property.0)).map_or(&[], Vec::as_slice)
    }

    /// Returns the rules of the whole city that read a property.
    pub(crate) fn fleet_readers(&self, property: PropertyId) -> &[usize] {
        self.fleet_readers.get(usize::from(property.0)).map_or(&[], Vec::as_slice)
    }

    /// Returns the selectors of a reader.
    pub(crate) fn selectors(&self, reader: Reader) -> Option<&Selectors> {
        match reader {
            Reader::PartialAggregate(leaf) => self.leaves.get(leaf).map(|leaf| &leaf.plan.selectors),
            Reader::Rule(rule) => match &self.rules.get(rule)?.plan {
                Some(Plan::Device(plan)) => Some(&plan.selectors),
                _ => None,
            },
        }
    }

    fn add(&mut self, rule: &Arc<Rule>, catalogue: &Catalogue, meter: Arc<RuleMeter>) {
        let number = self.rules.len();
        let plan = Plan::of(rule).inspect_err(|error| {
            meter.failed(&error.to_string());
            tracing::error!(rule = %rule.name, %error, "rule cannot be evaluated");
        });
        let first = self.leaves.len();
        match &plan {
            Ok(Plan::Device(plan)) => self.read_by(Reader::Rule(number), &plan.selectors),
            Ok(Plan::Fleet(plan)) => {
                self.fleet.push(number);
                for leaf in &plan.leaves {
                    self.read_by(Reader::PartialAggregate(self.leaves.len()), &leaf.selectors);
                    self.fleet_reads(number, &leaf.selectors);
                    self.leaves.push(LeafOf { rule: number, plan: leaf.clone() });
                }
            }
            Err(_) => {}
        }
        self.by_key.insert((Arc::clone(&rule.name), rule.hash), number);
        self.rules.push(CompiledRule {
            rule: Arc::clone(rule),
            plan: plan.ok(),
            terms: Terms {
                for_ms: rule.for_ms,
                keep_firing_ms: rule.keep_firing_ms,
                silence_clears: rule.no_data == NoData::Clear,
            },
            of_silence: asks_for_silence(rule),
            period_ms: longest_period_ms(rule, catalogue),
            meter,
            leaves: first..self.leaves.len(),
        });
    }

    fn read_by(&mut self, reader: Reader, selectors: &Selectors) {
        for plan in &selectors.0 {
            let readers = slot(&mut self.readers, plan.selector.property);
            if !readers.contains(&reader) {
                readers.push(reader);
            }
        }
    }

    fn fleet_reads(&mut self, rule: usize, selectors: &Selectors) {
        for plan in &selectors.0 {
            let readers = slot(&mut self.fleet_readers, plan.selector.property);
            if !readers.contains(&rule) {
                readers.push(rule);
            }
        }
    }
}

fn slot<T>(by_property: &mut Vec<Vec<T>>, property: PropertyId) -> &mut Vec<T> {
    let number = usize::from(property.0);
    if by_property.len() <= number {
        by_property.resize_with(number + 1, Vec::new);
    }
    &mut by_property[number]
}

fn selectors_of(rule: &Rule) -> Vec<&Selector> {
    let clear = rule.clear.iter().flat_map(|query| query.expr.reads());
    rule.query.expr.reads().into_iter().chain(clear).map(|read| read.selector).collect()
}

fn asks_for_silence(rule: &Rule) -> bool {
    let of_device =
        |selector: &&Selector| [DEVICE_SILENT_SECONDS, DEVICE_ONLINE].contains(&selector.property);
    rule.query.expr.asks_absence() || selectors_of(rule).iter().any(of_device)
}

/// The longest period among the kinds that report what the rule reads; among all when that is none.
fn longest_period_ms(rule: &Rule, catalogue: &Catalogue) -> i64 {
    let selectors = selectors_of(rule);
    let reads = |kind: &&ioc_model::DeviceKind| selectors.iter().any(|selector| selector.may_read(kind));
    let longest = |kinds: &mut dyn Iterator<Item = &ioc_model::DeviceKind>| {
        kinds.map(|kind| i64::from(kind.reporting_period_s) * 1000).max()
    };
    longest(&mut catalogue.kinds().filter(reads)).or_else(|| longest(&mut catalogue.kinds())).unwrap_or(0)
}
