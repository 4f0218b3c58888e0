//! A small bundle with counters of every kind, made by hand, and a store that counts exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use riskgate_engine::atoms::{self, Atom, Comparison, Test, View};
use riskgate_engine::attributes::{self, Attribute, Base, NO_KEY};
use riskgate_engine::bundle::writer::NewSection;
use riskgate_engine::bundle::{Manifest, SectionKind};
use riskgate_engine::counters::{
    self, Counter, CounterDefinition, CounterIndex, CounterStore, NO_ATTRIBUTE, Pending,
};
use riskgate_engine::exact::ExactWriter;
use riskgate_engine::number::Number;
use riskgate_engine::policy::PolicyWriter;
use riskgate_engine::program::{self, ACCEPT, Node, REJECT};
use riskgate_engine::request::Request;
use riskgate_engine::response::Response;
use riskgate_engine::rules::{self, NO_ACTION, Rule, Stage};
use riskgate_engine::ruleset::{Ruleset, Scratch};
use riskgate_engine::strings::StringsWriter;

use super::fixture::{SIGNER, build, manifest, section_mut, sections};

/// The bundle.
pub(crate) fn bundle() -> Vec<u8> {
    let manifest = Manifest {
        min_engine: 2,
        ..manifest()
    };
    build(manifest, counted_sections(), &[SIGNER])
}

const PATH: u32 = 0;
const CLIENT_IP: u32 = 1;
const DEVICE: u32 = 2;
const CODE: u32 = 3;
const RESULT: u32 = 4;

/// Counter 0 counts requests to `/buy` by device, and each three seen let rule 0 match. Counter 1 counts failed logins by
/// address: a 401, or `x-result: bad`. Counter 2 counts the devices of an address, at whatever path. Rules 1 and 2 read them.
pub(crate) fn counted_sections() -> Vec<NewSection> {
    let mut strings = StringsWriter::default();
    let none = strings.intern(b"");
    let mut attribute = |base, key: &[u8]| Attribute {
        base,
        key: if key.is_empty() {
            NO_KEY
        } else {
            strings.intern(key)
        },
        transforms: none,
    };
    let attributes = attributes::write(&[
        attribute(Base::Path, b""),
        attribute(Base::ClientIp, b""),
        attribute(Base::Header, b"x-device"),
        attribute(Base::ResponseCode, b""),
        attribute(Base::ResponseHeader, b"x-result"),
    ]);
    let number = |number| (Comparison::GreaterOrEqual, Number::Int(number));
    let counter = |(comparison, number)| Test::Counter(comparison, number);
    let tests = [
        (PATH, Test::StartsWith(strings.intern(b"/buy"))),
        (PATH, Test::StartsWith(strings.intern(b"/login"))),
        (CODE, Test::Compare(Comparison::Equal, Number::Int(401))),
        (RESULT, Test::OneOf),
        (0, counter(number(3))),
        (1, counter((Comparison::Greater, Number::Double(1.5)))),
        (2, counter(number(2))),
    ];
    let tests = tests.map(|(attribute, test)| Atom {
        attribute,
        view: View::Value,
        test,
        postings: (0, 0),
    });
    let mut exact = ExactWriter::default();
    exact.add(RESULT, strings.intern(b"bad"), b"bad", 3);
    let node = |atom, on_true, on_false| Node {
        atom,
        on_true,
        on_false,
    };
    let accept_if = |atom| node(atom, ACCEPT, REJECT);
    // The last condition is a1 && (a2 || a3).
    let nodes = [
        accept_if(4),
        accept_if(5),
        accept_if(6),
        accept_if(0),
        node(1, 5, REJECT),
        node(2, ACCEPT, 6),
        accept_if(3),
    ];
    let rules: Vec<Rule> = (0..3).map(|index| rule(&mut strings, index)).collect();
    let counters = [
        counter_record(&mut strings, 0, 3, NO_ATTRIBUTE),
        counter_record(&mut strings, 1, 4, NO_ATTRIBUTE),
        counter_record(&mut strings, 2, ACCEPT, DEVICE),
    ];
    let policy = PolicyWriter {
        default: 0,
        always: vec![0, 1, 2],
        ..PolicyWriter::default()
    };
    let mut all = sections();
    all.retain(|section| section.kind != SectionKind::Canaries);
    let empty = 0_u32.to_le_bytes();
    let mut set = |kind, bytes| *section_mut(&mut all, kind) = bytes;
    set(SectionKind::Attributes, attributes);
    set(SectionKind::Atoms, atoms::write(&tests, &[]));
    set(SectionKind::Exact, exact.write());
    set(SectionKind::Programs, program::write(&nodes));
    set(SectionKind::Rules, rules::write(&rules, &[]));
    set(
        SectionKind::Actions,
        [&empty[..], &[0; 24], &empty, &empty].concat(),
    );
    let action = section_mut(&mut all, SectionKind::Actions);
    action[0] = 1;
    let mut set = |kind, bytes| *section_mut(&mut all, kind) = bytes;
    set(SectionKind::Policy, policy.write());
    set(SectionKind::Literals, empty.repeat(5));
    set(SectionKind::Networks, empty.repeat(5));
    set(SectionKind::Ranks, empty.repeat(2));
    set(SectionKind::Pairs, empty.repeat(3));
    set(SectionKind::Strings, strings.write());
    let section = NewSection {
        kind: SectionKind::Counters,
        bytes: counters::write(&counters, &[DEVICE, CLIENT_IP, CLIENT_IP]),
    };
    // Provenance is the last.
    all.insert(all.len() - 1, section);
    all
}

