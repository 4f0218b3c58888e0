//! More connections than the system lets a process have: operators get through, and nothing spins.
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
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use common::{bundles::key, service::PATIENCE};
use ed25519_dalek::pkcs8::{EncodePublicKey, spki::der::pem::LineEnding};
use serde_json::Value;

/// A `rule-pusher serve` that may open so many files; killed when dropped.
struct Served {
    child: Child,
    subscribers: String,
    admin: String,
}

impl Served {
    fn start(folder: &Path, open_files: u32) -> Self {
        let key = key(1).verifying_key();
        let pem = key.to_public_key_pem(LineEnding::LF).unwrap();
        fs::write(folder.join("trusted.pub.pem"), pem).unwrap();
        let script = format!(
            "ulimit -n {open_files}; exec \"$0\" serve --subscribers 127.0.0.1:0 --admin 127.0.0.1:0 --log error \
             --store store.redb --trust trusted.pub.pem"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_rule-pusher")])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            child,
            subscribers: address("subscribers"),
            admin: address("admin"),
        }
    }

    /// Processor time that it has used so far, in hundredths of a second.
    fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn status(address: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rule-pusher"))
        .args(["status", "--to", address])
        .output()
        .unwrap()
}

fn flood(address: &str, count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    };
    (0..count).map(connect).collect()
}

#[test]
fn a_flood_of_filters_leaves_room_for_operators_and_is_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 400);
    let flood = flood(&served.subscribers, 300);
    // 400 less what is kept back for operators and for the pusher itself.
    for mut late in &flood[80..] {
        let read = late.read(&mut [0]);
        assert!(
            matches!(read, Ok(0))
                || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "it is closed"
        );
    }
    assert_eq!(status(&served.admin).status.code(), Some(0));
    drop(flood);
    // Who connects later is served again.
    loop {
        let output = status(&served.subscribers);
        let said = String::from_utf8(output.stderr).unwrap();
        if said.contains("is not the admin address") {
            break;
        }
        assert!(said.contains("is that the `--admin` address"), "{said}");
    }
}

#[test]
fn a_system_without_room_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 60);
    let flood = flood(&served.admin, 100);
    std::thread::sleep(Duration::from_millis(500));
    let before = served.processor_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = served.processor_time() - before;
    assert!(used < 30, "{used} hundredths of a second");
    drop(flood);
    assert_eq!(status(&served.admin).status.code(), Some(0));
}
