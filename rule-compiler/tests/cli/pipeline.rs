//! `examples/ci-pipeline/pipeline.sh`, run as a CI job runs it.

use std::path::Path;
use std::process::{Command, Output};

use crate::rulec::Workshop;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/ci-pipeline/pipeline.sh"
);

/// A workshop with the starter ruleset in `rules`, and keys.
fn workshop() -> Workshop {
    let workshop = Workshop::empty();
    workshop.run("init rules").expect(0, "");
    workshop.run("keygen --out signer.pem").expect(0, "");
    workshop
}

/// Runs the script with `rulec` in its path.
fn run(workshop: &Workshop, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let rulec = Path::new(env!("CARGO_BIN_EXE_rulec")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", rulec.display());
    Command::new("sh")
        .arg(SCRIPT)
        .args(args)
        .current_dir(workshop.path(""))
        .env_clear()
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

const ALL: [&str; 5] = ["rules", "signer.pem", "signer.pub.pem", "7", "out"];

fn expect(output: &Output, code: i32, words: &str) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{words:?} is not in:\n{text}");
}

#[test]
fn good_rules_come_out_as_a_bundle_that_verifies() {
    let workshop = workshop();
    expect(&run(&workshop, &ALL, &[]), 0, "ready to publish");
    workshop
        .run("verify out/rules.bundle --trust signer.pub.pem --min-revision 7")
        .expect(0, "");
    assert!(workshop.read("out/junit.xml").starts_with(b"<?xml"));
    let sarif: serde_json::Value =
        serde_json::from_slice(&workshop.read("out/findings.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    // The next run compares with what this one built.
    std::fs::copy(
        workshop.path("out/rules.bundle"),
        workshop.path("now.bundle"),
    )
    .unwrap();
    workshop.write("traffic.jsonl", "{\"path\":\"/\"}\n{\"path\":\"/a\"}\n");
    let variables = [("BASELINE", "now.bundle"), ("TRAFFIC", "traffic.jsonl")];
    expect(&run(&workshop, &ALL, &variables), 0, "== replay");
    assert!(!workshop.read("out/changes.txt").is_empty());
}

#[test]
fn what_fails_leaves_no_bundle() {
    let untested = "rules:\n  - id: all\n    when: request.method == \"GET\"\n    then: deny\n";
    let unchecked = "rules:\n  - id: a\n    when: request.metod == \"GET\"\n    then: deny\n";
    let unformatted = "rules:\n  - {id: a,  when: connection.mtls, then: deny}\n";
    let failing =
        "tests:\n  - name: wrong\n    request: { path: / }\n    expect: { action: challenge }\n";
    let cases = [
        ("rules/more.rules.yaml", unchecked, "R0029"),
        ("rules/more.rules.yaml", unformatted, "== format"),
        ("rules/tests/more.test.yaml", failing, "wrong"),
    ];
    for (file, text, words) in cases {
        let workshop = workshop();
        expect(&run(&workshop, &ALL, &[]), 0, "");
        workshop.write(file, text);
        expect(&run(&workshop, &ALL, &[]), 1, words);
        assert!(!workshop.path("out/rules.bundle").exists(), "{words}");
    }
    let workshop = workshop();
    workshop.write("rules/more.rules.yaml", untested);
    workshop.write("traffic.jsonl", "{\"path\":\"/\"}\n");
    let replay = run(&workshop, &ALL, &[("TRAFFIC", "traffic.jsonl")]);
    assert_eq!(replay.status.code(), Some(1));
    assert!(!workshop.path("out/rules.bundle").exists());
}

#[test]
fn it_tells_how_it_is_run() {
    expect(&run(&workshop(), &["rules"], &[]), 2, "usage: ");
}