fn rule(strings: &mut StringsWriter, index: u32) -> Rule {
    Rule {
        id: strings.intern(format!("rule-{index}").as_bytes()),
        entry: index,
        rank: index,
        stage: Stage::Enforce,
        score: None,
        action: NO_ACTION,
        tags: (0, 0),
        from_us: i64::MIN,
        until_us: i64::MAX,
    }
}

fn counter_record(strings: &mut StringsWriter, index: u32, entry: u32, distinct: u32) -> Counter {
    Counter {
        identity: [u8::try_from(index).unwrap(); 16],
        name: strings.intern(format!("counter_{index}").as_bytes()),
        window_ms: 8_000,
        max_keys: 100,
        entry,
        distinct,
        waits_for_response: index == 1,
        key: (index, 1),
    }
}

/// Counts exactly, and for ever.
#[derive(Debug, Default)]
pub(crate) struct Exactly {
    events: BTreeMap<(CounterIndex, u64, u64), (u64, BTreeSet<u64>)>,
}

impl CounterStore for Exactly {
    fn count(&mut self, counter: CounterIndex, key: u64, slice: u64, value: Option<u64>) {
        let (events, values) = self.events.entry((counter, key, slice)).or_default();
        *events += 1;
        values.extend(value);
    }

    fn read(&mut self, counter: CounterIndex, key: u64, slice: u64) -> u64 {
        let slices = (counter, key, slice.saturating_sub(7))..=(counter, key, slice);
        let found = self.events.range(slices).map(|(_, found)| found);
        let (mut events, mut values) = (0, BTreeSet::<u64>::new());
        for (own, different) in found {
            events += own;
            values.extend(different);
        }
        if values.is_empty() {
            events
        } else {
            values.len() as u64
        }
    }

    fn hash_key(&self) -> &[u8; 32] {
        &[5; 32]
    }
}

/// Decides one request and ends it, and says which rules matched.
#[derive(Debug, Default)]
pub(crate) struct Play {
    pub(crate) store: Exactly,
    pub(crate) scratch: Scratch,
    pub(crate) pending: Pending,
}

impl Play {
    pub(crate) fn request(
        &mut self,
        ruleset: &Ruleset,
        (path, devices, time_s): (&str, &[&str], i64),
        response: Option<Response<'_>>,
    ) -> Vec<String> {
        let headers: Vec<(&[u8], &[u8])> = devices
            .iter()
            .map(|device| (b"x-device".as_slice(), device.as_bytes()))
            .collect();
        let request = Request {
            path: Some(path.as_bytes()),
            headers: &headers,
            client_ip: Some(IpAddr::from([203, 0, 113, 9])),
            time_us: time_s * 1_000_000,
            ..Request::default()
        };
        let (store, pending) = (&mut self.store, &mut self.pending);
        let verdict = ruleset.decide_counted(&request, store, pending, &mut self.scratch);
        let matched = verdict.matched().map(str::to_owned).collect();
        if let Some(response) = response {
            let ended = request.time_us;
            ruleset.count_response(pending, &response, ended, store, &mut self.scratch);
        }
        matched
    }
}

/// What a store is told of counter 1.
pub(crate) fn second_definition() -> CounterDefinition {
    CounterDefinition {
        identity: [1; 16],
        window_ms: 8_000,
        is_distinct: false,
        max_keys: 100,
    }
}
