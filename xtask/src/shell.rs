//! Running other programs, and telling what runs.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    os::unix::process::CommandExt,
    process::{self, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program and its arguments, run in the root of the workspace.
pub(crate) struct Command {
    program: OsString,
    inner: process::Command,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut inner = process::Command::new(&program);
        inner.current_dir(workspace::root());
        Command {
            program: program.as_ref().to_owned(),
            inner,
        }
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.inner.arg(argument);
        self
    }

    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.inner.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Runs it with this terminal; anything but status 0 is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.inner.status().with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.line());
        }
        Ok(())
    }

    /// Runs it in place of this program: it gets the signals and gives the exit status.
    pub(crate) fn become_it(mut self) -> Result<()> {
        let error = self.inner.exec();
        Err(error).with_context(|| self.cannot_start())
    }

    /// Runs it and returns what it printed.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self
            .inner
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.cannot_start())?;
        if !output.status.success() {
            bail!("`{}` ended with {}", self.line(), output.status);
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed something that is not UTF-8", self.line()))
    }

    /// Whether it starts and ends with status 0; what it prints is dropped.
    pub(crate) fn succeeds(mut self) -> Result<bool> {
        let status = self
            .inner
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match status {
            Ok(status) => Ok(status.success()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| self.cannot_start()),
        }
    }

    fn line(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for argument in self.inner.get_args() {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`", self.program.to_string_lossy())
    }
}

/// Runs one named step, saying when it begins and how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let begun = Instant::now();
    let value = work().with_context(|| format!("{name} failed"))?;
    eprintln!("    {name}: done in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(value)
}
