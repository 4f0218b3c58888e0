use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use crate::rulec::{A_DAY_LATER, ISSUED_AT, Workshop};

/// 2026-11-01T00:00:00Z.
const ISSUED_AT_S: &str = "1793491200";

#[test]
fn from_a_folder_to_verdicts() {
    let workshop = Workshop::furnished();
    let verified = workshop
        .run(&format!(
            "verify shop.bundle --trust signer.pub.pem --at {A_DAY_LATER}"
        ))
        .expect(0, "");
    assert!(
        verified
            .starts_with("ok: shop revision 3, 5 rules, valid until 2026-11-08T00:00:00Z, digest ")
    );
    let inspected = workshop.run("inspect shop.bundle").expect(0, "");
    assert!(inspected.starts_with("ruleset      shop\n"), "{inspected}");
    let verdicts = workshop
        .run_with(
            "eval shop.bundle --requests -",
            "{\"path\":\"/.env?x\"}",
            &[],
        )
        .expect(0, "");
    assert!(
        verdicts.starts_with("{\"action\":\"deny\",\"status\":403,\"rule\":\"env\","),
        "{verdicts}"
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let workshop = Workshop::furnished();
    let expected = workshop.read("shop.bundle");
    workshop.build("again.bundle", "--revision 3").expect(0, "");
    assert!(workshop.read("again.bundle") == expected);
    let build = "build shop --key signer.pem --revision 3 -o";
    workshop
        .run(&format!("{build} seconds.bundle --issued-at {ISSUED_AT_S}"))
        .expect(0, "");
    assert!(workshop.read("seconds.bundle") == expected);
    let variable = [("SOURCE_DATE_EPOCH", ISSUED_AT_S)];
    workshop
        .run_with(&format!("{build} epoch.bundle"), "", &variable)
        .expect(0, "");
    assert!(workshop.read("epoch.bundle") == expected);
    // The flag goes before the variable.
    let variable = [("SOURCE_DATE_EPOCH", "1")];
    workshop
        .run_with(
            &format!("{build} flag.bundle --issued-at {ISSUED_AT}"),
            "",
            &variable,
        )
        .expect(0, "");
    assert!(workshop.read("flag.bundle") == expected);
    // A program wrote it: eight digits are no date.
    let variable = [("SOURCE_DATE_EPOCH", "20261123")];
    workshop
        .run_with(&format!("{build} early.bundle"), "", &variable)
        .expect(0, "revision 3");
    // Where the ruleset lies does not show.
    workshop.write(
        "elsewhere/copy/ruleset.yaml",
        workshop.read("shop/ruleset.yaml"),
    );
    workshop.write(
        "elsewhere/copy/main.rules.yaml",
        workshop.read("shop/main.rules.yaml"),
    );
    let build = "build elsewhere/copy/ --key signer.pem --revision 3 -o copy.bundle --issued-at";
    workshop.run(&format!("{build} {ISSUED_AT}")).expect(0, "");
    assert!(workshop.read("copy.bundle") == expected);
    for other in ["--revision 4", "--revision 3 --audience eu"] {
        workshop.build("other.bundle", other).expect(0, "");
        assert!(workshop.read("other.bundle") != expected, "{other}");
    }
}

#[test]
fn a_build_that_fails_leaves_the_old_bundle_and_nothing_else() {
    let workshop = Workshop::furnished();
    workshop.write(
        "shop/broken.rules.yaml",
        "rules: [{ id: x, when: 'request.url_path = \"/\"', then: deny }]",
    );
    let (bundle, names) = (workshop.read("shop.bundle"), workshop.names());
    workshop
        .build("shop.bundle", "--revision 4")
        .expect(1, "broken.rules.yaml:1:");
    assert!(workshop.read("shop.bundle") == bundle);
    assert_eq!(workshop.names(), names);
    workshop
        .build("new.bundle", "--revision 4")
        .expect(1, "broken.rules.yaml:1:");
    assert_eq!(workshop.names(), names);
}

#[test]
fn a_bundle_that_cannot_be_written_leaves_nothing() {
    let workshop = Workshop::furnished();
    let names = workshop.names();
    workshop.build("nowhere/x.bundle", "--revision 4").expect(
        2,
        "cannot write `nowhere/x.bundle`: there is no folder `nowhere`; make it first\n",
    );
    // Nothing is said of the temporary file.
    let outcome = workshop.build("shop.bundle/x.bundle", "--revision 4");
    assert!(!outcome.stderr.contains(".tmp"), "{}", outcome.stderr);
    outcome.expect(2, "cannot write `shop.bundle/x.bundle`: ");
    // A folder cannot be replaced by a file.
    workshop
        .build("shop", "--revision 4")
        .expect(2, "cannot write `shop`");
    assert_eq!(workshop.names(), names);
}

#[test]
fn only_a_regular_file_is_replaced() {
    let workshop = Workshop::furnished();
    let made = std::process::Command::new("mkfifo")
        .arg(workshop.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    symlink("/dev/null", workshop.path("device")).unwrap();
    symlink("nowhere", workshop.path("dangling")).unwrap();
    let names = workshop.names();
    let remedy = "it exists and is no regular file; write to a new file and copy it from there";
    for (target, words) in [
        ("pipe", remedy),
        ("device", remedy),
        // A link to a pipe that is open and has no path.
        ("/dev/stdout", remedy),
        ("dangling", "cannot write `dangling`"),
    ] {
        workshop.build(target, "--revision 4").expect(2, words);
    }
    assert_eq!(workshop.names(), names);
    let kind = std::fs::symlink_metadata(workshop.path("pipe"))
        .unwrap()
        .file_type();
    assert!(kind.is_fifo());
}

#[test]
fn of_a_link_the_target_is_replaced() {
    let workshop = Workshop::furnished();
    workshop.write("releases/old.bundle", "old");
    symlink("releases/old.bundle", workshop.path("current")).unwrap();
    workshop.build("current", "--revision 3").expect(0, "");
    assert!(workshop.path("current").is_symlink());
    assert!(workshop.read("releases/old.bundle") == workshop.read("shop.bundle"));
    let entries = std::fs::read_dir(workshop.path("releases")).unwrap();
    assert_eq!(entries.count(), 1, "nothing is left behind");
}

#[test]
fn a_bundle_is_as_readable_as_any_new_file() {
    let workshop = Workshop::furnished();
    workshop.write("plain", "");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(workshop.path(name)).unwrap();
        metadata.permissions().mode()
    };
    assert_eq!(mode("shop.bundle"), mode("plain"));
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let workshop = Workshop::furnished();
    symlink("kept.bundle", workshop.path("link.bundle")).unwrap();
    for (output, mode) in [("kept.bundle", 0o640), ("link.bundle", 0o606)] {
        workshop.write("kept.bundle", "old");
        let path = workshop.path("kept.bundle");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        workshop.build(output, "--revision 3").expect(0, "");
        assert!(workshop.read("kept.bundle") == workshop.read("shop.bundle"));
        let kept = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(kept, mode, "{output}: {kept:o}");
    }
}

/// A folder that can be written but not read cannot be synced; the file is there all the same.
#[test]
fn a_folder_that_cannot_be_synced_is_a_warning() {
    let workshop = Workshop::furnished();
    workshop.write("drop/x.bundle", "old");
    let folder = workshop.path("drop");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o300)).unwrap();
    let is_closed = std::fs::File::open(&folder).is_err();
    let outcome = workshop.build("drop/x.bundle", "--revision 3");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert!(workshop.read("drop/x.bundle") == workshop.read("shop.bundle"));
    if !is_closed {
        eprintln!("SKIPPED: this user reads every folder");
        return;
    }
    outcome.expect(0, "warning: `drop/x.bundle` is written, but");
}

