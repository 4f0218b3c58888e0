//! A running Envoy.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context, Result};

use crate::{
    access_log::AccessLog,
    admin::Admin,
    http::{Connection, Request, Response, Source, Tls},
    locate,
    memory::Memory,
    process::Process,
    scenario::Scenario,
    wait,
};

/// Workers of each Envoy here; the filter runs in a VM for each, and in one more on the main thread.
pub const WORKERS: usize = 2;

/// VMs of the filter in each Envoy here.
pub const VMS: usize = WORKERS + 1;

/// An Envoy with one of the shipped bootstraps.
pub struct Envoy {
    process: Process,
    admin: Admin,
    access_log: AccessLog,
    folder: PathBuf,
}

/// Which of the processes that take over from each other by hot restarts it is.
#[derive(Clone, Debug)]
pub(crate) enum Generation {
    /// The only one.
    Only,
    /// The first one.
    First,
    /// The one that takes over at this epoch from another with the same base id.
    Next { base_id: String, epoch: u32 },
}

impl Envoy {
    /// Starts it with its files in `folder`, and waits until it takes requests.
    pub(crate) fn start(
        folder: &Path,
        scenario: &Scenario,
        generation: Generation,
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let access_log = folder.join("access.log");
        let bootstrap = folder.join("envoy.yaml");
        let scenario = scenario.clone().set("ACCESS_LOG", access_log.display());
        fs::write(&bootstrap, scenario.render()?)
            .with_context(|| format!("write {}", bootstrap.display()))?;
        let process = Process::start(
            "Envoy",
            command(&bootstrap, folder, &generation)?,
            &folder.join("envoy.log"),
        )?;
        let admin = wait::until("Envoy to be ready", || {
            process.check_alive()?;
            ready(&admin_file(folder))
        })?;
        Ok(Envoy {
            process,
            admin,
            access_log: AccessLog::at(access_log),
            folder: folder.to_owned(),
        })
    }

    /// The generation that replaces this one by a hot restart, if this one is of a generation itself.
    pub(crate) fn next_generation(&self, epoch: u32) -> Result<Generation> {
        let file = base_id_file(&self.folder);
        let base_id = fs::read_to_string(&file);
        let base_id = base_id.with_context(|| format!("read {}", file.display()))?;
        Ok(Generation::Next {
            base_id: base_id.trim().to_owned(),
            epoch,
        })
    }

    /// Waits until the process has ended by itself, as one does that was replaced.
    pub fn wait_for_end(&self) -> Result<()> {
        wait::until("Envoy to end", || {
            Ok(self.process.check_alive().is_err().then_some(()))
        })
    }

    /// The admin interface.
    pub fn admin(&self) -> Admin {
        self.admin
    }

    /// The access log.
    pub fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it has in memory.
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.process_id())
    }

    /// Where a listener of the bootstrap listens.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        wait::until(&format!("the listener {name}"), || {
            self.admin.listener(name)
        })
    }

    /// GETs a path as a client that connects to Envoy itself.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.send(&Request::get(path))
    }

    /// Sends a request as a client that connects to Envoy itself.
    pub fn send(&self, request: &Request) -> Result<Response> {
        Connection::open(self.listener("direct")?, None)?.send(request)
    }

    /// Sends a request as the balancer in front would for a client at `source`.
    pub fn send_from(&self, source: Source, request: &Request) -> Result<Response> {
        Connection::open(self.listener("behind_balancer")?, Some(source))?.send(request)
    }

    /// The same over TLS.
    pub fn send_tls_from(&self, source: Source, tls: &Tls, request: &Request) -> Result<Response> {
        Connection::open_tls(self.listener("behind_balancer_tls")?, Some(source), tls)?
            .send(request)
    }

    /// A counter or gauge of the filter; 0 when it was never written.
    pub fn metric(&self, name: &str) -> Result<u64> {
        Ok(self
            .admin
            .stat(&format!("wasmcustom.riskgate.{name}"))?
            .unwrap_or(0))
    }

    /// Waits for a counter or gauge of the filter to reach a value.
    pub fn wait_for_metric(&self, name: &str, at_least: u64) -> Result<u64> {
        wait::until(&format!("riskgate.{name} to reach {at_least}"), || {
            self.process.check_alive()?;
            Ok(Some(self.metric(name)?).filter(|value| *value >= at_least))
        })
    }
}

/// A client at this address with a port that no other in this process has had, so that its line in the access log is found.
pub fn client_at(ip: IpAddr) -> Source {
    static NEXT_PORT: AtomicU16 = AtomicU16::new(1024);
    Source {
        ip,
        port: NEXT_PORT.fetch_add(1, Ordering::Relaxed),
    }
}

fn command(bootstrap: &Path, folder: &Path, generation: &Generation) -> Result<Command> {
    let mut command = Command::new(locate::envoy()?);
    command.arg("--config-path").arg(bootstrap);
    command.arg("--admin-address-path").arg(admin_file(folder));
    command.args(["--concurrency", &WORKERS.to_string()]);
    match generation {
        // Several run at once, and know nothing of each other.
        Generation::Only => command.arg("--disable-hot-restart"),
        Generation::First => command
            .arg("--use-dynamic-base-id")
            .arg("--base-id-path")
            .arg(base_id_file(folder)),
        Generation::Next { base_id, epoch } => command
            .args(["--base-id", base_id])
            .args(["--restart-epoch", &epoch.to_string()]),
    };
    // The one that was replaced ends so soon.
    command.args(["--parent-shutdown-time-s", "5"]);
    // How long a replaced listener's connections may live; by default it is ten minutes.
    command.args(["--drain-time-s", "3"]);
    // The access log is read while Envoy runs.
    command.args(["--file-flush-interval-msec", "20"]);
    command.args([
        "--log-level",
        "warning",
        "--component-log-level",
        "wasm:info",
    ]);
    Ok(command)
}

fn base_id_file(folder: &Path) -> PathBuf {
    folder.join("base.id")
}

fn admin_file(folder: &Path) -> PathBuf {
    folder.join("admin.address")
}

fn ready(admin_file: &Path) -> Result<Option<Admin>> {
    let address = fs::read_to_string(admin_file).unwrap_or_default();
    let Ok(address) = address.trim().parse() else {
        return Ok(None);
    };
    let admin = Admin::at(address);
    Ok(admin.is_ready().unwrap_or(false).then_some(admin))
}

/// Any client.
pub fn client() -> Source {
    client_at(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)))
}
