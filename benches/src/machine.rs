//! What the figures were taken on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu: String,
    /// Logical processors.
    pub cores: u64,
    /// In MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one. Linux only.
    ///
    /// # Errors
    ///
    /// When `/proc` does not tell.
    pub fn this() -> Result<Machine> {
        let cpus = read("/proc/cpuinfo")?;
        let memory = read("/proc/meminfo")?;
        let memory_kib: u64 = field(&memory, "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .context("/proc/meminfo has no MemTotal")?;
        let cores = std::thread::available_parallelism().context("count the processors")?;
        Ok(Machine {
            cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            cores: cores.get() as u64,
            memory_mib: memory_kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }

    /// A short name for folders: the CPU and the number of cores.
    #[must_use]
    pub fn slug(&self) -> String {
        let noise = ["(r)", "(tm)", "cpu", "processor", "@"];
        let lower = self.cpu.to_ascii_lowercase();
        let plain = noise
            .iter()
            .fold(lower, |text, each| text.replace(each, " "));
        let letters = plain.replace(|letter: char| !letter.is_ascii_alphanumeric(), " ");
        let words: Vec<&str> = letters.split_whitespace().collect();
        format!("{}-{}c", words.join("-"), self.cores)
    }
}

/// The commit that was built, with a `+` if files were changed since.
#[must_use]
pub fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let changes = output("git", &["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changes.is_empty() { "" } else { "+" };
    format!("{commit}{mark}")
}

/// The compiler's version.
#[must_use]
pub fn rustc() -> String {
    let version = output("rustc", &["--version"]);
    version.trim_start_matches("rustc ").to_owned()
}

/// The folder that cargo builds into.
#[must_use]
pub fn target_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root.join(folder),
        _ => root.join("target"),
    }
}

/// What a program prints, or `unknown` if it does not run.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.to_owned())
}

/// The value of `name : value`, at its first place.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_and_plain() {
        let machine = Machine {
            cpu: "Intel(R) Xeon(R) Processor @ 2.60GHz".to_owned(),
            cores: 2,
            memory_mib: 1,
            kernel: String::new(),
        };
        assert_eq!(machine.slug(), "intel-xeon-2-60ghz-2c");
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::this().unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0);
    }
}
