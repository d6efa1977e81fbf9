//! Files of a catalogue, and what can be wrong with them.
use std::ops::Range;

/// Whose a file of a catalogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It comes with the program.
    BuiltIn,
    /// It is the city's own.
    City,
}

/// A file of a catalogue as it was read.
#[derive(Debug, Clone)]
pub struct CatalogueFile {
    /// Its name in problems.
    pub name: String,
    /// Its content, TOML.
    pub text: String,
    /// Whose it is.
    pub owner: Owner,
}

/// One thing that keeps a catalogue from being used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct CatalogueProblem {
    /// Name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) file: usize,
    /// In bytes from the start.
    pub(super) offset: usize,
}

impl At {
    pub(super) fn new(file: usize, span: &Range<usize>) -> Self {
        Self { file, offset: span.start }
    }
}

/// The problems that were found so far.
pub(super) struct Problems<'f> {
    files: &'f [CatalogueFile],
    found: Vec<(At, String)>,
}

impl<'f> Problems<'f> {
    pub(super) fn new(files: &'f [CatalogueFile]) -> Self {
        Self { files, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: At, message: impl Into<String>) {
        self.found.push((at, message.into()));
    }

    pub(super) fn owner(&self, at: At) -> Owner {
        self.files[at.file].owner
    }

    /// Returns file and line, for messages about another place.
    pub(super) fn line_of(&self, at: At) -> String {
        let problem = self.place(at, String::new());
        format!("{}:{}", problem.file, problem.line)
    }

    /// Returns the problems in the order of the files.
    pub(super) fn into_result(mut self) -> Result<(), Vec<CatalogueProblem>> {
        self.found.sort_by_key(|(at, _)| *at);
        let found = std::mem::take(&mut self.found);
        let problems: Vec<_> = found.into_iter().map(|(at, message)| self.place(at, message)).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn place(&self, at: At, message: String) -> CatalogueProblem {
        let CatalogueFile { name, text, .. } = &self.files[at.file];
        let before = text.get(..at.offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        CatalogueProblem {
            file: name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}
