//! The paths that ARCHITECTURE.md names.
use std::path::Path;

/// Ends of a name in backticks that make it a path of this repository.
const ENDS: [&str; 9] = [".rs", ".ts", ".svelte", ".md", ".toml", ".json", ".html", ".mjs", "/"];
/// What is named like a path and lies in a data directory, or stands for what somebody will write.
const ELSEWHERE: [&str; 9] = [
    "<data-dir>/",
    "store/",
    "lost/",
    "journal/",
    "records.sqlite",
    "rules.json",
    "catalogue.json",
    "features/NAME/",
    "demo-signin.json",
];

/// Returns the paths in `text` that are none below `root`, with their lines.
pub(crate) fn missing(text: &str, root: &Path) -> Vec<String> {
    let lines = text.lines().enumerate();
    let named =
        lines.flat_map(|(line, text)| text.split('`').skip(1).step_by(2).map(move |name| (line + 1, name)));
    let paths = named.filter(|(_, name)| is_path(name));
    paths
        .flat_map(|(line, name)| spread(name).into_iter().map(move |path| (line, path)))
        .filter(|(_, path)| !root.join(path).exists())
        .map(|(line, path)| format!("ARCHITECTURE.md:{line}: {path} does not exist"))
        .collect()
}

/// Reports whether a name says where something lies: a bare file name lies in the folder named before it.
fn is_path(name: &str) -> bool {
    let is_spelled = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./{},".contains(c));
    is_spelled
        && name.contains('/')
        && ENDS.iter().any(|end| name.ends_with(end))
        && !ELSEWHERE.iter().any(|prefix| name.starts_with(prefix))
        && !name.starts_with('/')
}

/// Writes `a/{b,c}.rs` out.
fn spread(name: &str) -> Vec<String> {
    let parts = name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        None => vec![name.to_owned()],
        Some((before, (choices, after))) => {
            choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
        }
    }
}

#[test]
fn a_path_that_is_none_is_found() {
    let root = crate::top();
    let text = "See `benches/lib.rs`, `benches/{edge,no}.rs`\nand `rules/src/nothing.rs`, `GET /x/`, `features/NAME/a.ts`.";
    let expected = [
        "ARCHITECTURE.md:1: benches/no.rs does not exist",
        "ARCHITECTURE.md:2: rules/src/nothing.rs does not exist",
    ];
    assert_eq!(missing(text, root), expected);
}
