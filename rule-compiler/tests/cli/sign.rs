//! Signatures that join a bundle after it was built.

use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_engine::bundle::Bundle;

use crate::rulec::{A_DAY_LATER, Workshop};

/// A bundle that needs both keys, and has the first.
const BOTH: &str = "--trust signer.pub.pem --trust other.pub.pem --threshold 2";

fn verify(workshop: &Workshop, bundle: &str, trust: &str) -> i32 {
    let run = workshop.run(&format!("verify {bundle} {trust} --at {A_DAY_LATER}"));
    run.code
}

fn digest(workshop: &Workshop, bundle: &str) -> String {
    let file = workshop.read(bundle);
    Bundle::parse(&file).unwrap().digest().to_string()
}

/// What a key management service does: it has the key, and gets nothing but the bytes to sign.
fn service(workshop: &Workshop, key: &str, payload: &[u8]) -> [u8; 64] {
    let pem = String::from_utf8(workshop.read(key)).unwrap();
    let key = SigningKey::from_pkcs8_pem(&pem).unwrap();
    key.sign(payload).to_bytes()
}

#[test]
fn two_teams_sign_one_after_the_other() {
    let workshop = Workshop::furnished();
    let before = digest(&workshop, "shop.bundle");
    assert_eq!(verify(&workshop, "shop.bundle", BOTH), 1);
    workshop
        .run("sign shop.bundle --key other.pem")
        .expect(0, "shop revision 3, valid until 2026-11-08T00:00:00Z");
    assert_eq!(verify(&workshop, "shop.bundle", BOTH), 0);
    assert_eq!(digest(&workshop, "shop.bundle"), before);
    // Each of them alone still counts.
    for key in ["signer", "other"] {
        let trust = format!("--trust {key}.pub.pem");
        assert_eq!(verify(&workshop, "shop.bundle", &trust), 0, "{key}");
    }
}

#[test]
fn an_unsigned_bundle_gets_all_its_signatures_at_once() {
    let workshop = Workshop::furnished();
    let build = "build shop --revision 3 --issued-at 2026-11-01T00:00:00Z -o new.bundle";
    workshop
        .run(&format!("{build} --unsigned"))
        .expect(0, "not signed yet");
    let inspected = workshop.run("inspect new.bundle").expect(0, "");
    assert!(inspected.contains("signed by    nobody"), "{inspected}");
    assert_eq!(verify(&workshop, "new.bundle", "--trust signer.pub.pem"), 1);
    workshop
        .run("sign new.bundle --key other.pem --key signer.pem")
        .expect(0, ": signed\n");
    assert_eq!(verify(&workshop, "new.bundle", BOTH), 0);
    workshop
        .run(&format!("{build} --unsigned --key signer.pem"))
        .expect(2, "cannot be used with");
    workshop.run(build).expect(2, "--unsigned");
}

#[test]
fn the_order_of_signing_does_not_show() {
    let workshop = Workshop::furnished();
    for keys in ["signer.pem --key other.pem", "other.pem --key signer.pem"] {
        let name = keys.split('.').next().unwrap();
        workshop
            .run(&format!("sign shop.bundle --key {keys} -o {name}.bundle"))
            .expect(0, "");
    }
    assert!(workshop.read("signer.bundle") == workshop.read("other.bundle"));
}

#[test]
fn a_key_that_has_signed_changes_nothing() {
    let workshop = Workshop::furnished();
    let before = workshop.read("shop.bundle");
    workshop
        .run("sign shop.bundle --key signer.pem")
        .expect(0, ": had signed already");
    assert!(workshop.read("shop.bundle") == before);
    workshop
        .run("sign shop.bundle --key signer.pem -o copy.bundle")
        .expect(0, ": had signed already");
    assert!(workshop.read("copy.bundle") == before);
}

#[test]
fn a_bad_signature_makes_room_for_a_good_one() {
    let workshop = Workshop::furnished();
    let good = workshop.read("shop.bundle");
    let bundle = Bundle::parse(&good).unwrap();
    let mut signature = bundle.signatures()[0];
    signature.bytes[5] ^= 1;
    workshop.write(
        "bad.bundle",
        bundle.with_signatures(vec![signature]).unwrap(),
    );
    assert_eq!(verify(&workshop, "bad.bundle", "--trust signer.pub.pem"), 1);
    workshop
        .run("sign bad.bundle --key signer.pem")
        .expect(0, "in place of a signature that was bad");
    assert!(workshop.read("bad.bundle") == good);
}

