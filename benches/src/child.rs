//! What a child process costs. Linux only: `/proc` tells.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// What a run cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// From start to exit.
    pub wall_s: f64,
    /// User and system time of all its threads, to a hundredth of a second.
    pub cpu_s: f64,
    /// The high-water mark of its resident memory as it was last seen, at most one look before the exit.
    pub peak_kib: f64,
}

/// Between two looks at the high-water mark.
const LOOK: Duration = Duration::from_millis(1);

/// Clock ticks a second in `/proc/PID/stat`: fixed for user space on Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// Runs a program to its end.
///
/// # Errors
///
/// When it does not start or does not end with status 0.
pub fn run(program: &Path, arguments: &[&OsStr]) -> Result<Cost> {
    let before_s = waited_for_s()?;
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let peak_kib = watch(&mut child)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{} ended with {status}",
        program.display()
    );
    Ok(Cost {
        wall_s,
        cpu_s: waited_for_s()? - before_s,
        peak_kib,
    })
}

/// Until it ends.
fn watch(child: &mut Child) -> Result<f64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        peak_kib = high_water_mark_kib(&text).unwrap_or(peak_kib);
        std::thread::sleep(LOOK);
    }
    Ok(peak_kib)
}

fn high_water_mark_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time of the children that this process has waited for: fields 16 and 17 of `/proc/self/stat`.
fn waited_for_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = text
        .rsplit_once(')')
        .context("/proc/self/stat has no name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields
        .get(13..15)
        .context("/proc/self/stat is too short")?
        .iter()
        .map(|field| field.parse::<f64>())
        .sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_measured() {
        let count = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let cost = run("sh".as_ref(), &["-c".as_ref(), count.as_ref()]).unwrap();
        assert!(cost.wall_s > 0.0, "{cost:?}");
        assert!(cost.peak_kib > 100.0, "{cost:?}");
    }

    #[test]
    fn a_child_that_fails_is_an_error() {
        assert!(run("false".as_ref(), &[]).is_err());
        assert!(run("/no/such/program".as_ref(), &[]).is_err());
    }
}
