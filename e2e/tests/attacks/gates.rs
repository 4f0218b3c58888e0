//! The first two gates: `rulec verify` and a real pusher.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use riskgate_e2e::program;
use serde_json::Value;
use tempfile::TempDir;

use crate::attack::Trust;
use crate::forge::{RULESET, key, now_s};

/// The word with which `rulec verify` refuses a file, as a filter that holds nothing; `None` if it would load it.
pub(crate) fn verify(file: &[u8], trust: Trust) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "tried.bundle", file);
    let mut command = Command::new(program("rulec").unwrap());
    command.arg("verify").arg(bundle);
    command.args(["--ruleset", RULESET, "--at", &now_s().to_string()]);
    trust_in(&mut command, folder.path(), trust);
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    match output.status.code() {
        Some(0) => None,
        Some(1) => {
            let (_, word) = said
                .trim_end()
                .trim_end_matches(']')
                .rsplit_once('[')
                .unwrap();
            Some(word.to_owned())
        }
        other => panic!("exit {other:?}: {said}"),
    }
}

/// A pusher of one test; killed at its end.
pub(crate) struct Pusher {
    child: Child,
    admin: String,
    folder: TempDir,
}

impl Pusher {
    pub(crate) fn start(trust: Trust) -> Pusher {
        let folder = tempfile::tempdir().unwrap();
        let mut command = serve(folder.path());
        trust_in(&mut command, folder.path(), trust);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let admin = ready["admin"].as_str().unwrap().to_owned();
        Pusher {
            child,
            admin,
            folder,
        }
    }

    /// The word with which it refuses a file; `None` if it takes it.
    pub(crate) fn publish(&self, file: &[u8]) -> Option<String> {
        let bundle = write(self.folder.path(), "tried.bundle", file);
        let output = self.verb("publish").arg(bundle).output().unwrap();
        let said = text(&output.stderr);
        match output.status.code() {
            Some(0) => None,
            Some(1) => {
                let (_, rest) = said.split_once("refused: ").unwrap();
                Some(rest.split_once(':').unwrap().0.to_owned())
            }
            other => panic!("exit {other:?}: {said}"),
        }
    }

    /// What is published for filters of this ruleset without an audience.
    pub(crate) fn status(&self, ruleset: &str) -> Value {
        let output = self
            .verb("status")
            .args(["--format", "json"])
            .output()
            .unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut topics = status["rulesets"].as_array().unwrap().iter();
        let topic = topics.find(|topic| topic["ruleset"] == ruleset && topic["audience"].is_null());
        topic.cloned().unwrap_or_default()
    }

    fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(program("rule-pusher").unwrap());
        command.args([verb, "--to", &self.admin]);
        command
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What each gate says to a set of keys that it must not work with: `rulec verify`, then `rule-pusher serve`.
pub(crate) fn refusals_of_keys(pems: &[String], threshold: u32, file: &[u8]) -> [Output; 2] {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "tried.bundle", file);
    let mut verify = Command::new(program("rulec").unwrap());
    verify.arg("verify").arg(bundle);
    let mut commands = [verify, serve(folder.path())];
    for command in &mut commands {
        command.args(["--threshold", &threshold.to_string()]);
        for (index, pem) in pems.iter().enumerate() {
            let path = write(folder.path(), &format!("{index}.pub.pem"), pem.as_bytes());
            command.arg("--trust").arg(path);
        }
    }
    commands.map(|mut command| command.output().unwrap())
}

fn serve(folder: &Path) -> Command {
    let mut command = Command::new(program("rule-pusher").unwrap());
    command.args(["serve", "--log", "off", "--subscribers", "127.0.0.1:0"]);
    command.args(["--admin", "127.0.0.1:0", "--store"]);
    command.arg(folder.join("store.redb"));
    command
}

fn trust_in(command: &mut Command, folder: &Path, trust: Trust) {
    for number in trust.keys {
        let key = key(*number).verifying_key();
        let pem = key.to_public_key_pem(LineEnding::LF).unwrap();
        let path = write(folder, &format!("{number}.pub.pem"), pem.as_bytes());
        command.arg("--trust").arg(path);
    }
    command.args(["--threshold", &trust.threshold.to_string()]);
}

fn write(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, contents).unwrap();
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
