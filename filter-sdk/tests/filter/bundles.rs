//! Real bundles, compiled and signed in the test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_compiler::build::{BuildOptions, build};
use riskgate_compiler::front::{self, Sources};
use riskgate_engine::bundle::{Bundle, Signature};
use riskgate_engine::trust::{key_id, signing_payload};
use riskgate_push_protocol::{BundleId, Digest};

/// When revision 1 is issued; revision N follows N - 1 seconds later.
pub(crate) const EPOCH_S: u64 = 1_800_000_000;
/// How long a bundle lives.
pub(crate) const TTL_S: u64 = 3_600;

/// What a bundle of the tests is made of.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) revision: u64,
    pub(crate) ruleset: &'static str,
    pub(crate) ttl_s: u64,
    pub(crate) on_expired: &'static str,
    /// More of `ruleset.yaml`.
    pub(crate) more: &'static str,
    pub(crate) rules: &'static str,
    /// A file for `--attributes`, or nothing.
    pub(crate) attributes: &'static str,
    pub(crate) key: u8,
}

/// Denies `/blocked`.
pub(crate) const PLAIN: Spec = Spec {
    revision: 1,
    ruleset: "shop",
    ttl_s: TTL_S,
    on_expired: "keep",
    more: "",
    rules: r#"
  - { id: block, when: 'request.url_path == "/blocked"', then: deny }
"#,
    attributes: "",
    key: 1,
};

/// Denies `/blocked` with 429: a change that a test can see.
pub(crate) const CHANGED: Spec = Spec {
    revision: 2,
    rules: r#"
  - { id: slow-down, when: 'request.url_path == "/blocked"', then: { deny: { status: 429 } } }
"#,
    ..PLAIN
};

impl Spec {
    /// The file as it is sent to filters.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let ruleset = format!(
            "language: 1\nruleset: {}\nttl: {}s\non_expired: {}\n{}",
            self.ruleset, self.ttl_s, self.on_expired, self.more
        );
        let rules = format!("rules:{}", self.rules);
        let sources =
            Sources::from_texts([("ruleset.yaml", &ruleset[..]), ("test.rules.yaml", &rules)]);
        let sources = match self.attributes {
            "" => sources,
            declared => sources.with_attributes("attributes.yaml", declared),
        };
        let analysis = front::analyse(&sources);
        let ruleset = analysis
            .ruleset
            .unwrap_or_else(|| panic!("{:?}", analysis.diagnostics));
        let issued_at_s = EPOCH_S + self.revision - 1;
        let options = BuildOptions {
            revision: self.revision,
            issued_at_s,
            audience: None,
        };
        let file = build(&ruleset, &options, &SigningKey::from_bytes(&[self.key; 32])).unwrap();
        Bundle::parse(&file).unwrap().without_detached()
    }

    pub(crate) fn base64(&self) -> String {
        BASE64.encode(self.bytes())
    }

    /// The same contents, signed by other keys.
    pub(crate) fn base64_signed_by(&self, keys: &[u8]) -> String {
        let file = self.bytes();
        let bundle = Bundle::parse(&file).unwrap();
        let payload = signing_payload(bundle.manifest_bytes());
        let signatures = keys.iter().map(|key| {
            let key = SigningKey::from_bytes(&[*key; 32]);
            Signature {
                key_id: key_id(&key.verifying_key().to_bytes()),
                bytes: key.sign(&payload).to_bytes(),
            }
        });
        BASE64.encode(bundle.with_signatures(signatures.collect()).unwrap())
    }
}

/// What a bundle file is called on a stream.
pub(crate) fn id_of(bytes: &[u8]) -> BundleId {
    let bundle = Bundle::parse(bytes).unwrap();
    BundleId {
        revision: bundle.manifest().revision,
        digest: Digest(bundle.digest().0),
    }
}

/// The public key of those that sign bundles as `key`, as a configuration gives it.
pub(crate) fn public_key(key: u8) -> String {
    BASE64.encode(
        SigningKey::from_bytes(&[key; 32])
            .verifying_key()
            .to_bytes(),
    )
}
