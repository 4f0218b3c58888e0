use serde_json::Value;

use crate::rulec::Workshop;

fn report(workshop: &Workshop, bundle: &str) -> Value {
    let stdout = workshop
        .run(&format!("inspect {bundle} --format json"))
        .expect(0, "");
    serde_json::from_str(&stdout).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Keys may be added here, never renamed or removed: programs read them.
#[test]
fn the_keys_of_the_json_form() {
    let workshop = Workshop::furnished();
    let report = report(&workshop, "shop.bundle");
    let mut expected = [
        "ruleset",
        "audience",
        "revision",
        "digest",
        "restores",
        "issued_at_s",
        "not_before_s",
        "expires_at_s",
        "on_expired",
        "min_engine",
        "length",
        "complete",
        "signed_by",
        "sections",
        "rule_count",
        "atom_count",
        "always_checked_count",
        "canaries",
        "counters",
        "provenance",
    ];
    expected.sort_unstable();
    let mut found = keys(&report);
    found.sort_unstable();
    assert_eq!(found, expected);
    for section in report["sections"].as_array().unwrap() {
        let mut found = keys(section);
        found.sort_unstable();
        assert_eq!(found, ["detached", "hash", "kind", "length"]);
    }
    let mut found = keys(&report["provenance"]["rules"][0]);
    found.sort_unstable();
    assert_eq!(found, ["file", "id", "line"]);
}

#[test]
fn the_values_of_the_json_form() {
    let workshop = Workshop::furnished();
    let report = report(&workshop, "shop.bundle");
    assert_eq!(report["ruleset"], "shop");
    assert_eq!(report["audience"], Value::Null);
    assert_eq!(report["revision"], 3);
    assert_eq!(report["issued_at_s"], 1_793_491_200);
    assert_eq!(report["expires_at_s"], 1_793_491_200 + 7 * 86_400);
    assert_eq!(report["on_expired"], "keep");
    assert_eq!(report["complete"], true);
    assert_eq!(report["rule_count"], 5);
    assert_eq!(report["length"], workshop.read("shop.bundle").len());
    assert_eq!(report["signed_by"].as_array().unwrap().len(), 1);
    let kinds: Vec<&str> = report["sections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| section["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "strings",
        "attributes",
        "atoms",
        "exact",
        "prefixes",
        "dfas",
        "programs",
        "rules",
        "actions",
        "policy",
        "literals",
        "networks",
        "ranks",
        "pairs",
        "provenance",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(report["provenance"]["rules"][0]["file"], "main.rules.yaml");
    // The digest is the one that `verify` and `build` print.
    let digest = report["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    workshop
        .build("again.bundle", "--revision 3")
        .expect(0, digest);
}

#[test]
fn the_human_form_says_who_signed_and_that_nobody_was_asked() {
    let workshop = Workshop::furnished();
    workshop
        .build("eu.bundle", "--revision 9 --audience eu")
        .expect(0, "");
    let stdout = workshop.run("inspect eu.bundle").expect(0, "");
    for line in [
        "ruleset      shop",
        "audience     eu",
        "revision     9",
        "issued       2026-11-01T00:00:00Z",
        "expires      2026-11-08T00:00:00Z",
        "on expired   keep",
    ] {
        assert!(
            stdout.lines().any(|found| found == line),
            "{line:?} is not in\n{stdout}"
        );
    }
    assert!(
        stdout.contains("(not checked here; see `rulec verify`)"),
        "{stdout}"
    );
    assert!(stdout.contains(" detached\n"), "{stdout}");
}

#[test]
fn what_is_no_bundle() {
    let workshop = Workshop::furnished();
    let mut tampered = workshop.read("shop.bundle");
    let at = tampered
        .windows(6)
        .position(|window| window == b"sqlmap")
        .unwrap();
    tampered[at] = b'S';
    workshop.write("tampered.bundle", tampered);
    workshop.write("empty.bundle", "");
    for format in ["human", "json"] {
        let inspect = |bundle: &str| workshop.run(&format!("inspect {bundle} --format {format}"));
        assert_eq!(inspect("empty.bundle").expect(1, "the bundle is empty"), "");
        assert_eq!(
            inspect("tampered.bundle").expect(1, "is not the one that was signed"),
            ""
        );
        assert_eq!(
            inspect("signer.pem").expect(1, "cannot use `signer.pem`"),
            ""
        );
        assert_eq!(
            inspect("missing.bundle").expect(2, "cannot read bundle `missing.bundle`"),
            ""
        );
    }
    workshop
        .run("inspect shop.bundle --format xml")
        .expect(2, "xml");
}
