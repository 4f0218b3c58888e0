use std::fs::OpenOptions;
use std::process::Command;

use crate::rulec::Workshop;

#[test]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("SKIPPED: there is no /dev/full on this machine");
        return;
    };
    let workshop = Workshop::furnished();
    workshop.write("requests.jsonl", "{\"path\":\"/\"}\n");
    let commands = [
        "verify shop.bundle --trust signer.pub.pem --at 2026-11-02T00:00:00Z",
        "inspect shop.bundle",
        "inspect shop.bundle --format json",
        "eval shop.bundle --requests requests.jsonl",
    ];
    for args in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_rulec"))
            .args(args.split_whitespace())
            .current_dir(workshop.path(""))
            .stdout(full.try_clone().unwrap())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
        assert!(
            stderr.starts_with("error: cannot write to standard output: "),
            "{args}: {stderr}"
        );
    }
}
