//! The few options of the benchmarks: `--name value`.
use crate::Outcome;
use std::{env, str::FromStr};

/// Options of this run.
#[derive(Debug)]
pub struct Args(Vec<(String, String)>);

impl Args {
    /// Reads the command line. `known` are the names that may stand there, without dashes.
    ///
    /// `None` when cargo runs benchmarks as tests: then there is nothing to do.
    ///
    /// Errors: an unknown option, or one without a value.
    pub fn read(known: &[&str]) -> Outcome<Option<Self>> {
        let mut words = env::args().skip(1);
        let (mut values, mut is_bench) = (Vec::new(), false);
        while let Some(word) = words.next() {
            if word == "--bench" {
                is_bench = true;
                continue;
            }
            let name = word.strip_prefix("--").filter(|name| known.contains(name)).ok_or_else(|| {
                format!("unknown option {word:?}; there are --{} VALUE", known.join(" VALUE, --"))
            })?;
            let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
            values.push((name.to_owned(), value));
        }
        Ok(is_bench.then_some(Self(values)))
    }

    /// Returns the value of an option, or `default`.
    ///
    /// Errors: it is not a `T`.
    pub fn get<T: FromStr>(&self, name: &str, default: T) -> Outcome<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => parse(name, text),
        }
    }

    /// Returns the values of an option with commas, or `default`.
    ///
    /// Errors: one of them is not a `T`.
    pub fn list<T: FromStr + Clone>(&self, name: &str, default: &[T]) -> Outcome<Vec<T>> {
        match self.text(name) {
            None => Ok(default.to_vec()),
            Some(text) => text.split(',').map(|part| parse(name, part)).collect(),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse<T: FromStr>(name: &str, text: &str) -> Outcome<T> {
    text.parse().map_err(|_| format!("--{name} {text:?} cannot be read").into())
}
