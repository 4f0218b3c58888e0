//! The files of a ruleset, read but not yet understood.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::{
    folder::{FileText, Folder, Stray, is_misnamed, read_file},
    limits::{MAX_FILE_LEN, MAX_RULE_FILES},
    list_file,
};

/// The name of the one file that every ruleset has.
pub(crate) const MANIFEST: &str = "ruleset.yaml";
/// How the names of rule files end.
pub(crate) const RULES_SUFFIX: &str = ".rules.yaml";

/// How the names of test files end.
pub(crate) const TESTS_SUFFIX: &str = ".test.yaml";

/// What is in a ruleset folder.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The text of `ruleset.yaml`.
    pub(crate) manifest: Arc<str>,
    /// Names and texts of the `*.rules.yaml`, in byte order of their names.
    pub(crate) rules: Vec<(String, Arc<str>)>,
    /// The files that lists name, by the path as it is written there.
    pub(crate) lists: BTreeMap<String, FileText>,
    /// The name and text of the file that declares what a custom filter knows.
    pub(crate) attributes: Option<(String, Arc<str>)>,
    /// What looks like rules and is not read.
    pub(crate) strays: Vec<Stray>,
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
    /// A file, where the folder is wanted.
    #[error("{} is a file; give the folder that holds {MANIFEST}{}", path.display(), instead(path))]
    NotAFolder {
        /// The file.
        path: PathBuf,
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
    #[error("{} has more than {MAX_RULE_FILES} files of rules or of tests; join some", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A file that looks like tests and would be left out.
    #[error("{} is not read; name it X{TESTS_SUFFIX} if it holds tests, and move it out of `tests` if not", path.display())]
    MisnamedTest {
        /// The file.
        path: PathBuf,
    },
    /// A link leads out of the folder.
    #[error("{} is a link that leads out of the ruleset folder; put a copy into the folder", path.display())]
    Outside {
        /// The link.
        path: PathBuf,
    },
    /// A folder, a pipe or a device under the name of a file.
    #[error("{} is a folder, a pipe or a device; put a regular file there", path.display())]
    NoFile {
        /// What it is.
        path: PathBuf,
    },
}

/// The folder to give for a file of a ruleset.
fn instead(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_of_ruleset = name == MANIFEST || name.ends_with(RULES_SUFFIX);
    match file.parent() {
        Some(folder) if is_of_ruleset && folder == Path::new("") => ": `.`".to_owned(),
        Some(folder) if is_of_ruleset => format!(": `{}`", folder.display()),
        _ => String::new(),
    }
}

impl Sources {
    /// A ruleset that is in memory: names inside the folder, with `/`, and texts. What is neither `ruleset.yaml` nor a rule
    /// file stands for a list's file.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sources = Self {
            manifest: "".into(),
            rules: Vec::new(),
            lists: BTreeMap::new(),
            attributes: None,
            strays: Vec::new(),
        };
        for (name, text) in texts {
            if name == MANIFEST {
                sources.manifest = text.into();
            } else if name.ends_with(RULES_SUFFIX) && !name.contains('/') {
                sources.rules.push((name.to_owned(), text.into()));
            } else {
                sources
                    .lists
                    .insert(name.to_owned(), FileText::Read(text.into()));
            }
        }
        sources.rules.sort();
        let named = list_file::paths(&sources.manifest);
        let is_stray = |name: &String| !name.contains('/') && is_misnamed(name, &named);
        let strays = sources.lists.keys().filter(|name| is_stray(name));
        sources.strays = strays.cloned().map(Stray::misnamed).collect();
        sources
    }

    /// The same with a file that declares attributes of a custom filter.
    #[must_use]
    pub fn with_attributes(mut self, name: &str, text: impl Into<Arc<str>>) -> Self {
        self.attributes = Some((name.to_owned(), text.into()));
        self
    }
}

/// Reads a ruleset folder: `ruleset.yaml`, the `*.rules.yaml` beside it, and the files that its lists name.
///
/// # Errors
///
/// If a file cannot be read as text. A list's file that is missing, and a file that looks like rules and would be left out, are diagnostics
/// of the analysis, not errors here.
pub fn read_ruleset(dir: &Path) -> Result<Sources, ReadError> {
    let folder = Folder::open(dir)?;
    let manifest = match folder.text(MANIFEST)? {
        FileText::Missing => {
            return Err(ReadError::NoManifest {
                path: dir.to_owned(),
            });
        }
        found => text_of(found, &folder, MANIFEST)?,
    };
    let lists = list_file::paths(&manifest);
    let (names, strays) = folder.rule_files(&lists)?;
    let rules = names
        .into_iter()
        .map(|name| {
            let text = text_of(folder.text(&name)?, &folder, &name)?;
            Ok((name, text))
        })
        .collect::<Result<_, _>>()?;
    let lists = lists
        .into_iter()
        .map(|path| Ok((path.clone(), folder.text(&path)?)))
        .collect::<Result<_, _>>()?;
    Ok(Sources {
        manifest,
        rules,
        lists,
        attributes: None,
        strays,
    })
}

