//! The folder of a ruleset: which of its files are rules, and what is in a file.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    limits::{MAX_FILE_LEN, MAX_RULE_FILES},
    sources::{MANIFEST, RULES_SUFFIX, ReadError},
};

/// Where the tests of a ruleset are. This version does not read them.
const TESTS: &str = "tests";

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileText {
    /// Its text.
    Read(Arc<str>),
    /// There is none.
    Missing,
    /// A link leads out of the folder.
    Outside,
    /// It is a folder, a pipe or a device.
    NoFile,
}

/// A folder that exists.
pub(crate) struct Folder {
    given: PathBuf,
    real: PathBuf,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let real = path
            .canonicalize()
            .map_err(|source| folder_error(path, source))?;
        Ok(Self {
            given: path.to_owned(),
            real,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.given.join(name)
    }

    /// The names of the rule files, in byte order. What looks like one and would not be read is an error, unless a list reads it.
    pub(crate) fn rule_files(&self, lists: &[String]) -> Result<Vec<String>, ReadError> {
        let mut names = Vec::new();
        let mut folders = Vec::new();
        for entry in entries(&self.given)? {
            let path = entry.path();
            let name = entry.file_name();
            let lossy = name.to_string_lossy().into_owned();
            if is_folder(&entry)? {
                if lossy != TESTS && !lossy.starts_with('.') {
                    folders.push(path);
                }
            } else if lossy.ends_with(RULES_SUFFIX) {
                let name = name
                    .into_string()
                    .map_err(|_| ReadError::Misnamed { path })?;
                names.push(name);
            } else if lossy != MANIFEST && looks_like_rules(&lossy) && !lists.contains(&lossy) {
                return Err(ReadError::Misnamed { path });
            }
        }
        if names.len() > MAX_RULE_FILES {
            return Err(ReadError::TooManyFiles {
                path: self.given.clone(),
            });
        }
        self.refuse_rules_below(folders, lists)?;
        names.sort();
        Ok(names)
    }

    fn refuse_rules_below(
        &self,
        mut folders: Vec<PathBuf>,
        lists: &[String],
    ) -> Result<(), ReadError> {
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder)? {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
                let is_rules = name.ends_with(RULES_SUFFIX) || name.ends_with(".rules.yml");
                if is_folder(&entry)? {
                    folders.push(path);
                } else if is_rules && !lists.iter().any(|list| self.path(list) == path) {
                    return Err(ReadError::Misplaced { path });
                }
            }
        }
        Ok(())
    }

    /// The text of a file without its byte-order mark. Links are followed as long as they stay inside.
    pub(crate) fn text(&self, name: &str) -> Result<FileText, ReadError> {
        let path = self.path(name);
        let file_error = |source| ReadError::File {
            path: path.clone(),
            source,
        };
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if is_missing(&error) => return Ok(FileText::Missing),
            Err(error) => return Err(file_error(error)),
        };
        if !real.starts_with(&self.real) {
            return Ok(FileText::Outside);
        }
        // Before it is opened: to open a pipe is to wait for its writer.
        if !fs::metadata(&real).map_err(file_error)?.is_file() {
            return Ok(FileText::NoFile);
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX);
        File::open(&real)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(file_error)?;
        if bytes.len() > MAX_FILE_LEN {
            return Err(ReadError::TooLarge { path });
        }
        decode(bytes, path).map(FileText::Read)
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, ReadError> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(|source| folder_error(folder, source))
}

fn folder_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Folder {
        path: path.to_owned(),
        source,
    }
}

/// Whether it is a folder itself: one behind a link is not walked, so that no walk is endless.
fn is_folder(entry: &fs::DirEntry) -> Result<bool, ReadError> {
    let kind = entry.file_type().map_err(|source| ReadError::File {
        path: entry.path(),
        source,
    })?;
    Ok(kind.is_dir())
}

/// A YAML file of any name but a hidden one, which belongs to some tool.
fn looks_like_rules(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (lower.ends_with(".yaml") || lower.ends_with(".yml"))
        && (!lower.starts_with('.') || lower.contains(".rules."))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn decode(bytes: Vec<u8>, path: PathBuf) -> Result<Arc<str>, ReadError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error
            .as_bytes()
            .iter()
            .take(good)
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1;
        ReadError::NotUtf8 { path, line }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).into())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{FileText, Folder};

    #[test]
    fn links_may_not_lead_out() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let inside = tempfile::tempdir().expect("a temporary folder");
        fs::write(outside.path().join("a.txt"), "secret").expect("writes");
        fs::write(inside.path().join("b.txt"), "one").expect("writes");
        symlink(outside.path().join("a.txt"), inside.path().join("a.txt")).expect("links");
        symlink("b.txt", inside.path().join("c.txt")).expect("links");
        fs::create_dir(inside.path().join("d.txt")).expect("makes a folder");
        let folder = Folder::open(inside.path()).expect("opens");
        let cases = [
            ("a.txt", FileText::Outside),
            ("c.txt", FileText::Read("one".into())),
            ("d.txt", FileText::NoFile),
            ("none.txt", FileText::Missing),
        ];
        for (name, expected) in cases {
            assert_eq!(folder.text(name).expect("reads"), expected, "{name}");
        }
    }
}
