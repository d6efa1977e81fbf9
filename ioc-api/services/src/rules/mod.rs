//! The rule files in force, and checks of rule texts that people ask for.
mod checks;
mod choice;
mod error;
mod files;
mod last_good;
mod ours;
mod store;

pub use checks::{CheckPlace, RuleChecks};
pub use error::RuleStoreError;
pub use files::passed_over;
pub use last_good::LastGoodRules;
pub use store::{InForce, RuleSource, RuleStore};
