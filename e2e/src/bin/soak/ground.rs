//! What the soak runs on: one Envoy under load, its pusher behind a relay, and a neighbour.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use riskgate_e2e::{
    Connection, Envoy, Load, Neighbour, Pusher, Relay, Response, Revisions, Scenario, SharedState,
    Stage, VMS, shelf_request, target_dir, wasm_module,
};

const RULESET: &str = "soak";
const CLIENTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(2);

/// Everything that runs. Envoy goes before the pusher when this is dropped.
pub(crate) struct Ground {
    pub(crate) load: Load,
    pub(crate) envoy: Envoy,
    pub(crate) shared: SharedState,
    pub(crate) relay: Relay,
    pub(crate) pusher: Option<Pusher>,
    pub(crate) folder: PathBuf,
    revisions: Revisions,
    revision: u64,
    /// With the upstream.
    _stage: Stage,
}

impl Ground {
    /// Starts it, with its files in `target/soak/`, and its first revision serves.
    pub(crate) fn new() -> Result<Self> {
        let folder = target_dir()?.join("soak");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("clear {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let stage = Stage::in_folder(&folder)?;
        let revisions = Revisions::new(RULESET, stage.keys())?.reading_trap();
        let first = revisions.build(1)?;
        let pusher = stage.pusher()?;
        pusher.publish_bytes(&first)?;
        let relay = Relay::start(pusher.addresses().subscribers)?;
        let envoy = stage.envoy(scenario(&stage, &relay, &first)?)?;
        let shared = SharedState::new(RULESET, stage.keys(), Neighbour::of(&envoy)?)?;
        pusher.wait_for_acks(VMS, 1)?;
        let load = Load::start(envoy.listener("direct")?, CLIENTS, PAUSE);
        load.set_floor(1);
        Ok(Ground {
            load,
            envoy,
            shared,
            relay,
            pusher: Some(pusher),
            folder,
            revisions,
            revision: 1,
            _stage: stage,
        })
    }

    pub(crate) fn pusher(&self) -> Result<&Pusher> {
        self.pusher.as_ref().context("the pusher is down")
    }

    /// Publishes the next revision, with a list of so many strings.
    pub(crate) fn publish(&mut self, listed: usize) -> Result<()> {
        self.revision += 1;
        let listed: Vec<String> = (0..listed).map(|each| format!("entry-{each}")).collect();
        let bundle = self.revisions.build_with(self.revision, &listed)?;
        self.pusher()?.publish_bytes(&bundle)?;
        Ok(())
    }

    /// Waits until every VM serves what was published last, and returns how long that took.
    pub(crate) fn settle(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.pusher()?.wait_for_acks(VMS, self.revision)?;
        self.load.set_floor(self.revision);
        Ok(begun.elapsed())
    }

    /// Traps the VM of one worker.
    pub(crate) fn trap(&self) -> Result<()> {
        let request = shelf_request(0).header("x-trap", "now");
        // Envoy answers this one itself.
        Connection::open(self.envoy.listener("direct")?, None)?.send(&request)?;
        Ok(())
    }

    /// Lets the VM of one worker hang for so long. Gives who waits for its answer.
    pub(crate) fn hang(&self, time: Duration) -> Result<JoinHandle<Result<Response>>> {
        let end = SystemTime::now().duration_since(UNIX_EPOCH)? + time;
        let request = shelf_request(0).header("x-hang-until", end.as_millis().to_string());
        let mut connection = Connection::open(self.envoy.listener("direct")?, None)?;
        Ok(thread::spawn(move || connection.send(&request)))
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }
}

/// The filter that can be made to trap, behind the relay, beside a neighbour.
fn scenario(stage: &Stage, relay: &Relay, first: &[u8]) -> Result<Scenario> {
    let module = wasm_module("riskgate_trapping_filter")?;
    let scenario = stage
        .scenario("stream", RULESET)?
        .set("WASM", module.display())
        .set("PUSHER_PORT", relay.address().port())
        // A request without rules is a violation either way; so it shows which.
        .set("ON_MISSING", "deny")
        .boot_bundle(first)
        .impatient()
        .edit(without_access_log);
    Neighbour::beside(scenario)
}

/// Millions of lines that nobody reads.
fn without_access_log(text: &str) -> String {
    let line = |line: &str| match line.split_once("path: ") {
        Some((before, path)) if Path::new(path).ends_with("access.log") => {
            format!("{before}path: /dev/null\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
