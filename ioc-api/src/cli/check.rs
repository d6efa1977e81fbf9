//! `ioc check` and `ioc rules check`: what a start would refuse, found without starting.
use super::{Failure, print};
use crate::{
    admin::load_city,
    catalogue_files::{self, CatalogueError},
    config::{Config, Place, Problem, Problems},
    defaults,
    tls::Certificate,
};
use firmware_sim::Scenario;
use ioc_model::Catalogue;
use ioc_rules::{RuleFile, RuleSet};
use ioc_services::rules::{RuleSource, passed_over};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One problem for `--json`.
#[derive(Debug, Serialize)]
struct Found {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

/// What was checked, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    files: usize,
    rules: usize,
    problems: Vec<Found>,
    /// What is allowed, and hardly meant.
    warnings: Vec<Found>,
}

/// Checks the configuration and every file that it names.
pub(super) fn everything(config: Result<Config, Problems>, json: bool) -> Result<(), Failure> {
    let config = match config {
        Ok(config) => config,
        Err(problems) => return Err(refuse(problems, json)),
    };
    let mut checked = Checked { json, ..Checked::default() };
    if let Some(catalogue) = checked.catalogue(&config) {
        checked.files(&config, &catalogue);
    }
    checked.finish()
}

/// Checks rule files.
pub(super) fn rules(config: &Config, dirs: Vec<PathBuf>, json: bool) -> Result<(), Failure> {
    let source = match dirs.is_empty() {
        true => crate::app::settings::rule_source(config),
        false => crate::app::settings::rules_in(dirs),
    };
    let mut checked = Checked { json, ..Checked::default() };
    let Some(catalogue) = checked.catalogue(config) else { return checked.finish() };
    // What is counted is what was asked about.
    checked.report.files = 0;
    checked.rules(&source, &catalogue);
    if let (Some(none), true) = (checked.no_rules(&source), checked.report.problems.is_empty()) {
        checked.file("rules", None, &none);
    }
    checked.finish()
}

/// Prints the problems of the configuration with the lines that they are about.
fn refuse(problems: Problems, json: bool) -> Failure {
    let Problems { problems, source } = problems;
    if !json {
        problems.iter().for_each(|problem| print::problem(problem, source.as_ref()));
        return Failure::RefusedSaid;
    }
    let found = |problem: Problem| {
        let (line, column) = match &problem.place {
            Place::File { line, column, .. } => (Some(*line), Some(*column)),
            _ => (None, None),
        };
        let file = match &problem.place {
            Place::File { path, .. } => path.clone(),
            place => place.to_string(),
        };
        Found { file, line, column, message: problem.message, help: Some(problem.help) }
    };
    let problems = problems.into_iter().map(found).collect();
    match print::json(&Report { files: 1, problems, ..Report::default() }) {
        Ok(()) => Failure::RefusedSaid,
        Err(error) => error.into(),
    }
}

#[derive(Default)]
struct Checked {
    json: bool,
    report: Report,
}

impl Checked {
    /// Reads the catalogue, or reports why it cannot be used.
    fn catalogue(&mut self, config: &Config) -> Option<Catalogue> {
        let read = catalogue_files::files(config).and_then(|files| {
            self.report.files += files.len();
            catalogue_files::parse(&files)
        });
        match read {
            Ok(catalogue) => return Some(catalogue),
            Err(CatalogueError::Wrong(problems)) => problems.iter().for_each(|problem| {
                self.file(&problem.file, Some((problem.line, problem.column)), &problem.message);
            }),
            Err(CatalogueError::Unusable { path, problem }) => {
                self.file(&path.display().to_string(), None, &problem);
            }
        }
        None
    }

    fn files(&mut self, config: &Config, catalogue: &Catalogue) {
        self.report.files += 2;
        if let Err(error) = load_city(&config.city, catalogue) {
            self.file(&config.city, None, &error.to_string());
        }
        let source = crate::app::settings::rule_source(config);
        self.rules(&source, catalogue);
        if let Some(none) = self.no_rules(&source) {
            self.warn("rules", &none);
        }
        self.scenario(&config.demo.scenario);
        let (https, mqtts) = (&config.http.tls, &config.mqtt.tls);
        self.certificate("http.tls", &https.certificate, &https.key);
        self.certificate("mqtt.tls", &mqtts.certificate, &mqtts.key);
    }

