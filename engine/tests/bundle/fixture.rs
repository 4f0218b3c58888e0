//! A small bundle, made by hand through the public writers: every kind of section, and a rule for most kinds of atom.

use std::net::{IpAddr, Ipv4Addr};

use ed25519_dalek::{Signer as _, SigningKey};
use riskgate_engine::actions::{self, Action, ActionKind, TemplateKind, TemplatePart};
use riskgate_engine::admission::{Admission, Refusal};
use riskgate_engine::atoms::{self, Atom, Comparison, Test, View};
use riskgate_engine::attributes::{self, Attribute, Base, NO_KEY};
use riskgate_engine::bundle::writer::{NewSection, UnsignedBundle};
use riskgate_engine::bundle::{Manifest, OnExpired, SectionKind, Signature};
use riskgate_engine::canaries::{self, Canary, WHOLE};
use riskgate_engine::dfa::{self, ACCEPT, DEAD, DfaWriter};
use riskgate_engine::exact::ExactWriter;
use riskgate_engine::literals::{LiteralsWriter, NewLiteral, Place};
use riskgate_engine::networks::{Interval, NONE, Network, NetworksWriter, Table};
use riskgate_engine::number::Number;
use riskgate_engine::pairs::{self, Filed};
use riskgate_engine::policy::{Band, PolicyWriter};
use riskgate_engine::program::{self, Node};
use riskgate_engine::ranks::{self, Threshold};
use riskgate_engine::request::Request;
use riskgate_engine::rules::{self, NO_ACTION, Rule, Stage};
use riskgate_engine::ruleset::Ruleset;
use riskgate_engine::strings::StringsWriter;
use riskgate_engine::trust::{TrustedKeys, key_id, signing_payload};
use riskgate_engine::{lists, prefixes};

pub(crate) const NAME: &str = "storefront";
pub(crate) const REVISION: u64 = 7;
pub(crate) const ISSUED_AT_S: u64 = 1_700_000_000;
pub(crate) const EXPIRES_AT_S: u64 = ISSUED_AT_S + 86_400;
/// The seed of the key that signs unless a test says otherwise.
pub(crate) const SIGNER: u8 = 1;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public_key(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

pub(crate) fn sign(seed: u8, payload: &[u8]) -> Signature {
    Signature {
        key_id: key_id(&public_key(seed)),
        bytes: key(seed).sign(payload).to_bytes(),
    }
}

pub(crate) fn manifest() -> Manifest<'static> {
    Manifest {
        min_engine: 2,
        ruleset: NAME,
        audience: None,
        revision: REVISION,
        issued_at_s: ISSUED_AT_S,
        not_before_s: ISSUED_AT_S,
        expires_at_s: EXPIRES_AT_S,
        on_expired: OnExpired::Keep,
        restores: None,
        table_hash: [0; 32],
    }
}

/// A bundle of these sections, signed by these keys.
pub(crate) fn build(manifest: Manifest<'_>, sections: Vec<NewSection>, seeds: &[u8]) -> Vec<u8> {
    let unsigned = UnsignedBundle::new(manifest, sections).unwrap();
    let signatures = seeds.iter().map(|seed| sign(*seed, &unsigned.payload()));
    unsigned.finish(signatures.collect()).unwrap()
}

/// The bundle of this fixture.
pub(crate) fn bundle() -> Vec<u8> {
    build(manifest(), sections(), &[SIGNER])
}

/// What is signed of a file.
pub(crate) fn payload_of(file: &[u8]) -> Vec<u8> {
    let bundle = riskgate_engine::bundle::Bundle::parse(file).unwrap();
    signing_payload(bundle.manifest_bytes())
}

pub(crate) fn trust(seeds: &[u8], threshold: u32) -> TrustedKeys {
    let keys: Vec<[u8; 32]> = seeds.iter().map(|seed| public_key(*seed)).collect();
    TrustedKeys::new(&keys, threshold).unwrap()
}

/// A filter that holds nothing yet.
pub(crate) fn admission(trust: &TrustedKeys) -> Admission<'_> {
    Admission {
        trust,
        ruleset: NAME,
        audience: None,
        min_revision: 0,
        now_s: ISSUED_AT_S + 10,
        mark: None,
    }
}

