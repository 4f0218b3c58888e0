//! The command line: what it prints, and its exit statuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use common::bundles::{TestBundle, good, key};
use ed25519_dalek::pkcs8::{EncodePublicKey, spki::der::pem::LineEnding};
use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

/// Valid whenever the test runs: the program reads the real clock.
fn lasting(revision: u64) -> TestBundle {
    let issued_at_s = 1_700_000_000;
    TestBundle {
        issued_at_s,
        not_before_s: issued_at_s,
        expires_at_s: 4_102_444_800,
        ..good(revision)
    }
}

/// A folder with what every test needs; the program runs in it, so that paths are short and always the same.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pem = key(1)
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    fs::write(folder.path().join("trusted.pub.pem"), pem).unwrap();
    fs::write(folder.path().join("r1.bundle"), lasting(1).build()).unwrap();
    fs::write(folder.path().join("r2.bundle"), lasting(2).build()).unwrap();
    folder
}

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rule-pusher"));
    command.current_dir(folder).args(args);
    command
}

/// Exit status, standard output and standard error, without what differs from run to run.
fn run(folder: &Path, args: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = program(folder, args).output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    format!(
        "exit {}\n{}{}",
        status.code().unwrap(),
        without_digests(&stdout),
        without_digests(&stderr)
    )
}

fn without_digests(text: &str) -> String {
    let is_digest =
        |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digests: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(is_digest)
        .collect();
    digests.iter().fold(text.to_owned(), |text, digest| {
        text.replace(digest, "[digest]")
    })
}

