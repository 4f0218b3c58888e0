//! An Envoy: started, asked about itself, and stopped with its handle.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use riskgate_e2e::{Connection, Memory, Request, envoy_program, until};
use serde_json::Value;

use super::usage::CpuTime;

/// A running Envoy.
pub(super) struct Envoy {
    child: Child,
    log: PathBuf,
    admin: SocketAddr,
    listener: SocketAddr,
}

impl Envoy {
    /// Starts it with one worker and its files in `folder`, and waits until it takes requests.
    pub(super) fn start(folder: &Path, bootstrap: &Value) -> Result<Envoy> {
        Envoy::start_with(folder, bootstrap, 1)
    }

    /// The same with so many workers.
    pub(super) fn start_with(folder: &Path, bootstrap: &Value, workers: usize) -> Result<Envoy> {
        let config = folder.join("envoy.json");
        fs::write(&config, serde_json::to_vec(bootstrap)?)
            .with_context(|| config.display().to_string())?;
        let admin_file = folder.join("admin.address");
        let log = folder.join("envoy.log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let child = Command::new(envoy_program()?)
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .args(["--concurrency", &workers.to_string()])
            .args(["--disable-hot-restart", "--log-level", "warning"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .context("start Envoy")?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Envoy {
            child,
            log,
            admin: nowhere,
            listener: nowhere,
        };
        envoy.admin = until("Envoy's admin interface", || {
            envoy.check_alive()?;
            Ok(fs::read_to_string(&admin_file)
                .ok()
                .and_then(|text| text.trim().parse().ok()))
        })?;
        envoy.listener = until("Envoy's listener", || {
            envoy.check_alive()?;
            Ok(envoy.find_listener().unwrap_or_default())
        })?;
        Ok(envoy)
    }

    /// Where it takes requests.
    pub(super) fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Waits until the rules serve in `vms` VMs.
    pub(super) fn wait_for_rules(&self, vms: u64) -> Result<()> {
        until("the rules to serve", || {
            self.check_alive()?;
            let loaded = self.stat("wasmcustom.riskgate.loads.accepted")?;
            Ok((loaded >= vms).then_some(()))
        })
        .with_context(|| format!("the log is {}", self.log.display()))
    }

    /// Processor time of all its threads so far.
    pub(super) fn cpu_time(&self) -> Result<CpuTime> {
        CpuTime::of(self.child.id())
    }

    /// Its memory now.
    pub(super) fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }

    fn check_alive(&self) -> Result<()> {
        if Path::new(&format!("/proc/{}/exe", self.child.id()))
            .read_link()
            .is_err()
        {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("Envoy ended:\n{log}");
        }
        Ok(())
    }

    fn find_listener(&self) -> Result<Option<SocketAddr>> {
        if self.ask("/ready").is_err() {
            return Ok(None);
        }
        let listeners: Value = serde_json::from_str(&self.ask("/listeners?format=json")?)?;
        let socket = "/listener_statuses/0/local_address/socket_address";
        let Some(port) = listeners
            .pointer(&format!("{socket}/port_value"))
            .and_then(Value::as_u64)
        else {
            return Ok(None);
        };
        Ok(Some(SocketAddr::from((
            [127, 0, 0, 1],
            u16::try_from(port)?,
        ))))
    }

    /// A counter or gauge; 0 while it was never written.
    fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.ask(&format!("/stats?filter=^{}$", name.replace('.', "\\.")))?;
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(Ok(0), |value| Ok(value.parse()?))
    }

    fn ask(&self, path: &str) -> Result<String> {
        let answer = Connection::open(self.admin, None)?.send(&Request::get(path))?;
        if answer.status != 200 {
            bail!("Envoy's {path} answered {}", answer.status);
        }
        Ok(String::from_utf8(answer.body)?)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it says its version is.
pub(super) fn version() -> Result<String> {
    let output = Command::new(envoy_program()?)
        .arg("--version")
        .output()
        .context("start Envoy")?;
    let text = String::from_utf8(output.stdout)?;
    // The program's path, `version:`, and then commit, version, state of the tree, kind of build and TLS library.
    let (_, facts) = text
        .split_once("version: ")
        .context("Envoy tells no version")?;
    let version = facts.split('/').nth(1).context("Envoy tells no version")?;
    Ok(version.to_owned())
}
