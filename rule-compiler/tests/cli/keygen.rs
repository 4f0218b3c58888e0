use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::rulec::Workshop;

#[test]
fn a_key_pair_is_two_files_and_the_private_one_is_its_owners() {
    let workshop = Workshop::empty();
    let stdout = workshop
        .run("keygen --out signer.pem")
        .expect(0, "public key:  signer.pub.pem");
    assert_eq!(stdout, "");
    assert_eq!(workshop.names(), ["signer.pem", "signer.pub.pem"]);
    let mode = std::fs::metadata(workshop.path("signer.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    let private = String::from_utf8(workshop.read("signer.pem")).unwrap();
    let public = String::from_utf8(workshop.read("signer.pub.pem")).unwrap();
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(
        public.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{public}"
    );
}

#[test]
fn every_key_is_another() {
    let workshop = Workshop::empty();
    for name in ["a", "b"] {
        workshop
            .run(&format!("keygen --out {name}"))
            .expect(0, &format!("{name}.pub.pem"));
    }
    assert_ne!(workshop.read("a"), workshop.read("b"));
    assert_ne!(workshop.read("a.pub.pem"), workshop.read("b.pub.pem"));
}

/// Only the end `.pem` is taken for an extension: two keys must not claim one public file.
#[test]
fn the_public_key_has_the_whole_name() {
    let cases = [
        ("eu.2026.pem", "eu.2026.pub.pem"),
        ("eu.2026", "eu.2026.pub.pem"),
        ("eu.key", "eu.key.pub.pem"),
        ("eu", "eu.pub.pem"),
    ];
    for (private, public) in cases {
        let workshop = Workshop::empty();
        workshop
            .run(&format!("keygen --out {private}"))
            .expect(0, &format!("public key:  {public} "));
        let mut names = [private, public];
        names.sort_unstable();
        assert_eq!(workshop.names(), names);
    }
}

#[test]
fn a_key_is_never_overwritten() {
    for existing in ["signer.pem", "signer.pub.pem"] {
        let workshop = Workshop::empty();
        workshop.write(existing, "precious");
        workshop
            .run("keygen --out signer.pem")
            .expect(2, &format!("`{existing}` exists already"));
        assert_eq!(workshop.read(existing), b"precious");
        assert_eq!(workshop.names(), [existing], "nothing is left behind");
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let workshop = Workshop::empty();
    workshop
        .run("keygen --out nowhere/signer.pem")
        .expect(2, "cannot write key `nowhere/signer");
    workshop.run("keygen").expect(2, "--out");
}

#[test]
fn openssl_reads_the_keys_and_rulec_those_of_openssl() {
    let openssl = |workshop: &Workshop, args: &str| {
        let output = Command::new("openssl")
            .args(args.split_whitespace())
            .current_dir(workshop.path(""))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {args}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no openssl on this machine");
        return;
    }
    let workshop = Workshop::furnished();
    let public = openssl(&workshop, "pkey -in signer.pem -pubout");
    assert_eq!(public, workshop.read("signer.pub.pem"));

    openssl(&workshop, "genpkey -algorithm ed25519 -out foreign.pem");
    openssl(
        &workshop,
        "pkey -in foreign.pem -pubout -out foreign.pub.pem",
    );
    workshop
        .run("build shop --revision 1 --key foreign.pem -o foreign.bundle")
        .expect(0, "revision 1");
    workshop
        .run("verify foreign.bundle --trust foreign.pub.pem")
        .expect(0, "");

    openssl(&workshop, "genpkey -algorithm x25519 -out exchange.pem");
    workshop
        .run("build shop --revision 1 --key exchange.pem -o exchange.bundle")
        .expect(2, "`exchange.pem` is not an Ed25519 private key");
}
