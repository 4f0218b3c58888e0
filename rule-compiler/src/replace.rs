//! Writing a file so that whoever reads it sees the old one or the new one, whole.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::output::tell;

/// Replaces `path` by a file of `bytes`, or leaves it as it was. Of a link the target is replaced; a file that was there keeps
/// its mode.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let unable = |error: io::Error| {
        let reason = without_path(&error);
        Failure::unable(format!("cannot write `{}`: {reason}", path.display()))
    };
    let Target { path: target, mode } = target(path).map_err(unable)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.exists() {
        let missing = format!("there is no folder `{}`; make it first", folder.display());
        return Err(unable(io::Error::new(io::ErrorKind::NotFound, missing)));
    }
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".rulec-")
            .suffix(".tmp")
            // Narrowed by the umask, as for any new file; a bundle is no secret.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        if let Some(mode) = mode {
            file.as_file().set_permissions(mode)?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(unable)?;
    // The new name, too, is to outlast a power failure; but by now it is there.
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tell(&format!(
            "warning: `{}` is written, but a power failure now may bring the old one back: cannot sync its folder: {error}\n",
            path.display()
        ));
    }
    Ok(())
}

/// What the system says: a temporary file's own name tells nobody anything.
fn without_path(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(Error::source);
    inner.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The file to replace.
struct Target {
    path: PathBuf,
    /// Of the file that is there.
    mode: Option<Permissions>,
}

/// The file that a path leads to, which need not exist. Only a regular file is replaced: a reader of a pipe or a device would
/// lose it for a file.
fn target(path: &Path) -> io::Result<Target> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.to_owned();
            return Ok(Target { path, mode: None });
        }
        found => found?,
    };
    // Before the link is resolved: one to an open pipe has no path.
    let file = fs::metadata(path)?;
    if !file.is_file() {
        return Err(io::Error::other(
            "it exists and is no regular file; write to a new file and copy it from there",
        ));
    }
    let path = if found.is_symlink() {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    let mode = Permissions::from_mode(file.permissions().mode() & 0o777);
    Ok(Target {
        path,
        mode: Some(mode),
    })
}
