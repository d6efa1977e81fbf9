//! The modules of one crate and the arrows between them.
use crate::parse::{self, Module, Path};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path as File, PathBuf},
};

/// How many names a path may be led through by declarations such as `pub use a::B`.
const HOPS_MAX: usize = 16;

/// A module's place in its crate; the root is empty.
pub(crate) type Place = Vec<String>;

/// One use of another module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

/// All modules of a crate.
#[derive(Default)]
pub(crate) struct Tree {
    modules: BTreeMap<Place, (PathBuf, Module)>,
}

impl Tree {
    /// Reads a crate from its root file.
    pub(crate) fn read(root: &File) -> Self {
        let mut tree = Self::default();
        tree.read_file(Place::new(), root);
        tree
    }

    fn read_file(&mut self, place: Place, file: &File) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // A module of `a.rs` stands in `a/`, one of `mod.rs` or of the root beside it.
        let beside = file.parent().expect("a file stands in a directory").to_owned();
        let is_beside = place.is_empty() || file.file_name().is_some_and(|name| name == "mod.rs");
        let directory = if is_beside { beside } else { file.with_extension("") };
        self.insert(place, file, &directory, parse::parse(&source));
    }

    fn insert(&mut self, place: Place, file: &File, directory: &File, mut module: Module) {
        for (name, inner) in std::mem::take(&mut module.inline) {
            self.insert(child(&place, &name), file, &directory.join(&name), inner);
        }
        for name in &module.declared {
            let own = directory.join(format!("{name}.rs"));
            let file = if own.exists() { own } else { directory.join(name).join("mod.rs") };
            self.read_file(child(&place, name), &file);
        }
        self.modules.insert(place, (file.to_owned(), module));
    }

    /// Adds a module as a test writes it.
    #[cfg(test)]
    pub(crate) fn with(mut self, place: &str, source: &str) -> Self {
        let mut module = parse::parse(source);
        module.declared.clear();
        self.insert(split(place), File::new(&format!("{place}.rs")), File::new(""), module);
        self
    }

    pub(crate) fn has(&self, place: &[String]) -> bool {
        self.modules.contains_key(place)
    }

    /// Returns every arrow between two modules of which neither stands within the other.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (from, (file, module)) in &self.modules {
            for (path, line) in &module.paths {
                let Some(to) = self.resolve(from, path, HOPS_MAX) else { continue };
                if !from.starts_with(&to) && !to.starts_with(from) {
                    arrows.push(Arrow { from: from.clone(), to, file: file.clone(), line: *line });
                }
            }
        }
        arrows.sort();
        // One line may bring several names.
        arrows.dedup();
        arrows
    }

    /// Returns the module in which the item of a path is defined; `None` when it is another crate's.
    fn resolve(&self, from: &Place, path: &[String], hops: usize) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Place::new(), rest, hops),
            "self" => self.walk(from.clone(), rest, hops),
            "super" => {
                let (_, parent) = from.split_last()?;
                let above: Path = std::iter::once("self".to_owned()).chain(rest.iter().cloned()).collect();
                let above =
                    if rest.first().is_some_and(|word| word == "super") { rest.to_vec() } else { above };
                self.resolve(&parent.to_vec(), &above, hops)
            }
            name => {
                let module = &self.modules.get(from)?.1;
                let is_known = self.has(&child(from, name)) || module.imports.contains_key(name);
                is_known.then(|| self.walk(from.clone(), path, hops)).flatten()
            }
        }
    }

    /// Follows names from a module on, through what it brings from elsewhere.
    fn walk(&self, at: Place, path: &[String], hops: usize) -> Option<Place> {
        let Some((name, rest)) = path.split_first() else { return Some(at) };
        let inner = child(&at, name);
        if self.has(&inner) {
            return self.walk(inner, rest, hops);
        }
        let module = &self.modules.get(&at)?.1;
        if let Some(target) = module.imports.get(name).filter(|_| hops > 0) {
            // `use a::a` brings the module's item under the module's name.
            let onward: Path = target.iter().chain(rest).cloned().collect();
            return self.resolve(&at, &onward, hops - 1);
        }
        if !module.items.contains(name) && hops > 0 {
            for glob in &module.globs {
                let onward: Path = glob.iter().chain(path).cloned().collect();
                let found = self.resolve(&at, &onward, hops - 1);
                if let Some(found) = found.filter(|found| self.defines(found, name)) {
                    return Some(found);
                }
            }
        }
        Some(at)
    }

    fn defines(&self, place: &Place, name: &str) -> bool {
        self.modules.get(place).is_some_and(|(_, module)| module.items.contains(name))
    }
}

fn child(place: &[String], name: &str) -> Place {
    place.iter().cloned().chain([name.to_owned()]).collect()
}

/// Splits `a::b`; the root is empty.
pub(crate) fn split(place: &str) -> Place {
    place.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::Tree;

    fn arrows(tree: &Tree) -> Vec<String> {
        let arrows = tree.arrows();
        arrows.iter().map(|arrow| format!("{} -> {}", arrow.from.join("::"), arrow.to.join("::"))).collect()
    }

    #[test]
    fn paths_lead_to_where_an_item_is_defined() {
        let table = [
            ("use crate::b::B;", "a -> b"),
            ("use crate::B;", "a -> b"),
            ("use crate::Far;", "a -> c::inner"),
            ("use crate::c::Far;", "a -> c::inner"),
            ("use crate::c::Own;", "a -> c"),
            ("fn f() { super::b::f(); }", "a -> b"),
            ("use super::b; fn f() { b::f(); }", "a -> b"),
            ("use crate::Root;", ""),
            ("use std::fmt; fn f() { self::g(); }", ""),
        ];
        for (source, expected) in table {
            let tree = Tree::default()
                .with("", "mod a; mod b; mod c; pub use b::B; pub use c::Far; pub struct Root;")
                .with("a", source)
                .with("b", "pub struct B; pub fn f() {}")
                .with("c", "mod inner; pub use inner::*; pub struct Own;")
                .with("c::inner", "pub struct Far; use super::Own;");
            assert_eq!(arrows(&tree).join(", "), expected, "{source}");
        }
    }
}
