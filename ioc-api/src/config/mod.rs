//! The configuration: defaults, then the file, then `IOC_*` variables, then flags, then one validation.
//!
//! Owns the root [`Config`] and how it is read. Every problem is found in one run and names its file, line
//! and column (or variable, or flag), what is wrong and what would be right. What the values do is left to
//! those who use them.
mod draft;
mod environment;
mod file;
mod problem;
mod sections;
mod validate;

pub use ioc_model::units::{Cidr, InvalidUnit, Listen, Size, Span};
pub use problem::{Place, Problem, Problems, nearest};
pub use sections::{Config, Demo, Display, Ingest, Journal, Limits, Mqtt, Rules, Store, Tcp, Tls};

use draft::Draft;
use serde_json::Value;
use std::path::PathBuf;

/// One flag of the command line, as it stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// As in `--http`.
    pub flag: &'static str,
    /// As in `http.listen`.
    pub key: &'static str,
    /// As given; more than one for a list.
    pub texts: Vec<String>,
}

/// Where a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What counts when nobody says otherwise.
    pub base: Config,
    /// The file, if any.
    pub file: Option<PathBuf>,
    /// The process's environment; variables that are not ours are ignored.
    pub variables: Vec<(String, String)>,
    /// What the command line set.
    pub flags: Vec<FlagValue>,
}

/// Reads and validates the configuration.
///
/// Errors: [`Problems`] lists everything that is wrong.
pub fn load(sources: Sources) -> Result<Config, Problems> {
    let mut draft = Draft::new(sources.base);
    let mut source = None;
    if let Some(path) = sources.file {
        let name = path.display().to_string();
        let text = ioc_files::read_settings(&path).map_err(|error| {
            let help = "name a readable file with --config, or leave it out for the defaults";
            Problem::new(Place::WholeFile(name.clone()), format!("cannot be read: {error}"), help)
        })?;
        file::lay_over(&mut draft, &name, &text);
        source = Some((name, text));
    }
    environment::lay_over(&mut draft, sources.variables);
    for FlagValue { flag, key, texts } in sources.flags {
        let value = match draft.current(key) {
            Some(Value::Array(_)) => texts.into_iter().map(Value::String).collect(),
            current => environment::from_text(current, &texts.concat()),
        };
        draft.set(key, value, Place::Flag(flag.to_owned()));
    }
    finish(draft, source)
}

/// Returns warnings of variables that begin like ours and mean nothing here; `names` are those of the environment.
pub fn unknown_variables<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let sentence = |name: &str| {
        format!(
            "{name}: there is no such variable; keys in sections are written as in IOC_MQTT__TCP__ENABLED"
        )
    };
    environment::strangers(names).into_iter().map(sentence).collect()
}

fn finish(draft: Draft, source: Option<(String, String)>) -> Result<Config, Problems> {
    let (config, places, mut problems) = draft.finish();
    for invalid in validate::validate(&config) {
        let place = places.get(invalid.key).cloned().unwrap_or(Place::BuiltIn);
        problems.push(Problem::new(place, invalid.message, invalid.help));
    }
    match problems.is_empty() {
        true => Ok(config),
        false => Err(Problems { problems, source }),
    }
}

#[cfg(test)]
mod tests;
