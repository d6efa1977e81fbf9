//! What one source file says of modules: which it declares, which names it has, which paths it walks.
use crate::lex::{self, Token};
use std::collections::{BTreeMap, BTreeSet};

/// The words of a path, `a::b` as `["a", "b"]`.
pub(crate) type Path = Vec<String>;

/// A module as its text has it; paths are not resolved.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Modules in files of their own.
    pub(crate) declared: Vec<String>,
    pub(crate) inline: Vec<(String, Module)>,
    /// Items that are defined here.
    pub(crate) items: BTreeSet<String>,
    /// Names that are brought here, with where from.
    pub(crate) imports: BTreeMap<String, Path>,
    /// Modules of which everything is brought here.
    pub(crate) globs: Vec<Path>,
    /// Every path that may lead into another module, with its line.
    pub(crate) paths: Vec<(Path, usize)>,
}

/// Reads one file. Items under `#[cfg(test)]` are left out.
pub(crate) fn parse(source: &str) -> Module {
    let tokens = lex::tokens(source);
    let mut reader = Reader { tokens: &tokens, at: 0 };
    reader.module()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    /// Reads up to the brace that closes the module, or to the end.
    fn module(&mut self) -> Module {
        let mut module = Module::default();
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            if token.is('}') && depth == 0 {
                break;
            }
            depth = match token.kind {
                lex::Kind::Mark('{') => depth + 1,
                lex::Kind::Mark('}') => depth - 1,
                _ => depth,
            };
            self.step(&mut module, depth == 0);
        }
        module
    }

    fn step(&mut self, module: &mut Module, is_outside: bool) {
        let line = self.tokens[self.at].line;
        match self.word(0) {
            None if self.mark(0, '#') && self.mark(1, '[') => self.attribute(),
            Some("mod") if is_outside && self.word(1).is_some() => self.child(module),
            Some("use") => {
                self.at += 1;
                self.use_tree(Path::new(), module, line, is_outside);
            }
            Some("crate" | "super" | "self") if self.mark(1, ':') && self.mark(2, ':') => {
                let path = self.path();
                module.paths.push((path, line));
            }
            Some("struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static")
                if is_outside =>
            {
                self.at += 1;
                if let Some(name) = self.word(0) {
                    module.items.insert(name.to_owned());
                }
            }
            Some("macro_rules") if is_outside => {
                module.items.extend(self.word(2).map(str::to_owned));
                self.at += 1;
            }
            _ => self.at += 1,
        }
    }

    fn child(&mut self, module: &mut Module) {
        let name = self.word(1).unwrap_or_default().to_owned();
        self.at += 2;
        if self.mark(0, '{') {
            self.at += 1;
            module.inline.push((name, self.module()));
        } else {
            module.declared.push(name);
        }
        self.at += 1;
    }

    /// Reads an attribute, and what it is on when that is compiled for tests only.
    fn attribute(&mut self) {
        let start = self.at;
        self.at += 1;
        self.skip_brackets();
        let words: Vec<_> = self.tokens[start..self.at].iter().filter_map(Token::word).collect();
        let is_test = words == ["test"] || words == ["cfg", "test"];
        if !is_test {
            return;
        }
        while self.mark(0, '#') {
            self.at += 1;
            self.skip_brackets();
        }
        self.skip_item();
    }

    /// Skips to the end of an item: a semicolon or comma, or the brace that closes it. What closes the block around it
    /// stays.
    fn skip_item(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            match token.kind {
                lex::Kind::Mark(';' | ',') => {
                    self.at += 1;
                    return;
                }
                lex::Kind::Mark('{') => return self.skip_brackets(),
                lex::Kind::Mark('(' | '[') => self.skip_brackets(),
                lex::Kind::Mark('}' | ')' | ']') => return,
                _ => self.at += 1,
            }
        }
    }

    /// Skips from an opening bracket past the one that closes it.
    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.kind {
                lex::Kind::Mark('(' | '[' | '{') => depth += 1,
                lex::Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn path(&mut self) -> Path {
        let mut path = Path::new();
        while let Some(word) = self.word(0) {
            path.push(word.to_owned());
            self.at += 1;
            if !(self.mark(0, ':') && self.mark(1, ':') && self.word(2).is_some()) {
                break;
            }
            self.at += 2;
        }
        path
    }

    /// Reads one branch of a use declaration.
    fn use_tree(&mut self, mut prefix: Path, module: &mut Module, line: usize, is_outside: bool) {
        let line = self.tokens.get(self.at).map_or(line, |token| token.line);
        if self.mark(0, ':') {
            self.at += 2;
        }
        prefix.extend(self.path());
        if self.mark(0, ':') && self.mark(1, ':') {
            self.at += 2;
        }
        if self.mark(0, '{') {
            self.at += 1;
            while !self.mark(0, '}') && self.at < self.tokens.len() {
                self.use_tree(prefix.clone(), module, line, is_outside);
                if self.mark(0, ',') {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.mark(0, '*') {
            self.at += 1;
            module.globs.push(prefix.clone());
            module.paths.push((prefix, line));
            return;
        }
        if prefix.len() > 1 && prefix.last().is_some_and(|last| last == "self") {
            prefix.pop();
        }
        let mut name = prefix.last().cloned().unwrap_or_default();
        if self.word(0) == Some("as") {
            name = self.word(1).unwrap_or_default().to_owned();
            self.at += 2;
        }
        if is_outside {
            module.imports.insert(name, prefix.clone());
        }
        module.paths.push((prefix, line));
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead)?.word()
    }

    fn mark(&self, ahead: usize, mark: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn paths(source: &str) -> Vec<String> {
        parse(source).paths.into_iter().map(|(path, line)| format!("{}:{line}", path.join("::"))).collect()
    }

    #[test]
    fn paths_are_found_in_uses_and_in_between() {
        let table: [(&str, &[&str]); 9] = [
            ("use crate::a::B;", &["crate::a::B:1"]),
            ("use crate::{a::{self, B as C}, d::*};", &["crate::a:1", "crate::a::B:1", "crate::d:1"]),
            ("use crate::{\n  a::B,\n  c,\n};", &["crate::a::B:2", "crate::c:3"]),
            ("fn f() { crate::a::b(super::c::D::e()); }", &["crate::a::b:1", "super::c::D::e:1"]),
            ("fn f() { use crate::a::B; }", &["crate::a::B:1"]),
            ("#[cfg(test)] use crate::a::B; use crate::c::D;", &["crate::c::D:1"]),
            (
                "#[cfg(test)]\n#[allow(x)]\nfn f() { crate::a::b(); } fn g() { crate::c::d() }",
                &["crate::c::d:3"],
            ),
            ("struct S { #[cfg(test)] a: crate::a::B<[u8; 2]>, c: crate::c::D }", &["crate::c::D:1"]),
            ("#[cfg(not(test))] use crate::a::B; // crate::c\n", &["crate::a::B:1"]),
        ];
        for (source, expected) in table {
            assert_eq!(paths(source), expected, "{source}");
        }
    }

    #[test]
    fn modules_items_and_names_are_found() {
        let module = parse(
            "mod a; #[cfg(test)] mod tests { use crate::x::Y; } pub(crate) mod b { pub struct C; mod d; }\n\
             pub use a::E as F; pub struct G { h: u8 } impl G { fn i() {} } macro_rules! j { () => {} }",
        );
        assert_eq!(module.declared, ["a"]);
        assert_eq!(module.inline[0].0, "b");
        assert_eq!(module.inline[0].1.declared, ["d"]);
        assert!(module.inline[0].1.items.contains("C"));
        assert_eq!(module.imports["F"], ["a", "E"]);
        assert_eq!(module.items.into_iter().collect::<Vec<_>>(), ["G", "j"]);
    }
}