    fn certificate(&mut self, section: &str, certificate: &Option<PathBuf>, key: &Option<PathBuf>) {
        let (Some(certificate), Some(key)) = (certificate, key) else { return };
        self.report.files += 2;
        if let Err(error) = Certificate::load(certificate, key) {
            self.file(section, None, &error.to_string());
        }
    }

    fn rules(&mut self, source: &RuleSource, catalogue: &Catalogue) {
        let files = match source.read() {
            Ok(files) => files,
            Err(error) => return error.into_rule_errors().iter().for_each(|error| self.rule(error, &[])),
        };
        // Those of ours stand beside a person's own and are not what is asked about.
        let is_asked = |path: &str| matches!(source, RuleSource::Embedded(_)) || !defaults::is_built_in(path);
        self.report.files += files.iter().filter(|file| is_asked(&file.path)).count();
        match RuleSet::load(&files, catalogue) {
            Ok(rules) => {
                self.report.rules = rules.rules().iter().filter(|rule| is_asked(&rule.file)).count();
            }
            Err(errors) => errors.iter().for_each(|error| self.rule(error, &files)),
        }
    }

    /// Names files whose rules are not read; returns what to say when there is no rule at all.
    fn no_rules(&mut self, source: &RuleSource) -> Option<String> {
        for path in passed_over(source.directories()) {
            self.warn(&path.display().to_string(), "holds rules and is not read: rename it to end in .yaml");
        }
        let places: Vec<String> =
            source.directories().iter().map(|path| path.display().to_string()).collect();
        (self.report.rules == 0 && self.report.problems.is_empty()).then(|| {
            let found = if self.report.files == 0 { "no file ending in .yaml or .yml" } else { "no rule" };
            format!("{found} in {}: nothing would ever alarm", places.join(", "))
        })
    }

    fn rule(&mut self, error: &ioc_rules::RuleError, files: &[RuleFile]) {
        if !self.json {
            let file = files.iter().find(|file| file.path == error.file);
            print::rule_error(error, file.map(|file| file.text.as_str()));
        }
        self.report.problems.push(Found {
            file: error.file.clone(),
            line: Some(error.line as usize),
            column: Some(error.column as usize),
            message: error.message.clone(),
            help: error.help.clone(),
        });
    }

    fn scenario(&mut self, path: &Path) {
        self.report.files += 1;
        let name = path.display().to_string();
        let problem = match Scenario::built_in(&name) {
            Some(scenario) => scenario.err().map(|error| error.to_string()),
            None => match ioc_files::read_settings(path) {
                Ok(text) => Scenario::from_toml(&name, &text).err().map(|error| error.to_string()),
                Err(error) => {
                    let known: Vec<&str> = firmware_sim::BUILT_IN.iter().map(|(name, _)| *name).collect();
                    Some(format!("cannot be read: {error}; write {} or a scenario file", known.join(", ")))
                }
            },
        };
        if let Some(problem) = problem {
            self.file(&name, None, &problem);
        }
    }

    fn warn(&mut self, file: &str, message: &str) {
        if !self.json {
            print::error_line(&format!("warning: {file}: {message}"));
        }
        let (file, message) = (file.to_owned(), message.to_owned());
        self.report.warnings.push(Found { file, line: None, column: None, message, help: None });
    }

    fn file(&mut self, file: &str, at: Option<(usize, usize)>, message: &str) {
        if !self.json {
            let at = at.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
            let place = if message.starts_with(file) { String::new() } else { format!("{file}{at}: ") };
            print::error_line(&format!("{place}{message}"));
        }
        let (line, column) = (at.map(|at| at.0), at.map(|at| at.1));
        let (file, message) = (file.to_owned(), message.to_owned());
        self.report.problems.push(Found { file, line, column, message, help: None });
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.report.ok = self.report.problems.is_empty();
        if self.json {
            print::json(&self.report)?;
        } else if self.report.ok {
            print::line(&format!(
                "{} rules in order; {} files checked",
                self.report.rules, self.report.files
            ))?;
        }
        match self.report.ok {
            true => Ok(()),
            false => Err(Failure::Said),
        }
    }
}
