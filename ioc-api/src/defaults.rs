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

/// Returns `files` and the rule files that are always in force, unless one of `files` has a rule of the same name.
pub fn with_rules_of_ours(mut files: Vec<RuleFile>) -> Vec<RuleFile> {
    let of_ours = rule_files().into_iter().filter(|file| file.path.ends_with(ALWAYS));
    let is_named = |name: &str| files.iter().any(|file| alert_names(&file.text).any(|other| other == name));
    let missing: Vec<_> =
        of_ours.filter(|file| !alert_names(&file.text).any(|name| is_named(&name))).collect();
    files.extend(missing);
    files
}

/// Returns the names of alerts in a rule file, as far as they stand on the line of their key, however quoted.
fn alert_names(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| {
        let plain: String = line.chars().filter(|letter| !matches!(letter, '"' | '\'')).collect();
        let names = plain.split("alert").skip(1).filter_map(|rest| rest.trim_start().strip_prefix(':'));
        let end = |letter: char| letter.is_whitespace() || matches!(letter, ',' | '}');
        let names = names.map(|rest| rest.trim_start().split(end).next().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>()
    })
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

    #[test]
    fn rules_of_ours_stand_beside_those_of_a_directory_unless_it_has_its_own() {
        let file = |text: &str| RuleFile { path: "a.yaml".into(), text: text.into() };
        let cases = [
            ("groups: []", true),
            ("groups:\n- rules:\n  - alert: DeviceClockWrongly", true),
            ("# - alert: DeviceClockWrong", true),
            ("  - expr: up\n    annotations: { summary: alert the owner of DeviceClockWrong }", true),
            ("  - alert: DeviceClockWrong", false),
            ("  - alert: 'DeviceClockWrong' # ours", false),
            ("  - {expr: up, \"alert\" : \"DeviceClockWrong\"}", false),
            ("  - {alert: High, expr: up}\r\n  - {alert: DeviceClockWrong, expr: up}\r\n", false),
        ];
        for (text, is_added) in cases {
            let files = with_rules_of_ours(vec![file(text)]);
            assert_eq!(files.len(), 1 + usize::from(is_added), "{text}");
            assert_eq!(files[0], file(text));
        }
        let all = rule_files();
        assert_eq!(with_rules_of_ours(all.clone()), all, "the rules that come with us have it");
    }
}
