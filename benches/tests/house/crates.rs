//! The crates of the workspace and what each depends on, from the Cargo.toml files.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// One crate of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Roots of its library and its program, as far as there are any.
    pub(crate) roots: Vec<PathBuf>,
    /// Crates of the workspace that it needs, also those that only its tests need.
    pub(crate) needs: Vec<String>,
}

/// Returns the top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate stands in the repository")
}

/// Reads all crates of the workspace.
pub(crate) fn members() -> Vec<Member> {
    let workspace = manifest(top());
    let folders = workspace["workspace"]["members"].as_array().expect("members are a list");
    let folders = folders.iter().filter_map(Value::as_str).map(|folder| top().join(folder));
    let manifests: Vec<_> = folders.map(|folder| (manifest(&folder), folder)).collect();
    let names: BTreeSet<String> = manifests.iter().map(|(table, _)| name_of(table)).collect();
    let read = |(table, folder): &(Table, PathBuf)| Member {
        name: name_of(table),
        folder: folder.clone(),
        roots: roots(table, folder),
        needs: needs(table).into_iter().filter(|need| names.contains(need)).collect(),
    };
    manifests.iter().map(read).collect()
}

fn manifest(folder: &Path) -> Table {
    let file = folder.join("Cargo.toml");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn name_of(manifest: &Table) -> String {
    manifest["package"]["name"].as_str().expect("a package has a name").to_owned()
}

fn roots(manifest: &Table, folder: &Path) -> Vec<PathBuf> {
    let library = manifest.get("lib").and_then(|lib| lib.get("path")).and_then(Value::as_str);
    let roots = [folder.join(library.unwrap_or("src/lib.rs")), folder.join("src/main.rs")];
    roots.into_iter().filter(|root| root.exists()).collect()
}

/// Returns the names of all dependencies, whatever they are needed for and on which system.
fn needs(manifest: &Table) -> Vec<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let systems = manifest.get("target").and_then(Value::as_table);
    let tables = systems.into_iter().flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    let lists = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    lists.flat_map(|list| list.iter().map(|(key, value)| package(key, value))).collect()
}

/// Returns the package behind a key, which may be renamed.
fn package(key: &str, dependency: &Value) -> String {
    dependency.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
}

#[test]
fn dependencies_of_every_kind_are_found() {
    let manifest = "
        [dependencies]
        a.workspace = true
        b = { package = \"ioc-b\", path = \"b\" }
        [dev-dependencies]
        c = \"1\"
        [target.'cfg(unix)'.build-dependencies]
        d = \"1\"
    ";
    let mut found = needs(&manifest.parse().unwrap());
    found.sort();
    assert_eq!(found, ["a", "c", "d", "ioc-b"]);
}
