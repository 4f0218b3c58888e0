//! Which matches of a rule at stage canary are enforced.

use std::net::IpAddr;

use riskgate_engine::attributes::Base;
use riskgate_engine::bundle::SectionKind;
use riskgate_engine::canaries::{self, Canary, MAX_KEYS, WHOLE};
use riskgate_engine::request::Request;
use riskgate_engine::ruleset::{Ruleset, Scratch};

use crate::fixture::{SIGNER, build, load, manifest, section_mut, sections};

/// The fixture's attributes.
const USER_AGENT: usize = 2;
const CLIENT_IP: u32 = 3;
const ID: u32 = 4;
const TIME: u32 = 6;

/// The fixture with these canaries, whose rules are 4 and 9.
fn with(canaries: &[Canary], keys: &[u32]) -> Result<Ruleset, String> {
    let mut altered = sections();
    *section_mut(&mut altered, SectionKind::Canaries) = canaries::write(canaries, keys);
    load(&build(manifest(), altered, &[SIGNER])).map_err(|refusal| refusal.to_string())
}

fn canary(rule: u32, share: u32, keys: (u32, u32)) -> Canary {
    Canary { rule, share, keys }
}

/// Whether rule 4, which this request matches, is enforced with a share.
fn is_enforced(share: u32, path: &[u8], client_ip: Option<IpAddr>) -> bool {
    let ruleset = with(
        &[canary(4, share, (0, 2)), canary(9, 1, (2, 1))],
        &[CLIENT_IP, ID, ID],
    );
    let request = Request {
        method: Some(b"POST"),
        path: Some(path),
        client_ip,
        ..Request::default()
    };
    let mut scratch = Scratch::default();
    let ruleset = ruleset.unwrap();
    let verdict = ruleset.decide(&request, &mut scratch);
    let has = |mut rules: Box<dyn Iterator<Item = &str>>| rules.any(|rule| rule == "rule-4");
    let enforced = has(Box::new(verdict.matched()));
    assert_eq!(enforced, !has(Box::new(verdict.shadowed())), "{path:?}");
    enforced
}

/// The number that docs/bundle-format.md defines.
fn place(id: &str, values: &[&[u8]]) -> u64 {
    let mut hashed = [id.as_bytes(), &[0]].concat();
    for value in values {
        hashed.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        hashed.extend(*value);
    }
    let hash = blake3::hash(&hashed);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % 10_000
}

#[test]
fn the_share_that_the_page_defines() {
    type Case = (&'static [u8], &'static str, &'static [&'static [u8]]);
    let cases: [Case; 4] = [
        (
            b"/api/login?id=%34%32&id=7",
            "203.0.113.9",
            &[&[203, 0, 113, 9], b"42"],
        ),
        (b"/api/login?id=", "203.0.113.9", &[&[203, 0, 113, 9], b""]),
        (
            b"/api/login?id=%00a",
            "::ffff:10.0.0.1",
            &[&[10, 0, 0, 1], b"\0a"],
        ),
        (
            b"/api/login?id=1",
            "2001:db8::1",
            &[
                &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                b"1",
            ],
        ),
    ];
    for (path, address, values) in cases {
        let place = u32::try_from(place("rule-4", values)).unwrap();
        let address: IpAddr = address.parse().unwrap();
        for share in [1, place.max(1), place + 1, WHOLE] {
            assert_eq!(
                is_enforced(share, path, Some(address)),
                place < share,
                "{path:?}, place {place}, share {share}"
            );
        }
    }
}

#[test]
fn a_request_without_a_key_is_never_drawn() {
    let address = Some(IpAddr::from([203, 0, 113, 9]));
    assert!(is_enforced(WHOLE, b"/api/login?id=1", address));
    assert!(!is_enforced(WHOLE, b"/api/login?no=1", address));
    assert!(!is_enforced(WHOLE, b"/api/login?id=1", None));
}

#[test]
fn canaries_that_contradict_the_rules_are_refused() {
    let good = [canary(4, WHOLE, (0, 1)), canary(9, 1, (1, 1))];
    assert!(with(&good, &[ID, ID]).is_ok());
    let many = vec![ID; MAX_KEYS as usize + 1];
    let too_many = [canary(4, 1, (0, MAX_KEYS)), canary(9, 1, (MAX_KEYS, 1))];
    assert!(with(&too_many, &many).is_ok());
    let too_many = [canary(4, 1, (0, MAX_KEYS + 1)), canary(9, 1, (0, 1))];
    let cases: [(&str, &[Canary], &[u32]); 12] = [
        ("none", &[], &[]),
        ("a rule without one", &good[..1], &[ID]),
        ("another rule", &[good[0], canary(8, 1, (1, 1))], &[ID, ID]),
        ("order", &[good[1], good[0]], &[ID, ID]),
        ("twice", &[good[0], good[0]], &[ID, ID]),
        (
            "a share of nothing",
            &[canary(4, 0, (0, 1)), good[1]],
            &[ID, ID],
        ),
        (
            "more than all",
            &[canary(4, WHOLE + 1, (0, 1)), good[1]],
            &[ID, ID],
        ),
        ("no key", &[canary(4, 1, (0, 0)), good[1]], &[ID, ID]),
        ("too many keys", &too_many, &many),
        ("a shared key", &[canary(4, 1, (0, 2)), good[1]], &[ID, ID]),
        ("an unused key", &good, &[ID, ID, ID]),
        ("a time as a key", &good, &[ID, TIME]),
    ];
    for (name, canaries, keys) in cases {
        let refusal = with(canaries, keys).expect_err(name);
        assert!(refusal.contains("canaries"), "{name}: {refusal}");
    }
}

#[test]
fn a_header_of_the_response_is_no_key() {
    let with_key = |base: u8| {
        let mut altered = sections();
        let attributes = section_mut(&mut altered, SectionKind::Attributes);
        let header = 4 + USER_AGENT * 12;
        attributes.extend_from_within(header..header + 12);
        let last = attributes.len() - 12;
        let added = attributes[0];
        attributes[0] += 1;
        attributes[last] = base;
        let canaries = canaries::write(
            &[canary(4, 1, (0, 1)), canary(9, 1, (1, 1))],
            &[added.into(), ID],
        );
        *section_mut(&mut altered, SectionKind::Canaries) = canaries;
        load(&build(manifest(), altered, &[SIGNER]))
    };
    assert!(with_key(Base::Header as u8).is_ok());
    assert!(with_key(Base::ResponseHeader as u8).is_err());
}