/// Admits and loads a file, as a filter that holds nothing yet.
pub(crate) fn load(file: &[u8]) -> Result<Ruleset, Refusal> {
    let trust = trust(&[SIGNER], 1);
    Ruleset::load(&admission(&trust).admit(file)?)
}

/// The section of a kind; the first list of the lists.
pub(crate) fn section_mut(sections: &mut [NewSection], kind: SectionKind) -> &mut Vec<u8> {
    let found = sections.iter_mut().find(|section| section.kind == kind);
    &mut found.unwrap().bytes
}

/// The sections of this fixture.
pub(crate) fn sections() -> Vec<NewSection> {
    let mut strings = StringsWriter::default();
    let empty = strings.intern(b"");
    let attributes = write_attributes(&mut strings, empty);
    let (atoms, exact) = write_atoms(&mut strings);
    let actions = write_actions(&mut strings, empty);
    let (nodes, rules) = write_rules(&mut strings);
    let literals = write_literals(&mut strings);
    let policy = PolicyWriter {
        default: 0,
        bands: vec![
            Band {
                at_least: 80,
                action: 1,
            },
            Band {
                at_least: 50,
                action: 3,
            },
        ],
        always: vec![6],
        scanned: vec![2, 10],
    };
    let listed = [b"13".to_vec(), b"42".to_vec(), b"".to_vec()];
    let networks =
        prefixes::write_set(&[(0x0a00_0000, 0x0aff_ffff)], &[(1, 1), (1 << 64, 1 << 65)]);
    let inline = prefixes::write_set(&[(0xc000_0200, 0xc000_02ff)], &[]);
    let section = |kind, bytes| NewSection { kind, bytes };
    vec![
        section(SectionKind::Strings, strings.write()),
        section(SectionKind::Attributes, attributes),
        section(SectionKind::Atoms, atoms),
        section(SectionKind::Exact, exact),
        section(SectionKind::Prefixes, prefixes::write(&[inline])),
        section(SectionKind::Dfas, dfa::write(&[find_ab()])),
        section(SectionKind::Programs, nodes),
        section(SectionKind::Rules, rules),
        section(SectionKind::Actions, actions),
        section(SectionKind::Policy, policy.write()),
        section(SectionKind::Literals, literals),
        section(SectionKind::Networks, write_networks()),
        section(SectionKind::Ranks, write_ranks()),
        section(SectionKind::Pairs, write_pairs()),
        section(SectionKind::List, lists::write_strings(&listed)),
        section(SectionKind::List, lists::write_addresses(&networks)),
        section(SectionKind::Canaries, write_canaries()),
        section(SectionKind::Provenance, b"{\"rules\":[]}".to_vec()),
    ]
}

const METHOD: u32 = 0;
const PATH: u32 = 1;
const USER_AGENT: u32 = 2;
const CLIENT_IP: u32 = 3;
const ID: u32 = 4;
const SESSION: u32 = 5;
const TIME: u32 = 6;
const MTLS: u32 = 7;
const SUBJECT: u32 = 8;
const DECODED_PATH: u32 = 9;
const HOSTNAME: u32 = 10;

fn write_attributes(strings: &mut StringsWriter, none: u32) -> Vec<u8> {
    let mut attribute = |base, key: Option<&str>, transforms: &[u8]| Attribute {
        base,
        key: key.map_or(NO_KEY, |key| strings.intern(key.as_bytes())),
        transforms: if transforms.is_empty() {
            none
        } else {
            strings.intern(transforms)
        },
    };
    attributes::write(&[
        attribute(Base::Method, None, &[]),
        attribute(Base::Path, None, &[]),
        attribute(Base::Header, Some("user-agent"), &[0]),
        attribute(Base::ClientIp, None, &[]),
        attribute(Base::Param, Some("id"), &[]),
        attribute(Base::Cookie, Some("session"), &[]),
        attribute(Base::Time, None, &[]),
        attribute(Base::Mtls, None, &[]),
        attribute(Base::Claim, Some("sub"), &[]),
        attribute(Base::Path, None, &[3, 4, 7, 6, 5, 1]),
        attribute(Base::Hostname, None, &[2]),
    ])
}

