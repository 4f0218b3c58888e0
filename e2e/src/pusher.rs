//! The pusher: a process, and its two verbs for people.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use riskgate_push_protocol::{LastAnswer, Published, Status, VmStatus};
use riskgate_pusher::client::AdminClient;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::{
    locate,
    process::Process,
    rulec::{Bundle, Keys, run},
    wait,
};

/// A running `rule-pusher serve`.
pub struct Pusher {
    process: Process,
    program: PathBuf,
    addresses: Addresses,
    folder: PathBuf,
    keys: Keys,
    resources: Option<PathBuf>,
    runtime: Runtime,
}

/// A pusher that was killed. Its store is still there.
pub struct KilledPusher {
    program: PathBuf,
    addresses: Addresses,
    folder: PathBuf,
    keys: Keys,
    resources: Option<PathBuf>,
}

/// Where a pusher listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For filters.
    pub subscribers: SocketAddr,
    /// For people and CI.
    pub admin: SocketAddr,
    /// For Envoys that fetch configurations.
    pub ecds: Option<SocketAddr>,
}

impl Pusher {
    /// Starts it on free ports with its store in `folder`; it takes bundles that `keys` signed.
    pub fn start(folder: &Path, keys: &Keys) -> Result<Self> {
        Self::start_program(&locate::program("rule-pusher")?, folder, keys)
    }

    /// The same with another build of the program.
    pub fn start_program(program: &Path, folder: &Path, keys: &Keys) -> Result<Self> {
        Self::start_on_free_ports(program, folder, keys, None)
    }

    /// As [`Pusher::start`], and serves the configurations of this file to Envoys.
    pub fn start_with_ecds(folder: &Path, keys: &Keys, resources: &Path) -> Result<Self> {
        let program = locate::program("rule-pusher")?;
        Self::start_on_free_ports(&program, folder, keys, Some(resources))
    }

    fn start_on_free_ports(
        program: &Path,
        folder: &Path,
        keys: &Keys,
        resources: Option<&Path>,
    ) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let free = Addresses {
            subscribers: any,
            admin: any,
            ecds: resources.map(|_| any),
        };
        Self::start_at(program, folder, keys, resources, free)
    }

    fn start_at(
        program: &Path,
        folder: &Path,
        keys: &Keys,
        resources: Option<&Path>,
        at: Addresses,
    ) -> Result<Self> {
        let process = serve(program, folder, keys, resources, at)?;
        let addresses = wait::until("the pusher to be ready", || {
            process.check_alive()?;
            ready(&process.stdout()?)
        })?;
        Ok(Pusher {
            process,
            program: program.to_owned(),
            addresses,
            folder: folder.to_owned(),
            keys: keys.clone(),
            resources: resources.map(Path::to_owned),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Kills it, as a crash would.
    pub fn kill(self) -> KilledPusher {
        let Pusher {
            program,
            addresses,
            folder,
            keys,
            resources,
            ..
        } = self;
        KilledPusher {
            program,
            addresses,
            folder,
            keys,
            resources,
        }
    }

    /// Kills it and starts it again on the same ports and store.
    pub fn restart(self) -> Result<Self> {
        self.kill().start()
    }

    /// Stalls it: it keeps its connections, and neither reads nor writes.
    pub fn stall(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// Lets a stalled one go on.
    pub fn resume(&self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Runs `rule-pusher publish`; a refusal is an error with what it said.
    pub fn publish(&self, bundle: &Bundle) -> Result<String> {
        run(self.verb("publish")?.arg(&bundle.path))
    }

    /// Publishes a bundle file without a process of its own, for those who publish many.
    pub fn publish_bytes(&self, bundle: &[u8]) -> Result<Published> {
        let published = self.runtime.block_on(async {
            let mut client = AdminClient::connect(&self.addresses.admin.to_string()).await?;
            client.publish(bundle).await
        });
        published.context("publish a bundle")
    }

    /// Runs `rule-pusher status --format json`.
    pub fn status_json(&self) -> Result<Value> {
        let status = run(self.verb("status")?.args(["--format", "json"]))?;
        serde_json::from_str(&status).with_context(|| format!("`{status}` is not JSON"))
    }

    /// What is published, and what each VM said to it.
    pub fn status(&self) -> Result<Status> {
        let status = self.runtime.block_on(async {
            let mut client = AdminClient::connect(&self.addresses.admin.to_string()).await?;
            client.status(None).await
        });
        status.context("ask the pusher for its status")
    }

    /// Waits until `vms` VMs and no others are there, and all of them serve this revision and said so.
    pub fn wait_for_acks(&self, vms: usize, revision: u64) -> Result<Vec<VmStatus>> {
        let serves = |vm: &VmStatus| {
            let acked =
                matches!(&vm.answer, LastAnswer::Ack { revision: acked } if *acked == revision);
            acked && vm.held.is_some_and(|held| held.revision == revision)
        };
        wait::until(&format!("{vms} VMs to serve revision {revision}"), || {
            self.process.check_alive()?;
            let status = self.status()?;
            Ok((status.vms.len() == vms && status.vms.iter().all(serves)).then_some(status.vms))
        })
        .with_context(|| format!("the pusher's status: {:#?}", self.status()))
    }

    fn verb(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .arg(verb)
            .arg("--to")
            .arg(format!("http://{}", self.addresses.admin));
        Ok(command)
    }
}

impl KilledPusher {
    /// Starts it again on the same ports and store.
    pub fn start(self) -> Result<Pusher> {
        let KilledPusher {
            program,
            addresses,
            folder,
            keys,
            resources,
        } = self;
        let pusher = Pusher::start_at(&program, &folder, &keys, resources.as_deref(), addresses)?;
        let again = pusher.addresses;
        ensure!(
            again == addresses,
            "the pusher came back at {again:?}, and was at {addresses:?}"
        );
        Ok(pusher)
    }
}

fn serve(
    program: &Path,
    folder: &Path,
    keys: &Keys,
    resources: Option<&Path>,
    at: Addresses,
) -> Result<Process> {
    let mut command = Command::new(program);
    command.arg("serve");
    command.arg("--subscribers").arg(at.subscribers.to_string());
    command.arg("--admin").arg(at.admin.to_string());
    command.arg("--store").arg(folder.join("pusher.redb"));
    command.arg("--trust").arg(&keys.public);
    if let Some((resources, ecds)) = resources.zip(at.ecds) {
        command.arg("--ecds").arg(ecds.to_string());
        command.arg("--ecds-resources").arg(resources);
    }
    Process::start("the pusher", command, &folder.join("pusher.log"))
}

/// The addresses out of the line that the pusher prints when it is ready.
fn ready(stdout: &str) -> Result<Option<Addresses>> {
    let Some((line, _)) = stdout.split_once('\n') else {
        return Ok(None);
    };
    let ready: Value =
        serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))?;
    let address = |key: &str| -> Result<SocketAddr> {
        let text = ready
            .get(key)
            .and_then(Value::as_str)
            .with_context(|| format!("no `{key}` in {line}"))?;
        Ok(text.parse()?)
    };
    Ok(Some(Addresses {
        subscribers: address("subscribers")?,
        admin: address("admin")?,
        ecds: ready.get("ecds").map(|_| address("ecds")).transpose()?,
    }))
}