#[test]
fn an_issue_time_that_is_far_ahead_is_warned_about() {
    let workshop = Workshop::furnished();
    let build = "build shop --revision 4 -o x.bundle --key signer.pem --issued-at";
    workshop
        .run(&format!("{build} 9000-01-01T00:00:00Z"))
        .expect(0, "warning: issued at 9000-01-01T00:00:00Z");
    let now = workshop.run(&format!("{build} {ISSUED_AT}"));
    assert!(!now.stderr.contains("warning"), "{}", now.stderr);
}

#[test]
fn a_revision_that_nothing_can_follow_is_warned_about() {
    let workshop = Workshop::furnished();
    let build = "build shop -o x.bundle --key signer.pem --revision";
    let last = u64::MAX;
    workshop.run(&format!("{build} {last}")).expect(
        0,
        "warning: no revision is higher than 18446744073709551615",
    );
    let before = workshop.run(&format!("{build} {}", last - 1));
    assert!(!before.stderr.contains("no revision"), "{}", before.stderr);
}

#[test]
fn a_folder_with_the_name_of_a_rule_file_ends_the_build() {
    let workshop = Workshop::furnished();
    workshop.write("shop/b.rules.yaml/notes.txt", "");
    workshop
        .run("build shop -o x.bundle --key signer.pem --revision 5")
        .expect(2, "shop/b.rules.yaml");
}

/// Too much for a filter is said with what to shorten.
#[test]
fn a_bundle_that_is_too_large_names_its_largest_list() {
    let workshop = Workshop::furnished();
    let manifest = "language: 1
ruleset: shop
lists: { short: { type: string, values: [a] }, devices: { type: string, file: devices.txt } }
";
    workshop.write("shop/ruleset.yaml", manifest);
    let rules = "rules: [{ id: x, when: request.path in lists.devices || request.path in lists.short, then: deny }]";
    workshop.write("shop/main.rules.yaml", rules);
    let value = "x".repeat(4_000);
    let values: String = (0..9_000)
        .map(|number| format!("{number}{value}\n"))
        .collect();
    workshop.write("shop/devices.txt", values);
    let words = "shorten what is largest in it: list `devices` with 36";
    workshop.run("check shop").expect(1, words);
    workshop
        .build("new.bundle", "--revision 4")
        .expect(1, words);
}

