//! Old rules under a new revision.

use riskgate_engine::bundle::{Bundle, SectionKind};
use serde_json::Value;

use crate::rulec::{A_DAY_LATER, Workshop};

/// After the bundle of the workshop has expired.
const LATER: &str = "2026-12-01T12:00:00Z";

fn report(workshop: &Workshop, bundle: &str) -> Value {
    let stdout = workshop
        .run(&format!("inspect {bundle} --format json"))
        .expect(0, "");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn old_rules_serve_again_under_a_higher_revision_and_a_new_time() {
    let workshop = Workshop::furnished();
    workshop
        .build("eu.bundle", "--revision 3 --audience eu")
        .expect(0, "");
    for (old, audience) in [("shop.bundle", ""), ("eu.bundle", "--audience eu")] {
        let before = report(&workshop, old);
        let digest = before["digest"].as_str().unwrap();
        workshop
            .run(&format!(
                "rollback {old} --revision 9 --key signer.pem --issued-at {LATER} -o back.bundle"
            ))
            .expect(0, &format!("restores revision 3 of digest {digest}"));
        let line = workshop
            .run(&format!(
                "verify back.bundle --trust signer.pub.pem --at {LATER} {audience}"
            ))
            .expect(0, "");
        assert!(line.starts_with("ok: shop revision 9, 5 rules, valid until 2026-12-08T12:00:00Z"));
        assert!(line.trim_end().ends_with(&format!(", restores {digest}")));
        let after = report(&workshop, "back.bundle");
        assert_eq!(after["restores"], before["digest"]);
        for same in [
            "ruleset",
            "audience",
            "sections",
            "on_expired",
            "min_engine",
            "provenance",
        ] {
            assert_eq!(after[same], before[same], "{same}");
        }
        let (old, new) = (workshop.read(old), workshop.read("back.bundle"));
        let (old, new) = (Bundle::parse(&old).unwrap(), Bundle::parse(&new).unwrap());
        assert_eq!(old.manifest().table_hash, new.manifest().table_hash);
        for (old, new) in old.sections().iter().zip(new.sections()) {
            assert!(old.bytes == new.bytes, "{}", old.kind);
        }
    }
}

/// Its life is as long as the old one's was, from the new issue on, and no longer.
#[test]
fn it_expires_like_any_other() {
    let workshop = Workshop::furnished();
    workshop
        .run(&format!(
            "rollback shop.bundle --revision 4 --key signer.pem --issued-at {LATER} -o back.bundle"
        ))
        .expect(0, "");
    let verify = |at: &str| {
        workshop.run(&format!(
            "verify back.bundle --trust signer.pub.pem --at {at}"
        ))
    };
    verify("2026-12-08T11:59:59Z").expect(0, "");
    verify("2026-12-08T12:00:00Z").expect(1, "[expired]");
    verify(A_DAY_LATER).expect(1, "[issued-in-future]");
}

#[test]
fn a_file_as_it_is_sent_can_be_restored() {
    let workshop = Workshop::furnished();
    let file = workshop.read("shop.bundle");
    let sent = Bundle::parse(&file).unwrap().without_detached();
    workshop.write("sent.bundle", &sent);
    workshop
        .run("rollback sent.bundle --revision 4 --key signer.pem -o back.bundle")
        .expect(0, "");
    let back = workshop.read("back.bundle");
    let back = Bundle::parse(&back).unwrap();
    assert!(!back.is_complete());
    let last = back.sections().last().unwrap();
    assert_eq!((last.kind, last.bytes), (SectionKind::Provenance, None));
    workshop
        .run("verify back.bundle --trust signer.pub.pem")
        .expect(0, "");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let workshop = Workshop::furnished();
    let rollback = "rollback shop.bundle --revision 4 --key signer.pem -o";
    workshop
        .run(&format!("{rollback} a.bundle --issued-at {LATER}"))
        .expect(0, "");
    let epoch = [("SOURCE_DATE_EPOCH", "1796126400")];
    workshop
        .run_with(&format!("{rollback} b.bundle"), "", &epoch)
        .expect(0, "");
    assert!(workshop.read("a.bundle") == workshop.read("b.bundle"));
}

/// Whoever finds an old file and alters it must not get it signed by a hurried operator.
#[test]
fn only_what_a_trusted_key_has_signed_is_restored() {
    let workshop = Workshop::furnished();
    let rollback = |old: &str, more: &str| {
        workshop.run(&format!(
            "rollback {old} --revision 4 -o back.bundle {more}"
        ))
    };
    rollback("shop.bundle", "--key other.pem").expect(1, "[untrusted]");
    rollback("shop.bundle", "--key other.pem --trust other.pub.pem")
        .expect(1, "name those that signed it");
    let mut altered = workshop.read("shop.bundle");
    let at = altered
        .windows(6)
        .position(|window| window == b"sqlmap")
        .unwrap();
    altered[at] = b'S';
    workshop.write("altered.bundle", &altered);
    rollback("altered.bundle", "--key signer.pem").expect(1, "is not the one that was signed");
    let mut altered = workshop.read("shop.bundle");
    altered[64 + 9] ^= 1;
    workshop.write("altered.bundle", &altered);
    rollback("altered.bundle", "--key signer.pem").expect(1, "[bad-signature]");
    let both = "--key signer.pem --trust signer.pub.pem --trust other.pub.pem --threshold 2";
    rollback("shop.bundle", both).expect(1, "1 of 2 needed signatures");
    workshop
        .run("build shop --unsigned --revision 1 -o unsigned.bundle")
        .expect(0, "");
    rollback("unsigned.bundle", "--key signer.pem").expect(1, "[untrusted]");
    assert!(!workshop.names().contains(&"back.bundle".to_owned()));
    // Keys have changed since.
    rollback("shop.bundle", "--key other.pem --trust signer.pub.pem").expect(0, "");
    workshop
        .run("verify back.bundle --trust other.pub.pem")
        .expect(0, "");
}

#[test]
fn a_service_signs_a_rollback_too() {
    let workshop = Workshop::furnished();
    workshop
        .run("rollback shop.bundle --revision 4 --unsigned -o back.bundle")
        .expect(2, "--trust");
    workshop
        .run("rollback shop.bundle --revision 4 --unsigned --trust signer.pub.pem -o back.bundle")
        .expect(0, "not signed yet");
    let verify = || workshop.run("verify back.bundle --trust other.pub.pem");
    verify().expect(1, "[untrusted]");
    workshop
        .run("sign back.bundle --key other.pem")
        .expect(0, "restores");
    verify().expect(0, "");
}

#[test]
fn usage_errors() {
    let workshop = Workshop::furnished();
    let names = workshop.names();
    let cases = [
        (
            "shop.bundle --key signer.pem -o b --revision 3",
            "its revision is 3 itself",
        ),
        (
            "shop.bundle --key signer.pem -o b --revision 2",
            "its revision is 3 itself",
        ),
        (
            "shop.bundle --key signer.pem -o b --revision 0",
            "--revision",
        ),
        ("shop.bundle --key signer.pem -o b", "--revision"),
        ("shop.bundle --key signer.pem --revision 4", "--output"),
        ("shop.bundle --revision 4 -o b", "--key"),
        (
            "shop.bundle --revision 4 -o b --key signer.pub.pem",
            "is a public key",
        ),
        (
            "shop.bundle --revision 4 -o b --key signer.pem --threshold 2",
            "the threshold is 2",
        ),
        (
            "shop.bundle --revision 4 -o b --key signer.pem --issued-at soon",
            "--issued-at `soon`",
        ),
        (
            "nowhere.bundle --revision 4 -o b --key signer.pem",
            "cannot read bundle",
        ),
    ];
    for (args, words) in cases {
        workshop.run(&format!("rollback {args}")).expect(2, words);
    }
    assert_eq!(workshop.names(), names);
}
