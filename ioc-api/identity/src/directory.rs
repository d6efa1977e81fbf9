//! Everyone by name, in memory.
use super::names::{self, canonical};
use ioc_records::{Reach, UserRow};
use std::{collections::HashMap, sync::Arc};

/// People by the name that they have, and by its canonical form.
#[derive(Debug, Default)]
pub(super) struct Directory {
    by_name: HashMap<String, Arc<UserRow>>,
    by_canonical: HashMap<String, Arc<UserRow>>,
}

impl Directory {
    /// Takes everyone. Of those whose names were told apart by capitals once, the one in small letters is found by
    /// every spelling, the others by theirs.
    pub(super) fn new(rows: Vec<UserRow>) -> Self {
        let mut directory = Self::default();
        for row in rows.into_iter().map(Arc::new) {
            let key = canonical(&row.name);
            if names::is_reserved(&key) {
                tracing::warn!(
                    user = row.name,
                    "this user has the name of an actor of the audit trail; give the person another user and disable this one"
                );
            }
            if key == row.name || !directory.by_canonical.contains_key(&key) {
                directory.by_canonical.insert(key, Arc::clone(&row));
            }
            directory.by_name.insert(row.name.clone(), row);
        }
        directory
    }

    /// Finds the person with exactly this name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<UserRow>> {
        self.by_name.get(name)
    }

    /// Finds the person whose name this is, however it is typed.
    pub(super) fn find(&self, typed: &str) -> Option<&Arc<UserRow>> {
        self.by_name.get(typed.trim()).or_else(|| self.by_canonical.get(&canonical(typed)))
    }

    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &Arc<UserRow>> {
        self.by_name.values()
    }
}

/// Returns whose field an audit entry about this person is about.
pub(super) fn reach(user: &UserRow) -> Reach {
    Reach { domains: user.domains.clone(), wards: user.wards.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    fn row(name: &str) -> UserRow {
        UserRow {
            name: name.to_owned(),
            role: Role::Viewer,
            domains: vec![],
            wards: vec![],
            password_hash: String::new(),
            disabled: false,
            created_ms: 0,
        }
    }

    #[test]
    fn people_are_found_however_their_name_is_typed() {
        let directory = Directory::new(vec![row("lan"), row("Mai"), row("Hoa"), row("hoa")]);
        let found = |typed: &str| directory.find(typed).map(|row| row.name.clone());
        for (typed, expected) in [
            ("lan", "lan"),
            ("LAN ", "lan"),
            ("ｌａｎ", "lan"),
            ("mai", "Mai"),
            ("Mai", "Mai"),
            ("hoa", "hoa"),
            ("Hoa", "Hoa"),
            ("HOA", "hoa"),
        ] {
            assert_eq!(found(typed).as_deref(), Some(expected), "{typed}");
        }
        assert_eq!(found("lán"), None);
        assert_eq!(directory.get("LAN"), None);
        assert_eq!(directory.rows().len(), 4);
    }
}
