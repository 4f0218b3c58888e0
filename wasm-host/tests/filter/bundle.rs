//! A bundle whose rules read everything that a host tells.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::SigningKey;
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::front::{self, Sources};

/// When the bundle is issued.
pub(crate) const EPOCH_S: u64 = 1_800_000_000;

const RULES: &str = r#"
rules:
  - { id: block, when: 'request.url_path == "/blocked"', then: deny }
  - { id: verify, when: 'request.url_path == "/verify"', then: { challenge: { redirect: "https://v.example/?r={request.path}" } } }
  - { id: tag, when: 'request.url_path == "/tagged"', then: { score: 5, tag: { kind: odd } } }
  - { id: shadow, stage: shadow, when: 'request.url_path == "/tagged"', then: deny }
  - id: attributes
    then: deny
    when:
      all:
        - request.protocol == "x" || request.id == "x" || client.ip in ["198.51.100.0/24"] || source.ip in ["198.51.100.0/24"]
        - connection.mtls || connection.uri_san_peer_certificate == "x" || connection.subject_peer_certificate == "x"
        - connection.requested_server_name == "x" || connection.tls_version == "x" || auth.claims["sub"] == "x"
"#;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

pub(crate) fn trusted_key() -> String {
    BASE64.encode(key().verifying_key().to_bytes())
}

pub(crate) fn base64(revision: u64) -> String {
    base64_of(revision, "", RULES)
}

/// A bundle of other rules; `more` is more of `ruleset.yaml`.
pub(crate) fn base64_of(revision: u64, more: &str, rules: &str) -> String {
    BASE64.encode(bytes_of("shop", revision, more, rules))
}

/// The same of any ruleset, not as text.
pub(crate) fn bytes_of(ruleset: &str, revision: u64, more: &str, rules: &str) -> Vec<u8> {
    let ruleset = format!("language: 1\nruleset: {ruleset}\n{more}");
    let analysis = front::analyse(&Sources::from_texts([
        ("ruleset.yaml", &ruleset[..]),
        ("test.rules.yaml", rules),
    ]));
    let ruleset = analysis
        .ruleset
        .unwrap_or_else(|| panic!("{:?}", analysis.diagnostics));
    let options = BuildOptions {
        revision,
        issued_at_s: EPOCH_S,
        audience: None,
    };
    build(&ruleset, &options, &key()).unwrap()
}
