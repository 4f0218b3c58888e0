//! What the demo does, step by step.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use riskgate_e2e::{
    Envoy, LogLine, Planned, Pusher, Stage, VMS, WORKERS, client_at, root, target_dir,
};
use riskgate_push_protocol::VmStatus;

use crate::{
    cases::{self, Case},
    edit,
    progress::step,
    table::{self, Row},
};

const RULESET: &str = "storefront";
/// Holds the process id of the demo that uses the folder.
const PROCESS_ID: &str = "demo.pid";

/// The pieces that run. Envoy goes first when they are dropped.
pub(crate) struct Play {
    envoy: Envoy,
    pusher: Pusher,
    stage: Stage,
    ruleset: PathBuf,
}

impl Play {
    /// Starts everything in a fresh `target/demo/`, with a copy of the ruleset that may be edited.
    pub(crate) fn set_up() -> Result<Self> {
        let folder = target_dir()?.join("demo");
        refuse_a_second_demo(&folder)?;
        let ruleset = folder.join("ruleset");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("clear {}", folder.display()))?;
        }
        copy(&root().join("testdata/rulesets").join(RULESET), &ruleset)?;
        fs::write(folder.join(PROCESS_ID), std::process::id().to_string())?;
        let stage = step("make keys and start the upstream", || {
            Stage::in_folder(&folder)
        })?;
        let pusher = step("start the pusher", || stage.pusher())?;
        let port = pusher.addresses().subscribers.port();
        let scenario = stage.scenario("stream", RULESET)?.set("PUSHER_PORT", port);
        let envoy = step("start Envoy with two workers", || stage.envoy(scenario))?;
        Ok(Play {
            envoy,
            pusher,
            stage,
            ruleset,
        })
    }

    /// Publishes, sends, edits, publishes again.
    pub(crate) fn perform(&self) -> Result<()> {
        self.publish(1)?;
        self.show_verdicts()?;
        self.change_a_rule()
    }

    /// Prints where everything listens.
    pub(crate) fn print_addresses(&self) -> Result<()> {
        let addresses = self.pusher.addresses();
        println!("\nrunning until Ctrl-C:");
        println!(
            "  shop (HTTP)            http://{}",
            self.envoy.listener("direct")?
        );
        println!(
            "  shop (PROXY protocol)  {}",
            self.envoy.listener("behind_balancer")?
        );
        println!(
            "  shop (PROXY and TLS)   {}",
            self.envoy.listener("behind_balancer_tls")?
        );
        println!(
            "  Envoy's admin          http://{}  (process {})",
            self.envoy.admin().address(),
            self.envoy.process_id()
        );
        println!(
            "  pusher's admin         http://{}  (process {})",
            addresses.admin,
            self.pusher.process_id()
        );
        println!(
            "  upstream               http://{}",
            self.stage.upstream().address()
        );
        println!("  rules, keys and logs   {}", self.stage.folder().display());
        let shop = self.envoy.listener("direct")?;
        let tools = target_dir()?.join("debug");
        let (rulec, tool) = (tools.join("rulec"), tools.join("rule-pusher"));
        let folder = self.stage.folder();
        println!("\ntry it:");
        println!("  curl -i -H 'host: shop.example.com' http://{shop}/item/7");
        println!("  curl -i -H 'host: shop.example.com' -A sqlmap/1.8 http://{shop}/item/7");
        println!(
            "  {} status --to http://{}",
            tool.display(),
            addresses.admin
        );
        println!("\nchange a rule in {}, and then:", self.ruleset.display());
        println!(
            "  {} build {} --revision 3 --key {} -o {}",
            rulec.display(),
            self.ruleset.display(),
            folder.join("key.pem").display(),
            folder.join("my.bundle").display()
        );
        println!(
            "  {} publish {} --to http://{}",
            tool.display(),
            folder.join("my.bundle").display(),
            addresses.admin
        );
        Ok(())
    }

    /// Builds and publishes the ruleset, waits for every VM, and tells how long that took.
    fn publish(&self, revision: u64) -> Result<()> {
        let bundle = step(&format!("build revision {revision} with rulec"), || {
            self.stage.build_folder(&self.ruleset, revision)
        })?;
        step(&format!("publish revision {revision}"), || {
            self.pusher.publish(&bundle)
        })?;
        let vms = step(
            &format!("see revision {revision} serve in all {VMS} VMs"),
            || self.pusher.wait_for_acks(VMS, revision),
        )?;
        let last = self.published_to_last_ack_ms(&vms)?;
        let size = bundle.read()?.len();
        println!(
            "
revision {revision}, {size} bytes: {last} ms from the pusher's accepting it to the last VM's ACK,"
        );
        println!("for {WORKERS} workers and the main thread, by the pusher's clock");
        Ok(())
    }

    /// Both moments by the pusher's own clock, which has a resolution of 1 ms.
    fn published_to_last_ack_ms(&self, vms: &[VmStatus]) -> Result<u64> {
        let rulesets = self.pusher.status()?.rulesets;
        let published = rulesets
            .iter()
            .find(|published| published.ruleset == RULESET);
        let published = published
            .context("the pusher does not know what it published")?
            .published_at_ms;
        let last_ack = vms.iter().map(|vm| vm.since_ms).max().unwrap_or(published);
        Ok(last_ack.saturating_sub(published))
    }

    fn show_verdicts(&self) -> Result<()> {
        let rows: Vec<Row> = cases::telling()?
            .iter()
            .map(|case| self.row(case))
            .collect::<Result<_>>()?;
        table::print(&rows);
        Ok(())
    }

    fn row(&self, case: &Case) -> Result<Row> {
        let (status, line) = self.send(&case.planned)?;
        Ok(Row::new(case, status, &line))
    }

    /// Sends it as the balancer in front of Envoy would; the verdict is in the access log.
    fn send(&self, planned: &Planned) -> Result<(u16, LogLine)> {
        let source = client_at(planned.source_ip);
        let certificates = self.stage.certificates();
        let tls = match (&planned.peer_uri_san, planned.tls) {
            (Some(uri), _) => Some(certificates.client(uri)?),
            (None, true) => Some(certificates.anonymous()?),
            (None, false) => None,
        };
        let response = match tls {
            Some(tls) => self.envoy.send_tls_from(source, &tls, &planned.request)?,
            None => self.envoy.send_from(source, &planned.request)?,
        };
        Ok((response.status, self.envoy.access_log().line_of(source)?))
    }

    fn change_a_rule(&self) -> Result<()> {
        let before = self.verdict_of_the_edited_rule()?;
        let change = edit::apply(&self.ruleset)?;
        println!(
            "edit rule block-scanners in {}:\n  - {}\n  + {}\n",
            change.file, change.old, change.new
        );
        self.publish(2)?;
        let after = self.verdict_of_the_edited_rule()?;
        println!("\nGET /item?id=1 by sqlmap/1.8:\n  before  {before}\n  after   {after}");
        ensure!(before != after, "the verdict did not change");
        Ok(())
    }

    fn verdict_of_the_edited_rule(&self) -> Result<String> {
        let (status, line) = self.send(&edit::request())?;
        let text = |field: &str| line.text(field).unwrap_or("-").to_owned();
        Ok(format!(
            "{} {status} by rule {}",
            text("action"),
            text("rule")
        ))
    }
}

/// The folder is made anew at each start, which would take keys and rules from a demo that is still running.
fn refuse_a_second_demo(folder: &Path) -> Result<()> {
    let Ok(process) = fs::read_to_string(folder.join(PROCESS_ID)) else {
        return Ok(());
    };
    let program = fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
    ensure!(
        Some(program.as_path()) != std::env::current_exe().ok().as_deref(),
        "a demo is running already, process {process}; stop it with `kill {process}` first"
    );
    Ok(())
}

/// Copies a folder and everything in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("copy to {}", target.display()))?;
        }
    }
    Ok(())
}
