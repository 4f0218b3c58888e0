//! The pusher: a process, and its two verbs for people.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use riskgate_push_protocol::{
    LastAnswer, Status, VmStatus,
    proto::{StatusRequest, admin_service_client::AdminServiceClient},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Endpoint;

use crate::{
    locate,
    process::Process,
    rulec::{Bundle, Keys, run},
    wait,
};

/// A running `rule-pusher serve`.
pub struct Pusher {
    process: Process,
    addresses: Addresses,
    folder: PathBuf,
    keys: Keys,
    runtime: Runtime,
}

/// Where a pusher listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For filters.
    pub subscribers: SocketAddr,
    /// For people and CI.
    pub admin: SocketAddr,
}

impl Pusher {
    /// Starts it on free ports with its store in `folder`; it takes bundles that `keys` signed.
    pub fn start(folder: &Path, keys: &Keys) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let free = Addresses {
            subscribers: any,
            admin: any,
        };
        let process = serve(folder, keys, free)?;
        let addresses = wait::until("the pusher to be ready", || {
            process.check_alive()?;
            ready(&process.stdout()?)
        })?;
        Ok(Pusher {
            process,
            addresses,
            folder: folder.to_owned(),
            keys: keys.clone(),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Stops it at once, as a crash would, and starts it again on the same ports and store.
    pub fn restart(self) -> Result<Self> {
        let Pusher {
            process,
            addresses,
            folder,
            keys,
            runtime,
        } = self;
        drop(process);
        let process = serve(&folder, &keys, addresses)?;
        let again = wait::until("the pusher to be ready again", || {
            process.check_alive()?;
            ready(&process.stdout()?)
        })?;
        ensure!(
            again == addresses,
            "the pusher came back at {again:?}, and was at {addresses:?}"
        );
        Ok(Pusher {
            process,
            addresses,
            folder,
            keys,
            runtime,
        })
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

    /// Runs `rule-pusher status --format json`.
    pub fn status_json(&self) -> Result<Value> {
        let status = run(self.verb("status")?.args(["--format", "json"]))?;
        serde_json::from_str(&status).with_context(|| format!("`{status}` is not JSON"))
    }

    /// What is published, and what each VM said to it.
    pub fn status(&self) -> Result<Status> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addresses.admin))?;
        let answer = self.runtime.block_on(async {
            let mut client = AdminServiceClient::new(endpoint.connect().await?);
            anyhow::Ok(client.status(StatusRequest::default()).await?)
        });
        Ok(answer
            .context("ask the pusher for its status")?
            .into_inner()
            .try_into()?)
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
        let mut command = Command::new(locate::program("rule-pusher")?);
        command
            .arg(verb)
            .arg("--to")
            .arg(format!("http://{}", self.addresses.admin));
        Ok(command)
    }
}

fn serve(folder: &Path, keys: &Keys, at: Addresses) -> Result<Process> {
    let mut command = Command::new(locate::program("rule-pusher")?);
    command.arg("serve");
    command.arg("--subscribers").arg(at.subscribers.to_string());
    command.arg("--admin").arg(at.admin.to_string());
    command.arg("--store").arg(folder.join("pusher.redb"));
    command.arg("--trust").arg(&keys.public);
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
    }))
}
