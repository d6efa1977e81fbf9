//! Rules about our own work, in force beside those of a directory of one's own.
use ioc_rules::RuleFile;

/// Returns `files` and those of `ours` that have no rule of a name that one of `files` has.
pub(super) fn with_ours(mut files: Vec<RuleFile>, ours: &[RuleFile]) -> Vec<RuleFile> {
    let is_named = |name: &str| files.iter().any(|file| alert_names(&file.text).any(|other| other == name));
    let is_missing = |file: &&RuleFile| !alert_names(&file.text).any(|name| is_named(&name));
    let missing: Vec<_> = ours.iter().filter(is_missing).cloned().collect();
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
    fn rules_of_ours_stand_beside_those_of_a_directory_unless_it_has_its_own() {
        let file = |text: &str| RuleFile { path: "a.yaml".into(), text: text.into() };
        let ours = [file(include_str!("../../../../configs/rules/clocks.yaml"))];
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
            let files = with_ours(vec![file(text)], &ours);
            assert_eq!(files.len(), 1 + usize::from(is_added), "{text}");
            assert_eq!(files[0], file(text));
        }
        assert_eq!(with_ours(ours.to_vec(), &ours), ours, "they are not there twice");
    }
}