/// Atoms 0 to 15. Their rules are those that [`write_rules`] makes.
fn write_atoms(strings: &mut StringsWriter) -> (Vec<u8>, Vec<u8>) {
    let mut text = |text: &str| strings.intern(text.as_bytes());
    let tests = [
        (METHOD, View::Value, Test::OneOf, 0),
        (PATH, View::Value, Test::OneOf, 1),
        (ID, View::Value, Test::InList(0), 1),
        (CLIENT_IP, View::Value, Test::InList(1), 1),
        (CLIENT_IP, View::Value, Test::InPrefixes(0), 1),
        (PATH, View::Value, Test::StartsWith(text("/api/")), 0),
        (USER_AGENT, View::Value, Test::Contains(text("sqlmap")), 1),
        (DECODED_PATH, View::Value, Test::Matches(0), 1),
        (
            PATH,
            View::Length,
            Test::Compare(Comparison::Greater, Number::Int(60)),
            1,
        ),
        (
            TIME,
            View::Value,
            Test::Compare(Comparison::Less, Number::Int(1_000)),
            1,
        ),
        (MTLS, View::Value, Test::IsTrue, 0),
        (SUBJECT, View::Value, Test::Present, 0),
        (
            SESSION,
            View::Size,
            Test::Compare(Comparison::Equal, Number::Int(2)),
            1,
        ),
        (
            ID,
            View::Int,
            Test::Compare(Comparison::GreaterOrEqual, Number::Double(6.5)),
            1,
        ),
        (
            ID,
            View::Double,
            Test::Compare(Comparison::LessOrEqual, Number::Int(-3)),
            1,
        ),
        (HOSTNAME, View::Value, Test::EndsWith(text(".internal")), 1),
    ];
    let postings = [0, 5, 2, 2, 1, 7, 3, 8, 9, 10, 11, 12];
    let mut start = 0;
    let atoms: Vec<Atom> = tests
        .into_iter()
        .map(|(attribute, view, test, length)| {
            let postings = (start, length);
            start += length;
            Atom {
                attribute,
                view,
                test,
                postings,
            }
        })
        .collect();
    assert_eq!(start as usize, postings.len());
    let mut exact = ExactWriter::default();
    let mut exactly = |attribute, value: &str, atom| {
        exact.add(
            attribute,
            strings.intern(value.as_bytes()),
            value.as_bytes(),
            atom,
        );
    };
    exactly(METHOD, "POST", 0);
    exactly(PATH, "/.env", 1);
    exactly(PATH, "/admin", 1);
    (atoms::write(&atoms, &postings), exact.write())
}

/// Atoms 5, 6, 7 and 15; 7 is a pattern that cannot be found without `ab`.
fn write_literals(strings: &mut StringsWriter) -> Vec<u8> {
    let mut writer = LiteralsWriter::default();
    let mut add = |attribute, place, text: &str, atom| {
        let literal = strings.intern(text.as_bytes());
        let new = NewLiteral {
            attribute,
            place,
            literal,
        };
        writer.add(new, text.as_bytes(), atom);
    };
    add(PATH, Place::Start, "/api/", 5);
    add(USER_AGENT, Place::Anywhere, "sqlmap", 6);
    add(DECODED_PATH, Place::Anywhere, "ab", 7);
    add(HOSTNAME, Place::End, ".internal", 15);
    let (section, unfiled) = writer.write();
    assert!(unfiled.is_empty());
    section
}

/// Atoms 3 and 4, with a network of 4 around one of 3.
fn write_networks() -> Vec<u8> {
    let v4 = |first, network| Interval { first, network };
    let v6 = |first: u128, network| Interval { first, network };
    let network = |around, atoms| Network { around, atoms };
    NetworksWriter {
        tables: vec![Table {
            attribute: CLIENT_IP,
            v4: (0, 4),
            v6: (0, 4),
        }],
        v4: vec![
            v4(0x0a00_0000, 0),
            v4(0x0b00_0000, NONE),
            v4(0xc000_0200, 1),
            v4(0xc000_0300, NONE),
        ],
        v6: vec![
            v6(1, 2),
            v6(2, NONE),
            v6(1 << 64, 3),
            v6((1 << 65) + 1, NONE),
        ],
        networks: vec![
            network(NONE, (0, 1)),
            network(NONE, (1, 1)),
            network(NONE, (2, 1)),
            network(2, (3, 1)),
        ],
        atoms: vec![3, 4, 3, 3],
    }
    .write()
}

