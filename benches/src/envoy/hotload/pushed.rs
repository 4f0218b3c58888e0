//! riskgate's filter in an Envoy with its pusher.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::front::{self, Sources};
use riskgate_compiler::keys;
use riskgate_e2e::{Keys, Pusher};
use riskgate_push_protocol::LastAnswer;
use riskgate_pusher::client::AdminClient;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::super::bootstrap::{Bootstrap, PUSHER_CLUSTER};
use super::super::contender;
use super::super::process::Envoy;
use crate::model::{Rule, to_texts};

const RULESET: &str = "hotload";

/// Between two looks at the status.
const LOOK: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_secs(120);

/// Builds and signs bundles.
pub(super) struct Builds {
    pub(super) keys: Keys,
    issued_at_s: u64,
}

impl Builds {
    /// With a key of its own in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Builds> {
        let private = folder.join("key.pem");
        let public = keys::generate(&private)?;
        Ok(Builds {
            keys: Keys { private, public },
            issued_at_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        })
    }

    /// The bundle of these rules; with a list of strings beside them, if it is not empty.
    pub(super) fn build(&self, revision: u64, rules: &[Rule], list: &str) -> Result<Vec<u8>> {
        let mut manifest = format!("language: 1\nruleset: {RULESET}\nttl: 7d\n");
        let mut files = to_texts(rules);
        files.retain(|(file, _)| file != "ruleset.yaml");
        if !list.is_empty() {
            manifest += "lists: { listed: { type: string, file: listed.txt } }\n";
            let rule =
                "rules: [{ id: listed, when: request.url_path in lists.listed, then: deny }]";
            files.push(("list.rules.yaml".to_owned(), rule.to_owned()));
            files.push(("listed.txt".to_owned(), list.to_owned()));
        }
        files.push(("ruleset.yaml".to_owned(), manifest));
        let texts = files.iter().map(|(name, text)| (&name[..], &text[..]));
        let analysis = front::analyse(&Sources::from_texts(texts));
        let report = analysis.report(false);
        let options = BuildOptions {
            revision,
            issued_at_s: self.issued_at_s,
            audience: None,
        };
        let key = keys::read_signing_key(&self.keys.private)?;
        Ok(build(
            &analysis.ruleset.with_context(|| report)?,
            &options,
            &key,
        )?)
    }
}

/// The pair, with the first bundle serving.
pub(super) struct Pushed {
    pub(super) envoy: Envoy,
    vms: usize,
    client: AdminClient,
    runtime: Runtime,
    /// Outlives Envoy.
    _pusher: Pusher,
}

impl Pushed {
    pub(super) fn start(
        program: &Path,
        builds: &Builds,
        workers: usize,
        folder: &Path,
        first: &[u8],
    ) -> Result<Pushed> {
        let pusher = Pusher::start_program(program, folder, &builds.keys)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let address = pusher.addresses().admin.to_string();
        let client = runtime.block_on(AdminClient::connect(&address))?;
        let configuration = json!({
            "ruleset": RULESET,
            "trust": { "keys": [fs::read_to_string(&builds.keys.public)?] },
            "push": { "cluster": PUSHER_CLUSTER },
            "on_missing": "deny",
        });
        let bootstrap = Bootstrap {
            filter: Some(contender::riskgate(&configuration.to_string())?),
            access_log: None,
            pusher: Some(pusher.addresses().subscribers),
        };
        let envoy = Envoy::start_with(folder, &bootstrap.to_json(), workers)?;
        let mut pushed = Pushed {
            envoy,
            vms: workers + 1,
            client,
            runtime,
            _pusher: pusher,
        };
        let revision = pushed.publish(first)?.0;
        pushed.wait_for_acks(revision, Instant::now())?;
        Ok(pushed)
    }

    /// Publishes, and returns the revision and when the pusher had accepted it.
    pub(super) fn publish(&mut self, bundle: &[u8]) -> Result<(u64, Instant)> {
        let published = self.runtime.block_on(self.client.publish(bundle))?;
        Ok((published.bundle.revision, Instant::now()))
    }

    /// Waits until every VM serves the revision, and returns how long that took since `accepted`.
    pub(super) fn wait_for_acks(&mut self, revision: u64, accepted: Instant) -> Result<Duration> {
        loop {
            let status = self.runtime.block_on(self.client.status(Some(RULESET)))?;
            let took = accepted.elapsed();
            let acked = |answer: &LastAnswer| matches!(answer, LastAnswer::Ack { revision: acked } if *acked == revision);
            let vms = status.vms.iter();
            if vms.len() == self.vms && vms.clone().all(|vm| acked(&vm.answer)) {
                return Ok(took);
            }
            ensure!(
                took < PATIENCE,
                "no ACK of revision {revision}: {:?}",
                status.vms
            );
            thread::sleep(LOOK);
        }
    }
}