#[test]
fn a_service_signs_what_is_printed_and_its_answer_joins_the_bundle() {
    let workshop = Workshop::furnished();
    workshop
        .run("sign shop.bundle --print-payload -o payload")
        .expect(0, "");
    let payload = workshop.read("payload");
    assert!(payload.len() <= 4_096, "{}", payload.len());
    assert!(payload.starts_with(b"DSSEv1 36 application/vnd.riskgate.manifest.v1 "));
    let signature = service(&workshop, "other.pem", &payload);
    workshop.write("raw", signature);
    let encoded = BASE64.encode(signature);
    workshop.write("plain.base64", &encoded);
    let (first, second) = encoded.split_at(60);
    workshop.write("lines.base64", format!("{first}\r\n{second}\n"));
    workshop
        .run("sign shop.bundle --key other.pem -o at-hand.bundle")
        .expect(0, "");
    let expected = workshop.read("at-hand.bundle");
    for (name, bundle) in [("raw", "a"), ("plain.base64", "b"), ("lines.base64", "c")] {
        workshop
            .run(&format!(
                "sign shop.bundle --signature {name} --public-key other.pub.pem -o {bundle}.bundle"
            ))
            .expect(0, ": signed\n");
        assert!(
            workshop.read(&format!("{bundle}.bundle")) == expected,
            "{name}"
        );
    }
    assert_eq!(verify(&workshop, "a.bundle", BOTH), 0);
}

/// The longest names make the longest manifest.
#[test]
fn every_payload_fits_what_a_service_signs() {
    let workshop = Workshop::furnished();
    let name = "n".repeat(63);
    workshop.write(
        "shop/ruleset.yaml",
        format!("language: 1\nruleset: {name}\nttl: 7d\n"),
    );
    let build = format!("--revision 18446744073709551615 --audience {name}");
    workshop.build("long.bundle", &build).expect(0, "");
    workshop
        .run("sign long.bundle --print-payload -o payload")
        .expect(0, "");
    let length = workshop.read("payload").len();
    assert!(length > 64 + 2 * 63 && length <= 4_096, "{length}");
}

#[test]
fn a_signature_is_verified_before_it_is_written() {
    let workshop = Workshop::furnished();
    workshop.build("newer.bundle", "--revision 4").expect(0, "");
    let payload_of = |bundle: &str| {
        workshop
            .run(&format!("sign {bundle} --print-payload -o payload"))
            .expect(0, "");
        workshop.read("payload")
    };
    let payload = payload_of("shop.bundle");
    let manifest = payload[payload.len() - 84..].to_vec();
    let own = service(&workshop, "other.pem", &payload);
    let mut flipped = own;
    flipped[63] ^= 1;
    // S + L signs the same for a lax verifier.
    let mut not_reduced = own;
    add_group_order(&mut not_reduced);
    let bad = [
        ("another key", service(&workshop, "signer.pem", &payload)),
        (
            "another bundle",
            service(&workshop, "other.pem", &payload_of("newer.bundle")),
        ),
        ("bare manifest", service(&workshop, "other.pem", &manifest)),
        ("one bit", flipped),
        ("S not reduced", not_reduced),
        ("zeros", [0; 64]),
    ];
    let before = workshop.read("shop.bundle");
    for (what, signature) in bad {
        workshop.write("signature", signature);
        let run = workshop.run("sign shop.bundle --signature signature --public-key other.pub.pem");
        assert_eq!(run.code, 1, "{what}: {}", run.stderr);
        assert!(
            run.stderr.contains("not one by this key over this bundle"),
            "{what}: {}",
            run.stderr
        );
        assert!(workshop.read("shop.bundle") == before, "{what}");
    }
}

