//! What the catalogue said at the last start, kept in the data directory: history is numbers, and the catalogue alone says
//! what they mean. A start that would give them another meaning, or none, is refused.
use ioc_files::durable::write_durably;
use ioc_model::{Catalogue, Property, PropertyId, catalogue::ValueKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::PathBuf,
};

/// The file with what the catalogue said last.
pub struct KeptCatalogue {
    path: PathBuf,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The directories that its files came from.
    directories: Vec<PathBuf>,
    properties: Vec<Meaning>,
}

/// What the values of a property mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meaning {
    id: PropertyId,
    name: String,
    unit: String,
    #[serde(rename = "type")]
    value_type: String,
    /// Of an enum.
    codes: BTreeMap<u16, String>,
}

/// A catalogue that takes the meaning from history.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct MeaningLost(Vec<String>);

impl KeptCatalogue {
    /// Names the file `path`, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the directories that the catalogue was read from at the last start.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.read().directories
    }

    /// Compares `catalogue` with what was kept, for the properties `with_history`.
    ///
    /// Errors: [`MeaningLost`] names each property that is gone or means something else, and what to do.
    pub fn check(
        &self,
        catalogue: &Catalogue,
        with_history: &HashSet<PropertyId>,
    ) -> Result<(), MeaningLost> {
        let kept = self.read();
        let from = told(&kept.directories);
        let lost: Vec<String> = kept
            .properties
            .iter()
            .filter(|before| with_history.contains(&before.id))
            .filter_map(|before| before.loss(catalogue, &from))
            .collect();
        if lost.is_empty() { Ok(()) } else { Err(MeaningLost(lost)) }
    }

    /// Keeps what `catalogue`, read from `directories`, says. What it no longer has is forgotten.
    ///
    /// Errors: what the operating system says.
    pub fn keep(&self, catalogue: &Catalogue, directories: &[PathBuf]) -> io::Result<()> {
        let properties = catalogue.properties().iter().map(Meaning::of).collect();
        let kept = Kept { directories: directories.to_vec(), properties };
        if kept == self.read() {
            return Ok(());
        }
        write_durably(&self.path, &serde_json::to_vec(&kept)?)
    }

    /// Reads what was kept. A directory of a version before has nothing, and neither has one whose file is damaged: it is
    /// made anew.
    fn read(&self) -> Kept {
        let text = fs::read(&self.path).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

/// Names directories for people.
pub fn told(directories: &[PathBuf]) -> String {
    if directories.is_empty() {
        return "the built-in files alone".to_owned();
    }
    let names: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
    format!("the files of {}", names.join(", "))
}

impl Meaning {
    fn of(property: &Property) -> Self {
        let (value_type, codes) = match &property.kind {
            ValueKind::Number { .. } => ("number", BTreeMap::new()),
            ValueKind::Bool => ("bool", BTreeMap::new()),
            ValueKind::Enum { codes, .. } => {
                ("enum", codes.iter().map(|(name, code)| (*code, name.clone())).collect())
            }
        };
        let (id, name, unit) = (property.id, property.name.clone(), property.unit.clone());
        Self { id, name, unit, value_type: value_type.to_owned(), codes }
    }

    /// Returns what is lost when `catalogue` takes the place of the one before.
    fn loss(&self, catalogue: &Catalogue, from: &str) -> Option<String> {
        let Self { id: PropertyId(id), name, .. } = self;
        let Some(now) = catalogue.property_by_id(self.id).map(Self::of) else {
            return Some(format!(
                "catalogue: property {name} (id {id}) has history and is no longer there; the last start read {from}: \
                 name them again with --catalogue or catalogue.dirs, or put the property back. To retire it, leave it \
                 and take it out of `properties` of the kinds"
            ));
        };
        let changed = self.difference(&now)?;
        Some(format!(
            "catalogue: property {name} (id {id}) has history, and {changed}; give the new one an id of its own and \
             leave this one as it was"
        ))
    }

    fn difference(&self, now: &Self) -> Option<String> {
        if self.name != now.name {
            return Some(format!("its id is now that of {}", now.name));
        }
        if self.value_type != now.value_type {
            return Some(format!("its type was {} and is now {}", self.value_type, now.value_type));
        }
        if self.unit != now.unit {
            return Some(format!("its unit was {:?} and is now {:?}", self.unit, now.unit));
        }
        let moved = self.codes.iter().find(|(code, name)| now.codes.get(code) != Some(name));
        moved.map(|(code, name)| format!("its code {code} no longer means {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATER: &str = r#"
        property.turbidity = { id = 1001, unit = "NTU", title = { vi = "a", en = "b" } }
        [property.pump]
        id = 1002
        type = "enum"
        codes = { off = 0, on = 1 }
        code_titles = { off = { vi = "a", en = "b" }, on = { vi = "a", en = "b" } }
        title = { vi = "a", en = "b" }
    "#;

    fn catalogue(text: &str) -> Catalogue {
        Catalogue::from_toml(text).unwrap()
    }

    fn check(after: &str, with_history: &[u16]) -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptCatalogue::at(directory.path().join("catalogue.json"));
        kept.keep(&catalogue(WATER), &["own".into()]).unwrap();
        let with_history = with_history.iter().map(|id| PropertyId(*id)).collect();
        kept.check(&catalogue(after), &with_history).map_err(|error| error.to_string())
    }

    #[test]
    fn what_has_no_history_may_go() {
        assert_eq!(check("", &[1, 2]), Ok(()));
        assert_eq!(check(WATER, &[1001, 1002]), Ok(()));
    }

    #[test]
    fn what_has_history_keeps_its_meaning() {
        let cases = [
            ("property.turbidity", "property.clarity", "its id is now that of clarity"),
            ("\"NTU\"", "\"FNU\"", "its unit was \"NTU\" and is now \"FNU\""),
            ("unit = \"NTU\"", "type = \"bool\"", "its type was number and is now bool"),
            ("off = 0, on = 1", "off = 1, on = 0", "its code 0 no longer means \"off\""),
            ("id = 1001", "id = 1003", "no longer there; the last start read the files of own"),
        ];
        for (before, after, expected) in cases {
            let error = check(&WATER.replace(before, after), &[1001, 1002]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let wider = WATER.replace("unit = \"NTU\"", "unit = \"NTU\", max = 9.0");
        assert_eq!(check(&wider, &[1001, 1002]), Ok(()), "a range may change");
    }

    #[test]
    fn what_cannot_be_read_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalogue.json");
        fs::write(&path, "\u{0}garbage").unwrap();
        let kept = KeptCatalogue::at(path);
        assert!(kept.check(&catalogue(WATER), &HashSet::from([PropertyId(1001)])).is_ok());
        kept.keep(&catalogue(WATER), &["own".into()]).unwrap();
        assert_eq!(kept.directories(), [PathBuf::from("own")]);
    }
}
