//! Writing a file so that whoever reads it sees the old one or the new one, whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Replaces `path` by a file of `bytes`, or leaves it as it was. Of a link the target is replaced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let unable =
        |error: io::Error| Failure::unable(format!("cannot write `{}`: {error}", path.display()));
    let target = target(path).map_err(unable)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".rulec-")
            .suffix(".tmp")
            // Narrowed by the umask, as for any new file; a bundle is no secret.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        // The new name, too, is to outlast a power failure.
        File::open(folder)?.sync_all()
    };
    write().map_err(unable)
}

/// The file that a path leads to, which need not exist. Only a regular file is replaced: a reader of a pipe or a device would
/// lose it for a file.
fn target(path: &Path) -> io::Result<PathBuf> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        found => found?,
    };
    let target = if found.is_symlink() {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    if fs::metadata(&target)?.is_file() {
        Ok(target)
    } else {
        Err(io::Error::other(
            "it exists and is no regular file; write to a new file and copy it from there",
        ))
    }
}
