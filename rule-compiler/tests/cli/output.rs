use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use crate::rulec::{ISSUED_AT, Workshop};

/// One command of each kind, with the exit code that its answer has.
fn commands() -> Vec<(String, i32)> {
    let verify = "verify shop.bundle --at 2026-11-02T00:00:00Z --trust";
    vec![
        ("check shop".to_owned(), 0),
        ("check broken".to_owned(), 1),
        ("check missing".to_owned(), 2),
        (
            format!(
                "build shop --key signer.pem --issued-at {ISSUED_AT} --revision 3 -o again.bundle"
            ),
            0,
        ),
        ("keygen --out new.pem".to_owned(), 0),
        ("--help".to_owned(), 0),
        ("--version".to_owned(), 0),
        ("help eval".to_owned(), 0),
        ("test failing".to_owned(), 1),
        ("inspect shop.bundle".to_owned(), 0),
        ("inspect shop.bundle --format json".to_owned(), 0),
        ("eval shop.bundle --requests requests.jsonl".to_owned(), 0),
        ("eval shop.bundle --requests one.jsonl".to_owned(), 0),
        (format!("{verify} signer.pub.pem"), 0),
        (format!("{verify} other.pub.pem"), 1),
    ]
}

fn workshop() -> Workshop {
    let workshop = Workshop::furnished();
    workshop.write("broken/ruleset.yaml", "language: 2\n");
    workshop.write("failing/ruleset.yaml", "language: 1\nruleset: failing\n");
    workshop.write(
        "failing/a.rules.yaml",
        "rules: [{ id: a, when: connection.mtls, then: deny }]\n",
    );
    workshop.write(
        "failing/tests/a.test.yaml",
        "tests: [{ name: a, request: { path: / }, expect: { action: deny } }]\n",
    );
    workshop.write("one.jsonl", "{\"path\":\"/\"}\n");
    // More than any buffer on the way holds.
    workshop.write("requests.jsonl", "{\"path\":\"/\"}\n".repeat(2_000));
    workshop
}

fn run(workshop: &Workshop, args: &str, stdout: Stdio, stderr: Stdio) -> Output {
    let _ = std::fs::remove_file(workshop.path("new.pem"));
    let _ = std::fs::remove_file(workshop.path("new.pub.pem"));
    Command::new(env!("CARGO_BIN_EXE_rulec"))
        .args(args.split_whitespace())
        .current_dir(workshop.path(""))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .output()
        .unwrap()
}

/// The end of a pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Findings go to standard error, but for those of tests.
fn prints_on_stdout(args: &str, code: i32) -> bool {
    let verb = args.split(' ').next().unwrap();
    let printing = ["inspect", "eval", "verify", "--help", "--version", "help"];
    verb == "test" || (code == 0 && printing.contains(&verb))
}

#[test]
fn standard_output_that_is_full_is_an_error_and_no_panic() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("SKIPPED: there is no /dev/full on this machine");
        return;
    };
    let workshop = workshop();
    for (args, code) in commands() {
        let output = run(
            &workshop,
            &args,
            full.try_clone().unwrap().into(),
            Stdio::piped(),
        );
        let stderr = String::from_utf8_lossy(&output.stderr);
        if prints_on_stdout(&args, code) {
            assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
            assert!(
                stderr.starts_with("error: cannot write to standard output: "),
                "{args}: {stderr}"
            );
        } else {
            assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
        }
    }
}

#[test]
fn a_reader_of_standard_output_that_went_away_is_no_news() {
    let workshop = workshop();
    for (args, code) in commands() {
        let output = run(&workshop, &args, closed_pipe(), Stdio::piped());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
        if prints_on_stdout(&args, code) {
            assert_eq!(stderr, "", "{args}");
        }
    }
}

#[test]
fn standard_error_that_takes_nothing_changes_no_exit_code() {
    let workshop = workshop();
    for (args, code) in commands() {
        let output = run(&workshop, &args, Stdio::piped(), closed_pipe());
        assert_eq!(output.status.code(), Some(code), "{args}");
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
            continue;
        };
        let output = run(&workshop, &args, Stdio::piped(), full.into());
        assert_eq!(output.status.code(), Some(code), "{args}");
    }
}
