//! Signed bundles of an empty ruleset, as small or as long as a test needs them.

use ed25519_dalek::{Signer, SigningKey};
use riskgate_engine::{
    actions::{self, Action, ActionKind},
    atoms, attributes,
    bundle::{
        Bundle, ENGINE_VERSION, Manifest, OnExpired, SectionKind, Signature,
        writer::{NewSection, UnsignedBundle},
    },
    dfa,
    exact::ExactWriter,
    literals::LiteralsWriter,
    networks::NetworksWriter,
    pairs,
    policy::PolicyWriter,
    prefixes, program, ranks, rules,
    strings::StringsWriter,
    trust::key_id,
};

use riskgate_push_protocol::KeyId;

use super::NOW_S;

/// What a test says about its bundle.
#[derive(Clone)]
pub(crate) struct TestBundle {
    pub(crate) ruleset: &'static str,
    pub(crate) audience: Option<&'static str>,
    pub(crate) revision: u64,
    pub(crate) issued_at_s: u64,
    pub(crate) not_before_s: u64,
    pub(crate) expires_at_s: u64,
    /// Bytes that only make it longer.
    pub(crate) filler_len: usize,
    pub(crate) signers: Vec<SigningKey>,
}

/// A key that is always the same for the same number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The id of the key of that number.
pub(crate) fn id(number: u8) -> KeyId {
    KeyId(key_id(&key(number).verifying_key().to_bytes()))
}

/// The same file, but that this key's signature is no good.
pub(crate) fn with_broken_signature(mut file: Vec<u8>, by: KeyId) -> Vec<u8> {
    let manifest_end = 64 + Bundle::parse(&file).unwrap().manifest_bytes().len();
    let place = file[manifest_end..].windows(32).position(|id| id == by.0);
    file[manifest_end + place.unwrap() + 32] ^= 1;
    file
}

/// A good bundle of this revision, signed by key 1.
pub(crate) fn good(revision: u64) -> TestBundle {
    TestBundle {
        ruleset: "storefront",
        audience: None,
        revision,
        issued_at_s: NOW_S - 60,
        not_before_s: NOW_S - 60,
        expires_at_s: NOW_S + 3600,
        filler_len: 0,
        signers: vec![key(1)],
    }
}

impl TestBundle {
    pub(crate) fn build(&self) -> Vec<u8> {
        let unsigned = UnsignedBundle::new(self.manifest(), self.sections()).unwrap();
        let sign = |signer: &SigningKey| Signature {
            key_id: key_id(&signer.verifying_key().to_bytes()),
            bytes: signer.sign(&unsigned.payload()).to_bytes(),
        };
        unsigned
            .finish(self.signers.iter().map(sign).collect())
            .unwrap()
    }

    fn manifest(&self) -> Manifest<'static> {
        Manifest {
            min_engine: ENGINE_VERSION,
            ruleset: self.ruleset,
            audience: self.audience,
            revision: self.revision,
            issued_at_s: self.issued_at_s,
            not_before_s: self.not_before_s,
            expires_at_s: self.expires_at_s,
            on_expired: OnExpired::Keep,
            restores: None,
            table_hash: [0; 32],
        }
    }

    /// No rules: every request is allowed.
    fn sections(&self) -> Vec<NewSection> {
        let mut strings = StringsWriter::default();
        let body = strings.intern(b"");
        strings.intern(&vec![b'x'; self.filler_len]);
        let allow = Action {
            kind: ActionKind::Allow,
            status: 0,
            body,
            headers: (0, 0),
            template: (0, 0),
        };
        let sections = [
            (SectionKind::Strings, strings.write()),
            (SectionKind::Attributes, attributes::write(&[])),
            (SectionKind::Atoms, atoms::write(&[], &[])),
            (SectionKind::Exact, ExactWriter::default().write()),
            (SectionKind::Prefixes, prefixes::write(&[])),
            (SectionKind::Dfas, dfa::write(&[])),
            (SectionKind::Programs, program::write(&[])),
            (SectionKind::Rules, rules::write(&[], &[])),
            (SectionKind::Actions, actions::write(&[allow], &[], &[])),
            (SectionKind::Policy, PolicyWriter::default().write()),
            (SectionKind::Literals, LiteralsWriter::default().write().0),
            (SectionKind::Networks, NetworksWriter::default().write()),
            (SectionKind::Ranks, ranks::write(&[], &[])),
            (SectionKind::Pairs, pairs::write(&[], &[], &[])),
            (
                SectionKind::Provenance,
                b"names that filters do not get".to_vec(),
            ),
        ];
        sections
            .into_iter()
            .map(|(kind, bytes)| NewSection { kind, bytes })
            .collect()
    }
}