/// A running `rule-pusher serve`; killed when dropped.
struct Served {
    child: Child,
    subscribers: String,
    admin: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        Self::start_at(folder, "127.0.0.1:0")
    }

    /// Its admin address is that one.
    fn start_at(folder: &Path, admin: &str) -> Self {
        let args = [
            "serve",
            "--subscribers",
            "127.0.0.1:0",
            "--admin",
            admin,
            "--log",
            "error",
        ];
        let mut command = program(folder, &args);
        command.args(["--store", "store.redb", "--trust", "trusted.pub.pem"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        let (subscribers, admin) = (address("subscribers"), address("admin"));
        assert!(subscribers.starts_with("127.0.0.1:"), "{line}");
        Self {
            child,
            subscribers,
            admin,
        }
    }

    fn publish(&self, folder: &Path, bundle: &str) -> String {
        run(folder, &["publish", bundle, "--to", &self.admin])
    }

    fn status(&self, folder: &Path) -> Value {
        let output = program(folder, &["status", "--to", &self.admin, "--format", "json"])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn publish_tells_what_it_did() {
    let folder = folder();
    let served = Served::start(folder.path());
    assert_snapshot!(served.publish(folder.path(), "r2.bundle"), @r#"
    exit 0
    published: `storefront` revision 2 to 0 subscribers
    digest: [digest]
    "#);
    assert_snapshot!(served.publish(folder.path(), "r2.bundle"), @r#"
    exit 0
    was published already: `storefront` revision 2 to 0 subscribers
    digest: [digest]
    "#);
    assert_snapshot!(served.publish(folder.path(), "r1.bundle"), @r#"
    exit 1
    error: refused: older-revision: revision 1 is older than 2, which was accepted already; build with a higher `--revision`
    "#);
    fs::write(folder.path().join("page.html"), "<html>").unwrap();
    assert_snapshot!(served.publish(folder.path(), "page.html"), @r#"
    exit 1
    error: refused: malformed: not a riskgate bundle; build one with `rulec build`
    "#);
    assert_snapshot!(served.publish(folder.path(), "nowhere.bundle"), @r#"
    exit 2
    error: cannot read "nowhere.bundle": No such file or directory (os error 2)
    "#);
    let json = run(
        folder.path(),
        &[
            "publish",
            "r2.bundle",
            "--to",
            &served.admin,
            "--format",
            "json",
        ],
    );
    assert_snapshot!(json, @r#"
    exit 0
    {
      "ruleset": "storefront",
      "audience": null,
      "revision": 2,
      "digest": "[digest]",
      "subscribers": 0,
      "unchanged": true,
      "signatures_left_out": [],
      "signatures_unchecked": []
    }
    "#);
    let by_an_unknown_key = TestBundle {
        signers: vec![key(1), key(9)],
        ..lasting(2)
    };
    fs::write(folder.path().join("more.bundle"), by_an_unknown_key.build()).unwrap();
    assert_snapshot!(served.publish(folder.path(), "more.bundle"), @r#"
    exit 0
    was published already: `storefront` revision 2 to 0 subscribers
    digest: [digest]
    warning: the signature by key [digest] was left out: the pusher does not trust that key, so it cannot check it; start the pusher with that key under `--trust` and publish again
    "#);
}

#[test]
fn publish_tells_of_signatures_that_nobody_checked() {
    let folder = folder();
    let served = Served::start(folder.path());
    let by_both = TestBundle {
        signers: vec![key(1), key(9)],
        ..lasting(1)
    };
    fs::write(folder.path().join("both.bundle"), by_both.build()).unwrap();
    assert_snapshot!(served.publish(folder.path(), "both.bundle"), @r#"
    exit 0
    published: `storefront` revision 1 to 0 subscribers
    digest: [digest]
    warning: the signature by key [digest] was not checked, since the pusher does not trust that key: filters that do refuse the bundle if it is bad; publish it with a good one, or start the pusher with that key under `--trust`
    "#);
}

#[test]
fn status_tells_what_is_published() {
    let folder = folder();
    let served = Served::start(folder.path());
    assert_snapshot!(run(folder.path(), &["status", "--to", &served.admin]), @r#"
    exit 0
    nothing is published, and no VM is connected
    "#);
    served.publish(folder.path(), "r2.bundle");
    let http = format!("http://{}", served.admin);
    let table = run(
        folder.path(),
        &["status", "--to", &http, "--ruleset", "storefront"],
    );
    assert!(table.contains("storefront  -         2"), "{table}");
    let of_another = run(
        folder.path(),
        &["status", "--to", &http, "--ruleset", "backoffice"],
    );
    assert_snapshot!(of_another, @r#"
    exit 0
    nothing is published, and no VM is connected
    "#);
    let status = served.status(folder.path());
    assert_eq!(status["rulesets"][0]["revision"], 2);
    assert_eq!(status["vms"], Value::Array(Vec::new()));
}

#[test]
fn a_published_bundle_survives_a_kill() {
    let folder = folder();
    let served = Served::start(folder.path());
    served.publish(folder.path(), "r2.bundle");
    let before = served.status(folder.path())["rulesets"].clone();
    served.signal("-KILL");
    drop(served);
    let served = Served::start(folder.path());
    assert_eq!(served.status(folder.path())["rulesets"], before);
}

#[test]
fn both_signals_end_it_gracefully() {
    let folder = folder();
    for signal in ["-TERM", "-INT"] {
        let mut served = Served::start(folder.path());
        served.signal(signal);
        assert_eq!(served.child.wait().unwrap().code(), Some(0));
    }
}

/// Where nobody listens; the port was free a moment ago.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_pusher_that_does_not_answer_is_named() {
    let folder = folder();
    let nobody = nobody();
    let at_once = ["--to", &nobody, "--wait", "0"];
    let output = |verb: &[&str]| {
        let output = run(folder.path(), &[verb, &at_once[..]].concat());
        output.replace(&nobody, "[address]")
    };
    assert_snapshot!(output(&["status"]), @r#"
    exit 2
    error: no pusher answers at [address]: Connection refused (os error 111); is `rule-pusher serve` running, with that `--admin` address?
    "#);
    assert_eq!(output(&["publish", "r1.bundle"]), output(&["status"]));
}

#[test]
fn what_is_no_admin_address_is_named() {
    let folder = folder();
    let status = |to: &str| run(folder.path(), &["status", "--to", to]);
    assert_snapshot!(status("https://pusher:1"), @r#"
    exit 2
    error: `https://pusher:1` is no address; give HOST:PORT or http://HOST:PORT
    "#);
    assert_snapshot!(status("127.0.0.1"), @r#"
    exit 2
    error: `127.0.0.1` is no address; give HOST:PORT or http://HOST:PORT
    "#);
    let served = Served::start(folder.path());
    assert_snapshot!(status(&served.subscribers).replace(&served.subscribers, "[address]"), @r#"
    exit 2
    error: [address] is not the admin address of a pusher; give the one of `rule-pusher serve --admin`, not that of `--subscribers` or `--ecds`
    "#);
    let web = web_server();
    let output = status(&web).replace(&web, "[address]");
    assert!(
        output.starts_with("exit 2\nerror: the call to [address] failed: "),
        "{output}"
    );
    assert!(
        output.ends_with("; is that the `--admin` address of a pusher?\n"),
        "{output}"
    );
}

/// Something that speaks HTTP/1 only.
fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            drop(connection.write_all(answer));
            drop(connection.read_to_end(&mut Vec::new()));
        }
    });
    address
}

#[test]
fn a_publication_waits_for_a_pusher_that_starts() {
    let folder = folder();
    let admin = nobody();
    let mut waiting = program(folder.path(), &["publish", "r1.bundle", "--to", &admin])
        .args(["--wait", "60"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Long enough that the first attempts find nobody; were it too short, the test would only prove less.
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none());
    let served = Served::start_at(folder.path(), &admin);
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(served.status(folder.path())["rulesets"][0]["revision"], 1);
    assert_snapshot!(run(folder.path(), &["status", "--wait", "3601"]), @r#"
    exit 2
    error: invalid value '3601' for '--wait <SECONDS>': give a whole number of seconds from 0 to 3600

    For more information, try '--help'.
    "#);
}

fn refused_to_serve(folder: &Path, args: &[&str]) -> String {
    run(folder, &[&["serve", "--log", "off"], args].concat())
}

#[test]
fn serve_refuses_what_is_unsafe_or_impossible() {
    let folder = folder();
    let folder = folder.path();
    let store = ["--store", "store.redb"];
    let trust = ["--trust", "trusted.pub.pem"];
    let both = [&store[..], &trust[..]].concat();

    let outside = [&both[..], &["--subscribers", "0.0.0.0:0"]].concat();
    assert_snapshot!(refused_to_serve(folder, &outside), @r#"
    exit 2
    error: 0.0.0.0:0 is not a loopback address, and nothing asks those who connect who they are yet; use 127.0.0.1 or [::1], or allow it with `--allow-non-loopback` in a network that you trust
    "#);
    let outside = [
        &both[..],
        &["--subscribers", "127.0.0.1:0", "--admin", "[::]:0"],
    ]
    .concat();
    assert_snapshot!(refused_to_serve(folder, &outside), @r#"
    exit 2
    error: [::]:0 is not a loopback address, and nothing asks those who connect who they are yet; use 127.0.0.1 or [::1], or allow it with `--allow-non-loopback` in a network that you trust
    "#);

    let threshold = [&both[..], &["--threshold", "2"]].concat();
    assert_snapshot!(refused_to_serve(folder, &threshold), @r#"
    exit 2
    error: the threshold is 2, but must be from 1 to the number of trusted keys, 1; give `--trust` more often, or another `--threshold`
    "#);
    let twice = [&both[..], &trust[..]].concat();
    assert_snapshot!(refused_to_serve(folder, &twice), @r#"
    exit 2
    error: trusted key 1 is given twice; give each key once ("trusted.pub.pem")
    "#);
    let no_key = [&store[..], &["--trust", "r1.bundle"]].concat();
    assert_snapshot!(refused_to_serve(folder, &no_key), @r#"
    exit 2
    error: "r1.bundle" is no Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`); `rulec keygen` writes one beside the private key
    "#);
    fs::write(folder.join("private.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let private = [&store[..], &["--trust", "private.pem"]].concat();
    assert_snapshot!(refused_to_serve(folder, &private), @r#"
    exit 2
    error: "private.pem" is no Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`); `rulec keygen` writes one beside the private key
    "#);
    let missing = [&store[..], &["--trust", "missing.pem"]].concat();
    assert_snapshot!(refused_to_serve(folder, &missing), @r#"
    exit 2
    error: cannot read the key "missing.pem": No such file or directory (os error 2)
    "#);

    let no_store = [&trust[..], &["--store", "trusted.pub.pem"]].concat();
    assert_snapshot!(refused_to_serve(folder, &no_store), @r#"
    exit 2
    error: cannot open "trusted.pub.pem" as a store: I/O error: Not a redb database: magic number mismatch
    "#);
    let free_ports = ["--subscribers", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let served = Served::start(folder);
    assert_snapshot!(refused_to_serve(folder, &[&both[..], &free_ports[..]].concat()), @r#"
    exit 2
    error: "store.redb" is in use by another process; stop that `rule-pusher serve`, or give this one another `--store`
    "#);
    let taken = ["--subscribers", &served.admin, "--store", "other.redb"];
    let output = refused_to_serve(folder, &[&trust[..], &taken[..]].concat());
    assert_snapshot!(output.replace(&served.admin, "[address]"), @r#"
    exit 2
    error: cannot listen on [address]: Address already in use (os error 98); is another service there?
    "#);
}

#[test]
fn serve_wants_to_know_whom_to_trust() {
    let folder = folder();
    let output = program(folder.path(), &["serve", "--store", "store.redb"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("--trust <PUB.pem>")
    );
}