/// Atoms 8, 9, 12, 13 and 14.
fn write_ranks() -> Vec<u8> {
    let compared = [
        (PATH, View::Length, Comparison::Greater, Number::Int(60), 8),
        (
            ID,
            View::Int,
            Comparison::GreaterOrEqual,
            Number::Double(6.5),
            13,
        ),
        (
            ID,
            View::Double,
            Comparison::LessOrEqual,
            Number::Int(-3),
            14,
        ),
        (SESSION, View::Size, Comparison::Equal, Number::Int(2), 12),
        (TIME, View::Value, Comparison::Less, Number::Int(1_000), 9),
    ];
    let (tables, thresholds): (Vec<ranks::Table>, Vec<Threshold>) = (0..)
        .zip(compared)
        .map(|(at, (attribute, view, comparison, number, atom))| {
            let table = ranks::Table {
                attribute,
                view,
                comparison,
                thresholds: (at, 1),
            };
            (table, Threshold { number, atom })
        })
        .unzip();
    ranks::write(&tables, &thresholds)
}

/// Rule 4, behind atoms 0 and 5.
fn write_pairs() -> Vec<u8> {
    let filed = |atom| Filed {
        atom,
        slice: (0, 1),
    };
    pairs::write(&[filed(0)], &[filed(5)], &[4])
}

/// Finds `ab` anywhere.
pub(crate) fn find_ab() -> Vec<u8> {
    let mut classes = [0; 256];
    classes[usize::from(b'a')] = 1;
    classes[usize::from(b'b')] = 2;
    DfaWriter {
        classes,
        class_count: 3,
        start: 2,
        accepts_at_end: vec![false, true, false, false],
        transitions: vec![
            DEAD, DEAD, DEAD, ACCEPT, ACCEPT, ACCEPT, 2, 3, 2, 2, 3, ACCEPT,
        ],
    }
    .write()
}

fn write_actions(strings: &mut StringsWriter, none: u32) -> Vec<u8> {
    let action = |kind, status| Action {
        kind,
        status,
        body: none,
        headers: (0, 0),
        template: (0, 0),
    };
    let refused = Action {
        body: strings.intern(b"{\"code\":\"refused\"}"),
        headers: (0, 2),
        ..action(ActionKind::Deny, 429)
    };
    let redirect = Action {
        template: (0, 5),
        ..action(ActionKind::Redirect, 302)
    };
    let actions = [
        action(ActionKind::Allow, 0),
        action(ActionKind::Deny, 403),
        refused,
        redirect,
        action(ActionKind::Challenge, 401),
    ];
    let mut text = |text: &str| strings.intern(text.as_bytes());
    let headers = [
        (text("retry-after"), text("10")),
        (text("content-type"), text("application/json")),
    ];
    let mut part = |kind, literal: &str| TemplatePart {
        kind,
        text: text(literal),
    };
    let template = [
        part(TemplateKind::Literal, "https://verify.example.com/?return="),
        part(TemplateKind::Path, ""),
        part(TemplateKind::Literal, "&from="),
        part(TemplateKind::Host, ""),
        part(TemplateKind::RuleId, ""),
    ];
    actions::write(&actions, &headers, &template)
}

