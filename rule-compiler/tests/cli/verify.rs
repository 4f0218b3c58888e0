use crate::rulec::{A_DAY_LATER, Workshop};

fn verify(workshop: &Workshop, args: &str) -> crate::rulec::Outcome {
    workshop.run(&format!("verify {args}"))
}

#[test]
fn what_a_filter_would_load() {
    let workshop = Workshop::furnished();
    workshop
        .build("eu.bundle", "--revision 3 --audience eu")
        .expect(0, "");
    let cases = [
        format!("shop.bundle --trust signer.pub.pem --at {A_DAY_LATER}"),
        "shop.bundle --trust signer.pub.pem --at 1793577600".to_owned(),
        format!("shop.bundle --trust other.pub.pem --trust signer.pub.pem --at {A_DAY_LATER}"),
        format!(
            "shop.bundle --trust signer.pub.pem --ruleset shop --min-revision 3 --at {A_DAY_LATER}"
        ),
        format!("eu.bundle --trust signer.pub.pem --audience eu --at {A_DAY_LATER}"),
        // Clocks differ by five minutes at most.
        "shop.bundle --trust signer.pub.pem --at 2026-10-31T23:55:00Z".to_owned(),
        "shop.bundle --trust signer.pub.pem --at 2026-11-07T23:59:59Z".to_owned(),
    ];
    for args in cases {
        let stdout = verify(&workshop, &args).expect(0, "");
        assert!(
            stdout.starts_with("ok: shop revision 3, 5 rules, "),
            "{args}: {stdout}"
        );
    }
}

#[test]
fn what_a_filter_would_refuse() {
    let workshop = Workshop::furnished();
    workshop
        .build("eu.bundle", "--revision 3 --audience eu")
        .expect(0, "");
    let bundle = workshop.read("shop.bundle");
    let mut tampered = bundle.clone();
    // The last byte of the header is padding.
    tampered[63] ^= 1;
    workshop.write("padding.bundle", &tampered);
    let mut tampered = bundle.clone();
    // Inside of the manifest, behind the header.
    tampered[64 + 9] ^= 1;
    workshop.write("manifest.bundle", &tampered);
    let mut tampered = bundle.clone();
    let at = tampered
        .windows(6)
        .position(|window| window == b"sqlmap")
        .unwrap();
    tampered[at] = b'S';
    workshop.write("section.bundle", &tampered);
    workshop.write("short.bundle", &bundle[..bundle.len() - 64]);
    workshop.write("long.bundle", [bundle.as_slice(), &[0; 64]].concat());
    workshop.write("empty.bundle", "");
    workshop.write("garbage.bundle", [0x5a; 5_000]);
    workshop.write("text.bundle", "rules: []\n");
    let cases = [
        ("padding.bundle --trust signer.pub.pem", "[malformed]"),
        ("manifest.bundle --trust signer.pub.pem", "[bad-signature]"),
        ("section.bundle --trust signer.pub.pem", "[bad-hash]"),
        ("short.bundle --trust signer.pub.pem", "[malformed]"),
        ("long.bundle --trust signer.pub.pem", "[malformed]"),
        ("empty.bundle --trust signer.pub.pem", "the bundle is empty"),
        (
            "garbage.bundle --trust signer.pub.pem",
            "not a riskgate bundle",
        ),
        ("text.bundle --trust signer.pub.pem", "[malformed]"),
        ("shop.bundle --trust other.pub.pem", "[untrusted]"),
        (
            "shop.bundle --trust signer.pub.pem --trust other.pub.pem --threshold 2",
            "1 of 2 needed signatures",
        ),
        (
            "shop.bundle --trust signer.pub.pem --ruleset store",
            "[wrong-ruleset]",
        ),
        (
            "shop.bundle --trust signer.pub.pem --audience eu",
            "[wrong-audience]",
        ),
        ("eu.bundle --trust signer.pub.pem", "[wrong-audience]"),
        (
            "shop.bundle --trust signer.pub.pem --min-revision 4",
            "[below-min-revision]",
        ),
    ];
    for (args, words) in cases {
        let stdout = verify(&workshop, &format!("{args} --at {A_DAY_LATER}")).expect(1, words);
        assert_eq!(stdout, "", "{args}");
    }
    let times = [
        ("2026-11-08T00:00:00Z", "[expired]"),
        ("2036-01-01T00:00:00Z", "expired at 2026-11-08T00:00:00Z"),
        ("2026-10-31T23:54:59Z", "[issued-in-future]"),
        ("0", "[issued-in-future]"),
    ];
    for (at, words) in times {
        verify(
            &workshop,
            &format!("shop.bundle --trust signer.pub.pem --at {at}"),
        )
        .expect(1, words);
    }
}

/// Without `--at` the clock of the machine counts.
#[test]
fn now_is_the_default() {
    let workshop = Workshop::furnished();
    workshop
        .run("build shop --key signer.pem --revision 1 -o now.bundle")
        .expect(0, "");
    verify(&workshop, "now.bundle --trust signer.pub.pem").expect(0, "");
    workshop
        .run("build shop --key signer.pem --revision 1 -o old.bundle --issued-at 0")
        .expect(0, "");
    verify(&workshop, "old.bundle --trust signer.pub.pem")
        .expect(1, "expired at 1970-01-08T00:00:00Z");
}

#[test]
fn usage_errors() {
    let workshop = Workshop::furnished();
    let cases = [
        ("shop.bundle", "--trust <PUB.pem>"),
        ("--trust signer.pub.pem", "<BUNDLE>"),
        (
            "shop.bundle --trust missing.pem",
            "cannot read key `missing.pem`",
        ),
        (
            "missing.bundle --trust signer.pub.pem",
            "cannot read bundle `missing.bundle`",
        ),
        ("shop --trust signer.pub.pem", "cannot read bundle `shop`"),
        (
            "shop.bundle --trust signer.pem",
            "`signer.pem` is a private key",
        ),
        ("shop.bundle --trust shop.bundle", "shop.bundle"),
        (
            "shop.bundle --trust shop/ruleset.yaml",
            "is not an Ed25519 public key",
        ),
        (
            "shop.bundle --trust signer.pub.pem --threshold 0",
            "the threshold is 0",
        ),
        (
            "shop.bundle --trust signer.pub.pem --threshold 2",
            "the threshold is 2",
        ),
        (
            "shop.bundle --trust signer.pub.pem --threshold=-1",
            "--threshold",
        ),
        (
            "shop.bundle --trust signer.pub.pem --threshold x",
            "--threshold",
        ),
        (
            "shop.bundle --trust signer.pub.pem --trust signer.pub.pem",
            "given twice",
        ),
        (
            "shop.bundle --trust signer.pub.pem --at tomorrow",
            "--at `tomorrow` is not a time",
        ),
        (
            "shop.bundle --trust signer.pub.pem --min-revision x",
            "--min-revision",
        ),
    ];
    for (args, words) in cases {
        let stdout = verify(&workshop, args).expect(2, words);
        assert_eq!(stdout, "", "{args}");
    }
}

/// The neutral element of the curve: every message has a signature under it that a lax verifier takes.
#[test]
fn a_weak_key_is_no_key() {
    let workshop = Workshop::furnished();
    let weak = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    workshop.write("weak.pub.pem", weak);
    verify(&workshop, "shop.bundle --trust weak.pub.pem").expect(2, "is weak");
}
