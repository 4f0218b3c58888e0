//! What a run of generated cases has exercised: a generator that never makes a rule match would prove nothing.

use std::collections::BTreeMap;

use riskgate_compiler::ir::{Atom, Base, Condition, Ruleset, Stage, Test, View};
use riskgate_engine::request::Request;

use super::{Facts, OracleVerdict, atom_holds, decide};

/// How often each thing was seen.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    counts: BTreeMap<String, usize>,
}

impl Coverage {
    /// Counts what one request does with a ruleset.
    pub(crate) fn record(&mut self, ruleset: &Ruleset, request: &Request<'_>) {
        for rule in &ruleset.rules {
            self.record_condition(ruleset, &rule.when, request);
            if let Stage::Canary(_) = rule.stage {
                self.record_canary(&rule.id, &decide(ruleset, request));
            }
            if rule
                .active
                .from_us
                .is_some_and(|from_us| request.time_us < from_us)
            {
                self.count("rule not yet active");
            }
            if rule
                .active
                .until_us
                .is_some_and(|until_us| until_us <= request.time_us)
            {
                self.count("rule no longer active");
            }
        }
        self.record_verdict(&decide(ruleset, request));
    }

    /// The names that were seen fewer than `least` times.
    pub(crate) fn rarer_than(&self, least: usize) -> Vec<String> {
        expected()
            .into_iter()
            .filter(|name| self.counts.get(name).copied().unwrap_or(0) < least)
            .collect()
    }

    fn count(&mut self, name: impl Into<String>) {
        *self.counts.entry(name.into()).or_default() += 1;
    }

    fn record_canary(&mut self, id: &String, verdict: &OracleVerdict) {
        if verdict.matched.contains(id) {
            self.count("canary enforced");
        }
        if verdict.shadowed.contains(id) {
            self.count("canary shadowed");
        }
    }

    fn record_condition(
        &mut self,
        ruleset: &Ruleset,
        condition: &Condition,
        request: &Request<'_>,
    ) {
        match condition {
            Condition::Constant(_) => {}
            Condition::Atom(atom) => self.record_atom(ruleset, atom, request),
            Condition::Not(inner) => self.record_condition(ruleset, inner, request),
            Condition::All(parts) | Condition::Any(parts) => {
                for part in parts {
                    self.record_condition(ruleset, part, request);
                }
            }
        }
    }

    fn record_atom(&mut self, ruleset: &Ruleset, atom: &Atom, request: &Request<'_>) {
        let facts = Facts::new(request);
        let holds = atom_holds(ruleset, atom, &facts);
        self.count(format!("{} is {holds}", kind(atom)));
        match atom.attribute.base {
            Base::BodyJson(_) => self.count(format!("JSON is {holds}")),
            Base::BodyForm(_) => self.count(format!("form is {holds}")),
            _ => {}
        }
        for (at, step) in atom.attribute.transforms.iter().enumerate() {
            let mut without = atom.clone();
            without.attribute.transforms.remove(at);
            if atom_holds(ruleset, &without, &Facts::new(request)) != holds {
                self.count(format!("{step:?} matters"));
            }
        }
    }

    fn record_verdict(&mut self, verdict: &OracleVerdict) {
        let by = match (&verdict.rule, verdict.band) {
            (Some(_), _) => "rule",
            (None, Some(_)) => "band",
            (None, None) => "default",
        };
        self.count(format!("{} by {by}", verdict.action));
        let facts = [
            (verdict.status == Some(302), "redirect"),
            (!verdict.tags.is_empty(), "tags"),
            (!verdict.shadowed.is_empty(), "shadowed"),
            (verdict.matched.len() > 1, "several matched"),
            (verdict.score < 0, "score below zero"),
            (verdict.score > 0, "score above zero"),
            (verdict.would != verdict.action, "would differs"),
        ];
        for (_, name) in facts.iter().filter(|(seen, _)| *seen) {
            self.count(*name);
        }
    }
}

fn kind(atom: &Atom) -> String {
    let test = match &atom.test {
        Test::Present => "Present",
        Test::IsTrue => "IsTrue",
        Test::IsFalse => "IsFalse",
        Test::OneOf(_) => "OneOf",
        Test::InList(_) => "InList",
        Test::InPrefixes(_) => "InPrefixes",
        Test::Compare(..) => "Compare",
        Test::StartsWith(_) => "StartsWith",
        Test::EndsWith(_) => "EndsWith",
        Test::Contains(_) => "Contains",
        Test::Matches(_) => "Matches",
    };
    match atom.attribute.view {
        View::Value => test.to_owned(),
        view => format!("{view:?} {test}"),
    }
}

fn expected() -> Vec<String> {
    const KINDS: [&str; 17] = [
        "Present",
        "IsTrue",
        "IsFalse",
        "OneOf",
        "InList",
        "InPrefixes",
        "Compare",
        "StartsWith",
        "EndsWith",
        "Contains",
        "Matches",
        "Int Present",
        "Int Compare",
        "Double Present",
        "Double Compare",
        "Length Compare",
        "Size Compare",
    ];
    const STEPS: [&str; 9] = [
        "LowerAscii",
        "Trim",
        "UrlDecode",
        "UrlDecodeAll",
        "NormalizePath",
        "CompressSpaces",
        "RemoveNulls",
        "HtmlUnescape",
        "Base64Decode",
    ];
    const OTHERS: [&str; 24] = [
        "allow by rule",
        "allow by band",
        "allow by default",
        "deny by rule",
        "deny by band",
        "deny by default",
        "challenge by rule",
        "challenge by band",
        "challenge by default",
        "redirect",
        "tags",
        "shadowed",
        "several matched",
        "score below zero",
        "score above zero",
        "would differs",
        "rule not yet active",
        "rule no longer active",
        "canary enforced",
        "canary shadowed",
        "JSON is true",
        "JSON is false",
        "form is true",
        "form is false",
    ];
    let atoms = KINDS
        .iter()
        .flat_map(|kind| [true, false].map(|holds| format!("{kind} is {holds}")));
    let steps = STEPS.iter().map(|step| format!("{step} matters"));
    atoms
        .chain(steps)
        .chain(OTHERS.iter().map(|name| (*name).to_owned()))
        .collect()
}
