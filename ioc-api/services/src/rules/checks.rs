//! Checks of rule texts that people ask for. Each takes a processor for up to a second or so, so that there are few places,
//! and everybody has one of them at most. How much one check can take is bounded by [`ioc_rules::limits`], as for files.
use ioc_model::{
    Catalogue,
    share::{Full, ShareClass, ShareLimits, Shares},
};
use ioc_rules::{RuleError, RuleFile, RuleSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places for checks. Clones are the same.
#[derive(Debug, Clone)]
pub struct RuleChecks {
    shares: Arc<Mutex<Shares<String>>>,
    catalogue: Arc<Catalogue>,
}

impl RuleChecks {
    /// Makes places for `total` checks at once, `each` of one person; rules may name what is in the catalogue.
    pub fn new(catalogue: Arc<Catalogue>, total: usize, each: usize) -> Self {
        let shares = Shares::new(ShareLimits { total, reserved: 0, each });
        Self { shares: Arc::new(Mutex::new(shares)), catalogue }
    }

    /// Takes a place for a person.
    ///
    /// Errors: [`Full`] says whether it is this person's share or all places that are taken.
    pub fn place(&self, person: &str) -> Result<CheckPlace, Full> {
        lock(&self.shares).take(person.to_owned(), ShareClass::Ordinary)?;
        Ok(CheckPlace { checks: self.clone(), person: person.to_owned() })
    }
}

/// A place for one check; dropping it gives it back.
#[derive(Debug)]
pub struct CheckPlace {
    checks: RuleChecks,
    person: String,
}

impl CheckPlace {
    /// Checks the text of one file by itself, as a start would; may take a second. Returns what is wrong.
    pub fn check(self, file: RuleFile) -> Vec<RuleError> {
        RuleSet::load(&[file], &*self.checks.catalogue).err().unwrap_or_default()
    }
}

impl Drop for CheckPlace {
    fn drop(&mut self) {
        lock(&self.checks.shares).give_back(&self.person);
    }
}

fn lock(shares: &Mutex<Shares<String>>) -> MutexGuard<'_, Shares<String>> {
    // Counts are changed whole or not at all.
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> RuleChecks {
        let text = include_str!("../../../../configs/catalogue/catalogue.toml");
        RuleChecks::new(Arc::new(Catalogue::from_toml(text).unwrap()), 2, 1)
    }

    #[test]
    fn one_person_has_one_place_and_leaves_one_to_others() {
        let checks = checks();
        let lan = checks.place("lan").unwrap();
        assert_eq!(checks.place("lan").unwrap_err(), Full::Caller);
        let minh = checks.place("minh").unwrap();
        assert_eq!(checks.place("mai").unwrap_err(), Full::All);
        drop(lan);
        let mai = checks.place("mai").unwrap();
        drop((minh, mai));
        assert!(checks.place("lan").is_ok());
    }

    #[test]
    fn a_check_says_what_the_loader_says() {
        let texts = ["groups: []", "groups: [", "", "\u{feff}groups: []", "a: \u{0}", &"x".repeat(2 << 20)];
        for text in texts {
            let file = RuleFile { path: "request".into(), text: text.into() };
            let loaded = RuleSet::load(std::slice::from_ref(&file), &*checks().catalogue).err();
            assert_eq!(checks().place("lan").unwrap().check(file), loaded.unwrap_or_default());
        }
    }
}
