//! Recipes: the folder of input files a client is launched with, found on disk or built in, filled in for a structure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::socket::Listener;
use crate::structure::{Structure, StructureError};

/// A recipe that cannot be used. Trying again cannot help.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No such folder.
    #[error("the recipe folder `{name}` is neither in {} nor in {}; `slmc init` writes one", .current.display(), .beside.display())]
    NoFolder {
        /// As the config has it.
        name: String,
        /// The current folder.
        current: PathBuf,
        /// The config file's folder.
        beside: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that must be there.
    #[error("the recipe {folder} holds no `{file}`")]
    NoFile {
        /// The recipe.
        folder: String,
        /// The missing file.
        file: String,
    },
    /// Something in a file that slmc cannot go along with.
    #[error("{file}: {problem}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A structure this client cannot take.
    #[error("{0}")]
    Structure(String),
    /// A command line that cannot be split.
    #[error(transparent)]
    Command(#[from] crate::oracle::process::ProcessError),
    /// An element symbol in a file that does not exist.
    #[error(transparent)]
    Element(#[from] StructureError),
}

impl RecipeError {
    pub(in crate::oracle) fn content(file: &str, problem: impl Into<String>) -> Self {
        Self::Content {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }
}

/// What differs from client to client: its input files, its command line and its identity.
pub(super) trait Recipe: Send {
    /// Writes the input files for a structure into a fresh folder, with the rung `repair` of the ladder of repairs applied, and
    /// returns the command line; no words where slmc only waits for a client.
    fn prepare(
        &self,
        structure: &Structure,
        folder: &Path,
        listener: &Listener,
        repair: usize,
    ) -> Result<Vec<String>, RecipeError>;

    /// What rung `repair` of the ladder changes, from 1; `None` past its end. A repair may change the path to the solution and
    /// never the surface.
    fn repair(&self, _repair: usize) -> Option<&'static str> {
        None
    }

    /// Whether a client launched for one structure may label another.
    fn serves(&self, launched_for: &Structure, structure: &Structure) -> bool {
        launched_for.species == structure.species && launched_for.cell.periodic() == structure.cell.periodic()
    }

    /// The code's name and version as the client printed it, once it has called.
    fn version(&self, folder: &Path) -> Option<String>;

    /// Everything else that defines the surface.
    fn surface(&self, structure: &Structure) -> Result<BTreeMap<String, String>, RecipeError>;

    /// Removes what the client leaves behind that nobody reads.
    fn clean(&self, _folder: &Path) {}
}

/// The files of a recipe, by name, in order of name.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::oracle) struct RecipeFiles {
    /// Where they come from, for messages.
    pub(in crate::oracle) source: String,
    /// The folder, unless they are built in.
    pub(in crate::oracle) folder: Option<PathBuf>,
    pub(in crate::oracle) files: BTreeMap<String, Vec<u8>>,
}

impl RecipeFiles {
    /// The folder `name` below the current folder or else below `beside`; else the built-in files, where the name is
    /// theirs.
    pub(in crate::oracle) fn find(
        name: &str,
        beside: &Path,
        built_in: Option<(&str, &[(&str, &str)])>,
    ) -> Result<Self, RecipeError> {
        let folders = [PathBuf::from(name), beside.join(name)];
        if let Some(folder) = folders.iter().find(|folder| folder.is_dir()) {
            return Self::read(folder);
        }
        if let Some((own_name, files)) = built_in
            && own_name == name
        {
            let files = files
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
            return Ok(Self {
                source: format!("{name} (built in)"),
                folder: None,
                files: files.collect(),
            });
        }
        Err(RecipeError::NoFolder {
            name: name.to_owned(),
            current: std::env::current_dir().unwrap_or_default(),
            beside: beside.to_owned(),
        })
    }

    fn read(folder: &Path) -> Result<Self, RecipeError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| RecipeError::Io { path, source }
        };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(fail(folder))? {
            let path = entry.map_err(fail(folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.is_file() && !name.starts_with('.') && !name.ends_with('~') && name != "README.md" {
                files.insert(name.to_owned(), std::fs::read(&path).map_err(fail(&path))?);
            }
        }
        Ok(Self {
            source: folder.display().to_string(),
            folder: Some(std::path::absolute(folder).map_err(fail(folder))?),
            files,
        })
    }

    /// A text file of the recipe.
    pub(in crate::oracle) fn text(&self, name: &str) -> Result<&str, RecipeError> {
        let bytes = self.files.get(name).ok_or_else(|| RecipeError::NoFile {
            folder: self.source.clone(),
            file: name.to_owned(),
        })?;
        std::str::from_utf8(bytes).map_err(|_| RecipeError::content(name, "is not text in UTF-8"))
    }
}

/// Writes a file, naming it where that fails.
pub(in crate::oracle) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), RecipeError> {
    std::fs::write(path, bytes).map_err(|source| RecipeError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Replaces `{name}` by its value; `${name}` is left to the client's own language.
pub(in crate::oracle) fn fill_in(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(position) = rest.find('{') {
        let (before, from) = rest.split_at(position);
        text.push_str(before);
        let found = values
            .iter()
            .find(|(name, _)| from[1..].strip_prefix(name).is_some_and(|after| after.starts_with('}')));
        match found {
            Some((name, value)) if !before.ends_with('$') => {
                text.push_str(value);
                rest = &from[name.len() + 2..];
            }
            _ => {
                text.push('{');
                rest = &from[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The short identity of a file's bytes for fingerprints.
pub(in crate::oracle) fn identity(bytes: &[u8]) -> String {
    format!("crc32 {:08x}, {} bytes", crc32fast::hash(bytes), bytes.len())
}

/// The first line of a client's standard output that holds `pattern`, waited for briefly.
pub(in crate::oracle) fn line_with(path: &Path, pattern: &str) -> Option<String> {
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(2) {
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // A line counts when its end is there.
        if let Some((line, _)) = text
            .split_inclusive('\n')
            .filter_map(|line| line.split_once('\n'))
            .find(|(line, _)| line.contains(pattern))
        {
            return Some(line.trim().to_owned());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_the_client_s_own_braces_left() {
        let values = [("socket", "slmc-1"), ("data", "/a b/{socket}")];
        let text = fill_in("fix 1 all ipi {socket} 1 unix\n${data} {data} {other} {", &values);
        assert_eq!(text, "fix 1 all ipi slmc-1 1 unix\n${data} /a b/{socket} {other} {");
    }

    #[test]
    fn folders_are_found_here_then_beside_the_config_then_built_in() {
        let beside = tempfile::tempdir().unwrap();
        let built_in: (&str, &[(&str, &str)]) = ("no/such/recipe", &[("in.x", "text")]);
        let found = RecipeFiles::find("no/such/recipe", beside.path(), Some(built_in)).unwrap();
        assert_eq!(found.text("in.x").unwrap(), "text");
        assert!(
            found
                .text("pw.in")
                .unwrap_err()
                .to_string()
                .contains("holds no `pw.in`")
        );
        std::fs::create_dir_all(beside.path().join("no/such/recipe")).unwrap();
        write(&beside.path().join("no/such/recipe/in.x"), "other").unwrap();
        let found = RecipeFiles::find("no/such/recipe", beside.path(), Some(built_in)).unwrap();
        assert_eq!(found.text("in.x").unwrap(), "other");
        let error = RecipeFiles::find("elsewhere", beside.path(), Some(built_in)).unwrap_err();
        assert!(error.to_string().contains("slmc init"), "{error}");
    }
}
