//! Rules from a seed.

use std::collections::BTreeSet;

use super::vocabulary::{
    self as words, CHANNELS, COMMON_PREFIXES, FIRST_WIDE, HOT, HOT_PREFIXES, LANGUAGES, METHODS,
    PLATFORMS, PROBED_FOLDERS, WIDE_NETWORKS,
};
use super::{Predicate, Rule, Shape};
use crate::random::Random;

/// `count` rules of a shape. Some request satisfies each.
#[must_use]
pub fn rules(seed: u64, count: usize, shape: Shape) -> Vec<Rule> {
    let mut random = Random::new(seed);
    let rule = |index| Rule {
        id: format!("r{index:06}"),
        all: match shape {
            Shape::Selective => selective(&mut random),
            Shape::Unselective => unselective(&mut random),
        },
    };
    (0..count).map(rule).collect()
}

fn selective(random: &mut Random) -> Vec<Predicate> {
    let mut all = vec![rare(random)];
    // 1.9 common ones on average; beside a rare path none that would contradict it.
    let common = *random.pick(&[0, 0, 1, 1, 1, 2, 2, 3, 4, 5]);
    for _ in 0..common {
        let more = common_predicate(random);
        if all.iter().all(|other| subject(other) != subject(&more)) {
            all.push(more);
        }
    }
    random.shuffle(&mut all);
    all
}

fn rare(random: &mut Random) -> Predicate {
    match random.below(100) {
        0..30 => header_is("x-device-id", words::device(random)),
        30..50 => Predicate::SourceIn(networks(random)),
        50..66 => Predicate::PathIs(probed_path(random)),
        66..78 => {
            let folder = *random.pick(&PROBED_FOLDERS);
            Predicate::PathStartsWith(format!("{folder}{}", words::word(random)))
        }
        78..86 => Predicate::HeaderContains {
            name: "user-agent".to_owned(),
            value: format!("{}bot/", words::word(random)),
        },
        86..92 => Predicate::PathContains(format!("/{}/", words::word(random))),
        92..95 => Predicate::PathEndsWith(format!("-{}.php", words::word(random))),
        95..98 => Predicate::HeaderStartsWith {
            name: "user-agent".to_owned(),
            value: format!("{}scan/", capitalized(&words::word(random))),
        },
        _ => header_is("x-app-build", format!("{:07}", 1 + random.below(9_000_000))),
    }
}

fn probed_path(random: &mut Random) -> String {
    let folder = *random.pick(&PROBED_FOLDERS);
    let end = *random.pick(&[
        "/readme.txt",
        "/index.php",
        ".cgi",
        "/config.json",
        "/setup",
    ]);
    format!("{folder}{}{end}", words::word(random))
}

/// In the lower half of some 127.x.y.0/24; ordinary sources are in the upper halves.
fn networks(random: &mut Random) -> Vec<String> {
    let count = 1 + random.below(4);
    let network = |_| {
        let length = *random.pick(&[25_u8, 26, 27, 28, 30, 32]);
        let host_bits = 32 - length;
        let last = (random.octet(0, 128) >> host_bits.min(7)) << host_bits.min(7);
        let (second, third) = (random.octet(0, FIRST_WIDE), random.octet(0, 255));
        format!("127.{second}.{third}.{last}/{length}")
    };
    (0..count).map(network).collect()
}

fn common_predicate(random: &mut Random) -> Predicate {
    match random.below(8) {
        0 => Predicate::MethodIs((*random.pick(&METHODS)).to_owned()),
        1 => Predicate::PathStartsWith((*random.pick(&COMMON_PREFIXES)).to_owned()),
        2 => Predicate::HeaderStartsWith {
            name: "user-agent".to_owned(),
            value: (*random.pick(&["Mozilla/5.0 (", "ShopApp/8."])).to_owned(),
        },
        3 => header_is("accept-language", *random.pick(&LANGUAGES)),
        4 => header_is("x-channel", *random.pick(&CHANNELS)),
        5 => Predicate::HeaderContains {
            name: "accept".to_owned(),
            value: (*random.pick(&["application/json", "text/html"])).to_owned(),
        },
        6 => header_is("sec-ch-ua-platform", *random.pick(&PLATFORMS)),
        _ => Predicate::HeaderIsNot {
            name: "x-tenant".to_owned(),
            value: (*random.pick(&["internal", "canary", "loadtest"])).to_owned(),
        },
    }
}

fn unselective(random: &mut Random) -> Vec<Predicate> {
    if random.percent(80) {
        let mut pair = vec![
            Predicate::PathIs(words::hot_path(random.below(HOT))),
            Predicate::HeaderContains {
                name: "user-agent".to_owned(),
                value: words::hot_agent(random.below(HOT)),
            },
        ];
        if random.percent(30) {
            pair.push(header_is("x-channel", *random.pick(&CHANNELS)));
        }
        return pair;
    }
    vec![
        Predicate::MethodIs((*random.pick(&METHODS[..2])).to_owned()),
        Predicate::PathStartsWith(words::hot_prefix(random.below(HOT_PREFIXES))),
        Predicate::SourceIn(wide_networks(random)),
    ]
}

fn wide_networks(random: &mut Random) -> Vec<String> {
    let count = 1 + random.below(4);
    let network = |_| {
        let second = FIRST_WIDE + random.octet(0, WIDE_NETWORKS);
        format!("127.{second}.0.0/16")
    };
    // Each once, as people write them.
    let networks: BTreeSet<String> = (0..count).map(network).collect();
    networks.into_iter().collect()
}

/// What a predicate constrains: a rule has one predicate a subject, so that none contradicts another.
fn subject(predicate: &Predicate) -> &str {
    match predicate {
        Predicate::MethodIs(_) => ":method",
        Predicate::PathIs(_)
        | Predicate::PathStartsWith(_)
        | Predicate::PathEndsWith(_)
        | Predicate::PathContains(_) => ":path",
        Predicate::HeaderIs { name, .. }
        | Predicate::HeaderStartsWith { name, .. }
        | Predicate::HeaderContains { name, .. }
        | Predicate::HeaderIsNot { name, .. } => name,
        Predicate::SourceIn(_) => ":source",
    }
}

fn header_is(name: &str, value: impl Into<String>) -> Predicate {
    Predicate::HeaderIs {
        name: name.to_owned(),
        value: value.into(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
