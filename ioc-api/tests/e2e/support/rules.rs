//! Rule files as engineers write them.

/// One rule; `more` are further lines of the rule, each with its own indentation under `- alert`.
pub(crate) fn rule(name: &str, expr: &str, severity: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "      - alert: {name}\n        expr: '{expr}'\n{more}        labels: {{ severity: {severity}, domain: environment }}\n        annotations:\n          summary_vi: '{name} tại {{{{ $labels.device }}}}'\n          summary_en: '{name} at {{{{ $labels.device }}}}'\n"
    )
}

/// A file with one group.
pub(crate) fn file(group: &str, rules: &[String]) -> String {
    format!("groups:\n  - name: {group}\n    rules:\n{}", rules.concat())
}

/// A file with the one rule `HighWater`: a level above 5 m.
pub(crate) fn high_water() -> String {
    file("water", &[rule("HighWater", "water_level > 5", "high", "")])
}