/// Its author agreed to mistakes, so both commands say how many, and what they buy.
#[test]
fn an_approximate_list_is_announced_and_holds_its_values() {
    let workshop = Workshop::furnished();
    let manifest = |approximate: bool| {
        format!(
            "language: 1\nruleset: shop\nlists: {{ devices: {{ type: string, file: devices.txt, approximate: {approximate} }} }}\n"
        )
    };
    let devices: String = (0..5_000)
        .map(|number| format!("device-{number:030}\n"))
        .collect();
    workshop.write("shop/devices.txt", &devices);
    workshop.write("shop/ruleset.yaml", manifest(true));
    let rule = r#"rules: [{ id: known, when: 'request.headers["x-device-id"] in lists.devices', then: deny }]"#;
    workshop.write("shop/main.rules.yaml", rule);

    let note = "note: list `devices` is approximate: 5000 values in 13336 bytes, and about 1 in 65536 other values counts as one of them\n";
    workshop.run("check shop").expect(0, note);
    workshop
        .build("rough.bundle", "--revision 4")
        .expect(0, note);
    workshop
        .build("again.bundle", "--revision 4")
        .expect(0, note);
    assert!(workshop.read("rough.bundle") == workshop.read("again.bundle"));

    workshop.write("shop/ruleset.yaml", manifest(false));
    let exact = workshop.build("exact.bundle", "--revision 4");
    assert!(!exact.stderr.contains("approximate"), "{}", exact.stderr);
    let saved = workshop.read("exact.bundle").len() - workshop.read("rough.bundle").len();
    assert!(saved > 190_000, "{saved} bytes saved");

    let requests: String = devices
        .lines()
        .map(|device| format!("{{\"method\":\"GET\",\"path\":\"/\",\"headers\":{{\"x-device-id\":\"{device}\"}}}}\n"))
        .collect();
    workshop.write("requests.jsonl", requests);
    let verdicts = workshop
        .run("eval rough.bundle --requests requests.jsonl")
        .expect(0, "");
    assert_eq!(
        verdicts.matches("\"rule\":\"known\"").count(),
        5_000,
        "{verdicts:.400}"
    );
}

#[test]
fn usage_errors() {
    let workshop = Workshop::furnished();
    let names = workshop.names();
    let cases = [
        ("--revision 0", "0 is not in 1.."),
        ("--revision x", "--revision"),
        ("", "--revision"),
        (
            "--revision 4 --audience EU",
            "audience `EU` is not 1 to 63 of a-z",
        ),
        ("--revision 4 --issued-at", "--issued-at"),
    ];
    for (more, words) in cases {
        workshop.build("x.bundle", more).expect(2, words);
    }
    let build = "build shop --revision 4 -o x.bundle --issued-at 0 --key";
    workshop
        .run(&format!("{build} missing.pem"))
        .expect(2, "cannot read key `missing.pem`");
    workshop
        .run(&format!("{build} signer.pub.pem"))
        .expect(2, "`signer.pub.pem` is a public key");
    workshop
        .run(&format!("{build} shop/ruleset.yaml"))
        .expect(2, "is not an Ed25519 private key");
    for time in ["yesterday", "-1", "1969-12-31T23:59:59Z", "2026-11-01"] {
        let build =
            format!("build shop --revision 4 -o x.bundle --key signer.pem --issued-at={time}");
        workshop
            .run(&build)
            .expect(2, &format!("--issued-at `{time}` is not a time"));
    }
    let build = "build shop --revision 4 -o x.bundle --key signer.pem";
    for (time, words) in [
        ("20261123", "may be a date or Unix seconds"),
        ("99999999999999", "is not a time from 1970 to 9999"),
        ("99999999999999999999", "is not a time from 1970 to 9999"),
    ] {
        let build =
            format!("build shop --revision 4 -o x.bundle --key signer.pem --issued-at={time}");
        workshop
            .run(&build)
            .expect(2, &format!("--issued-at `{time}` {words}"));
    }
    let no_text = Command::new(env!("CARGO_BIN_EXE_rulec"))
        .args("build shop --revision 4 -o x.bundle --key signer.pem".split(' '))
        .current_dir(workshop.path(""))
        .env("SOURCE_DATE_EPOCH", OsStr::from_bytes(b"\xff"))
        .output();
    assert_eq!(no_text.unwrap().status.code(), Some(2));
    let variable = [("SOURCE_DATE_EPOCH", "soon")];
    workshop
        .run_with(build, "", &variable)
        .expect(2, "SOURCE_DATE_EPOCH `soon` is not a time");
    workshop
        .run("build missing --revision 4 -o x.bundle --key signer.pem")
        .expect(2, "missing");
    assert_eq!(workshop.names(), names);
}
