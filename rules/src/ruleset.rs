//! The rules of a city: parsed, checked, immutable.
use crate::{
    file,
    lang::vocabulary::Vocabulary,
    rule::{Rule, RuleError, RuleFile},
};
use std::{collections::HashMap, sync::Arc};

/// Every rule of a city, in the order of files and lines.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    by_name: HashMap<Arc<str>, usize>,
}

impl RuleSet {
    /// Parses and checks rule files.
    ///
    /// Shape: rules in the order of `files`, within a file in the order of its text.
    /// Errors: all problems of all files, in that order; never empty.
    pub fn load(files: &[RuleFile], vocabulary: &dyn Vocabulary) -> Result<Self, Vec<RuleError>> {
        file::load(files, vocabulary).map(Self::from_rules)
    }

    pub(crate) fn from_rules(rules: Vec<Arc<Rule>>) -> Self {
        let by_name = rules.iter().enumerate().map(|(slot, rule)| (Arc::clone(&rule.name), slot)).collect();
        Self { rules, by_name }
    }

    /// Returns the rules that `is_wanted` says.
    pub fn only(&self, is_wanted: impl Fn(&Rule) -> bool) -> Self {
        Self::from_rules(self.rules.iter().filter(|rule| is_wanted(rule)).cloned().collect())
    }

    /// Returns the rules.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Finds a rule by name.
    pub fn get(&self, name: &str) -> Option<&Arc<Rule>> {
        self.by_name.get(name).map(|slot| &self.rules[*slot])
    }
}
