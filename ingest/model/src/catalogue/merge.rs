//! Puts the files of a catalogue over each other: what a later file adds, and what it takes the place of.
use super::{
    CatalogueFile,
    entries::{DomainEntry, Entries, IndicatorEntry, KindEntry, PanelEntry, PropertyEntry, Table},
    problem::{At, Problems},
};
use std::ops::Range;

/// An entry of a file that may take the place of one of an earlier file.
pub(super) trait Entry {
    /// Name of its table.
    const SECTION: &'static str;
    /// Reports whether it says so.
    fn replaces(&self) -> bool;
    /// Returns why it cannot take the place of `before`.
    fn problem_with(&self, _before: &Self) -> Option<String> {
        None
    }
}

macro_rules! entry {
    ($type:ident, $section:literal $(, $check:expr)?) => {
        impl Entry for $type {
            const SECTION: &'static str = $section;
            fn replaces(&self) -> bool {
                self.replace
            }
            $(fn problem_with(&self, before: &Self) -> Option<String> {
                $check(before, self)
            })?
        }
    };
}
entry!(DomainEntry, "domain");
entry!(PropertyEntry, "property", replacement);
entry!(KindEntry, "kind");
entry!(IndicatorEntry, "kpi");
entry!(PanelEntry, "panel");

/// Returns why a property cannot take the place of another.
fn replacement(before: &PropertyEntry, after: &PropertyEntry) -> Option<String> {
    let keeps = before.id.get_ref() == after.id.get_ref() && before.value_type == after.value_type;
    let message = || {
        let id = before.id.get_ref();
        format!("a property keeps its id and its type, because history is keyed by them; expected id = {id}")
    };
    (!keeps).then(message)
}

/// An entry with the place where it stands.
pub(super) struct Sourced<T> {
    pub(super) name: String,
    pub(super) entry: T,
    /// Place of the name.
    pub(super) at: At,
}

impl<T> Sourced<T> {
    /// Returns a place within the entry.
    pub(super) fn at(&self, span: &Range<usize>) -> At {
        At::new(self.at.file, span)
    }
}

/// Reads every file; one that cannot be read adds a problem and has no entries.
pub(super) fn read(files: &[CatalogueFile], problems: &mut Problems<'_>) -> Vec<Entries> {
    let mut read = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let entries = toml::from_str(&file.text).unwrap_or_else(|error| {
            let at = At::new(number, &error.span().unwrap_or_default());
            problems.add(at, syntax_message(error.message()));
            Entries::default()
        });
        read.push(entries);
    }
    read
}

/// Returns a message of the parser, with how an indicator is written today for files of before.
fn syntax_message(message: &str) -> String {
    if message == "invalid type: sequence, expected a map" {
        return format!("{message}; write [kpi.NAME] with tables `display` and `measure` instead of [[kpi]]");
    }
    message.to_owned()
}

/// Takes one table out of all files; returns its entries in the order of the files and of their lines. One that takes the
/// place of another stands where that stood.
pub(super) fn merge<T: Entry>(
    read: &mut [Entries],
    table: impl Fn(&mut Entries) -> &mut Table<T>,
    problems: &mut Problems<'_>,
) -> Vec<Sourced<T>> {
    let mut merged: Vec<Sourced<T>> = Vec::new();
    for (file, entries) in read.iter_mut().enumerate() {
        let mut entries: Vec<_> = std::mem::take(table(entries)).into_iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, entry) in entries {
            let at = At::new(file, &name.span());
            put(&mut merged, Sourced { name: name.into_inner(), entry, at }, problems);
        }
    }
    merged
}

fn put<T: Entry>(merged: &mut Vec<Sourced<T>>, new: Sourced<T>, problems: &mut Problems<'_>) {
    let section = T::SECTION;
    let known = merged.iter().position(|known| known.name == new.name);
    match (known, new.entry.replaces()) {
        (None, false) => merged.push(new),
        (None, true) => {
            let message = format!("no {section} is called {:?} before; remove `replace`", new.name);
            problems.add(new.at, message);
        }
        (Some(slot), false) => {
            let message = format!(
                "{section} {:?} is already defined at {}; choose another name, or write `replace = true` to take its place",
                new.name,
                problems.line_of(merged[slot].at)
            );
            problems.add(new.at, message);
        }
        (Some(slot), true) => match new.entry.problem_with(&merged[slot].entry) {
            None => merged[slot] = new,
            Some(message) => problems.add(new.at, message),
        },
    }
}
