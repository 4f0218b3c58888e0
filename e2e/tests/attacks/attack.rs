//! What is tried, and what each gate has to say to it.

use crate::filter::Filter;
use crate::forge::{RULESET, SERVES, Sent, Spec, next};
use crate::gates::{Pusher, verify};
use crate::stream::{Answer, push};

/// A file that must not begin to serve.
pub(crate) struct Attack {
    /// As the table of docs/trust.md has it.
    pub(crate) name: &'static str,
    pub(crate) file: Vec<u8>,
    /// What the filter says to it.
    pub(crate) answer: &'static str,
    /// What `rulec verify` says; nothing where it cannot know better.
    pub(crate) verify: Option<&'static str>,
    /// What the pusher says; nothing where it takes the file, but not for the ruleset that is attacked.
    pub(crate) pusher: Option<&'static str>,
    /// Whether a filter that serves nothing yet refuses it too.
    pub(crate) refused_as_first: bool,
}

/// An attack that every gate refuses alike, whatever serves.
pub(crate) fn attack(name: &'static str, file: Vec<u8>, answer: &'static str) -> Attack {
    Attack {
        name,
        file,
        answer,
        verify: Some(answer),
        pusher: Some(answer),
        refused_as_first: true,
    }
}

/// What the three gates are told to trust.
#[derive(Clone, Copy)]
pub(crate) struct Trust {
    pub(crate) keys: &'static [u8],
    pub(crate) threshold: u32,
}

pub(crate) const ONE_KEY: Trust = Trust {
    keys: &[1],
    threshold: 1,
};

pub(crate) const TWO_KEYS: Trust = Trust {
    keys: &[1, 2],
    threshold: 2,
};

/// The bundle that serves at the pusher and in the filter when an attack comes.
pub(crate) fn serving(trust: Trust) -> Spec<'static> {
    Spec {
        revision: SERVES,
        issued_at_s: next().issued_at_s - 60,
        denied: "/old",
        signers: trust.keys,
        ..next()
    }
}

/// Tries every attack at every gate. An honest bundle gets through at the end: the gates are not just shut.
pub(crate) fn try_all(trust: Trust, attacks: &[Attack]) {
    let pusher = Pusher::start(trust);
    let before = serving(trust).file();
    assert_eq!(pusher.publish(&before), None);
    let published = pusher.status(RULESET);
    for attack in attacks {
        let name = attack.name;
        assert_eq!(
            verify(&attack.file, trust).as_deref(),
            attack.verify,
            "verify: {name}"
        );
        assert_eq!(
            pusher.publish(&attack.file).as_deref(),
            attack.pusher,
            "pusher: {name}"
        );
        assert_eq!(pusher.status(RULESET), published, "pusher: {name}");

        let mut filter = Filter::serving(trust, &before);
        filter.reconfigure(trust, &attack.file);
        assert_eq!(filter.refusals(), [attack.answer], "filter: {name}");
        filter.assert_decides("/old", SERVES);

        try_stream(trust, attack, &before);
        if attack.refused_as_first {
            let mut filter = Filter::serving(trust, &attack.file);
            assert_eq!(
                filter.refusals(),
                [attack.answer],
                "filter, as its first: {name}"
            );
            filter.assert_serves_nothing();
        }
    }
    let honest = Spec {
        signers: trust.keys,
        ..next()
    };
    let file = honest.file();
    assert_eq!(verify(&file, trust), None);
    assert_eq!(pusher.publish(&file), None);
    assert_ne!(pusher.status(RULESET), published);
    let mut filter = Filter::serving(trust, &before);
    filter.reconfigure(trust, &file);
    filter.assert_decides("/new", honest.revision);
    for first in [&before[..], b""] {
        let mut filter = Filter::subscribing(trust, first);
        assert_eq!(push(&mut filter, &file), Answer::Ack);
        filter.assert_decides("/new", honest.revision);
    }
}

/// From a push service that sends what it should not.
fn try_stream(trust: Trust, attack: &Attack, before: &[u8]) {
    let (name, sent, honest) = (attack.name, Sent::of(&attack.file), next().file());
    let honest = Sent::of(&honest);
    if sent == honest {
        // Only the padding behind the last section is gone, and that does not travel.
        return;
    }
    // Of a file that was cut behind its head the rest never comes. A filter that has the rest from before needs none.
    let is_cut = name == "the file is cut short" && sent.head == honest.head;
    let expected = if is_cut {
        Answer::Nothing
    } else {
        Answer::Nack(attack.answer.to_owned())
    };
    if !is_cut {
        let mut filter = Filter::subscribing(trust, before);
        let answer = push(&mut filter, &attack.file);
        assert_eq!(answer, expected, "stream: {name}: {}", filter.log());
        filter.assert_decides("/old", SERVES);
    }
    if attack.refused_as_first {
        let mut filter = Filter::subscribing(trust, b"");
        let answer = push(&mut filter, &attack.file);
        let log = filter.log();
        assert_eq!(answer, expected, "stream, as its first: {name}: {log}");
        filter.assert_serves_nothing();
    }
}
