//! The folder of a ruleset: which of its files are rules, and what is in a file.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    limits::{MAX_FILE_LEN, MAX_RULE_FILES, MAX_TEST_FILES},
    sources::{MANIFEST, RULES_SUFFIX, ReadError, TESTS_SUFFIX},
};

/// Where the tests of a ruleset are.
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

/// A file that would be left out, or a link to a folder that may hold some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stray {
    /// Its path inside the folder.
    pub(crate) name: String,
    /// Whether its place is to blame, and not its name.
    pub(crate) is_misplaced: bool,
}

impl Stray {
    /// Because of its name.
    pub(crate) fn misnamed(name: String) -> Self {
        let is_misplaced = false;
        Self { name, is_misplaced }
    }

    fn misplaced(name: String) -> Self {
        let is_misplaced = true;
        Self { name, is_misplaced }
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    /// It is not walked, so that no walk is endless.
    LinkToFolder,
    File,
    /// A hidden link to nothing: with one an editor marks the file it has open.
    Lock,
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
        if real.is_file() {
            return Err(ReadError::NotAFolder {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            given: path.to_owned(),
            real,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.given.join(name)
    }

    /// The names of the rule files, in byte order, and what looks like one and is not read, unless a list reads it.
    pub(crate) fn rule_files(
        &self,
        lists: &[String],
    ) -> Result<(Vec<String>, Vec<Stray>), ReadError> {
        let (mut names, mut strays, mut folders) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries(&self.given)? {
            let name = entry.file_name();
            let lossy = name.to_string_lossy().into_owned();
            let is_exempt = lossy == TESTS || lossy.starts_with('.');
            let is_rules = lossy.ends_with(RULES_SUFFIX);
            match kind(&entry)? {
                Kind::Folder if is_exempt => {}
                Kind::Folder if !is_rules => folders.push(entry.path()),
                Kind::LinkToFolder if is_exempt && !is_rules => {}
                Kind::LinkToFolder if !is_rules => strays.push(Stray::misplaced(lossy)),
                Kind::Lock => {}
                // To read a folder is an error that says so.
                Kind::File | Kind::Folder | Kind::LinkToFolder if is_rules => {
                    match name.into_string() {
                        Ok(name) => names.push(name),
                        Err(_) => strays.push(Stray::misnamed(lossy)),
                    }
                }
                Kind::File | Kind::Folder | Kind::LinkToFolder => {
                    if is_misnamed(&lossy, lists) {
                        strays.push(Stray::misnamed(lossy));
                    }
                }
            }
        }
        if names.len() > MAX_RULE_FILES {
            return Err(ReadError::TooManyFiles {
                path: self.given.clone(),
            });
        }
        self.find_rules_below(folders, lists, &mut strays)?;
        names.sort();
        strays.sort();
        Ok((names, strays))
    }

    /// The names of the test files, with `tests/`, in byte order. Another YAML file beside them is an error.
    pub(crate) fn test_files(&self) -> Result<Vec<String>, ReadError> {
        let path = self.path(TESTS);
        if matches!(fs::metadata(&path), Err(error) if is_missing(&error)) {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in entries(&path)? {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind(&entry)? != Kind::File {
                continue;
            }
            if !name.ends_with(TESTS_SUFFIX) {
                if looks_like_rules(&name) {
                    return Err(ReadError::MisnamedTest { path });
                }
            } else if !name.starts_with('.') {
                names.push(format!("{TESTS}/{name}"));
            }
        }
        if names.len() > MAX_TEST_FILES {
            return Err(ReadError::TooManyFiles { path });
        }
        names.sort();
        Ok(names)
    }

    fn find_rules_below(
        &self,
        mut folders: Vec<PathBuf>,
        lists: &[String],
        strays: &mut Vec<Stray>,
    ) -> Result<(), ReadError> {
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder)? {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
                let is_rules = name.ends_with(RULES_SUFFIX) || name.ends_with(".rules.yml");
                let is_list = || lists.iter().any(|list| self.path(list) == path);
                let is_stray = match kind(&entry)? {
                    Kind::Folder => {
                        folders.push(path);
                        continue;
                    }
                    Kind::LinkToFolder => !name.starts_with('.'),
                    Kind::File => is_rules && !is_list(),
                    Kind::Lock => false,
                };
                if is_stray {
                    let inside = path.strip_prefix(&self.given).unwrap_or(&path);
                    strays.push(Stray::misplaced(inside.to_string_lossy().into_owned()));
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
        read_regular(&real, &path).map(FileText::Read)
    }
}

/// The text of a file that need not be in a folder of rules.
pub(crate) fn read_file(path: &Path) -> Result<Arc<str>, ReadError> {
    let metadata = fs::metadata(path).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile {
            path: path.to_owned(),
        });
    }
    read_regular(path, path)
}

/// The text of the file `real`, which users know as `path`.
fn read_regular(real: &Path, path: &Path) -> Result<Arc<str>, ReadError> {
    let path = path.to_owned();
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX);
    let read = File::open(real)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    if let Err(source) = read {
        return Err(ReadError::File { path, source });
    }
    if bytes.len() > MAX_FILE_LEN {
        return Err(ReadError::TooLarge { path });
    }
    decode(bytes, path)
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

fn kind(entry: &fs::DirEntry) -> Result<Kind, ReadError> {
    let own = entry.file_type().map_err(|source| ReadError::File {
        path: entry.path(),
        source,
    })?;
    if own.is_dir() {
        return Ok(Kind::Folder);
    }
    if !own.is_symlink() {
        return Ok(Kind::File);
    }
    let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
    Ok(match fs::metadata(entry.path()) {
        Ok(target) if target.is_dir() => Kind::LinkToFolder,
        Err(error) if is_hidden && is_missing(&error) => Kind::Lock,
        _ => Kind::File,
    })
}

/// Whether a file beside `ruleset.yaml` looks like rules and is not read.
pub(crate) fn is_misnamed(name: &str, lists: &[String]) -> bool {
    let is_list = || lists.iter().any(|list| list == name);
    name != MANIFEST && looks_like_rules(name) && !is_list()
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

    use super::{FileText, Folder, Stray};

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

    #[test]
    fn a_folder_that_is_named_as_rules_is_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("a.rules.yaml")).expect("makes a folder");
        let opened = Folder::open(folder.path()).expect("opens");
        let (names, strays) = opened.rule_files(&[]).expect("reads");
        assert_eq!((names, strays), (vec!["a.rules.yaml".to_owned()], vec![]));
        let text = opened.text("a.rules.yaml").expect("reads");
        assert_eq!(text, FileText::NoFile);
    }

    #[test]
    fn a_link_to_a_folder_is_a_stray() {
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        fs::write(elsewhere.path().join("a.rules.yaml"), "").expect("writes");
        for link in ["shared", "lists/shared"] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            fs::create_dir(folder.path().join("lists")).expect("makes a folder");
            symlink(elsewhere.path(), folder.path().join(link)).expect("links");
            let found = Folder::open(folder.path()).expect("opens").rule_files(&[]);
            let (names, strays) = found.expect("reads");
            assert_eq!(names, [""; 0]);
            assert_eq!(strays, [Stray::misplaced(link.to_owned())]);
        }
    }

    #[test]
    fn links_that_no_ruleset_needs_are_passed_over() {
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        fs::write(elsewhere.path().join("a.rules.yaml"), "").expect("writes");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("lists")).expect("makes a folder");
        fs::write(folder.path().join("b.rules.yaml"), "").expect("writes");
        let to_folders = ["tests", ".cache", "lists/.cache"];
        let locks = [".#b.rules.yaml", ".#b.rules.yml", "lists/.#c.rules.yaml"];
        for link in to_folders {
            symlink(elsewhere.path(), folder.path().join(link)).expect("links");
        }
        for link in locks {
            symlink("somebody@somewhere.1234", folder.path().join(link)).expect("links");
        }
        let found = Folder::open(folder.path()).expect("opens").rule_files(&[]);
        let (names, strays) = found.expect("reads");
        assert_eq!(names, ["b.rules.yaml"]);
        assert_eq!(strays, []);
    }
}
