//! The files of a ruleset, read but not yet understood.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{
    limits::{MAX_FILE_LEN, MAX_RULE_FILES},
    list_file::{self, ListText},
};

/// The name of the one file that every ruleset has.
pub(crate) const MANIFEST: &str = "ruleset.yaml";
const RULES_SUFFIX: &str = ".rules.yaml";

/// What is in a ruleset folder.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The text of `ruleset.yaml`.
    pub(crate) manifest: Arc<str>,
    /// Names and texts of the `*.rules.yaml`, in byte order of their names.
    pub(crate) rules: Vec<(String, Arc<str>)>,
    /// The files that lists name, by the path as it is written there.
    pub(crate) lists: BTreeMap<String, ListText>,
}

/// Why a ruleset folder cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The folder is missing, no folder, or closed to this user.
    #[error("cannot read the folder {}: {source}; give the folder that holds {MANIFEST}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder has no `ruleset.yaml`.
    #[error("{} has no {MANIFEST}; give the folder that holds it", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A file is closed to this user, or no file.
    #[error("cannot read {}: {source}; it must be a file that this user can read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("{} is not UTF-8 at line {line}; save it as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first bad byte, from 1.
        line: usize,
    },
    /// A file is too large.
    #[error("{} is larger than {} MiB; split it", path.display(), MAX_FILE_LEN >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A folder has too many rule files.
    #[error("{} has more than {MAX_RULE_FILES} rule files; join some", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A file that would be left out because of its name.
    #[error("{} is not read: rule files end in {RULES_SUFFIX}; rename it", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
    },
}

impl Sources {
    /// A ruleset that is in memory: names inside the folder, with `/`, and texts. What is neither `ruleset.yaml` nor a rule
    /// file stands for a list's file.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sources = Self {
            manifest: "".into(),
            rules: Vec::new(),
            lists: BTreeMap::new(),
        };
        for (name, text) in texts {
            if name == MANIFEST {
                sources.manifest = text.into();
            } else if name.ends_with(RULES_SUFFIX) && !name.contains('/') {
                sources.rules.push((name.to_owned(), text.into()));
            } else {
                sources
                    .lists
                    .insert(name.to_owned(), ListText::Read(text.into()));
            }
        }
        sources.rules.sort();
        sources
    }
}

/// Reads a ruleset folder: `ruleset.yaml`, the `*.rules.yaml` beside it, and the files that its lists name.
///
/// # Errors
///
/// If a file cannot be read as text. A list's file that is missing is a diagnostic of the analysis, not an error here.
pub fn read_ruleset(dir: &Path) -> Result<Sources, ReadError> {
    let names = rule_files(dir)?;
    let manifest_path = dir.join(MANIFEST);
    if !manifest_path.is_file() {
        return Err(ReadError::NoManifest {
            path: dir.to_owned(),
        });
    }
    let manifest = read_text(&manifest_path)?;
    let rules = names
        .into_iter()
        .map(|name| Ok((name.clone(), read_text(&dir.join(name))?)))
        .collect::<Result<_, _>>()?;
    let lists = list_file::paths(&manifest)
        .into_iter()
        .map(|path| Ok((path.clone(), list_file::read(dir, &path)?)))
        .collect::<Result<_, _>>()?;
    Ok(Sources {
        manifest,
        rules,
        lists,
    })
}

fn rule_files(dir: &Path) -> Result<Vec<String>, ReadError> {
    let folder_error = |source| ReadError::Folder {
        path: dir.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(folder_error)? {
        let name = entry.map_err(folder_error)?.file_name();
        let lossy = name.to_string_lossy();
        if lossy.ends_with(".rules.yml") {
            return Err(ReadError::Misnamed {
                path: dir.join(&name),
            });
        }
        if lossy.ends_with(RULES_SUFFIX) {
            names.push(name.into_string().map_err(|name| ReadError::Misnamed {
                path: dir.join(name),
            })?);
        }
    }
    if names.len() > MAX_RULE_FILES {
        return Err(ReadError::TooManyFiles {
            path: dir.to_owned(),
        });
    }
    names.sort();
    Ok(names)
}

/// The text of a file without its byte-order mark.
pub(crate) fn read_text(path: &Path) -> Result<Arc<str>, ReadError> {
    let file_error = |source| ReadError::File {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(file_error)?.len();
    if usize::try_from(length).map_or(true, |length| length > MAX_FILE_LEN) {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
        });
    }
    let bytes = fs::read(path).map_err(file_error)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error
            .as_bytes()
            .iter()
            .take(good)
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1;
        ReadError::NotUtf8 {
            path: path.to_owned(),
            line,
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{ReadError, read_ruleset};

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).expect("writes");
        }
        dir
    }

    #[test]
    fn reads_rule_files_in_byte_order() {
        let dir = folder(&[
            (
                "ruleset.yaml",
                b"lists: { a: { type: string, file: a.txt }, b: { type: string, file: b.txt } }",
            ),
            ("b.rules.yaml", b"b"),
            ("B.rules.yaml", b"B"),
            ("a.rules.yaml", b"\xef\xbb\xbfa"),
            ("a.txt", b"one"),
            ("notes.yaml", b"not read"),
        ]);
        let sources = read_ruleset(dir.path()).expect("reads");
        let names: Vec<_> = sources
            .rules
            .iter()
            .map(|(name, text)| (name.as_str(), &**text))
            .collect();
        assert_eq!(
            names,
            [
                ("B.rules.yaml", "B"),
                ("a.rules.yaml", "a"),
                ("b.rules.yaml", "b")
            ]
        );
        assert_eq!(sources.lists.keys().collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    }

    #[test]
    fn names_what_cannot_be_read() {
        let empty = folder(&[]);
        assert!(matches!(
            read_ruleset(empty.path()),
            Err(ReadError::NoManifest { .. })
        ));
        assert!(matches!(
            read_ruleset(&empty.path().join("none")),
            Err(ReadError::Folder { .. })
        ));
        let misnamed = folder(&[("ruleset.yaml", b""), ("a.rules.yml", b"")]);
        assert!(matches!(
            read_ruleset(misnamed.path()),
            Err(ReadError::Misnamed { .. })
        ));
        let latin = folder(&[("ruleset.yaml", b"language: 1\nruleset: caf\xe9\n")]);
        assert!(matches!(
            read_ruleset(latin.path()),
            Err(ReadError::NotUtf8 { line: 2, .. })
        ));
        let list = folder(&[
            ("ruleset.yaml", b"lists: { a: { file: a.txt } }"),
            ("a.txt", b"\xff"),
        ]);
        assert!(matches!(
            read_ruleset(list.path()),
            Err(ReadError::NotUtf8 { line: 1, .. })
        ));
    }
}
