//! The files of the catalogue: the built-in ones, and over them those of the city's own directories.
use crate::{config::Config, defaults};
use ioc_model::{
    Catalogue,
    catalogue::{CatalogueFile, CatalogueProblem, Owner},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const BUILT_IN: &str = "catalogue/catalogue.toml";
/// Indicators and panels, which a file of the city's own may take the place of.
const KPIS: &str = "kpis.toml";

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file or directory that cannot be used.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// What stands in the files.
    #[error("{}", lines(.0))]
    Wrong(Vec<CatalogueProblem>),
}

fn lines(problems: &[CatalogueProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads the catalogue of a configuration.
///
/// Errors: [`CatalogueError`] names each file, and line and column of what is wrong in it.
pub fn load(config: &Config) -> Result<Catalogue, CatalogueError> {
    parse(&files(config)?)
}

/// Reads the catalogue that is compiled in.
///
/// Errors: none in a binary whose tests passed.
pub fn built_in() -> Result<Catalogue, CatalogueError> {
    parse(&[compiled_in(BUILT_IN), compiled_in(KPIS)])
}

/// Makes a catalogue of its files.
///
/// Errors: as [`load`].
pub fn parse(files: &[CatalogueFile]) -> Result<Catalogue, CatalogueError> {
    let catalogue = Catalogue::from_files(files).map_err(CatalogueError::Wrong)?;
    match files.last() {
        Some(file) if catalogue.panels().is_empty() => Err(CatalogueError::Unusable {
            path: file.name.clone().into(),
            problem: "the catalogue has no panel, and the wall would be empty; add [panel.NAME]".to_owned(),
        }),
        _ => Ok(catalogue),
    }
}

/// Returns the files of a configuration, those that lie over others behind them.
///
/// Errors: one that cannot be read, or a directory without any.
pub fn files(config: &Config) -> Result<Vec<CatalogueFile>, CatalogueError> {
    let mut files = vec![compiled_in(BUILT_IN)];
    files.push(match &config.display.kpis {
        Some(path) => read(path)?,
        None => compiled_in(KPIS),
    });
    for directory in &config.catalogue.dirs {
        let paths = toml_files(directory).map_err(|error| unreadable(directory, &error))?;
        if paths.is_empty() {
            let problem = "holds no file ending in .toml; name a directory with files of the catalogue";
            return Err(CatalogueError::Unusable { path: directory.clone(), problem: problem.to_owned() });
        }
        for path in paths {
            files.push(read(&path)?);
        }
    }
    Ok(files)
}

fn compiled_in(name: &str) -> CatalogueFile {
    let text = defaults::text(name).unwrap_or_default().to_owned();
    CatalogueFile { name: format!("configs/{name}"), text, owner: Owner::BuiltIn }
}

fn read(path: &Path) -> Result<CatalogueFile, CatalogueError> {
    let text = ioc_files::read_settings(path).map_err(|error| unreadable(path, &error))?;
    Ok(CatalogueFile { name: path.display().to_string(), text, owner: Owner::City })
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CatalogueError {
    CatalogueError::Unusable { path: path.to_owned(), problem: format!("cannot be read: {error}") }
}

/// Returns the files of a directory by name.
fn toml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware_sim::Scenario;
    use ioc_rules::{RuleFile, RuleSet};

    fn config(directory: &Path) -> Config {
        let mut config = Config::default();
        config.catalogue.dirs = vec![directory.to_owned()];
        config
    }

    #[test]
    fn the_built_in_catalogue_loads_and_every_domain_has_a_panel() {
        let catalogue = built_in().unwrap();
        assert_eq!(catalogue.indicators().len(), 3 * catalogue.domains().len());
        for domain in catalogue.domains() {
            let panel = catalogue.panels().iter().find(|panel| panel.domain == domain.name).unwrap();
            assert_eq!(panel.indicators.len(), 3, "{}", domain.name);
            assert!(domain.icon.is_some(), "{}", domain.name);
        }
    }

    #[test]
    fn files_of_a_directory_lie_over_the_built_in_ones() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let title = "title = { vi = \"a\", en = \"b\" }";
        write("1-domain.toml", &format!("[domain.waste]\n{title}"));
        write(
            "2-kind.toml",
            &format!("[kind.bin]\ndomain = \"waste\"\nreporting_period_s = 60\nproperties = []\n{title}"),
        );
        write("notes.md", "not read");
        let catalogue = load(&config(directory.path())).unwrap();
        assert_eq!(catalogue.domains().last().map(|domain| domain.name.to_string()), Some("waste".into()));
        assert!(catalogue.kind("bin").is_some() && catalogue.kind("luminaire").is_some());
        write("3-more.toml", "[domain.waste]\ntitel = 1");
        let error = load(&config(directory.path())).unwrap_err().to_string();
        assert!(error.contains("3-more.toml:2:1: unknown field `titel`"), "{error}");
    }

    #[test]
    fn a_directory_without_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = load(&config(directory.path())).unwrap_err().to_string();
        assert!(error.contains("holds no file ending in .toml"), "{error}");
        let error = load(&config(&directory.path().join("missing"))).unwrap_err().to_string();
        assert!(error.contains("missing: cannot be read"), "{error}");
    }

    /// What the example says of its field in catalogue, rules and scenario is the same.
    #[test]
    fn the_example_holds_together() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/examples/water-quality");
        let catalogue = load(&config(&example.join("catalogue"))).unwrap();
        let path = example.join("rules/water-quality.yaml");
        let file = RuleFile { path: path.display().to_string(), text: fs::read_to_string(&path).unwrap() };
        assert_eq!(RuleSet::load(&[file], &catalogue).unwrap().rules().len(), 3);
        let text = fs::read_to_string(example.join("scenario.toml")).unwrap();
        let scenario = Scenario::from_toml("scenario.toml", &text).unwrap();
        for device in scenario.devices() {
            let kind = catalogue.kind(device.kind.as_str()).unwrap();
            assert_eq!((kind.domain, kind.reporting_period_s), (device.domain, device.kind.period_s()));
            assert_eq!(kind.properties, device.kind.properties());
        }
    }
}