fn write_rules(strings: &mut StringsWriter) -> (Vec<u8>, Vec<u8>) {
    use program::{ACCEPT, REJECT};
    let node = |atom, on_true, on_false| Node {
        atom,
        on_true,
        on_false,
    };
    let accept_if = |atom| node(atom, ACCEPT, REJECT);
    // Conditions of one atom, but: 2 is a3 || a4, 4 is a5 && a0, 5 is a2 && !a10, 6 is !a11.
    let conditions = [
        vec![accept_if(1)],
        vec![accept_if(6)],
        vec![node(3, ACCEPT, 3), accept_if(4)],
        vec![accept_if(8)],
        vec![node(5, 6, REJECT), accept_if(0)],
        vec![node(2, 8, REJECT), node(10, REJECT, ACCEPT)],
        vec![node(11, REJECT, ACCEPT)],
        vec![accept_if(7)],
        vec![accept_if(9)],
        vec![accept_if(12)],
        vec![accept_if(13)],
        vec![accept_if(14)],
        vec![accept_if(15)],
    ];
    let rule_count = u32::try_from(conditions.len()).unwrap();
    let mut entry = 0;
    let mut rules: Vec<Rule> = Vec::new();
    for (index, condition) in (0..).zip(&conditions) {
        rules.push(Rule {
            id: strings.intern(format!("rule-{index}").as_bytes()),
            entry,
            rank: rule_count - 1 - index,
            stage: match index {
                3 => Stage::Shadow,
                4 | 9 => Stage::Canary,
                _ => Stage::Enforce,
            },
            score: [None, Some(50), Some(40), None, None, None, None, Some(-5)]
                .get(index as usize)
                .copied()
                .flatten(),
            action: [1, NO_ACTION, NO_ACTION, 2, 3, 2, NO_ACTION, 4]
                .get(index as usize)
                .copied()
                .unwrap_or(NO_ACTION),
            tags: (
                if index > 6 {
                    2
                } else if index > 1 {
                    1
                } else {
                    0
                },
                u32::from(matches!(index, 1 | 6)),
            ),
            from_us: if index == 8 { -5 } else { i64::MIN },
            until_us: if index == 8 { 500 } else { i64::MAX },
        });
        entry += u32::try_from(condition.len()).unwrap();
    }
    let tag = (strings.intern(b"client"), strings.intern(b"scanner"));
    let other = (tag.0, strings.intern(b"unknown"));
    (
        program::write(&conditions.concat()),
        rules::write(&rules, &[tag, other]),
    )
}

/// Rule 4 is enforced for whoever has both keys, rule 9 for hardly anybody.
fn write_canaries() -> Vec<u8> {
    let canary = |rule, share, keys| Canary { rule, share, keys };
    let canaries = [canary(4, WHOLE, (0, 2)), canary(9, 1, (2, 1))];
    canaries::write(&canaries, &[CLIENT_IP, ID, SESSION])
}

/// Requests that between them match every rule.
pub(crate) fn for_each_request(mut visit: impl FnMut(&Request<'_>)) {
    const CLAIMS: &[(&[u8], &[u8])] = &[(b"sub", b"42")];
    const SCANNER: &[(&[u8], &[u8])] = &[(b"user-agent", b"SqlMap/1.8"), (b"user-agent", b"\xff")];
    const SESSIONS: &[(&[u8], &[u8])] =
        &[(b"cookie", b"session=1; session=2; x"), (b"cookie", b"y")];
    let plain = Request {
        method: Some(b"GET"),
        host: Some(b"shop.example.com:8080"),
        path: Some(b"/item?id=7"),
        client_ip: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
        time_us: 1_700_000_000_000_000,
        claims: CLAIMS,
        custom: &[],
        ..Request::default()
    };
    let long = [b"/%61%62/./".as_slice(), &[b'x'; 90]].concat();
    let requests = [
        Request::default(),
        plain,
        Request {
            path: Some(b"/.env"),
            claims: &[],
            custom: &[],
            ..plain
        },
        Request {
            headers: SCANNER,
            client_ip: Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))),
            ..plain
        },
        Request {
            client_ip: Some("::1".parse().unwrap()),
            mtls: Some(true),
            ..plain
        },
        Request {
            client_ip: Some("::ffff:192.0.2.1".parse().unwrap()),
            ..plain
        },
        Request {
            path: Some(&long),
            ..plain
        },
        Request {
            method: Some(b"POST"),
            path: Some(b"/api/login?id=%34%32&id=&&x"),
            ..plain
        },
        Request {
            path: Some(b"/%2561b?id=13"),
            mtls: Some(false),
            ..plain
        },
        Request {
            headers: SESSIONS,
            time_us: -1,
            ..plain
        },
        Request {
            path: Some(b"?id=-9&id=1e999"),
            time_us: 499,
            ..plain
        },
        Request {
            host: Some(b"A%2Einternal:80"),
            ..plain
        },
    ];
    requests.iter().for_each(&mut visit);
}