/// The same, with a file that declares attributes of a custom filter, wherever that is.
///
/// # Errors
///
/// As [`read_ruleset`].
pub fn read_ruleset_with(dir: &Path, attributes: Option<&Path>) -> Result<Sources, ReadError> {
    let sources = read_ruleset(dir)?;
    let Some(path) = attributes else {
        return Ok(sources);
    };
    let text = read_file(path)?;
    let name = match path.strip_prefix(dir) {
        Ok(inside) => inside.to_owned(),
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    let name = name.to_string_lossy().into_owned();
    let mut sources = sources.with_attributes(&name, text);
    let whole = path.canonicalize().ok();
    let is_it =
        |stray: &Stray| whole.is_some() && dir.join(&stray.name).canonicalize().ok() == whole;
    sources.strays.retain(|stray| !is_it(stray));
    Ok(sources)
}

/// Reads `tests/*.test.yaml` of a ruleset folder: names with `tests/` and texts, in byte order of their names. Without a folder
/// `tests` there are none.
///
/// # Errors
///
/// If a file cannot be read as text, or a YAML file in `tests` would be left out.
pub fn read_tests(dir: &Path) -> Result<Vec<(String, Arc<str>)>, ReadError> {
    let folder = Folder::open(dir)?;
    let names = folder.test_files()?;
    names
        .into_iter()
        .map(|name| {
            let text = text_of(folder.text(&name)?, &folder, &name)?;
            Ok((name, text))
        })
        .collect()
}

/// The text of a file that must be there.
fn text_of(found: FileText, folder: &Folder, name: &str) -> Result<Arc<str>, ReadError> {
    let path = folder.path(name);
    match found {
        FileText::Read(text) => Ok(text),
        FileText::Missing => Err(ReadError::File {
            path,
            source: io::ErrorKind::NotFound.into(),
        }),
        FileText::Outside => Err(ReadError::Outside { path }),
        FileText::NoFile => Err(ReadError::NoFile { path }),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{ReadError, read_ruleset};

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("makes a folder");
            fs::write(path, bytes).expect("writes");
        }
        dir
    }

    /// The names of strays, and whether their place is to blame.
    fn strays(dir: &tempfile::TempDir) -> Vec<(String, bool)> {
        let sources = read_ruleset(dir.path()).expect("reads");
        let strays = sources.strays.into_iter();
        strays
            .map(|stray| (stray.name, stray.is_misplaced))
            .collect()
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
            ("notes.txt", b"not read"),
            (".linter.yaml", b"not read"),
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

    #[test]
    fn no_rule_is_left_out() {
        let misnamed = [
            "a.rules.yml",
            "a.yaml",
            "a.yml",
            "a.rules.YAML",
            "rules.yaml",
            ".a.rules.yml",
            "ruleset.yml",
        ];
        for name in misnamed {
            let dir = folder(&[("ruleset.yaml", b""), (name, b"")]);
            assert_eq!(strays(&dir), [(name.to_owned(), false)]);
        }
        for name in ["more/a.rules.yaml", "a/b/c.rules.yml"] {
            let dir = folder(&[("ruleset.yaml", b""), (name, b"")]);
            assert_eq!(strays(&dir), [(name.to_owned(), true)]);
        }
        let fine: [&[(&str, &[u8])]; 3] = [
            &[("tests/a.rules.yaml", b""), ("tests/a.test.yaml", b"")],
            &[("lists/values.yaml", b""), (".git/a.rules.yaml", b"")],
            &[("README.md", b""), ("a.rules.yaml.bak", b"")],
        ];
        for files in fine {
            let dir = folder(&[files, &[("ruleset.yaml", b"")]].concat());
            assert_eq!(strays(&dir), [], "{files:?}");
        }
        let list = folder(&[
            (
                "ruleset.yaml",
                b"lists: { a: { file: a.yaml }, b: { file: x/b.rules.yaml } }",
            ),
            ("a.yaml", b""),
            ("x/b.rules.yaml", b""),
        ]);
        assert_eq!(strays(&list), []);
    }

    #[test]
    fn rule_files_are_regular_files_inside() {
        let outside = folder(&[("x", b"rules: []")]);
        let linked = folder(&[("ruleset.yaml", b"")]);
        symlink(outside.path().join("x"), linked.path().join("a.rules.yaml")).expect("links");
        assert!(matches!(
            read_ruleset(linked.path()),
            Err(ReadError::Outside { .. })
        ));
        let device = folder(&[]);
        symlink("/dev/zero", device.path().join("ruleset.yaml")).expect("links");
        assert!(matches!(
            read_ruleset(device.path()),
            Err(ReadError::Outside { .. })
        ));
        let nested = folder(&[("ruleset.yaml", b""), ("b.txt/x", b"")]);
        symlink("b.txt", nested.path().join("a.rules.yaml")).expect("links");
        assert!(matches!(
            read_ruleset(nested.path()),
            Err(ReadError::NoFile { .. })
        ));
    }
}
