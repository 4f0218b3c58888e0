//! Processes that end with their handle.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};

use anyhow::{Context, Result, bail, ensure};

/// Lines of a log that are shown when something failed.
const TAIL: usize = 40;

/// Everything that runs now, for [`stop_all`].
static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// A child that is stopped when this is dropped, even by a test that panics; its log is shown then.
pub(crate) struct Process {
    name: &'static str,
    child: Arc<Mutex<Child>>,
    log: PathBuf,
}

impl Process {
    /// Starts it with both outputs in files: standard error in `LOG`, standard output in `LOG.out`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let create =
            |path: &Path| File::create(path).with_context(|| format!("create {}", path.display()));
        let child = command
            .stdin(Stdio::null())
            .stdout(create(&stdout_of(log))?)
            .stderr(create(log)?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let child = Arc::new(Mutex::new(child));
        lock(&RUNNING).push(Arc::downgrade(&child));
        Ok(Process {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> Result<String> {
        let path = stdout_of(&self.log);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// An error with the end of the log when it is not running any more.
    pub(crate) fn check_alive(&self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.tail()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status()
            .context("start kill")?;
        ensure!(status.success(), "kill -{name} of {}: {status}", self.name);
        Ok(())
    }

    fn exit_status(&self) -> Result<Option<ExitStatus>> {
        lock(&self.child)
            .try_wait()
            .with_context(|| format!("ask after {}", self.name))
    }

    fn tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL);
        lines
            .into_iter()
            .skip(skipped)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        stop(&self.child);
        if thread::panicking() {
            eprintln!("--- the end of {} ---\n{}", self.log.display(), self.tail());
        }
    }
}

/// Stops everything that was started and not dropped yet: for a program that ends by a signal.
pub fn stop_all() {
    for child in lock(&RUNNING).drain(..).filter_map(|child| child.upgrade()) {
        stop(&child);
    }
}

fn stop(child: &Mutex<Child>) {
    let mut child = lock(child);
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn stdout_of(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".out");
    path.into()
}

/// A child is usable even if another thread panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
