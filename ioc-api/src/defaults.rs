//! The configuration that is compiled in, so that the binary alone runs the demo: everything under `configs/`.
use ioc_rules::RuleFile;

include!(concat!(env!("OUT_DIR"), "/configs.rs"));

/// Returns a file of `configs/` by its path in there, as in `catalogue/catalogue.toml`.
pub fn text(path: &str) -> Option<&'static str> {
    let found = CONFIGS.iter().find(|(name, _)| name.strip_prefix('/') == Some(path));
    found.and_then(|(_, bytes)| std::str::from_utf8(bytes).ok())
}

/// Returns the rule files, by name.
pub fn rule_files() -> Vec<RuleFile> {
    let rules = CONFIGS.iter().filter_map(|(name, bytes)| {
        let is_rule = name.starts_with("/rules/") && name.ends_with(".yaml");
        is_rule.then(|| RuleFile {
            path: format!("{BUILT_IN}configs{name}"),
            text: String::from_utf8_lossy(bytes).into_owned(),
        })
    });
    rules.collect()
}

/// What the paths of compiled-in rule files begin with.
const BUILT_IN: &str = "built in: ";

/// Reports whether this is the path of a compiled-in rule file.
pub fn is_built_in(path: &str) -> bool {
    path.starts_with(BUILT_IN)
}

/// Rules about our own work, in force beside those of a directory of one's own.
const ALWAYS: &str = "configs/rules/clocks.yaml";

/// Returns the rule files that are always in force, whatever directory rules come from.
pub fn rules_of_ours() -> Vec<RuleFile> {
    rule_files().into_iter().filter(|file| file.path.ends_with(ALWAYS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_alone_has_what_the_demo_needs() {
        for path in [
            "ioc.toml",
            "kpis.toml",
            "catalogue/catalogue.toml",
            "cities/hue/city.toml",
            "cities/hue/areas.geojson",
        ] {
            assert!(text(path).is_some_and(|text| !text.is_empty()), "{path}");
        }
        assert!(!rule_files().is_empty());
    }
}