/// Adds the order of the curve's group to `S`, the second half, which then stands for the same number.
fn add_group_order(signature: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

#[test]
fn what_is_no_signature_or_no_key() {
    let workshop = Workshop::furnished();
    workshop.write("short", [1; 63]);
    workshop.write("long", [1; 65]);
    workshop.write("words", "this is no signature");
    workshop.write("base64-of-63", BASE64.encode([1; 63]));
    workshop.write("raw", [1; 64]);
    workshop.write("weak.pub.pem", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n");
    let names = workshop.names();
    let before = workshop.read("shop.bundle");
    let cases = [
        (
            "--signature short --public-key other.pub.pem",
            "is not an Ed25519 signature",
        ),
        (
            "--signature long --public-key other.pub.pem",
            "is not an Ed25519 signature",
        ),
        (
            "--signature words --public-key other.pub.pem",
            "is not an Ed25519 signature",
        ),
        (
            "--signature base64-of-63 --public-key other.pub.pem",
            "is not an Ed25519 signature",
        ),
        (
            "--signature nowhere --public-key other.pub.pem",
            "cannot read signature `nowhere`",
        ),
        ("--signature raw --public-key other.pem", "is a private key"),
        ("--signature raw --public-key weak.pub.pem", "is weak"),
        ("--signature raw", "--public-key"),
        ("--public-key other.pub.pem", "--signature"),
        (
            "--key other.pem --signature raw --public-key other.pub.pem",
            "cannot be used with",
        ),
        ("--key other.pem --print-payload", "cannot be used with"),
        ("--key other.pub.pem", "is a public key"),
        ("--key nowhere.pem", "cannot read key `nowhere.pem`"),
        (
            "--key other.pem --key nowhere.pem",
            "cannot read key `nowhere.pem`",
        ),
        ("", "--print-payload"),
    ];
    for (args, words) in cases {
        workshop
            .run(&format!("sign shop.bundle {args}"))
            .expect(2, words);
    }
    assert!(workshop.read("shop.bundle") == before);
    assert_eq!(workshop.names(), names, "nothing is left behind");
}

#[test]
fn what_nobody_should_sign() {
    let workshop = Workshop::furnished();
    let mut altered = workshop.read("shop.bundle");
    let at = altered
        .windows(6)
        .position(|window| window == b"sqlmap")
        .unwrap();
    altered[at] = b'S';
    workshop.write("altered.bundle", altered);
    workshop.write("text.bundle", "rules: []\n");
    for how in ["--key other.pem", "--print-payload -o payload"] {
        let sign = |bundle: &str| workshop.run(&format!("sign {bundle} {how}"));
        sign("altered.bundle").expect(1, "section `strings` is not the one that was signed");
        sign("text.bundle").expect(1, "cannot sign `text.bundle`");
        sign("nowhere.bundle").expect(2, "cannot read bundle `nowhere.bundle`");
    }
    assert!(!workshop.names().contains(&"payload".to_owned()));
}

#[test]
fn a_17th_signature_is_refused() {
    let workshop = Workshop::furnished();
    let mut args = String::from("sign shop.bundle");
    for number in 2..=17 {
        workshop
            .run(&format!("keygen --out key-{number}.pem"))
            .expect(0, "");
        args.push_str(&format!(" --key key-{number}.pem"));
    }
    let before = workshop.read("shop.bundle");
    workshop
        .run(&args)
        .expect(1, "has 16 signatures, as many as it may have");
    assert!(workshop.read("shop.bundle") == before);
    let sixteen = args.rsplit_once(" --key").unwrap().0;
    workshop.run(sixteen).expect(0, "");
}

#[test]
fn nothing_that_differs_is_overwritten() {
    let workshop = Workshop::furnished();
    workshop.build("newer.bundle", "--revision 4").expect(0, "");
    workshop
        .run("keygen --out third.pem")
        .expect(0, "third.pub.pem");
    workshop
        .run("sign shop.bundle --key third.pem -o signed.bundle")
        .expect(0, "");
    let cases = [
        ("--key other.pem -o newer.bundle", "is another bundle"),
        (
            "--key other.pem -o signed.bundle",
            "has signatures that would be lost",
        ),
        ("--key other.pem -o signer.pem", "is no bundle"),
        ("--key other.pem -o shop", "no regular file"),
        ("--print-payload -o shop.bundle", "is no payload"),
        ("--print-payload -o signer.pem", "is no payload"),
        ("--print-payload -o nowhere/payload", "there is no folder"),
    ];
    for (args, words) in cases {
        let target = args.rsplit(' ').next().unwrap();
        let before = std::fs::read(workshop.path(target)).ok();
        workshop
            .run(&format!("sign shop.bundle {args}"))
            .expect(2, words);
        assert!(
            std::fs::read(workshop.path(target)).ok() == before,
            "{args}"
        );
    }
    // More signatures of the same bundle, and a newer payload, are no surprise.
    workshop
        .run("sign shop.bundle --key third.pem --key other.pem -o signed.bundle")
        .expect(0, "");
    for bundle in ["shop.bundle", "newer.bundle"] {
        workshop
            .run(&format!("sign {bundle} --print-payload -o payload"))
            .expect(0, "");
    }
}

/// `script` gives it a terminal.
#[test]
fn a_terminal_gets_no_bytes() {
    let workshop = Workshop::furnished();
    let program = format!(
        "{} sign shop.bundle --print-payload",
        env!("CARGO_BIN_EXE_rulec")
    );
    let run = Command::new("script")
        .args(["-q", "-e", "-c", &program, "/dev/null"])
        .current_dir(workshop.path(""))
        .stdin(Stdio::null())
        .output();
    let Ok(output) = run else {
        eprintln!("SKIPPED: there is no `script` on this machine");
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("no text for a terminal"), "{shown}");
    assert_eq!(output.status.code(), Some(2));
}

/// The commands of docs/trust.md, with OpenSSL in the place of a service.
#[test]
fn openssl_signs_the_payload() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no openssl on this machine");
        return;
    }
    let workshop = Workshop::furnished();
    workshop
        .run("sign shop.bundle --print-payload -o payload")
        .expect(0, "");
    let args = "pkeyutl -sign -rawin -inkey other.pem -in payload -out signature";
    let output = Command::new("openssl")
        .args(args.split(' '))
        .current_dir(workshop.path(""))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    workshop
        .run("sign shop.bundle --signature signature --public-key other.pub.pem")
        .expect(0, ": signed\n");
    assert_eq!(verify(&workshop, "shop.bundle", BOTH), 0);
}
